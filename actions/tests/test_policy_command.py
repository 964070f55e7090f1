"""`manage.py policy`: export, plan, apply, explain, test."""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.management.commands.policy import Command
from actions.models import Reaction
from actions.tests.attacks import arrive, attack, set_action
from findings import policy
from findings.models import Finding, PolicyChange, Target, ThreatPolicy
from findings.tests.findings import BRUTE_FORCE
from license.models import License

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # what a command prints

HIGH = Target("", BRUTE_FORCE, "HIGH")


def run(*arguments: Any, **options: Any) -> str:
    printed = StringIO()
    call_command("policy", *map(str, arguments), stdout=printed, **options)
    return printed.getvalue()


def planned(path: Path) -> tuple[int, str]:
    printed = StringIO()
    try:
        call_command("policy", "plan", str(path), stdout=printed)
    except SystemExit as ended:
        return int(str(ended.code)), printed.getvalue()
    return 0, printed.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that blocks brute force of high severity, and takes all else back."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "# ours\nreplace: true\npolicies:\n"
        f"  - finding_type: {BRUTE_FORCE}\n    severity: HIGH\n    action: BLOCK # at once\n"
    )
    return path


@pytest.mark.every_database  # from a file to the policy and back
def test_a_file_is_planned_applied_and_exported_again(file: Path, valid_license: License) -> None:
    set_action("SAVE", severity="LOW")
    service = {"eventLastSeen": timezone.now().isoformat()}
    arrive(attack(1, service=service))
    status, told = planned(file)
    assert status == 2
    assert f"+ {BRUTE_FORCE}, HIGH: BLOCK\n  - {BRUTE_FORCE}, LOW: SAVE\n" in told
    assert "1 more would have been blocked, from 1 address." in told
    etag = policy.etag(ThreatPolicy.objects.actions())
    assert etag in told
    assert "2 rules changed" in run("apply", file, if_match=etag.strip('"'), by="Jane, run 7")
    assert ThreatPolicy.objects.actions() == {HIGH: "BLOCK"}
    change = PolicyChange.objects.newest_first()[0]
    assert (change.changed_by_name, change.source) == ("Jane, run 7", "command")
    assert planned(file)[0] == 0
    before = file.read_text()
    run("export", file)
    assert file.read_text() == before
    set_action("SIMULATE_BLOCK", severity="HIGH")
    run("export", file)
    assert file.read_text() == before.replace("BLOCK #", "SIMULATE_BLOCK #")
    new = file.with_name("new.yaml")
    run("export", new)
    assert new.read_text() == run("export")
    assert planned(new)[0] == 0


def test_an_export_replaces_nothing_but_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe"):
        with pytest.raises(CommandError, match="It is not a file"):
            run("export", tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()


def test_nothing_is_applied_to_another_version_or_without_a_license(
    file: Path, valid_license: License
) -> None:
    with pytest.raises(CommandError, match=r"^stale_policy: .*Nothing was changed"):
        run("apply", file, if_match="0" * 32)
    for by in ("", "a\nb", "x" * 201):
        with pytest.raises(CommandError, match="--by"):
            run("apply", file, by=by)
    assert not ThreatPolicy.objects.exists()


def test_a_lapsed_license_refuses_to_apply_by_its_code_and_still_plans(
    file: Path, expired_license: License
) -> None:
    with pytest.raises(CommandError, match=r"^license_expired: The policy was not changed") as no:
        run("apply", file)
    assert no.value.returncode == 1
    assert planned(file)[0] == 2
    assert "policies: []" in run("export")
    assert not ThreatPolicy.objects.exists()


def test_errors_of_a_file_are_named_and_change_nothing(file: Path, valid_license: License) -> None:
    file.write_text(file.read_text() + "  - service: EC2\n    action: DESTROY\n    extra: x\n")
    with pytest.raises(CommandError) as refused:
        run("apply", file)
    told = str(refused.value)
    assert f"{file}:8:5: /policies/1/action: It must be one of" in told
    assert f"{file}:9:5: /policies/1/extra: This member does not exist." in told
    file.write_bytes(b"a: " + b"b" * 50_000_000)
    with pytest.raises(CommandError, match="larger than 1 MiB"):
        run("plan", file)
    with pytest.raises(CommandError, match="No such file"):
        run("plan", file.with_name("none.yaml"))
    with pytest.raises(CommandError, match="invalid choice"):
        run("destroy", file)
    assert not ThreatPolicy.objects.exists()


def test_an_error_of_the_command_line_is_no_plan_that_changes_something() -> None:
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "policy", "plan"])
    assert ended.value.code == 1


