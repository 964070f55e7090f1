"""Queues, topics, event buses and schedules."""

from __future__ import annotations

import json
from typing import Any

from tests.cloudformation.registry import Properties, call, named, register


def _set_of_queues(sqs: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, {}


def _topic_policy(sns: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    policy = json.dumps(properties["PolicyDocument"])
    for arn in properties["Topics"]:
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return name, {}


def _subscribe(sns: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return call(sns, "subscribe", properties, ReturnSubscriptionArn=True)["SubscriptionArn"], {}


def _bus_policy(events: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    statement = {"Sid": properties["StatementId"]} | properties["Statement"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    events.put_permission(EventBusName=properties["EventBusName"], Policy=policy)
    return name, {}


register("AWS::SQS::QueuePolicy", "sqs", _set_of_queues)
register("AWS::SNS::TopicPolicy", "sns", _topic_policy)
register("AWS::SNS::Subscription", "sns", _subscribe)
register(  # moto's has no Ref
    "AWS::Events::EventBus",
    "events",
    lambda events, _, new: (new["Name"], {"Arn": events.create_event_bus(**new)["EventBusArn"]}),
    delete=lambda events, name, _: events.delete_event_bus(Name=name),
    attributes=("Arn",),
)
register("AWS::Events::EventBusPolicy", "events", _bus_policy)
register(
    "AWS::Scheduler::Schedule",
    "scheduler",
    named("create_schedule", "Name"),
    lambda client, one, new: call(client, "update_schedule", new, Name=one.physical_resource_id),
    lambda client, name, _: client.delete_schedule(Name=name),
)
