"""AWS STS for tests: moto's server, behind a proxy that verifies signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

from license import account_proof

_REFUSAL = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>SignatureDoesNotMatch</Code><Message>-</Message></Error></ErrorResponse>"
)


@dataclass
class Sts:
    """Asks moto, and knows the credentials that it gave out."""

    moto_url: str
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)  # the headers of the requests
    answers: list[tuple[int, bytes]] = field(default_factory=list)  # given before others
    given: dict[str, Credentials] = field(default_factory=dict)

    def credentials(self, account_id: str) -> dict[str, str]:
        """Returns the environment of a process with a role in this account."""
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
        role = session.client("sts", endpoint_url=self.moto_url, region_name="us-east-1")
        given = role.assume_role(
            RoleArn=f"arn:aws:iam::{account_id}:role/portal", RoleSessionName="test"
        )["Credentials"]
        self.given[given["AccessKeyId"]] = Credentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    def sign(
        self,
        challenge: str,
        *,
        account: str,
        panel_url: str,
        body: str = account_proof.BODY,
    ) -> str:
        """Returns the proof of a role in this account."""
        headers = account_proof.headers_to_sign(panel_url, challenge)
        request = AWSRequest("POST", account_proof.URL, headers=headers, data=body)
        credentials = self.given[self.credentials(account)["AWS_ACCESS_KEY_ID"]]
        SigV4Auth(credentials, "sts", account_proof.REGION).add_auth(request)
        return account_proof.encode(request.headers)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Answers as AWS does."""
        self.asked.append(headers)
        if self.answers:
            return self.answers.pop(0)
        if not self._is_signed(path, headers, body):
            return 403, _REFUSAL.encode()
        answer = requests.post(self.moto_url + path, data=body, headers=headers, timeout=10)
        return answer.status_code, answer.content

    def _is_signed(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        """Computes the signature again from what arrived."""
        form = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d+/([\w-]+)/sts/aws4_request,"
            r" SignedHeaders=([\w;-]+), Signature=(\w+)",
            headers["authorization"],
        )
        if not form or form[1] not in self.given:
            return False
        signed = {name: headers[name] for name in form[3].split(";")}
        request = AWSRequest("POST", f"https://{headers['host']}{path}", signed, body)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(self.given[form[1]], "sts", form[2])
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return bool(auth.signature(text, request) == form[4])


@contextmanager
def running() -> Iterator[Sts]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    sts = Sts("http://{}:{}".format(*moto.get_host_and_port()))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = sts.answer(self.path, headers, body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", answer.decode())
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sts.url = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield sts
        finally:
            server.shutdown()
            moto.stop()
