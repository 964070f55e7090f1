"""YAML bodies are read as strictly as JSON, within limits, and know their places."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.yaml_body import MAX_BYTES, MalformedYAML, Place, read

LAUGHS = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10 if before else ['x'] * 10)}]\n"
    for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
).encode()


def test_it_reads_what_json_could_say_and_leaves_the_rest_text() -> None:
    found = read(b"a: [null, ~, true, 'null', 1, 2026-11-26, NO]\nb: {c: &x d}\ne: *x # said\n")
    assert found.content == {
        "a": [None, None, True, "null", "1", "2026-11-26", "NO"],
        "b": {"c": "d"},
        "e": "d",
    }
    assert found.place_of(("b", "c")) == Place(2, 5)
    assert found.place_of(("b", "c", "missing")) == Place(2, 5)
    assert read(b"").content is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\nb: 2\na: 3", "The member 'a' occurs twice at line 3 column 1"),
        (b"a: !!python/object:os.system x", "Tags are not supported at line 1 column 4"),
        (b"a: b\n--- \nc: d", "several documents at line 2"),
        (b"a: *b", "The anchor b does not exist at line 1 column 4"),
        (b"a: &a [*a]", "The anchor a does not exist"),
        (b"? [a]\n: b", "must be text at line 1 column 3"),
        (b"a: [", "line 2 column 1"),
        (b"a: b\nc: \xff", "It is not UTF-8 at line 2"),
        (b"a: \x00", "does not allow"),
        (b"[" * 50, "nested too deeply"),
        (b"[" * 100_000, "nesting"),
        (LAUGHS, "more than 200,000 values at line 6"),
        (b"a" * (MAX_BYTES + 1), "larger than 1 MiB"),
    ],
)
def test_what_is_refused_is_said_with_its_place(text: bytes, said: str) -> None:
    with pytest.raises(MalformedYAML, match=said):
        read(text)


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\" \n\t#?,%", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with suppress(MalformedYAML):  # and nothing else
        read(text)