def test_explain_names_the_rules_in_order_and_what_would_be_done(
    tmp_path: Path, settings: Settings
) -> None:
    settings.CONTAINMENT = "on"
    set_action("SIMULATE_BLOCK", severity="HIGH")
    set_action("SAVE")
    found = tmp_path / "finding.json"
    found.write_text(json.dumps(attack(1)))
    told = run("explain", found)
    assert f"SIMULATE_BLOCK applies. The rule for {BRUTE_FORCE}, HIGH is the most" in told
    order = [
        f"-> {BRUTE_FORCE}, HIGH: SIMULATE_BLOCK",
        f"{BRUTE_FORCE}: SAVE",
        "EC2, HIGH: not set",
    ]
    at = [told.index(line) for line in [*order, "EC2: not set", "the default: REPORT"]]
    assert at == sorted(at)
    assert "The rule simulates" in told
    assert "BLOCK 81.2.0.2 (address): dry run. Nothing was done: the rule simulates." in told
    against = tmp_path / "policy.yaml"
    against.write_text("replace: true\npolicies:\n- {service: EC2, action: ASK_BLOCK}\n")
    told = run("explain", found, against=against)
    assert "Ask first" in told
    assert "BLOCK 81.2.0.2 (address): waiting." in told
    against.write_text("replace: true\npolicies:\n- {service: EC2, action: IGNORE}\n")
    assert "It would not be stored." in run("explain", found, against=against)
    found.write_text("[{}]")
    assert "cannot be parsed" in run("explain", found)
    found.write_text(json.dumps(attack(1, accountId="\x1b[31m")))
    assert "HIGH, \ufffd[31m, " in run("explain", found)
    found.write_text("[]")
    with pytest.raises(CommandError, match=r"It contains no finding\.$"):
        run("explain", found)
    assert not Finding.objects.exists()
    assert not Reaction.objects.exists()


def test_fixtures_pass_or_name_what_failed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "finding.json").write_text(json.dumps(attack(1)))
    fixtures = tmp_path / "fixtures.yaml"
    fixtures.write_text(
        "against: policy.yaml\ntests:\n"
        "  - name: brute force\n    finding: finding.json\n    expect: BLOCK\n"
        f"  - finding_type: {BRUTE_FORCE}\n    severity: LOW\n    expect: REPORT\n"
    )
    assert "2 tests passed." in run("test", fixtures)
    printed = StringIO()
    set_action("SAVE")
    with pytest.raises(CommandError, match=r"^1 of 2 tests failed\.$"):
        call_command("policy", "test", str(fixtures.rename(tmp_path / "f.yaml")),
                     against=str(_stored(file)), stdout=printed)  # fmt: skip
    assert (
        f"FAILED  {BRUTE_FORCE}, LOW: expected REPORT, but SAVE applies."
        f" The rule for {BRUTE_FORCE} is the most specific one." in printed.getvalue()
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("tests:\n  - expect: BLOCK\n  - {finding: none.json, expect: BLOCK}\n")
    with pytest.raises(CommandError, match=r"wrong.yaml:2:5: /tests/0: Set either finding or"):
        run("test", wrong)
    wrong.write_text('against: "a\\0"\ntests:\n  - {finding: none.json, expect: BLOCK}\n')
    with pytest.raises(CommandError, match=r"wrong\.yaml:1:1: /against"):
        run("test", wrong)
    wrong.write_text("tests:\n  - {finding: none.json, expect: BLOCK}\n")
    with pytest.raises(CommandError, match="1 of 1 test failed"):
        run("test", wrong)


def _stored(file: Path) -> Path:
    """Returns a file with the same rules, which leaves the stored ones."""
    path = file.with_name("part.yaml")
    path.write_text(file.read_text().replace("true", "false"))
    return path
