from __future__ import annotations

import base64
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from license.models import License

pytestmark = [pytest.mark.usefixtures("groups"), pytest.mark.one_database]  # exchanges over HTTP

FORM = "application/x-www-form-urlencoded"


def make_client(*scopes: str) -> tuple[str, str]:
    """Returns the id and the secret that the command prints."""
    out = StringIO()
    arguments = [argument for scope in scopes for argument in ("--scope", scope)]
    call_command("createapiclient", "pipeline", *arguments, stdout=out, stderr=StringIO())
    printed = dict(line.split("=", 1) for line in out.getvalue().splitlines())
    return printed["CLIENT_ID"], printed["CLIENT_SECRET"]


def obtain(client: Client, client_id: str, secret: str, **more: str) -> Any:
    parameters = {"grant_type": "client_credentials", "client_id": client_id}
    return client.post("/oauth/token", parameters | {"client_secret": secret} | more)


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def assert_refused(answer: Any, status: int, error: str) -> None:
    """Asserts an error response (RFC 6749, section 5.2)."""
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("application/json")
    assert "no-store" in answer["Cache-Control"]
    assert answer.json()["error"] == error


def test_a_client_obtains_a_token_and_reads_with_it(client: Client) -> None:
    answer = obtain(client, *make_client("findings:read"))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    document = answer.json()
    assert document["token_type"] == "Bearer"
    assert document["expires_in"] == 3600
    assert document["scope"] == "findings:read"
    assert "refresh_token" not in document
    assert "." not in document["access_token"]  # opaque
    assert bearer(document["access_token"]).get("/findings").status_code == 200


def test_the_secret_travels_in_a_basic_header_too(client: Client) -> None:
    credentials = base64.b64encode(":".join(make_client("findings:read")).encode()).decode()
    answer = client.post(
        "/oauth/token",
        {"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {credentials}"},
    )
    assert answer.status_code == 200


def test_a_license_is_not_needed_to_obtain_a_token(client: Client) -> None:
    assert not License.objects.exists()
    assert obtain(client, *make_client("findings:read")).status_code == 200


def test_a_token_ends_after_an_hour(client: Client) -> None:
    token = obtain(client, *make_client("findings:read")).json()["access_token"]
    now = timezone.now()
    with time_machine.travel(now + timedelta(minutes=59), tick=False):
        assert bearer(token).get("/findings").status_code == 200
    with time_machine.travel(now + timedelta(minutes=61), tick=False):
        assert bearer(token).get("/findings").status_code == 401


def test_the_token_of_a_deleted_client_ends_at_once(
    client: Client, administrator_client: Client, valid_license: object
) -> None:
    client_id, secret = make_client("findings:read")
    token = obtain(client, client_id, secret).json()["access_token"]
    deleted = administrator_client.post(
        f"/admin/allauth_idp_oidc/client/{client_id}/delete/", {"post": "yes"}
    )
    assert deleted.status_code == 302
    assert bearer(token).get("/findings").status_code == 401
    assert_refused(obtain(client, client_id, secret), 401, "invalid_client")


@pytest.mark.usefixtures("valid_license")
def test_a_client_takes_its_token_back(client: Client) -> None:
    client_id, secret = make_client("findings:read")
    token = obtain(client, client_id, secret).json()["access_token"]
    wrong = {"token": token, "client_id": client_id, "client_secret": "wrong"}
    assert client.post("/oauth/revoke", wrong).status_code == 401
    assert bearer(token).get("/findings").status_code == 200
    client.post("/oauth/revoke", wrong | {"client_secret": secret})
    assert bearer(token).get("/findings").status_code == 401


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("by_header", [True, False])
def test_a_client_takes_no_other_clients_token_back(client: Client, by_header: bool) -> None:
    token = obtain(client, *make_client("findings:read")).json()["access_token"]
    client_id, secret = make_client("findings:read")
    body = {"token": token}
    if by_header:
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        answer = client.post("/oauth/revoke", body, headers={"Authorization": f"Basic {basic}"})
    else:
        body |= {"client_id": client_id, "client_secret": secret}
        answer = client.post("/oauth/revoke", body)
    assert answer.status_code == 200  # RFC 7009, 2.2: as for a token that does not exist
    assert bearer(token).get("/findings").status_code == 200


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("scheme", ["Basic", "BASIC"])
@pytest.mark.parametrize("secret_of_other", [b":", b""])
def test_an_incomplete_header_makes_nobody_another_client(
    client: Client, scheme: str, secret_of_other: bytes
) -> None:
    other_id, other_secret = make_client("findings:read")
    token = obtain(client, other_id, other_secret).json()["access_token"]
    client_id, secret = make_client("findings:read")
    header = f"{scheme} {base64.b64encode(other_id.encode() + secret_of_other).decode()}"
    body = {"token": token, "client_id": client_id, "client_secret": secret}
    client.post("/oauth/revoke", body, headers={"Authorization": header})
    assert bearer(token).get("/findings").status_code == 200


