"""A change list accepts only its own filters: other parameters could reveal secrets."""

from __future__ import annotations

import pytest
from django.contrib.admin import site
from django.test import Client

from license.models import License
from license.tests.lookups import admins, parameters, taken
from storage.admin_filters import OwnFiltersOnly

LISTS = {
    "/admin/license/license/": ["key__regex", "key__startswith", "installed_by__password__regex"],
    "/admin/auth/user/": ["password__startswith", "groups__name__regex", "username__regex"],
    "/admin/auth/group/": ["user__password__regex", "name__regex"],
    "/admin/allauth_idp_oidc/client/": ["secret__regex", "token__hash__startswith"],
    "/admin/findings/threatpolicy/": ["action__regex"],
    "/admin/findings/policychange/": ["changed_by__password__regex", "changed_at__gt"],
    "/admin/actions/reaction/": ["finding__raw__contains", "state__regex"],
}
# Together, these two have each kind of filter: truth, relation, choice, date and search.
ON_BOTH = ["/admin/auth/user/", "/admin/findings/policychange/"]
ON_ONE = [
    pytest.param(path, marks=pytest.mark.one_database) for path in LISTS if path not in ON_BOTH
]
SLOW = "^(([A-Za-z0-9_.-])+)+!$"
OF_A_CHOICE = {"severity__exact", "severity__isnull"}
OF_A_DATE = {"changed_at__year", "changed_at__month", "changed_at__day"}
TAKEN: dict[str, set[str]] = {
    "license.License": set(),
    "auth.Group": set(),
    "allauth_idp_oidc.Client": set(),
    "auth.User": {
        "is_active__exact", "is_active__isnull", "groups__id__exact", "groups__isnull",
    },
    "findings.ThreatPolicy": {"action__exact", "action__isnull", *OF_A_CHOICE},
    "findings.PolicyChange": {
        "source__exact", "source__isnull", "action_after__exact", "action_after__isnull",
        *OF_A_CHOICE, *OF_A_DATE,
    },
    "actions.Reaction": {"kind__exact", "kind__isnull", "state__exact", "state__isnull"},
}  # fmt: skip


@pytest.mark.one_database  # what the lists say of themselves
def test_every_list_takes_the_parameters_of_its_own_filters_alone(db: None) -> None:
    assert {admin.model._meta.label: taken(admin) for admin in admins()} == TAKEN


def test_the_walk_goes_everywhere() -> None:
    walked = set(parameters(License))
    assert {"key__regex", "installed_by__password__iregex", "pk"} - walked == {"pk"}
    assert len(walked) > 500


def test_every_admin_is_closed() -> None:
    assert [admin for admin in admins() if not isinstance(admin, OwnFiltersOnly)] == []
    assert len(LISTS) == len(site._registry)


@pytest.mark.one_database  # refused before a query
@pytest.mark.parametrize("path", LISTS)
def test_any_other_parameter_is_refused(
    superuser_client: Client, valid_license: License, path: str
) -> None:
    assert superuser_client.get(path).status_code == 200
    for name in [*LISTS[path], "no_such_field", "pk__regex"]:
        for value in ("^eyJ", SLOW, "\0"):
            answer = superuser_client.get(path, {name: value})
            assert answer.status_code == 400, (name, value)


@pytest.mark.parametrize("path", [*ON_BOTH, *ON_ONE])
def test_what_is_searched_and_filtered_for_may_be_anything(
    superuser_client: Client, valid_license: License, path: str
) -> None:
    model_admin = next(a for a in admins() if f"/{a.opts.app_label}/{a.opts.model_name}/" in path)
    own = TAKEN[model_admin.model._meta.label]
    names = {*OF_A_DATE, "q", "o", "p", "_facets", "_popup", "_to_field", *own}
    surrogate = "\ud800".encode("utf-8", "surrogatepass")
    for value in ("(*%\\", "0", "9999", "\0", "9" * 40, surrogate):
        for name in names:
            answer = superuser_client.get(path, {name: value})
            assert answer.status_code in {200, 302, 400}, (name, value)


def test_a_search_tells_nothing_about_the_key(
    viewer_client: Client, valid_license: License
) -> None:
    page = viewer_client.get("/admin/license/license/", {"q": valid_license.key[:4]})
    other = viewer_client.get("/admin/license/license/", {"q": "nothing"})
    assert page.context["cl"].result_count == other.context["cl"].result_count == 1
