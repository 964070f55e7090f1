from __future__ import annotations

from django.db import models

from findings.guardduty.parser import ACCOUNT_ID_MAX_LENGTH


class MemberRole(models.Model):
    """Whether the containment role of an AWS account answers. The worker writes it."""

    account_id = models.CharField(max_length=ACCOUNT_ID_MAX_LENGTH, unique=True)
    asked_at = models.DateTimeField(null=True)  # when a user asked to try it; null once tried
    tried_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)  # when it last answered
    problem = models.TextField(blank=True)  # why it did not answer at the last try

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.account_id
