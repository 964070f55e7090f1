from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.api_auth import Caller
from findings import policy
from findings.catalogue import FINDING_TYPES
from findings.models import Action, PolicyChange
from findings.schemas import PolicySetting, PolicyUpdate
from license import status

# Part of the name of a finding type in the catalog -> its first action. All other types keep the
# default, REPORT.
_STARTER = {
    "BruteForce": Action.BLOCK,
    "MaliciousIPCaller": Action.BLOCK,
    "TorIPCaller": Action.BLOCK,
    "CredentialExfiltration": Action.REVOKE,
    "AttackSequence:": Action.SAVE,
}


class Command(BaseCommand):
    """`manage.py starterpolicy`. Raises CommandError if a policy is set or writes are off."""

    help = (
        "Sets a starter policy if no policy is set: BLOCK for brute force, known malicious callers"
        " and Tor; REVOKE for credentials used outside their instance or resource; SAVE for attack"
        " sequences. All other findings are reported."
    )

    def handle(self, **options: Any) -> None:
        found = status.current()
        if not found.allows_writes:
            msg = f"The policy was not set. {found.reason} {found.remedy}"
            raise CommandError(msg)
        try:
            changes = policy.set_policies(
                PolicyUpdate(policies=list(_settings())).settings(),
                by=Caller(name="starterpolicy"),
                source=PolicyChange.Source.COMMAND,
                at=timezone.now(),
                if_match=[policy.etag({})],
            )
        except policy.StalePolicy:
            msg = "A policy is already set. Nothing was changed."
            raise CommandError(msg) from None
        self.stdout.write(f"Set the action of {len(changes.changed)} finding types.")


def _settings() -> Iterator[PolicySetting]:
    for name in FINDING_TYPES:
        action = next((action for part, action in _STARTER.items() if part in name), None)
        if action:
            yield PolicySetting(service=None, finding_type=name, severity=None, action=action)
