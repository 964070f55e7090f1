"""What a record of CloudTrail tells: what was done to which bucket, by whom, from where and when.

No Django, no clock.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_network
from typing import Any, NamedTuple
from urllib.parse import unquote

from detectors import log_files
from detectors.bounds import ACCOUNT, ANONYMOUS, PRINCIPAL_MAX_LENGTH, SOURCE_MAX_LENGTH
from detectors.log_files import Identity, Issuer, Parameters, Record, Session


class Operation(StrEnum):
    """What a record did to a bucket. Each record has one; a copy also reads its source."""

    READ = "read"
    WRITE = "write"
    WRITE_SSE_C = "write_sse_c"  # with a key that only the caller has
    WRITE_FOREIGN_KMS = "write_foreign_kms"  # with a KMS key of another account
    WRITE_NOTE = "write_note"  # an object that is named like a ransom note
    WRITE_LOCKED = "write_locked"  # an object with an extension of known ransomware
    DELETE = "delete"
    DELETE_VERSION = "delete_version"
    DELETE_BATCH = "delete_batch"  # DeleteObjects, of up to 1000 objects
    LIST = "list"
    FAILED = "failed"  # such as AccessDenied
    CANARY = "canary"  # a key that nobody should use, whatever was done or tried
    OTHER = "other"  # any other use of an object of a canary bucket
    CHANGE = "change"  # of the settings of the bucket


READS = frozenset({"GetObject", "SelectObjectContent"})
COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "RestoreObject"})
_BEGUN = _WRITES | {"CreateMultipartUpload"}
# What others do not change.
PLAIN = {
    **dict.fromkeys(READS, Operation.READ),
    "DeleteObjects": Operation.DELETE_BATCH,
    **dict.fromkeys(
        (
            "ListObjects",
            "ListObjectsV2",
            "ListObjectVersions",
            "HeadObject",
            "GetObjectAttributes",
        ),
        Operation.LIST,
    ),
    **dict.fromkeys(
        (
            "PutBucketVersioning",
            "PutBucketLifecycle",
            "PutBucketLifecycleConfiguration",
            "PutBucketPolicy",
            "DeleteBucketPolicy",
            "PutBucketEncryption",
            "PutObjectLockConfiguration",
            "PutBucketReplication",
            "PutBucketAcl",
            "DeletePublicAccessBlock",
            "DeleteBucketPublicAccessBlock",
        ),
        Operation.CHANGE,
    ),
}
COUNTED = frozenset({*PLAIN, *COPIES, *_BEGUN, "DeleteObject"})

_NOTE = re.compile(
    "ransom|decrypt|how[_ -]?to[_ -]?(restore|recover|unlock|get)|recover[_ -](your[_ -])?files"
    "|your[_ -]files|warning[_ -]?read|read[_ -]?me[_ -]?now"
)
_NOTES = frozenset({"txt", "htm", "html", "hta", "md", "rtf", "pdf"})
_LOCKED = frozenset(
    {
        *("locked", "lock", "encrypted", "enc", "crypt", "crypted", "crypto", "cry", "ransom"),
        *("lockbit", "akira", "ryuk", "conti", "hive", "wncry", "phobos", "makop", "blackcat"),
        "codefinger",
    }
)
_KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]*:([0-9]{12}):")


class Canaries(NamedTuple):
    """What nobody should use."""

    buckets: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # each "bucket/key"
    prefixes: tuple[str, ...] = ()  # each "bucket/prefix"

    @property
    def watched(self) -> frozenset[str]:
        """The buckets of which each use of an object counts."""
        named = (one.partition("/")[0] for one in (*self.keys, *self.prefixes))
        return frozenset({*self.buckets, *named})

    def have(self, bucket: str, key: str) -> bool:
        """Whether the key of an object is one."""
        if not (self.keys or self.prefixes):
            return False
        name = f"{bucket}/{key}"
        return name in self.keys or name.startswith(self.prefixes)


NO_CANARIES = Canaries()


What = tuple[Any, ...]


def what(record: Record, name: str | None, parameters: Parameters) -> What:
    """Returns all that the operation follows from, but for the bucket, its owner and canaries."""
    response = record.response_elements
    return (
        name,
        record.error_code is not None,
        parameters.version_id is not None,
        parameters.customer_algorithm is not None,
        (response and response.kms_key) or parameters.kms_key,
        _sign(parameters.key) if parameters.key and name in _BEGUN else None,
    )


def of(
    record: Record, name: str, bucket: str, owner: str | None, canaries: Canaries
) -> Operation | None:
    """Returns what was done to a bucket of the account `owner`, or None if it does not count."""
    parameters = record.request_parameters or Parameters()
    _, is_error, is_version, is_sse_c, kms_key, sign = what(record, name, parameters)
    written = (sign or Operation.WRITE) if name in _BEGUN else None
    is_canary = parameters.key is not None and canaries.have(bucket, parameters.key)
    if is_canary and (is_error or not written):
        return Operation.CANARY
    if is_error and name in COUNTED:
        return Operation.FAILED
    if plain := PLAIN.get(name):
        return plain
    if name == "DeleteObject":
        return Operation.DELETE_VERSION if is_version else Operation.DELETE
    if not written:
        return Operation.OTHER if bucket in canaries.buckets else None
    if is_sse_c:
        return Operation.WRITE_SSE_C
    key_of = _KMS_KEY.match(kms_key or "")
    if key_of and owner is not None and key_of[1] != owner:
        return Operation.WRITE_FOREIGN_KMS
    if name == "CreateMultipartUpload":
        return None
    return Operation.CANARY if is_canary and written == Operation.WRITE else written


def _sign(key: str) -> Operation | None:
    """Returns what the name of a written object is a sign of."""
    path, dot, extension = key[-128:].lower().rpartition(".")
    if extension in _NOTES:
        return Operation.WRITE_NOTE if _NOTE.search(path, path.rfind("/") + 1) else None
    return Operation.WRITE_LOCKED if dot and extension in _LOCKED else None


def of_copied(record: Record, bucket: str, key: str, canaries: Canaries) -> Operation:
    """Returns what a copy did to its source."""
    if canaries.have(bucket, key):
        return Operation.CANARY
    return Operation.FAILED if record.error_code is not None else Operation.READ


def copied_from(record: Record) -> tuple[str, str]:
    """Returns the bucket and the key of the source of a copy."""
    source = record.request_parameters and record.request_parameters.copy_source
    # It is encoded: "/bucket/key%20with%20spaces".
    bucket, _, key = (source or "").lstrip("/").partition("/")
    return bucket, unquote(key.partition("?versionId=")[0])


def bucket_of(record: Record) -> tuple[str, str | None]:
    """Returns the name and the account of the bucket, by the resources of the record."""
    for one in log_files.resources(record.resources):
        start, _, name = (one.arn or "").partition(":s3:::")
        if name and "/" not in name and start.startswith("arn:aws"):
            return name, one.account_id and cut(one.account_id, 16)
    return "", None


_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z")


def second_of(time: str | None) -> int:
    """Returns the seconds since 1970, 0 of what is no time. A leap second is the one before."""
    if not time or not _TIME.fullmatch(time):
        return 0
    try:
        return int(datetime.fromisoformat(time.replace(":60Z", ":59Z")).timestamp())
    except ValueError:
        return 0


def cut(text: str | None, length: int) -> str:
    """Returns a text without NUL, which PostgreSQL does not store."""
    return (text or "").replace("\0", "")[:length]


def issuer_of(identity: Identity) -> Issuer:
    return (identity.session_context or Session()).session_issuer or Issuer()


def principal_of(identity: Identity, address: str | None) -> str:
    return cut(_principal_of(identity, address), PRINCIPAL_MAX_LENGTH)


def _principal_of(identity: Identity, address: str | None) -> str:
    kind, arn = identity.type, identity.arn
    principal_id = identity.principal_id
    if identity.account_id == "anonymous" or kind == "Anonymous":
        return ANONYMOUS + cut(address, SOURCE_MAX_LENGTH)
    if kind == "AWSService":
        return "service " + (identity.invoked_by or principal_id or "?")[:200]
    without_session = (principal_id or "").partition(":")[0]
    if kind == "AWSAccount":
        return f"{ACCOUNT}{cut(identity.account_id, 16)} {without_session[:128]}"
    # The role and not its session, of which there can be any number.
    if issuer := issuer_of(identity).arn:
        return issuer
    if kind == "AssumedRole":
        return arn.rpartition("/")[0] or arn if arn else "?"
    return arn or without_session or "?"


_ENDPOINT = re.compile("vpce-[0-9a-z]{8,32}")
_IPV4 = re.compile(r"([0-9]{1,3}(?:[.][0-9]{1,3}){2})[.][0-9]{1,3}")
_IPV6 = re.compile("[0-9a-f:.]{2,45}")


def source_of(principal: str, address: str | None, endpoint: str | None) -> str:
    """Returns the VPC endpoint, the address of an anonymous caller, a network or a service."""
    if endpoint and _ENDPOINT.fullmatch(endpoint):
        return endpoint
    if principal.startswith(ANONYMOUS):
        return cut(address, SOURCE_MAX_LENGTH)
    lower = (address or "").lower()
    if is_ipv4 := _IPV4.fullmatch(lower):
        return f"{is_ipv4[1]}.0/24"
    if ":" in lower and _IPV6.fullmatch(lower):
        return ":".join(lower.split(":")[:3]).rstrip(":") + "::/48"
    return cut(lower, SOURCE_MAX_LENGTH)


_PRIVATE = [  # RFC 1918, 4193 and 6598: addresses in VPCs, also in those of others
    ip_network(one)
    for one in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]


def is_public(source: str) -> bool:
    """Whether it is a network of the internet, and no VPC endpoint, service or private network."""
    if "/" not in source:
        return False
    try:
        network = ip_network(source)
    except ValueError:
        return True  # of an IPv6 address in a rare form
    return not any(
        network.version == one.version and network.subnet_of(one)  # type: ignore[arg-type]
        for one in _PRIVATE
    )
