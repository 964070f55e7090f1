"""An SNS topic in the AWS account of the portal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from notifications.destinations.contract import (
    SEND_FOR,
    Answer,
    Field,
    Kind,
    Message,
    body,
    delivered,
    failed,
    timed_out,
)
from serving.egress import TimedOut, within

BODY_LENGTH = 250_000  # bytes; SNS accepts 256 KiB with the attributes
_ARN = re.compile(
    r"arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+)+-[0-9]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?"
)


class Topic(Kind):
    """Publishes `message.data` to a topic, which AWS reaches with the permissions of the worker."""

    name = "sns"
    label = "SNS topic"
    fields = (
        Field(
            "topic_arn",
            "ARN of the topic",
            "Such as arn:aws:sns:eu-central-1:123456789012:findings. The worker needs sns:Publish.",
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the ARN. Raises ValueError."""
        if not _ARN.fullmatch(value):
            msg = "Enter the ARN of an SNS topic."
            raise ValueError(msg)
        return value

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Publishes the message. A FIFO topic drops what another attempt has published."""
        # Here, because the process that runs Apprise imports this module without Django's settings.
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        from actions.aws.outcome import CONFIG, failure, region_of

        topic = settings["topic_arn"]
        once = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
        fifo = {
            "MessageGroupId": "findings",
            "MessageDeduplicationId": hashlib.sha256(message.id.encode()).hexdigest(),
        }

        def publish() -> str:
            client = boto3.Session().client(
                "sns", region_name=region_of(topic), config=CONFIG.merge(once)
            )
            answer = client.publish(
                TopicArn=topic,
                Message=body(message, BODY_LENGTH),
                MessageAttributes=_attributes(message),
                **(fifo if topic.endswith(".fifo") else {}),
            )
            return f"Message {answer['MessageId']}."

        try:
            return delivered(within(SEND_FOR, publish))
        except TimedOut:
            return timed_out("SNS")
        except (BotoCoreError, ClientError) as error:
            problem = failure(error)
            return failed(str(problem), retry=not problem.permanent)


def _attributes(message: Message) -> dict[str, dict[str, str]]:
    """Returns what subscriptions filter by: severity, and the finding's type and policy action."""
    values = {
        "finding_type": _member(message.data, "finding", "type"),
        "severity": message.severity,
        "action": _member(message.data, "policy", "action"),
    }
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in values.items()
        if value
    }


def _member(data: Mapping[str, Any], *names: str) -> str:
    value: object = data
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
