"""The changes that disarm or open a bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detectors import changes
from detectors.records import Change

OTHER, OWN = "999988887777", "123456789012"


def policy(principal: Any, effect: str = "Allow") -> dict[str, Any]:
    return {"bucketPolicy": {"Statement": [{"Effect": effect, "Principal": principal}]}}


def lifecycle(**expiration: Any) -> dict[str, Any]:
    rule = {"ID": "a", "Status": "Enabled", "Expiration": expiration}
    return {"LifecycleConfiguration": {"Rule": [rule]}}


@pytest.mark.parametrize(
    ("name", "parameters", "sign"),
    [
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}}, "Versioning"),
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}, None),
        ("PutBucketLifecycle", lifecycle(Days=7), "expires"),
        ("PutBucketLifecycleConfiguration", lifecycle(Days="1"), "expires"),
        ("PutBucketLifecycle", lifecycle(Date="2026-11-24T00:00:00Z"), "expires"),
        ("PutBucketLifecycle", lifecycle(Days=30), None),
        ("PutBucketLifecycle", {"Rule": {"Transition": {"Days": 1}}}, None),
        ("PutBucketPolicy", policy("*"), "another account"),
        ("PutBucketPolicy", policy({"AWS": [f"arn:aws:iam::{OTHER}:root"]}), "another account"),
        ("PutBucketPolicy", policy({"AWS": OTHER}), "another account"),
        ("PutBucketPolicy", {"bucketPolicy": json.dumps(policy("*")["bucketPolicy"])}, "another"),
        ("PutBucketPolicy", policy({"AWS": f"arn:aws:iam::{OWN}:role/a"}), None),
        ("PutBucketPolicy", policy("*", "Deny"), None),
        ("PutBucketReplication", {"Rule": {"Destination": {"Account": OTHER}}}, "replicated"),
        ("PutBucketAcl", {"x-amz-acl": ["public-read"]}, "everyone"),
        ("PutBucketEncryption", {"KMSMasterKeyID": f"arn:aws:kms:a:{OTHER}:key/1"}, "KMS"),
        ("PutBucketEncryption", {"KMSMasterKeyID": f"arn:aws:kms:a:{OWN}:key/1"}, None),
        ("PutBucketPolicy", [[]], None),
    ],
)
def test_a_change_that_disarms_or_opens_a_bucket_is_a_signal(
    name: str, parameters: Any, sign: str | None
) -> None:
    at = 1_795_435_200  # 2026-11-23 12:00
    found = changes.signal_of(Change("a", "eve", "", at, name, OWN, json.dumps(parameters)))
    assert (found and sign and sign in found.sign) or (found is None and sign is None)


@pytest.mark.parametrize("parameters", ["", "null", "7", "[" * 5000, '{"Days":' * 500])
def test_any_parameters_are_judged(parameters: str) -> None:
    made = Change("a", "eve", "", 0, "PutBucketLifecycle", OWN, parameters)
    assert changes.signal_of(made) is None
