"""Findings that tell much, in GuardDuty's format, from AWS's field lists."""

from __future__ import annotations

from typing import Any

from findings.tests.findings import finding

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DETECTOR = "arn:aws:guardduty:eu-central-1:123456789012:detector/d0"


def indicator(key: str, *values: str, title: str = "") -> dict[str, Any]:
    return {"key": key, "values": list(values), **({"title": title} if title else {})}


def attack_sequence(**service: Any) -> dict[str, Any]:
    """Returns an attack sequence of two signals, told in the wrong order."""
    signals = [
        {
            "uid": f"{_DETECTOR}/finding/{2:032x}",
            "type": "FINDING",
            "name": "Exfiltration:S3/AnomalousBehavior",
            "description": "Objects were read in an unusual way.",
            "firstSeenAt": "2026-11-23T11:00:00Z",
            "lastSeenAt": "2026-11-23T11:05:00Z",
            "severity": 8.0,
            "count": 19,
            "actorIds": ["a-1"],
            "endpointIds": ["e-1"],
            "resourceUids": ["arn:aws:s3:::secrets"],
            "signalIndicators": [
                indicator("ATTACK_TACTIC", "Exfiltration"),
                indicator("ATTACK_TECHNIQUE", "T1530 - Data from Cloud Storage"),
                indicator("HIGH_RISK_API", "s3:GetObject", title="High Risk Api"),
            ],
        },
        {
            "uid": "u-1",
            "type": "CLOUD_TRAIL",
            "name": "iam:CreateAccessKey",
            "firstSeenAt": "2026-11-23T10:00:00Z",
            "actorIds": ["a-1", "unheard of"],
            "endpointIds": ["e-2"],
            "signalIndicators": [
                indicator("ATTACK_TACTIC", "Persistence"),
                indicator("ATTACK_TECHNIQUE", "T1098.001 - Additional Cloud Credentials"),
                indicator("TOR_IP", "203.0.113.9"),
            ],
            "activities": [
                {"type": "API_CALL",
                 "api": {"operation": "CreateAccessKey", "service": "iam", "error": "AccessDenied"}}
            ],
        },
    ]  # fmt: skip
    sequence = {
        "uid": "s-1",
        "description": "Somebody created a key and read what is secret.",
        "actors": [
            {
                "id": "a-1",
                "user": {"name": "mallory", "uid": "AIDA1", "type": "IAMUser",
                         "credentialUid": "AKIAIOSFODNN7EXAMPLE"},
                "session": {"mfaStatus": "DISABLED"},
            }
        ],
        "endpoints": [
            {"id": "e-1", "ip": "198.51.100.9", "port": 443,
             "location": {"city": "Lyon", "country": "France"}},
            {"id": "e-2", "ip": "203.0.113.9", "connection": {"direction": "INBOUND"}},
        ],
        "resources": [
            {"uid": "arn:aws:s3:::secrets", "name": "secrets", "resourceType": "S3_BUCKET",
             "data": {"s3Bucket": {"publicReadAccess": "ALLOWED"}}}
        ],
        "signals": signals,
        "sequenceIndicators": [
            indicator("ATTACK_TACTIC", "Persistence", "Exfiltration"),
            indicator("ATTACK_TECHNIQUE", "T1530 - Data from Cloud Storage"),
        ],
    }  # fmt: skip
    return finding(
        1,
        type="AttackSequence:IAM/CompromisedCredentials",
        severity=9.5,
        title="A sequence of actions",
        resource={"resourceType": "AttackSequence"},
        service={"action": None, "detection": {"sequence": sequence}, **service},
    )


def malware() -> dict[str, Any]:
    """Returns a finding about a malicious object in S3."""
    threats = [
        {
            "name": "EICAR-Test-File",
            "source": "AMAZON",
            "itemPaths": [{"nestedItemPath": "inner/evil.exe", "hash": _SHA256}],
        }
    ]
    bucket = {"name": "uploads", "s3ObjectDetails": [{"key": "invoice.zip", "eTag": "e7"}]}
    return finding(
        3,
        type="Object:S3/MaliciousFile",
        resource={"s3BucketDetails": [bucket]},
        service={"action": None, "malwareScanDetails": {"threats": threats}},
    )


