from __future__ import annotations

from io import StringIO

import pytest
from allauth.idp.oidc.models import Client
from django.core.management import CommandError, call_command

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # what a command prints


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("createapiclient", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_prints_what_a_shell_can_read_and_nothing_else() -> None:
    out, err = run("pipeline", "--scope", "findings:write", "--scope", "findings:read")
    (id_line, secret_line) = out.splitlines()
    client = Client.objects.get(pk=id_line.removeprefix("CLIENT_ID="))
    assert client.check_secret(secret_line.removeprefix("CLIENT_SECRET="))
    assert client.name == "pipeline"
    assert client.get_scopes() == ["findings:read", "findings:write"]
    assert client.get_grant_types() == ["client_credentials"]
    assert "not shown again" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pipeline"], "No scope given"),
        (["pipeline", "--scope", "findings:delete"], "Unknown scope: findings:delete"),
        (
            ["pipeline", "--scope", "findings:read findings:write"],
            "Unknown scope: findings:read find",
        ),
        (["pipeline", "--scope", "openid"], "Unknown scope: openid"),
        (["", "--scope", "findings:read"], "The name must have"),
        (["  ", "--scope", "findings:read"], "The name must have"),
        (["a\nb", "--scope", "findings:read"], "The name must have"),
        (["x" * 101, "--scope", "findings:read"], "The name must have"),
    ],
)
def test_it_says_in_one_line_what_is_wrong_and_makes_nothing(
    arguments: list[str], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
    assert not Client.objects.exists()
