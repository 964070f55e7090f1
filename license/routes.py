"""Which routes need a license, for the middleware, `manage.py checkgate` and the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

UNSAFE_METHODS = ("POST", "PUT", "PATCH", "DELETE")


class Route(NamedTuple):
    """A route, and whether its writes need a license.

    `exempt_by` is the line of LICENSE_EXEMPT_VIEWS or LICENSE_EXEMPT_WHERE that exempts it; "" if
    none does. `where` names the function that exempts only some of its requests; "" if none does.
    """

    path: str
    view_name: str
    methods: tuple[str, ...]
    exempt_by: str
    where: str = ""


def is_exempt(request: HttpRequest) -> bool:
    """Whether this resolved request needs no license."""
    match = request.resolver_match
    if match is None:  # no view: nothing can be written
        return False
    if match.view_name in settings.LICENSE_EXEMPT_VIEWS:
        return True
    where = settings.LICENSE_EXEMPT_WHERE.get(match.view_name)
    return bool(where and import_string(where)(request, **match.kwargs))


def all_routes() -> list[Route]:
    """Every route of the resolver, in its order, without those that an earlier one hides.

    `methods` are the unsafe methods that the view takes. A function view does not tell; it counts
    as taking all of them.
    """
    first: dict[str, Route] = {}
    for route in _walk(get_resolver(), "/", []):
        first.setdefault(route.path, route)
    return list(first.values())


def _walk(resolver: URLResolver, prefix: str, namespaces: list[str]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = [*namespaces, entry.namespace] if entry.namespace else namespaces
            yield from _walk(entry, path, inner)
        elif isinstance(entry, URLPattern):
            # The name that the middleware asks for: an unnamed view is called after its function.
            name = ResolverMatch(
                entry.callback, (), {}, entry.name, namespaces=[*namespaces]
            ).view_name
            where = settings.LICENSE_EXEMPT_WHERE.get(name, "")
            exempt = name if where or name in settings.LICENSE_EXEMPT_VIEWS else ""
            yield Route(path, name, _unsafe_methods(entry), exempt, where)


def _unsafe_methods(pattern: URLPattern) -> tuple[str, ...]:
    view_class = getattr(pattern.callback, "view_class", None)
    if view_class is None:
        return UNSAFE_METHODS
    return tuple(name for name in UNSAFE_METHODS if hasattr(view_class, name.lower()))
