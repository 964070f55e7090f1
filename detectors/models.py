from __future__ import annotations

import fnmatch
from typing import Self

from django.conf import settings
from django.db import models

from detectors import bounds
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class Sensitivity(models.TextChoices):
    """How soon the detectors raise a finding. rules.py says what each means."""

    LOW = "LOW", "Low"
    NORMAL = "NORMAL", "Normal"
    HIGH = "HIGH", "High"


SERVICE, TAG = "service ", "tag "  # how lines of Bucket.allowed begin


def _matches(name: str, patterns: str) -> bool:
    lines = (line.strip() for line in patterns.splitlines())
    return any(fnmatch.fnmatchcase(name, line) for line in lines if line)


class Bucket(models.Model):
    """A registered bucket. The detectors count only what happens in these."""

    name = models.CharField(max_length=63, unique=True)
    sensitivity = models.CharField(
        max_length=8, choices=Sensitivity.choices, default=Sensitivity.NORMAL
    )
    is_canary = models.BooleanField(
        "canary",
        default=False,
        help_text="Nobody uses this bucket, so every use of it is a finding.",
    )
    allowed = models.TextField("allowed actors", blank=True, default="")  # see `allows`
    canary_keys = models.TextField(blank=True, default="", db_default="")  # or "prefix*", by line
    # In an hour, by Measure.key; those of rules.py apply to the others. Null for none.
    floors = models.JSONField(null=True, default=None)
    registered_at = models.DateTimeField()
    # Seconds since 1970, like all times of events in this app.
    first_event_at = models.BigIntegerField(null=True, editable=False)
    last_event_at = models.BigIntegerField(null=True, editable=False)
    late = models.BigIntegerField(default=0, editable=False)  # records not counted: over a day late

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="sensitivity_is_known",
                condition=models.Q(sensitivity__in=[one.value for one in Sensitivity]),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def allows(self, principal: str) -> bool:
        """Whether no finding is raised for this principal. Strangers together are nobody's job.

        Each line of `allowed` is a pattern of an ARN, of "service NAME", or "tag KEY=VALUE".
        """
        return principal != bounds.OTHERS and _matches(principal, self.allowed)

    def allows_source(self, source: str) -> bool:
        """Whether it is a service that is allowed, also when it acts for a principal.

        CloudTrail then has the name of the service as address, which no caller can choose.
        """
        is_name = "." in source and "/" not in source and not source.startswith("vpce-")
        return is_name and _matches(f"{SERVICE}{source}", self.allowed)

    @property
    def allowed_tags(self) -> frozenset[tuple[str, str]]:
        """The keys and values of the tags of the IAM users and roles that are allowed."""
        lines = (line.strip() for line in self.allowed.splitlines())
        pairs = (one.removeprefix(TAG).split("=", 1) for one in lines if one.startswith(TAG))
        return frozenset((pair[0], pair[1]) for pair in pairs if len(pair) == 2)


class Actor(models.Model):
    """Who used a bucket from where, with what the newest record says. counting.py limits them."""

    bucket = models.ForeignKey(Bucket, on_delete=models.CASCADE)
    principal = models.CharField(max_length=bounds.PRINCIPAL_MAX_LENGTH + 32)
    source = models.CharField(max_length=bounds.SOURCE_MAX_LENGTH)
    principal_type = models.CharField(max_length=32)
    principal_id = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    account_id = models.CharField(max_length=16)
    access_key = models.CharField(max_length=128)
    address = models.CharField(max_length=bounds.SOURCE_MAX_LENGTH)
    user_agent = models.CharField(max_length=256)
    region = models.CharField(max_length=32)
    bucket_account = models.CharField(max_length=16)
    first_at = models.BigIntegerField()
    last_at = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bucket", "principal", "source"], name="one_actor_for_each_source"
            )
        ]
        indexes = [models.Index(fields=["principal", "first_at"], name="buckets_of_principal")]

    def __str__(self) -> str:
        return self.principal


class Sum(models.Model):
    """How often an actor did an operation in 10 seconds, a minute or an hour.

    The same record can come in a log file and as a single event. Both are summed apart, and the
    larger sum counts: each is at most what happened, and the files are complete in the end.
    """

    actor = models.ForeignKey(Actor, on_delete=models.CASCADE, db_index=False)
    grain = models.PositiveSmallIntegerField()  # seconds
    at = models.BigIntegerField()  # the start, a multiple of the grain
    operation = models.CharField(max_length=20)
    count = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    single_count = models.BigIntegerField(default=0)
    single_bytes = models.BigIntegerField(default=0)
    peak_1 = models.BigIntegerField(default=0)  # of an hour: the most in one minute
    peak_5 = models.BigIntegerField(default=0)  # and in five minutes

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["actor", "grain", "at", "operation"], name="one_sum_for_each_interval"
            )
        ]
        indexes = [models.Index(fields=["grain", "at"], name="sums_to_fold")]

    def __str__(self) -> str:
        return f"{self.operation} {self.count}"


class Mark(models.Model):
    """That a log file or a single event was counted. Removed when it can no longer come again."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class KeyUse(models.Model):
    """When a long-lived access key was last used on a registered bucket."""

    access_key = models.CharField(max_length=128, primary_key=True)
    last_at = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return self.access_key


class Episode(models.Model):
    """An attack that goes on or has ended: one finding."""

    finding_id = models.CharField(max_length=64, unique=True)
    # Those of the bucket when the finding was raised. They identify it, and so do not change.
    account_id = models.CharField(max_length=16, db_default="")
    region = models.CharField(max_length=32, db_default="")
    bucket = models.ForeignKey(Bucket, on_delete=models.CASCADE)
    finding_type = models.CharField(max_length=100)
    principal = models.CharField(max_length=bounds.PRINCIPAL_MAX_LENGTH + 32)
    first_at = models.BigIntegerField()
    last_at = models.BigIntegerField()
    times = models.PositiveIntegerField(default=1)  # that it was raised or updated
    severity = models.FloatField()
    signs = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(
                fields=["bucket", "finding_type", "principal", "last_at"], name="episodes_of_actor"
            )
        ]

    def __str__(self) -> str:
        return f"{self.finding_type} {self.bucket_id}"


class BucketChangeQuerySet(AppendOnlyQuerySet["BucketChange"]):
    """Queries of the log of changes of the buckets."""

    def newest_first(self) -> Self:
        """Returns the changes, newest first."""
        return self.order_by("-changed_at", "-pk")


BucketChangeManager = models.Manager.from_queryset(BucketChangeQuerySet)


class BucketChange(AppendOnlyModel):
    """One entry of the append-only log of changes of the registered buckets."""

    changed_at = models.DateTimeField(db_index=True)
    # Null for a program, which `client_id` identifies, and for a command.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    changed_by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True)
    bucket = models.CharField(max_length=63)
    before = models.JSONField(null=True)  # its settings; null if it was not registered
    after = models.JSONField(null=True)  # null if it was removed

    objects = BucketChangeManager()

    class Meta:
        verbose_name = "bucket change"
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.bucket} removed"
        return f"{self.bucket} {'registered' if self.before is None else 'changed'}"
