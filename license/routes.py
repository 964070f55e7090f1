"""Determines which routes require a license, for the middleware and `manage.py checkgate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

UNSAFE_METHODS = ("POST", "PUT", "PATCH", "DELETE")


class Route(NamedTuple):
    """A route, and whether its writes require a license.

    `exempt_by` is the entry of LICENSE_EXEMPT_VIEWS or LICENSE_EXEMPT_WHERE that exempts the route,
    or "". `where` is the path of the function that exempts only some requests, or "".
    """

    path: str
    view_name: str
    methods: tuple[str, ...]
    exempt_by: str
    where: str = ""


def is_exempt(request: HttpRequest) -> bool:
    """Return whether this resolved request is exempt from the license."""
    match = request.resolver_match
    if match is None:  # no view, so no write
        return False
    if match.view_name in settings.LICENSE_EXEMPT_VIEWS:
        return True
    where = settings.LICENSE_EXEMPT_WHERE.get(match.view_name)
    return bool(where and import_string(where)(request, **match.kwargs))


def all_routes() -> list[Route]:
    """Return all routes in the order of the resolver, without those that an earlier one hides.

    `methods` holds the unsafe methods of the view. Function views do not declare their methods, so
    they are listed with all unsafe methods.
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
            # As in the middleware: an unnamed view has the name of its function.
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
