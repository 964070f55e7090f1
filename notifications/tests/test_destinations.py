"""The settings of each kind of destination."""

from __future__ import annotations

import pytest

from notifications.destinations import KINDS, BadDestination
from notifications.tests.sending import ROUTING_KEY, SECRET, TOKEN


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("webhook", {"url": "https://example.com/a", "secret": "whsec_c2hvcnQ="}, "secret"),
        ("webhook", {"url": "http://example.com/a", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://user:pass@example.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://user@example.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://a.example\\.b.example/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.com:22/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.com:x/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://[::1/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://exa mple.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "file:///etc/passwd", "secret": SECRET}, "url"),
        ("slack", {"url": ""}, "url"),
        ("slack", {"url": "https://hooks.slack.com/a\r\nX: y"}, "url"),
        ("slack", {"url": "https://hooks.slack.com/" + "a" * 3000}, "url"),
        ("slack", {"url": "https://hooks.slack.com/a", "extra": "b"}, "extra"),
        ("teams", {"url": "https://acme.webhook.office.com/webhookb2/a"}, "url"),
        ("pagerduty", {"routing_key": "short"}, "routing_key"),
        ("pagerduty", {"routing_key": ROUTING_KEY, "region": "moon"}, "region"),
        ("sns", {"topic_arn": "arn:aws:sqs:eu-central-1:123456789012:queue"}, "topic_arn"),
        ("sns", {"topic_arn": "arn:aws:sns:evil.example/:123456789012:t"}, "topic_arn"),
        ("apprise", {"url": "jsons://example.com/a\nb"}, "url"),
        ("email", {"to": "soc@example.com, nobody"}, "to"),
        ("email", {"to": "soc@[169.254.169.254]"}, "to"),
        ("email", {"to": "a@example.com\nBcc: b@example.com"}, "to"),
    ],
)
def test_wrong_settings_are_told_by_field(kind: str, given: dict[str, str], field: str) -> None:
    with pytest.raises(BadDestination) as caught:
        KINDS[kind].clean(given)
    assert list(caught.value.errors) == [field]
    assert not given[field] or given[field] not in str(caught.value)


def test_secrets_are_masked() -> None:
    url = f"https://hooks.slack.com/services/{TOKEN}"
    for kind, settings in (
        ("webhook", {"url": url, "secret": SECRET, "previous_secret": SECRET}),
        ("slack", {"url": url}),
        ("teams", {"url": url}),
        ("pagerduty", {"routing_key": ROUTING_KEY, "region": "eu"}),
        ("apprise", {"url": f"tgram://123:{TOKEN}/chat"}),
    ):
        shown = str(KINDS[kind].masked(settings))
        assert not any(secret in shown for secret in (TOKEN, SECRET, ROUTING_KEY, "123"))
    assert KINDS["slack"].masked({"url": url})["url"].startswith("https://hooks.slack.com/")
    assert KINDS["pagerduty"].masked({"region": "eu"}) == {"region": "eu"}