def test_a_wrong_secret_obtains_nothing(client: Client) -> None:
    client_id, _ = make_client("findings:read")
    assert_refused(obtain(client, client_id, "wrong"), 401, "invalid_client")
    assert_refused(obtain(client, "nobody", "wrong"), 401, "invalid_client")
    assert not Token.objects.exists()


def test_a_client_obtains_no_scope_that_it_was_not_given(client: Client) -> None:
    credentials = make_client("findings:read")
    for scope in ("findings:write", "findings:read findings:write", "openid", "*"):
        assert_refused(obtain(client, *credentials, scope=scope), 400, "invalid_scope")


def test_a_client_may_ask_for_less(client: Client) -> None:
    credentials = make_client("findings:read", "findings:write")
    assert set(obtain(client, *credentials).json()["scope"].split()) == {
        "findings:read",
        "findings:write",
    }
    less = obtain(client, *credentials, scope="findings:write").json()
    assert less["scope"] == "findings:write"
    assert bearer(less["access_token"]).get("/findings").json()["code"] == "insufficient_scope"


@pytest.mark.parametrize(
    "grant",
    [
        "authorization_code",
        "password",
        "refresh_token",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "",
    ],
)
def test_every_other_grant_is_refused(grant: str, client: Client) -> None:
    client_id, secret = make_client("findings:read")
    # Even for a client that somebody has opened up in the database.
    everything = "\n".join(OAuthClient.GrantType.values)
    OAuthClient.objects.update(grant_types=everything, scopes="openid\nfindings:read")
    more = {"username": "vera", "password": "x", "code": "x", "refresh_token": "x"}
    answer = obtain(client, client_id, secret, **more, grant_type=grant)
    assert_refused(answer, 400, "unsupported_grant_type")


def test_nothing_else_of_a_provider_is_served(client: Client) -> None:
    for path in ("/.well-known/openid-configuration", "/identity/o/authorize", "/oauth/authorize"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/oauth/token?grant_type=client_credentials", "/oauth/token?x=%"])
def test_credentials_do_not_travel_in_the_address(path: str, client: Client) -> None:
    assert_refused(client.post(path), 400, "invalid_request")


def test_a_parameter_is_sent_once(client: Client) -> None:
    body = "grant_type=client_credentials&grant_type=password"
    assert_refused(client.post("/oauth/token", body, content_type=FORM), 400, "invalid_request")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b""),
        (FORM, b"\xff\x00%%%&=&=="),
        (FORM, b"grant_type=client_credentials&client_id=%00&client_secret=x"),
        (FORM, b"grant_type=client_credentials&client_id=%ED%A0%80&client_secret=x"),
        (FORM, b"&".join(b"a%d=1" % number for number in range(2000))),
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data"),
        ("application/x-www-form-urlencoded; charset=latin-1", b"a=b"),
        ("", b"a=b"),
    ],
)
def test_a_malformed_body_is_a_bad_request(content_type: str, body: bytes, client: Client) -> None:
    answer = client.post("/oauth/token", body, content_type=content_type)
    assert_refused(answer, 400, "invalid_request")


def test_a_body_over_the_limit_is_refused_like_any_other(client: Client) -> None:
    answer = client.post("/oauth/token", b"a=" + b"x" * 2_000_000, content_type=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !",
        "Basic //8=",
        "Basic AAAA",
        "Basic OjoA",
        "Basic YTpiAA==",
        "\x80",
    ],
)
def test_a_malformed_basic_header_is_a_bad_client(header: str, client: Client) -> None:
    answer = client.post(
        "/oauth/token", {"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert_refused(answer, 401, "invalid_client")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parameters=st.dictionaries(
        st.sampled_from(["client_id", "client_secret", "scope", "resource", "audience", "code"]),
        st.text(st.characters(codec="utf-8"), max_size=40),
    ),
    header=st.text(st.characters(codec="latin-1"), max_size=40),
)
def test_whatever_is_sent_is_never_a_server_error(parameters: dict[str, str], header: str) -> None:
    cache.clear()  # the rate limit
    answer = Client().post(
        "/oauth/token",
        parameters | {"grant_type": "client_credentials"},
        headers={"Authorization": header},
    )
    assert answer.status_code in {400, 401}


def test_neither_secret_nor_token_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client_id, secret = make_client("findings:read")
    token = obtain(client, client_id, secret).json()["access_token"]
    obtain(client, client_id, f"{secret}x")
    bearer(token).get("/findings")
    bearer(f"{token}x").get("/findings")
    written = "\n".join(str(record.__dict__) for record in caplog.records) + caplog.text
    assert secret not in written
    assert token not in written
    assert secret not in OAuthClient.objects.get().secret
