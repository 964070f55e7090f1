"""Links to AWS are of the right region and partition, and safe."""

from __future__ import annotations

import pytest

from findings.guardduty.links import documentation_url, finding_url, resource_url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "https://eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_the_console_is_that_of_region_and_partition(region: str, host: str) -> None:
    assert finding_url(region=region, finding_id="5f") == (
        f"{host}/guardduty/home?region={region}#/findings?macros=current&fId=5f"
    )
    assert resource_url("instance", "i-1", region=region).startswith(f"{host}/ec2/home?region=")


@pytest.mark.parametrize("region", ["", "us-east-1.evil.example/x#", "US-EAST-1", "eu central 1"])
def test_a_region_that_is_none_has_no_link(region: str) -> None:
    assert finding_url(region=region, finding_id="5f") == ""
    assert resource_url("instance", "i-1", region=region) == ""


@pytest.mark.parametrize(
    ("kind", "name", "finding_type", "path"),
    [
        ("bucket", "logs", "", "/s3/buckets/logs?region=eu-west-1"),
        ("object", "arn:aws:s3:::logs/a b", "", "/s3/object/logs?region=eu-west-1&prefix=a%20b"),
        ("user", 'x"><script>', "", "/iam/home#/users/details/x%22%3E%3Cscript%3E"),
        ("cluster", "blue", "Execution:ECS/Any", "/ecs/v2/clusters/blue?region=eu-west-1"),
        ("cluster", "blue", "Impact:Kubernetes/Any", "/eks/clusters/blue?region=eu-west-1"),
        (
            "task",
            "arn:aws:ecs:eu-west-1:1:task/blue/7f",
            "",
            "/ecs/v2/clusters/blue/tasks/7f?region=eu-west-1",
        ),
        ("address", "198.51.100.7", "", None),
        ("task", "7f", "", None),
    ],
)  # fmt: skip
def test_a_resource_has_the_page_of_its_service(
    kind: str, name: str, finding_type: str, path: str | None
) -> None:
    expected = f"https://eu-west-1.console.aws.amazon.com{path}" if path else ""
    assert resource_url(kind, name, region="eu-west-1", finding_type=finding_type) == expected


@pytest.mark.parametrize(
    ("finding_type", "anchor"),
    [
        ("Stealth:IAMUser/CloudTrailLoggingDisabled", "stealth-iam-cloudtrailloggingdisabled"),
        ("Backdoor:EC2/C&CActivity.B!DNS", "backdoor-ec2-ccactivitybdns"),
    ],
)
def test_the_documentation_opens_at_the_type(finding_type: str, anchor: str) -> None:
    page = "https://docs.aws.amazon.com/guardduty/latest/ug/types.html"
    assert documentation_url(finding_type, page) == f"{page}#{anchor}"
    assert documentation_url(finding_type, "") == ""
