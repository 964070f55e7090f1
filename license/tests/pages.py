"""The text of pages, for tests."""

from __future__ import annotations

import html
import re

from django.test import Client


def read(client: Client, path: str = "/license") -> str:
    """Return the text of a page."""
    response = client.get(path)
    assert response.status_code == 200
    return words(response.content)


def words(content: bytes) -> str:
    main = content.decode().partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())
