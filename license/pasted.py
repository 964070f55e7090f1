"""Says what a text is that was pasted as a license key but is not one. Does not use Django."""

from __future__ import annotations

import re
from unicodedata import category

# The expressions take linear time: the text may be long.

# PEM with any label, OpenSSH, PGP, PuTTY, and base64 of DER without the PEM lines (the beginnings
# of PKCS #8, PKCS #1 and SEC 1).
_PRIVATE_KEY = re.compile(
    r"PRIVATE\s+KEY|PuTTY-User-Key-File|^\W*(?:MI[IG].{0,3}(?:IBA|AgEA)|MC4CAQAw|MHcCAQEE)"
)
_PRIVATE_EXPONENT = re.compile(r"\"d\"\s*:")  # of a JWK
_PEM = re.compile(r"\s*-----BEGIN ([A-Z0-9 ]{1,40})-----")
_QUOTES = "\"'`“”„\u2018\u2019«»"
_NAME = re.compile(r"\s*(?:export\s+|set\s+|\$env:)?LICENSE_KEY\s*[=:]", re.IGNORECASE)
_URL = re.compile(r"\s*<?[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)
_HEADER = re.compile(r"^[> \t]*(?:From|To|Subject|Date|Received|Content-Type):", re.MULTILINE)
_QUOTED = re.compile(r"^[ \t]*>", re.MULTILINE)
_KEYS = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){4,}")
_PART = re.compile(r"eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?")
_ONLY = "Paste only the key, which starts with eyJ"


def is_private_key(text: str) -> bool:
    """Return whether the text contains a private key, which no page may show again."""
    is_jwk = '"kty"' in text and _PRIVATE_EXPONENT.search(text)
    return bool(is_jwk or _PRIVATE_KEY.search(text))


def mistake(text: str) -> str:
    """Return what is wrong with the text, as a clause without a final period; "" if unknown.

    The clause contains no part of the text except the label of a PEM block.
    """
    if is_private_key(text):
        return (
            "it is a private key. The portal does not store it or show it again. Treat it as"
            " disclosed, and replace the key pair"
        )
    if pem := _PEM.match(text):
        return f"it is a PEM block ({pem[1]}). {_ONLY}"
    if text.startswith("\ufeff"):
        return (
            "it begins with a byte order mark, which is invisible. Save the file as UTF-8 without"
            " a byte order mark"
        )
    if text.lstrip().startswith(("{", "[")):
        return f"it is JSON. {_ONLY}"
    if _URL.match(text):
        return f"it is a URL. {_ONLY}"
    if _HEADER.search(text):
        return f"it is a whole email. {_ONLY}"
    if _QUOTED.search(text):
        return "it is quoted from an email. Remove the > at the beginning of each line"
    if _NAME.match(text):
        return "it begins with LICENSE_KEY. Paste only what follows the equals sign"
    bare = text.strip()
    if bare.strip(_QUOTES) != bare:
        return "it is in quotation marks. Paste the key without them"
    for character in text:
        if category(character) == "Cf":
            return f"it contains an invisible character (U+{ord(character):04X}). Remove it"
    return _several_or_part("".join(text.split()))


def _several_or_part(compact: str) -> str:
    if _KEYS.fullmatch(compact):
        times = compact.count(".") // 2
        if compact[: len(compact) // times] * times == compact:
            return "it contains the same key more than once. Paste it once"
        return "it contains more than one key. Paste one key"
    if _PART.fullmatch(compact):
        return "it is incomplete. Copy the whole key, which contains two dots"
    return ""
