from __future__ import annotations

from functools import partial

import pytest
from django.test import Client

from findings.catalogue import FINDING_TYPES
from findings.models import ThreatPolicy
from findings.tests.api import put
from tests.at_once import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valid_license"),
]


def whole_catalogue(action: str) -> dict[str, list[dict[str, str]]]:
    return {"policies": [{"finding_type": name, "action": action} for name in FINDING_TYPES]}


@pytest.fixture
def writers(operator_client: Client) -> tuple[Client, Client]:
    other = Client()
    other.cookies = operator_client.cookies
    return operator_client, other


def test_of_two_changes_made_for_the_same_policy_one_is_made(
    writers: tuple[Client, Client],
) -> None:
    for actions in [("BLOCK", "SAVE"), ("IGNORE", "REPORT"), ("SAVE", "BLOCK")]:
        etag = writers[0].get("/findings")["ETag"]
        answers = at_once(
            *(
                partial(put, writer, whole_catalogue(action), if_match=etag)
                for writer, action in zip(writers, actions, strict=True)
            )
        )
        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [200, 412]
        made = actions[statuses.index(200)]
        assert set(ThreatPolicy.objects.actions().values()) == {made}


def test_of_two_replacements_of_one_version_one_is_made_whole(
    writers: tuple[Client, Client],
) -> None:
    files = [
        {"replace": True, "policies": [{"service": service, "action": "SAVE"}]}
        for service in ("EC2", "S3")
    ]
    put(writers[0], whole_catalogue("BLOCK"))
    etag = writers[0].get("/findings")["ETag"]
    answers = at_once(
        *(
            partial(put, writer, file, if_match=etag)
            for writer, file in zip(writers, files, strict=True)
        )
    )
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 412]
    [setting] = ThreatPolicy.objects.actions()
    assert setting.service == ("EC2", "S3")[statuses.index(200)]


def test_two_changes_without_a_tag_follow_one_another_whole(
    writers: tuple[Client, Client],
) -> None:
    for actions in [("BLOCK", "SAVE"), ("IGNORE", "REPORT"), ("SAVE", "BLOCK")]:
        answers = at_once(
            *(
                partial(put, writer, whole_catalogue(action))
                for writer, action in zip(writers, actions, strict=True)
            )
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        [last] = set(ThreatPolicy.objects.actions().values())
        [first] = {*actions} - {last}
        later = answers[actions.index(last)].json()["changed"]
        assert {(change["from"], change["to"]) for change in later} == {(first, last)}
        assert len(later) == len(FINDING_TYPES)
