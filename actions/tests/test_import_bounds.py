"""A small file cannot exhaust memory or time, and does not prevent the import of other files."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.management import CommandError, call_command

from findings.guardduty import files
from findings.guardduty.files import Found, read_findings
from findings.guardduty.parser import Unparsed
from findings.models import Finding
from findings.tests.findings import finding

pytestmark = pytest.mark.one_database  # files

MIB = 1024 * 1024
SIZE = 5 * MIB  # unpacked; compressed it is at most about 25 KiB


def packed(piece: bytes, *, before: bytes = b"", after: bytes = b"", size: int = SIZE) -> bytes:
    """Returns 5 MiB of the repeated piece, or another size, compressed."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        file.write(before)
        block = piece * (MIB // len(piece))
        for _ in range(size // MIB):
            file.write(block)
        file.write(after)
    return out.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "one long text": lambda: packed(b"x", before=b'[{"id": "', after=b'"}]'),
    "many members": lambda: packed(b'{"a": 1},', before=b'{"Findings": [{"id": [', after=b"0]}]}"),
    "white space": lambda: packed(b" " * 1024, before=b"[", after=b"]"),
    "one long line": lambda: packed(b"x", before=b"{}\n{}\n"),
    "nested": lambda: packed(b"[", before=b"["),
    "digits": lambda: packed(b"9", before=b"[", after=b"]"),
}
# Reading these takes time, and not memory: a part of the size shows the same.
SMALL: dict[str, Callable[[], bytes]] = {
    "many small findings": lambda: packed(b"{},\n", before=b"[", after=b"{}]", size=MIB),
    "many empty lines": lambda: packed(b"\n", before=b"{}\n{}\n", size=MIB),
    "many lines": lambda: packed(b"{}\n", size=MIB),
}


NEST = b"[" * 200_000 + b"]" * 200_000
HIDDEN = {
    "brackets in a text": b"]" * 200_000,
    "brackets in many texts": b']\\"' * 50_000,
    "brackets in keys": b'","'.join([b"]" * 1000] * 200),
}


@pytest.mark.parametrize("texts", HIDDEN)
def test_texts_do_not_hide_how_deep_a_finding_is_nested(texts: str) -> None:
    data = b'[{"a": ["%s"], "b": %s}]' % (HIDDEN[texts], NEST)
    assert "nested too deeply" in read_in_little_memory(data)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_brackets_in_texts_are_no_nesting(size: int) -> None:
    limited = files._Limited(cast(Any, io.BytesIO(rb'{"a": ["[[\"[\\", "[[" , "]\""]}]' * 100)))
    while limited.read(size):
        pass
    assert limited.opened == -100


def read(data: bytes) -> list[Found]:
    return list(read_findings(io.BufferedReader(cast(Any, io.BytesIO(data)))))


def read_in_little_memory(data: bytes, *, any_ratio: int = files.ANY_RATIO) -> str:
    """Returns the reader's last result, from a process that is limited to 400 MiB."""
    script = (
        "import io, sys\n"
        "from findings.guardduty import files\n"
        "from findings.guardduty.files import read_findings\n"
        "from findings.guardduty.parser import Unparsed\n"
        f"files.ANY_RATIO = {any_ratio}\n"
        "count = 0\n"
        "for found in read_findings(io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()))):\n"
        "    count += 1\n"
        "    last = found\n"
        "print(count, last.finding.reason if isinstance(last.finding, Unparsed) else '')\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (400 * MIB, 400 * MIB))

    done = subprocess.run(  # noqa: S603  (our own interpreter, and no shell)
        [sys.executable, "-c", script],
        input=data,
        # The limits leave no room for coverage: `make cover` does not measure this process.
        env={k: v for k, v in os.environ.items() if k != "COVERAGE_PROCESS_CONFIG"},
        capture_output=True,
        check=False,
        preexec_fn=limit,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_unpacks_to_much_is_refused(bomb: str) -> None:
    data = BOMBS[bomb]()
    assert len(data) < SIZE / files.MAX_RATIO
    said = read_in_little_memory(data)
    assert (
        "too many times its size" in said
        or "longer than 1024 KiB" in said
        or "nested too deeply" in said
    )


@pytest.mark.parametrize("bomb", SMALL)
def test_a_small_file_with_too_many_items_is_refused(bomb: str) -> None:
    data = SMALL[bomb]()
    assert len(data) < MIB / files.MAX_RATIO
    said = read_in_little_memory(data, any_ratio=files.ANY_RATIO // 16)
    assert "too many times its size" in said


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "1e999999", "9" * 1_000_000])
@pytest.mark.parametrize("wrap", ["[{}]", '{{"Findings": [{}]}}', "{}"])
def test_a_number_of_many_digits_is_told_and_not_computed(number: str, wrap: str) -> None:
    text = wrap.format(f'{{"id": {number}}}') if wrap != "{}" else f'{{"id": {number}}}\n{{}}'
    assert all(isinstance(found, Found) for found in read(text.encode()))


def test_the_other_files_come_in(db: None, tmp_path: Path) -> None:
    (tmp_path / "bomb.json.gz").write_bytes(BOMBS["one long text"]())
    (tmp_path / "good.json.gz").write_bytes(gzip.compress(json.dumps(finding()).encode()))
    said = StringIO()
    with pytest.raises(CommandError):
        call_command(
            "importfindings",
            str(tmp_path / "bomb.json.gz"),
            str(tmp_path / "good.json.gz"),
            stderr=said,
            stdout=StringIO(),
        )
    assert "bomb.json.gz, item 1: It is longer than 1024 KiB." in said.getvalue()
    assert Finding.objects.count() == 1


def test_findings_that_compress_well_are_read_whole() -> None:
    line = json.dumps(finding()).encode() + b"\n"
    lines = [line.replace(b"a", b"a%d" % number) for number in range(3000)]
    data = gzip.compress(b"".join(lines))
    found = read(data)
    assert len(found) == 3000
    assert not any(isinstance(one.finding, Unparsed) for one in found)
