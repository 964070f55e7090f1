"""The page of an event tells all that its finding says, and leads on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from detectors.tests.traffic import bucket
from findings.guardduty.parser import Unparsed, unwrap
from findings.models import Entity, Finding
from findings.tests import telling
from findings.tests.findings import finding
from findings.tests.parsed import SAMPLES, load
from findings.tests.test_events_page import arrive, seen
from findings.tests.test_ocsf import SSH, ocsf

pytestmark = pytest.mark.one_database  # pages


def page(client: Client, pk: int | None = None, query: str = "") -> str:
    answer = client.get(f"/events/{pk or Finding.objects.latest('pk').pk}{query}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def told(client: Client, document: Any) -> str:
    """Returns the page of the finding before its raw JSON."""
    arrive(document)
    return page(client).partition("Raw finding (JSON)")[0]


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.json")))
def test_every_sample_has_a_page(viewer_client: Client, name: str) -> None:
    for found in unwrap(load(name)):
        assert not isinstance(found, Unparsed)
        text = told(viewer_client, found)
        assert Finding.objects.get().finding_type in text
        assert "Finding in GuardDuty" in text


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (
            telling.attack_sequence,
            ("Attack sequence", "iam:CreateAccessKey", "T1530", "Persistence", "TA0010", "mallory"),
        ),
        (telling.malware, ("EICAR-Test-File", "inner/evil.exe", "9f86d081", "invoice.zip")),
        (telling.runtime, ("xmrig", ".x/xmrig", "www-data", "nginx", "prod/shop",
                           "shop-account", "registry.example/shop:1")),
        (telling.ecs, ("Trojan.Gen", "tmp/evil.sh", "FARGATE", "task/blue/7f")),
        (telling.anomaly, ("GetObject", "s3.amazonaws.com", "AccessDenied", "41",
                           "Seen for the first time: Spain", "123456", "curl/8")),
        (telling.dns, ("pool.example.com", "UDP")),
        (lambda: ocsf(SSH), ("Inbound", "TCP", "22 (SSH)", "198.51.100.7", "Lyon")),
    ],
)  # fmt: skip
def test_the_page_tells_what_the_finding_says(
    viewer_client: Client, make: Callable[[], Any], facts: tuple[str, ...]
) -> None:
    text = told(viewer_client, make())
    assert [fact for fact in facts if fact not in text] == []


def test_a_finding_that_is_nested_too_deeply_for_the_page_is_shown_raw(
    viewer_client: Client,
) -> None:
    inside: Any = "the core"
    for _ in range(900):
        inside = {"k": inside}
    arrive(finding(1, unheard=inside))
    assert '"the core"' in page(viewer_client)


def test_a_sequence_leads_to_its_entities_and_to_the_findings_that_are_its_signals(
    viewer_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    arn = f"arn:aws:guardduty:eu-central-1:123456789012:detector/d0/finding/{1:032x}"
    arrive(finding(2, associatedAttackSequenceArn=arn), telling.attack_sequence())
    signal = Finding.objects.get(finding_id=f"{2:032x}")
    sequence = Finding.objects.get(finding_id=f"{1:032x}")
    page(viewer_client, sequence.pk)  # a session's first request notes when it was
    with django_assert_max_num_queries(14):
        text = page(viewer_client, sequence.pk)
    timeline = text.partition('id="timeline"')[2].partition("</section>")[0]
    assert timeline.index("iam:CreateAccessKey") < timeline.index("Exfiltration:S3")
    assert f'href="/events/{signal.pk}"' in timeline
    for entity in ("mallory", "203.0.113.9", "secrets"):
        pk = Entity.objects.get(name=entity).pk
        assert f'href="/entities/{pk}"' in timeline
    part = f'<a class="badge" href="/events/{sequence.pk}">Part of an attack sequence</a>'
    assert part in page(viewer_client, signal.pk)


def test_a_finding_of_our_detectors_leads_to_its_bucket_and_not_to_guardduty(
    viewer_client: Client,
) -> None:
    service = {"detector": {"principal": "arn:aws:iam::123456789012:user/bob"}}
    resource = {"s3BucketDetails": [{"name": "invoices"}]}
    ours = finding(1, type="ThreatReaction:Ransomware/Delete", service=service, resource=resource)
    assert "buckets/of" not in told(viewer_client, ours)
    bucket()
    text = page(viewer_client)
    assert 'href="/buckets/of/invoices"' in text
    assert "guardduty/home" not in text


def test_the_page_leads_to_guardduty_to_its_documentation_and_to_the_resource(
    viewer_client: Client,
) -> None:
    text = told(viewer_client, finding(7))
    console = "https://eu-central-1.console.aws.amazon.com"
    assert f'href="{console}/guardduty/home?region=eu-central-1#/findings?macros' in text
    assert 'finding-types-ec2.html#unauthorizedaccess-ec2-sshbruteforce"' in text
    instance = f"{console}/ec2/home?region=eu-central-1#InstanceDetails:instanceId=i-0123456789"
    assert instance in text


def test_what_an_attacker_writes_is_only_text(viewer_client: Client) -> None:
    evil = '"><script>alert(1)</script>'
    arrive(
        finding(
            1,
            region=evil,
            resource={evil: {evil: evil}, "instanceDetails": {"instanceId": evil}},
            service={"runtimeDetails": {"process": {"name": evil}}},
        )
    )
    answer = viewer_client.get(f"/events/{Finding.objects.get().pk}").content.decode()
    assert "<script>alert" not in answer
    assert "javascript:" not in answer


def test_an_archived_finding_says_that_it_is_not_acted_on(viewer_client: Client) -> None:
    text = told(viewer_client, finding(1, service={"archived": True}))
    assert "The finding is archived in GuardDuty. The portal does not act on it." in text


def neighbors(text: str) -> dict[str, str]:
    return dict(re.findall(r'<a rel="(prev|next)" href="([^"]+)"', text))


def test_the_neighbors_are_those_of_the_filtered_list(viewer_client: Client) -> None:
    arrive(
        seen(1, 1),
        seen(2, 2, severity=2),
        seen(3, 3),
        seen(4, 3),  # at the same time as the one before
        seen(5, 4, type="Recon:EC2/Portscan"),
    )
    pks = {one.title: one.pk for one in Finding.objects.all()}
    one, two, three, four, five = (pks[f"Number {number}."] for number in range(1, 6))
    listed = viewer_client.get("/events?severity=HIGH").content.decode()
    assert f'href="/events/{three}?severity=HIGH"' in listed
    assert neighbors(page(viewer_client, three)) == {
        "prev": f"/events/{four}",
        "next": f"/events/{two}",
    }
    query = "?severity=HIGH&type=UnauthorizedAccess%3AEC2%2FSSHBruteForce"
    assert neighbors(page(viewer_client, three, query)) == {
        "prev": f"/events/{four}{query}",
        "next": f"/events/{one}{query}",
    }
    assert neighbors(page(viewer_client, four, query)) == {"next": f"/events/{three}{query}"}
    assert neighbors(page(viewer_client, five, "?severity=HUGE")) == {"next": f"/events/{four}"}


def test_a_date_in_the_filter_is_kept_as_it_was_written(viewer_client: Client) -> None:
    arrive(seen(1, 1), seen(2, 2))
    query = "?since=2026-11-23+12%3A00"
    newest = Finding.objects.get(title="Number 2.").pk
    assert neighbors(page(viewer_client, newest, query))["next"].endswith(query)


def test_the_raw_finding_is_on_the_page(viewer_client: Client) -> None:
    arrive(finding(1, newField="told"))
    raw = page(viewer_client).partition('id="raw">')[2].partition("</code>")[0]
    assert json.loads(raw)["newField"] == "told"