def runtime() -> dict[str, Any]:
    """Returns a runtime finding about a process in a pod of EKS."""
    process = {
        "name": "xmrig",
        "executablePath": "/tmp/.x/xmrig",  # noqa: S108  (a path in a finding)
        "executableSha256": _SHA256,
        "user": "www-data",
        "pid": 4242,
        "parentUuid": "p-1",
        "lineage": [
            {"uuid": "p-0", "name": "systemd", "pid": 1},
            {"uuid": "p-1", "name": "nginx", "executablePath": "/usr/sbin/nginx", "pid": 77},
        ],
    }
    workload = {
        "name": "shop",
        "namespace": "prod",
        "type": "deployments",
        "serviceAccountName": "shop-account",
        "containers": [
            {"name": "web", "image": "registry.example/shop:1", "id": "containerd://c1",
             "securityContext": {"privileged": True}}
        ],
    }  # fmt: skip
    return finding(
        4,
        type="CryptoCurrency:Runtime/BitcoinTool.B",
        resource={
            "resourceType": "EKSCluster",
            "eksClusterDetails": {"name": "blue"},
            "kubernetesDetails": {"kubernetesWorkloadDetails": workload},
        },
        service={
            "action": None,
            "featureName": "RuntimeMonitoring",
            "runtimeDetails": {
                "process": process,
                "context": {"ldPreloadValue": "/tmp/evil.so"},  # noqa: S108  (in a finding)
            },
        },
    )


def anomaly() -> dict[str, Any]:
    """Returns a finding about an API call from a country that was never seen before."""
    unseen = {"profileType": "FREQUENCY", "profileSubtype": "UNSEEN"}
    behavior = {"account": {"country": unseen | {"observations": {"text": ["Spain"]}}}}
    call = {
        "api": "GetObject",
        "serviceName": "s3.amazonaws.com",
        "errorCode": "AccessDenied",
        "userAgent": "curl/8",
        "remoteIpDetails": {"ipAddressV4": "198.51.100.9", "country": {"countryName": "Spain"}},
        "affectedResources": {"AWS::S3::Bucket": "secrets"},
    }
    return finding(
        5,
        type="Discovery:S3/AnomalousBehavior",
        resource={"s3BucketDetails": [{"name": "secrets"}]},
        service={
            "count": 41,
            "action": {"actionType": "AWS_API_CALL", "awsApiCallAction": call},
            "detection": {"anomaly": {"unusual": {"behavior": behavior}}},
            "additionalInfo": {"value": '{"outBytes": 123456, "inBytes": 7}'},
        },
    )


def ecs() -> dict[str, Any]:
    """Returns a finding about a file in a container of an ECS task."""
    task = {
        "arn": "arn:aws:ecs:eu-central-1:123456789012:task/blue/7f",
        "definitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/shop:3",
        "launchType": "FARGATE",
        "containers": [{"name": "web", "image": "registry.example/shop:1"}],
    }
    paths = [{"filePath": "tmp/evil.sh", "hash": _SHA256, "volumeArn": "arn:aws:ec2:::volume/v"}]
    by_name = {"threatNames": [{"name": "Trojan.Gen", "severity": "HIGH", "filePaths": paths}]}
    return finding(
        6,
        type="Execution:ECS/MaliciousFile",
        resource={"ecsClusterDetails": {"name": "blue", "taskDetails": task}},
        service={
            "action": None,
            "ebsVolumeScanDetails": {"scanDetections": {"threatDetectedByName": by_name}},
        },
    )


def dns() -> dict[str, Any]:
    """Returns a finding about an instance that asks for a domain."""
    asked = {"domain": "pool.example.com", "protocol": "UDP", "blocked": False}
    return finding(
        7,
        type="CryptoCurrency:EC2/BitcoinTool.B!DNS",
        service={
            "resourceRole": "ACTOR",
            "action": {"actionType": "DNS_REQUEST", "dnsRequestAction": asked},
        },
    )
