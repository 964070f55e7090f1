"""SNS topics as destinations."""

from __future__ import annotations

import json

import pytest

from notifications.destinations import KINDS, topic
from notifications.tests.sending import MESSAGE
from tests.aws import Cloud


def test_a_topic_gets_the_data_and_the_attributes_for_its_filters(cloud: Cloud) -> None:
    arn, queue = cloud.topic_with_queue()
    subscription = cloud.client("sns").list_subscriptions()["Subscriptions"][0]
    cloud.client("sns").set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"severity": ["HIGH"], "action": ["REPORT"]}),
    )
    settings = KINDS["sns"].clean({"topic_arn": arn})
    answer = KINDS["sns"].send(settings, MESSAGE)
    assert answer.delivered
    assert answer.text.startswith("Message ")
    assert cloud.messages(queue) == [MESSAGE.data]


def test_a_fifo_topic_drops_a_second_attempt(cloud: Cloud) -> None:
    arn, queue = cloud.topic_with_queue(FifoTopic="true")
    for _ in range(2):
        assert KINDS["sns"].send({"topic_arn": arn}, MESSAGE).delivered
    assert cloud.messages(queue) == [MESSAGE.data]


@pytest.mark.parametrize(("code", "status"), [("AuthorizationError", 403), ("Unavailable", 503)])
def test_an_error_of_sns_is_named_and_tried_again(cloud: Cloud, code: str, status: int) -> None:
    arn, _ = cloud.topic_with_queue()
    cloud.fail("Publish", code, status=status)
    answer = KINDS["sns"].send({"topic_arn": arn}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
    assert code in answer.text
    assert cloud.asked.count("Publish") == 1  # the worker tries again, later


def test_sns_costs_a_bounded_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "SEND_FOR", 0.5)
    arn, _ = cloud.topic_with_queue()
    cloud.hang("Publish")
    answer = KINDS["sns"].send({"topic_arn": arn}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
