"""A minimal OpenID Connect provider over real HTTP. It authenticates everyone."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider(ThreadingHTTPServer):
    """`claims` describes the user who signs in; `grants` maps codes to requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.start_over({})

    def start_over(self, claims: dict[str, Any]) -> None:
        """Forgets what earlier tests did."""
        self.claims = claims
        self.grants: dict[str, dict[str, str]] = {}
        self.answer_tokens_with = 200


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        path, query = urlsplit(self.path)[2:4]
        if path == "/.well-known/openid-configuration":
            url = self.server.url
            self.answer(
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "userinfo_endpoint": f"{url}/userinfo",
                    "jwks_uri": f"{url}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                }
            )
        elif path == "/authorize":
            asked = dict(parse_qsl(query))
            code = secrets.token_urlsafe()
            self.server.grants[code] = asked
            self.send_response(302)
            back = urlencode({"code": code, "state": asked["state"]})
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        elif path == "/userinfo":
            self.answer(self.server.claims)
        else:
            self.answer({}, status=404)

    def do_POST(self) -> None:
        """The token endpoint. It requires the client's secret and PKCE."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = dict(parse_qsl(body))
        asked = self.server.grants.pop(sent.get("code", ""), None)
        basic = base64.b64encode(b"portal:hush").decode()
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or self.headers["Authorization"] != f"Basic {basic}"
            or asked["code_challenge"] != challenge
        ):
            self.answer({"error": "invalid_grant"}, status=400)
            return
        now = int(time.time())
        claims = {"iss": self.server.url, "aud": "portal", "iat": now, "exp": now + 60}
        token = jwt.encode(claims | self.server.claims, self.server.key, algorithm="RS256")
        self.answer(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": token},
            status=self.server.answer_tokens_with,
        )

    def answer(self, document: dict[str, Any], *, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class says so)
        """Keeps the tests' output quiet."""


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()
    thread = threading.Thread(target=provider.serve_forever, args=[0.01])
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        thread.join()
        provider.server_close()
