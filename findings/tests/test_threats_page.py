from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries

from findings import catalogue, policy
from findings.models import Target, ThreatPolicy

pytestmark = pytest.mark.one_database  # pages

BRUTE_FORCE = "UnauthorizedAccess:EC2/SSHBruteForce"


def _set(action: str, *, service: str = "", finding_type: str = "", severity: str = "") -> None:
    ThreatPolicy.objects.create(
        service=service, finding_type=finding_type, severity=severity, action=action
    )


def _page(client: Client) -> str:
    answer = client.get("/threats")
    assert answer.status_code == 200
    return answer.content.decode()


def _row(page: str, *, service: str, finding_type: str = "") -> str:
    group = page.partition(f'data-service="{service}"')[2].partition("</details>")[0]
    return group.partition(f'<tr data-type="{finding_type}"')[2].partition("</tr>")[0]


def _cell(row: str, severity: str) -> tuple[str, bool, str]:
    """Returns the label of the cell, whether it is set there, and its origin as text."""
    pattern = rf'data-severity="{severity}" [^>]*?(data-set )?title="([^"]*)">(\w+)<'
    found = re.search(pattern, row)
    assert found, row
    return found[3], bool(found[1]), found[2]


def test_every_service_and_type_of_the_catalogue_is_on_the_page(viewer_client: Client) -> None:
    page = _page(viewer_client)

    assert set(re.findall(r'data-service="([^"]+)"', page)) == set(catalogue.SERVICES)
    shown = [name.replace("&amp;", "&") for name in re.findall(r'data-type="([^"]+)"', page)]
    assert sorted(shown) == sorted(catalogue.FINDING_TYPES)
    assert "Ransomware Enumeration" in page


def test_our_detectors_come_first_in_a_section_of_their_own(viewer_client: Client) -> None:
    ours, _, guardduty = _page(viewer_client).partition('<h2 id="guardduty">')

    assert "ThreatReaction:Ransomware/Write" in ours
    assert "ThreatReaction:" not in guardduty
    assert BRUTE_FORCE in guardduty
    assert BRUTE_FORCE not in ours


OURS = "ThreatReaction:Ransomware/Write"


def _detectors(monkeypatch: pytest.MonkeyPatch, *, run: bool) -> None:
    types = [replace(one, is_detected=run) for one in catalogue.SERVICES["Ransomware"].types]
    monkeypatch.setitem(catalogue.FINDING_TYPES, OURS, types[0])
    service = replace(catalogue.SERVICES["Ransomware"], types=tuple(types))
    monkeypatch.setitem(catalogue.SERVICES, "Ransomware", service)


@pytest.mark.parametrize("run", [True, False])
def test_only_what_is_detected_can_be_set(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch, run: bool
) -> None:
    _detectors(monkeypatch, run=run)
    page = _page(operator_client)
    for row in (
        _row(page, service="Ransomware"),
        _row(page, service="Ransomware", finding_type=OURS),
    ):
        assert ("Not detected yet" in row) is not run
        assert ("<button" in row) is run


