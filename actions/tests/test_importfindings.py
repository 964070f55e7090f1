"""`manage.py importfindings` with realistic files."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from findings.guardduty.files import read_findings
from findings.guardduty.parser import Unparsed
from findings.models import Finding
from findings.tests.findings import finding

pytestmark = pytest.mark.one_database  # files

THREE = [finding(number) for number in (1, 2, 3)]


def lines(findings: list[Any]) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in findings).encode()


def envelope(each: Any) -> dict[str, Any]:
    return {"detail-type": "GuardDuty Finding", "source": "aws.guardduty", "detail": each}


FORMS: dict[str, Callable[[], bytes]] = {
    "lines": lambda: lines(THREE),
    "lines with empty ones": lambda: lines(THREE).replace(b"\n", b"\r\n\r\n"),
    "lines of events": lambda: lines([envelope(each) for each in THREE]),
    "the command line's": lambda: json.dumps({"Findings": THREE}, indent=4).encode(),
    "the API's": lambda: json.dumps({"findings": THREE}).encode(),
    "an array": lambda: json.dumps(THREE).encode(),
    "a pretty array": lambda: json.dumps(THREE, indent=2).encode(),
    "documents in a row": lambda: b"\n".join(json.dumps(e, indent=2).encode() for e in THREE),
    "compressed": lambda: gzip.compress(lines(THREE)),
    "compressed in parts": lambda: b"".join(gzip.compress(lines([each])) for each in THREE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(
    db: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    file = tmp_path / "findings"
    file.write_bytes(FORMS[form]())
    call_command("importfindings", str(file))
    assert Finding.objects.count() == 3
    assert "3 stored" in capsys.readouterr().out
    call_command("importfindings", str(file))
    assert "0 stored, 0 updated, 3 unchanged" in capsys.readouterr().out


def test_standard_input_is_read(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lines(THREE)))))
    call_command("importfindings", "-")
    assert Finding.objects.count() == 3


def test_what_is_refused_is_told_with_its_line_and_the_rest_is_stored(
    db: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "findings.jsonl"
    first, second, third = lines(THREE).splitlines(keepends=True)
    file.write_bytes(first + b'{"broken": \n' + second + b"\xff\n" + third)
    with pytest.raises(CommandError, match="Rejected: 3"):
        call_command("importfindings", str(file), str(tmp_path / "missing"))
    printed = capsys.readouterr()
    assert f"{file}, line 2: It is not JSON" in printed.err
    assert f"{file}, line 4: It is not JSON" in printed.err
    assert f"{tmp_path / 'missing'}: No such file or directory" in printed.err
    assert "3 stored" in printed.out
    assert "3 rejected" in printed.out


@pytest.mark.every_database  # transactions
@pytest.mark.parametrize("form", ["the command line's", "a pretty array", "compressed"])
def test_of_a_file_that_breaks_off_the_beginning_is_stored(
    db: None, tmp_path: Path, form: str
) -> None:
    whole = FORMS[form]()
    file = tmp_path / "findings"
    file.write_bytes(whole[: len(whole) - (9 if form == "compressed" else 400)])
    with pytest.raises(CommandError, match="Rejected: 1"):
        call_command("importfindings", str(file))
    assert Finding.objects.count() in {2, 3}


@pytest.mark.parametrize("octets", [b"", b"\n\n", b"[]", b'{"Findings": []}', b"null", b"7"])
def test_a_file_without_findings_stores_nothing(octets: bytes) -> None:
    found = [each.finding for each in read_findings(io.BufferedReader(io.BytesIO(octets)))]
    assert all(isinstance(each, Unparsed) for each in found)


def test_a_line_without_an_end_takes_no_endless_memory() -> None:
    class Endless(io.RawIOBase):
        left = 40 * 1024 * 1024

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = min(len(buffer), self.left)
            buffer[:count] = b"x" * count
            self.left -= count
            return count

    (found,) = read_findings(io.BufferedReader(Endless()))
    assert found.finding == Unparsed("It is longer than 1024 KiB.")
