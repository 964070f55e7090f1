"""Tests of the management commands for administrators and for the vendor."""

from __future__ import annotations

import io
import json
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from conftest import install
from license import keyring, status, token
from license.models import License
from license.tests import keys
from license.tests.keys import make_license

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # what commands print


def run(*arguments: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return type_in


# --- setlicense -------------------------------------------------------------------------------


def test_a_key_comes_from_standard_input_a_file_or_the_command_line(
    stdin: Any, tmp_path: Path
) -> None:
    stdin(make_license(jti="stdin", days=10) + "\n")
    assert "Installed a paid license" in run("setlicense", "-")
    (tmp_path / "key").write_text(make_license(jti="file", days=20))
    run("setlicense", "--file", str(tmp_path / "key"))
    run("setlicense", make_license(jti="argument", days=30))
    installed = License.objects.order_by("pk").values_list("jti", "source")
    assert list(installed) == [(jti, "command") for jti in ("stdin", "file", "argument")]


def test_the_same_key_again_says_so_and_changes_nothing() -> None:
    key = make_license()
    run("setlicense", key)
    assert "Already installed" in run("setlicense", key)
    assert "Already installed" in run("setlicense", key[:300], key[300:])  # wrapped
    assert License.objects.count() == 1


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (
            lambda: make_license(aws_account_id="210987654321"),
            "^license_wrong_account: .*for AWS account 210987654321",
        ),
        (lambda: make_license(begins=timedelta(days=-30)), "^license_expired: .*expired at"),
        (
            lambda: make_license(signing_key=keys.other_key()),
            "^license_bad_signature: .*signature is not trusted",
        ),
        (lambda: "nonsense" * 9, "^license_malformed: .*not a valid license key"),
        (lambda: "", "^license_malformed: .*it is empty"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_refused_key_is_told_in_one_line_without_the_key(
    key: Any, reason: str, dry_run: bool, valid_license: License
) -> None:
    text = key()
    with pytest.raises(CommandError, match=reason) as refused:
        run("setlicense", text, force=True, dry_run=dry_run)
    assert "\n" not in str(refused.value)
    assert not text or text[10:40] not in str(refused.value)
    assert str(refused.value).endswith("Nothing was changed.")
    assert License.objects.count() == 1


def test_a_dry_run_changes_nothing() -> None:
    assert "Would install a paid license" in run("setlicense", make_license(), dry_run=True)
    assert not License.objects.exists()


def test_a_worse_license_takes_force() -> None:
    run("setlicense", make_license(days=100))
    worse = make_license(days=1)
    for dry_run in (True, False):
        with pytest.raises(CommandError, match="--force"):
            run("setlicense", worse, dry_run=dry_run)
    run("setlicense", worse, force=True)
    assert License.objects.count() == 2


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("setlicense", "--file", str(tmp_path / name))


@pytest.mark.parametrize("arguments", [[], ["key", "--file", "x"]])
def test_exactly_one_source_is_named(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("setlicense", *arguments)


def test_what_is_no_text_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe" * 100_000)
    with pytest.raises(CommandError, match="not a valid license key"):
        run("setlicense", "--file", str(tmp_path / "key"))


# --- license ----------------------------------------------------------------------------------


def exit_status(*arguments: str) -> int:
    try:
        run("license", *arguments)
    except SystemExit as done:
        return int(str(done.code))
    return 0


def test_the_exit_status_tells_a_script_what_to_do() -> None:
    assert exit_status() == 2
    install(make_license(begins=timedelta(days=-30)))
    assert exit_status("--json") == 2
    install(make_license(days=14))
    assert exit_status() == 1
    install(make_license(begins=timedelta(days=13), days=365))
    assert exit_status() == 0
    install(make_license(days=15))
    assert exit_status() == 0


def test_lines_say_when_the_renewal_takes_over(capsys: pytest.CaptureFixture[str]) -> None:
    install(make_license(days=14))
    install(make_license(begins=timedelta(days=13), days=365))
    call_command("license")
    begins = keys.now() + timedelta(days=13)
    printed = capsys.readouterr().out
    assert f"renewal:  on {begins:%Y-%m-%dT}" in printed
    assert "Renew it now" not in printed


def test_json_is_one_object_without_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    key = make_license(jti="a", customer="Ops")
    install(key)
    call_command("license", "--json")
    printed = capsys.readouterr().out
    document = json.loads(printed)
    assert (document["status"], document["license_id"], document["customer"]) == (
        "valid",
        "a",
        "Ops",
    )
    assert document["expires_at"].endswith("Z")
    assert key[10:40] not in printed


def test_lines_say_what_is_wrong_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    install(make_license(begins=timedelta(days=-30)))
    with pytest.raises(SystemExit):
        call_command("license")
    printed = capsys.readouterr().out
    assert "Expired" in printed
    assert "Renew the license" in printed


# --- the vendor's ------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    run("createsigningkey", str(private), str(public))
    return private, public


def test_a_license_goes_from_the_vendor_to_the_customer(
    settings: Settings, pair: tuple[Path, Path]
) -> None:
    private, settings.LICENSE_PUBLIC_KEY_PATH = pair
    key = run(
        "issuelicense", "--account", keys.ACCOUNT, "--plan", "paid", "--days", "365",
        "--customer", "Ops", "--revokes", "a", "b", "--signing-key", str(private),
    )  # fmt: skip
    assert len(key.splitlines()) == 1
    run("setlicense", key)
    claims = status.current().claims
    assert claims and claims.expires_at - claims.not_before == timedelta(days=365)
    assert (claims.customer, claims.revokes) == ("Ops", ("a", "b"))


def test_a_renewal_begins_and_ends_on_given_instants(
    settings: Settings, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    key = run(
        "issuelicense", "--account", keys.ACCOUNT, "--plan", "trial", "--not-before", "2027-01-31",
        "--expires", "2027-02-28T14:00:00+02:00", "--signing-key", str(private),
    )  # fmt: skip
    claims = token.read(key, keyring.load_public_keys(public.read_bytes()))
    assert claims.not_before.isoformat() == "2027-01-31T00:00:00+00:00"
    assert claims.expires_at.isoformat() == "2027-02-28T12:00:00+00:00"


@pytest.mark.parametrize(
    "change",
    [
        {"account": "12345678901"}, {"plan": "gold"}, {"days": "0"}, {"days": "9999999999"},
        {"days": "x"}, {"customer": "\x1b"}, {"signing_key": "missing.pem"},
    ],
    ids=str,
)  # fmt: skip
def test_a_license_that_would_be_refused_is_not_issued(
    pair: tuple[Path, Path], change: dict[str, str]
) -> None:
    options = {"account": keys.ACCOUNT, "plan": "paid", "days": "30", "signing_key": str(pair[0])}
    arguments = [
        f"--{name.replace('_', '-')}={value}" for name, value in (options | change).items()
    ]
    with pytest.raises(CommandError) as refused:
        run("issuelicense", *arguments)
    assert "\n" not in str(refused.value)


def test_the_private_key_is_for_its_owner_alone(pair: tuple[Path, Path]) -> None:
    private, public = pair
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    signing_key = keyring.load_signing_key(private.read_bytes())
    assert signing_key.key_size == 2048
    assert list(keyring.load_public_keys(public.read_bytes())) == [
        keyring.thumbprint(signing_key.public_key())
    ]


def test_no_key_is_overwritten(pair: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = pair
    before = private.read_bytes(), public.read_bytes()
    for arguments in ((private, tmp_path / "new"), (tmp_path / "new", public)):
        with pytest.raises(CommandError, match="exists"):
            run("createsigningkey", *map(str, arguments))
        assert not (tmp_path / "new").exists()
    assert (private.read_bytes(), public.read_bytes()) == before


def test_the_private_key_does_not_go_into_what_is_shipped(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="shipped"):
        run("createsigningkey", str(settings.BASE_DIR / "public" / "x.pem"), str(tmp_path / "x"))
    assert not (settings.BASE_DIR / "public" / "x.pem").exists()


def test_a_public_key_signs_nothing(pair: tuple[Path, Path]) -> None:
    with pytest.raises(CommandError, match="private key"):
        run("issuelicense", f"--account={keys.ACCOUNT}", "--plan=paid", "--days=1",
            f"--signing-key={pair[1]}")  # fmt: skip