def test_a_setting_of_what_is_not_detected_yet_can_be_removed(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _detectors(monkeypatch, run=False)
    _set("BLOCK", finding_type=OURS)
    page = _page(operator_client)
    assert "<button" in _row(page, service="Ransomware", finding_type=OURS)
    assert "<button" not in _row(page, service="Ransomware")


def test_what_is_set_here_is_told_from_what_is_inherited(viewer_client: Client) -> None:
    _set("BLOCK", service="EC2", severity="HIGH")
    _set("SAVE", finding_type=BRUTE_FORCE)

    page = _page(viewer_client)
    service = _row(page, service="EC2")
    own = _row(page, service="EC2", finding_type=BRUTE_FORCE)
    other = _row(page, service="EC2", finding_type="Backdoor:EC2/DenialOfService.Dns")

    assert _cell(service, "HIGH") == ("Block", True, "Set here")
    assert _cell(service, "LOW") == ("Report", False, "By default")
    assert _cell(own, "") == ("Save", True, "Set here")
    assert _cell(own, "HIGH") == ("Save", False, f"From {BRUTE_FORCE}, every severity")
    assert _cell(other, "HIGH") == ("Block", False, "From EC2, High")
    assert _cell(other, "") == ("Report", False, "By default")


def test_readers_get_the_origin_as_text_too(viewer_client: Client) -> None:
    _set("BLOCK", service="EC2", severity="HIGH")

    row = _row(_page(viewer_client), service="EC2", finding_type="Backdoor:EC2/DenialOfService.Dns")

    assert '>Block<span class="visually-hidden">, From EC2, High</span>' in row


def test_a_type_has_cells_for_the_severities_that_it_can_have(viewer_client: Client) -> None:
    known = catalogue.FINDING_TYPES["Recon:EC2/Portscan"]
    row = _row(_page(viewer_client), service="EC2", finding_type=known.name)

    assert re.findall(r'data-severity="(\w*)"', row) == ["", *known.severities]


def test_a_setting_at_a_severity_that_the_type_never_had_is_shown(viewer_client: Client) -> None:
    assert "CRITICAL" not in catalogue.FINDING_TYPES["Recon:EC2/Portscan"].severities
    _set("BLOCK", finding_type="Recon:EC2/Portscan", severity="CRITICAL")

    row = _row(_page(viewer_client), service="EC2", finding_type="Recon:EC2/Portscan")

    assert _cell(row, "CRITICAL") == ("Block", True, "Set here")


def test_settings_of_types_outside_the_catalogue_are_shown_and_marked(
    operator_client: Client,
) -> None:
    _set("BLOCK", finding_type="Trojan:EC2/Brand.New!DNS")
    _set("SAVE", finding_type="Trojan:Satellite/Unheard")

    page = _page(operator_client)
    known = _row(page, service="EC2", finding_type="Trojan:EC2/Brand.New!DNS")
    unknown = _row(page, service="Satellite", finding_type="Trojan:Satellite/Unheard")

    assert _cell(known, "") == ("Block", True, "Set here")
    assert "Not in the catalog" in known
    assert _cell(unknown, "") == ("Save", True, "Set here")
    assert "<button" in unknown
    assert "<button" not in _row(page, service="Satellite")  # PUT rejects an unknown service


def test_revoke_is_offered_where_a_credential_can_be_named(operator_client: Client) -> None:
    page = _page(operator_client)

    for name, finding_type in catalogue.FINDING_TYPES.items():
        offered = f'data-type="{escape(name)}" data-revoke' in page
        assert offered is finding_type.names_credential, name


def test_the_etag_of_the_policy_is_in_the_page(operator_client: Client) -> None:
    _set("BLOCK", service="S3")

    etag = policy.etag({Target("S3", "", ""): "BLOCK"})
    assert f'data-etag="{escape(etag)}"' in _page(operator_client)


def test_people_who_may_not_change_policy_see_no_controls(
    viewer_client: Client, operator_client: Client
) -> None:
    controls = ('<button type="button" aria-haspopup', "data-menu", "data-save", "threats-save")

    viewers, operators = _page(viewer_client), _page(operator_client)

    assert [control in viewers for control in controls] == [False] * 4
    assert [control in operators for control in controls] == [True] * 4


def test_without_a_role_the_page_is_refused(stranger_client: Client) -> None:
    assert stranger_client.get("/threats").status_code == 403


@pytest.mark.django_db
def test_strangers_are_sent_to_the_sign_in_page(client: Client) -> None:
    assert client.get("/threats")["Location"] == "/accounts/login/?next=/threats"


def test_text_of_the_database_is_escaped(operator_client: Client) -> None:
    _set("BLOCK", finding_type="<script>:<b>/&x")

    page = _page(operator_client)

    assert "&lt;script&gt;:&lt;b&gt;/&amp;x" in page
    assert "<b>" not in page


def test_the_whole_page_takes_six_queries(
    operator_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for name in catalogue.SERVICES:
        _set("BLOCK", service=name)

    _page(operator_client)  # a session's first request notes when it was
    with django_assert_max_num_queries(6):
        _page(operator_client)
