"""What findings name: entities, words of titles, and names of AWS accounts."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from findings.models.events import Finding


class Entity(models.Model):
    """An entity that findings name, such as an address, an instance or an access key."""

    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=512)
    # Sums, which findings.sums keeps: the findings that name it, those of them in which it acted,
    # and their finding types.
    findings = models.PositiveIntegerField(default=0, db_default=0)
    acted = models.PositiveIntegerField(default=0, db_default=0)
    types = models.PositiveIntegerField(default=0, db_default=0)
    # When the newest of these findings was seen. Null if none names it, or if a version that did
    # not store it inserted the row.
    last_seen_at = models.DateTimeField(null=True)

    first_seen_at: datetime | None = None  # set by findings.entities.give_first_seen

    class Meta:
        verbose_name_plural = "entities"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="each_entity_once"),
        ]
        indexes = [
            # With this operator class, PostgreSQL also finds the beginning of a name.
            models.Index(fields=["name"], name="entity_by_name", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["-types", "-findings", "name", "id"], name="entity_most_types"),
            models.Index(
                fields=["kind", "-types", "-findings", "name", "id"],
                name="entity_most_types_of_kind",
            ),
            models.Index(fields=["-findings", "name", "id"], name="entity_most_findings"),
            models.Index(
                fields=["kind", "-findings", "name", "id"], name="entity_most_findings_of_kind"
            ),
            models.Index(fields=["-last_seen_at", "-id"], name="entity_last_seen"),
            models.Index(fields=["kind", "-last_seen_at", "-id"], name="entity_last_seen_of_kind"),
            # PostgreSQL cannot sort with the operator class above.
            models.Index(fields=["name", "id"], name="entity_in_order_of_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Mention(models.Model):
    """Links a finding to an entity that it names, as an actor or as an affected resource."""

    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, db_index=False)  # the constraint
    entity = models.ForeignKey(Entity, on_delete=models.PROTECT, db_index=False)
    is_actor = models.BooleanField()
    # That of the finding. Null if a version that did not store it inserted the row; see
    # findings.sums.
    seen_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["finding", "entity", "is_actor"], name="each_mention_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["entity", "-seen_at", "-finding"], name="mention_newest_of_entity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} in {self.finding}"


class KnownTitle(models.Model):
    """The words of a title that findings of a type have, without what differs between findings.

    The search looks here instead of reading the titles of all findings. See findings.titles.
    """

    finding_type = models.CharField(max_length=200)
    words = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["finding_type", "words"], name="each_title_once"),
        ]

    def __str__(self) -> str:
        return f"{self.finding_type}: {self.words}"


class AccountName(models.Model):
    """The display name of an AWS account."""

    account_id = models.CharField("AWS account", max_length=64, unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        default_permissions = ("change",)  # adding and removing a name count as changes

    def __str__(self) -> str:
        return self.name
