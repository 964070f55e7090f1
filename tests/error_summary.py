"""The errors of a form, as a page shows them."""

from __future__ import annotations

import re


def assert_first_and_once(page: bytes, error: str) -> None:
    """Checks that the page says the error once, before the form, with the focus on it.

    The field refers to it.
    """
    main = page.decode().partition("<main")[2]
    assert main.count(error) == 1
    assert main.count('class="notice errors"') == 1
    after = main.partition('class="notice errors"')[2]
    assert after.partition(">")[0].endswith("autofocus")
    assert error in after.partition("</div>")[0]
    # Radio buttons are described by their fieldset.
    field = re.search(
        r"(?:<fieldset[^>]*>(?:(?!</fieldset>).)*?)?"
        r"<(?:input|textarea|select)[^>]* aria-invalid=\"true\"[^>]*>",
        after,
        re.DOTALL,
    )
    assert field
    described_by = re.search(r'aria-describedby="([^"]+)"', field[0])
    assert described_by
    assert any(f'id="{name}"' in main for name in described_by[1].split())
