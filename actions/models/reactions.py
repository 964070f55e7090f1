from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from actions import remedies, signals
from actions.models.kinds import (
    CONTAINMENT,
    CONTAINMENTS,
    IN_AN_ACCOUNT,
    IN_ORDER,
    LIFTS,
    WITH_AN_END,
    ReactionKind,
    State,
)
from actions.models.memories import Memory
from actions.remedies import Remedy
from findings.guardduty.parser import ACCOUNT_ID_MAX_LENGTH, ENTITY_NAME_MAX_LENGTH
from findings.models import Finding
from serving.logs import TRACE_MAX_LENGTH
from storage.append_only import (
    AppendOnlyModel,
    AppendOnlyQuerySet,
    KeptModel,
    KeptQuerySet,
)


class ReactionQuerySet(KeptQuerySet["Reaction"]):
    """Queries of actions. `settle`, `postpone` and `start` are the only ways to update rows."""

    def _move(self, **fields: object) -> int:
        pending = self.filter(state=State.PENDING)
        return models.QuerySet.update(pending, **fields)

    @transaction.atomic
    def settle(self, state: State, *, at: datetime, outcome: str) -> int:
        """Moves the pending actions to a final state. Returns how many there were."""
        pending = self.filter(state=State.PENDING)
        return pending._end(state=state, at=at, outcome=outcome)

    def _end(self, state: State, *, at: datetime, outcome: str) -> int:
        # Locked, so that of two workers that settle them at once, one tells.
        pks = list(self.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        if not pks:
            return 0
        these = Reaction.objects.filter(pk__in=pks)
        models.QuerySet.update(these, state=state, settled_at=at, due_at=None, outcome=outcome)
        signals.settled.send(Reaction, pks=pks, state=state, at=at)
        return len(pks)

    def postpone(self, until: datetime) -> int:
        """Delays the pending actions until then. Returns how many there were."""
        return self._move(due_at=until)

    def start(self, at: datetime) -> int:
        """Records the first attempt of pending actions. Returns how many had none before."""
        return self.filter(started_at=None)._move(started_at=at)

    def waiting(self, at: datetime) -> Self:
        """Returns the actions that wait for an approval at this time."""
        return self.filter(state=State.WAITING, due_at__gt=at)

    @transaction.atomic
    def end_wait(self, state: State, *, at: datetime, outcome: str) -> int:
        """Moves waiting actions to a final state. Returns how many there were."""
        waiting = self.filter(state=State.WAITING)
        return waiting._end(state=state, at=at, outcome=outcome)

    def lift(self, at: datetime | None) -> int:
        """Sets when a worker looks at these blocks to lift them; None for never again."""
        return models.QuerySet.update(self, lifts_at=at)

    def of_findings(self, **columns: str) -> list[Self]:
        """Returns queries, of which the actions on findings with these values match one.

        The columns are `finding_type` and `account_id`, which never change in a finding.
        """
        if not columns:
            return [self]
        names = {"finding_type": "finding_type", "account_id": "finding_account_id"}
        found = [self.filter(**{names[name]: value for name, value in columns.items()})]
        if Reaction.objects.filter(finding_account_id=None).exists():
            joined = {f"finding__{name}": value for name, value in columns.items()}
            found.append(self.filter(finding_account_id=None, **joined))
        return found

    def due(self, at: datetime) -> Self:
        """Returns the pending actions that are due at this time."""
        return self.filter(state=State.PENDING, due_at__lte=at)

    def in_turn(self, at: datetime, *, held: Sequence[str] = ()) -> Self:
        """Returns the actions that need not wait for another one.

        Excludes the `held` kinds, and targets whose earlier containment or undo is held, or pending
        and not yet due because a worker is attempting it or it has failed. In an account, what
        undoes another action also waits until that is settled, since that can fail or do a part.
        """
        undoes = Q(kind__in=IN_AN_ACCOUNT) & ~Q(kind=OuterRef("kind"))
        earlier = Reaction.objects.filter(
            Q(due_at__gt=at) | Q(kind__in=held) | undoes,
            state=State.PENDING,
            kind__in=IN_ORDER,
            target=OuterRef("target"),
            target_kind=OuterRef("target_kind"),
            account_id=OuterRef("account_id"),
            pk__lt=OuterRef("pk"),
        )
        return self.exclude(kind__in=held).exclude(Exists(earlier))

    def outlasting(self, at: datetime) -> Self:
        """Returns the blocks that were not undone since and end after this time, or never."""
        undone = Reaction.objects.filter(
            kind__in=LIFTS,
            state__in=[State.DONE, State.DRY_RUN],
            target=OuterRef("target"),
            target_kind=OuterRef("target_kind"),  # a user can be named like an address
            pk__gt=OuterRef("pk"),
        )
        return self.filter(
            Q(ends_at=None) | Q(ends_at__gt=at),
            ~Exists(undone.filter(Q(state=State.DONE) | Q(state=OuterRef("state")))),
            kind__in=WITH_AN_END,
            state__in=[State.PENDING, State.DONE, State.DRY_RUN],
        )

    def in_force(self) -> Self:
        """Returns, per target, the newest containment of each kind that was not undone since.

        Ignores failed and prevented actions, unless they may have done a part: what they remember.
        Annotates `is_being_undone`.
        """
        standing = [State.PENDING, State.DONE]
        newer = Reaction.objects.filter(
            target=OuterRef("target"),
            target_kind=OuterRef("target_kind"),
            account_id=OuterRef("account_id"),
            pk__gt=OuterRef("pk"),
        )
        both_dry = Q(state=State.DRY_RUN) & Q(state=OuterRef("state"))
        again = newer.filter(Q(state__in=standing) | both_dry, kind=OuterRef("kind"))
        # A kind of target has one kind of containment, so what undoes it is certain.
        undone = newer.filter(kind__in=[one.undone_by for one in CONTAINMENTS.values()])
        did_a_part = Exists(Memory.objects.filter(reaction=OuterRef("pk")))
        return self.filter(
            Q(state__in=[*standing, State.DRY_RUN])
            | (Q(state__in=[State.FAILED, State.PREVENTED]) & did_a_part),
            ~Exists(again),
            ~Exists(undone.filter(Q(state=State.DONE) | both_dry)),
            kind__in=CONTAINMENT,
        ).annotate(is_being_undone=Exists(undone.filter(state=State.PENDING)))

    def undoable(self) -> Self:
        """Returns those in force that can be undone: neither dry runs nor being undone already."""
        undoable: Any = self.exclude(state=State.DRY_RUN)
        found: Self = undoable.filter(is_being_undone=False)
        return found


ReactionManager = models.Manager.from_queryset(ReactionQuerySet)


class Reaction(KeptModel):
    """One action on a target, with its reason and state.

    An action by hand can have no finding; an action of the policy always has one. `decisions.py`,
    `by_hand.py`, `undo.py` and `limits.py` add rows; `execution.py`, `breaker.py` and `approval.py`
    update their state. The primary key is the order in which the actions on a target apply.
    Database triggers prevent all other updates and all deletes.
    """

    finding = models.ForeignKey(
        Finding, on_delete=models.PROTECT, null=True, related_name="reactions"
    )
    # Those of the finding, for filters; "" if there is none. Null if a version that did not store
    # them inserted the row.
    finding_type = models.CharField(max_length=200, blank=True, null=True)  # noqa: DJ001
    finding_account_id = models.CharField(max_length=64, blank=True, null=True)  # noqa: DJ001
    kind = models.CharField("action", max_length=8, choices=ReactionKind)
    target_kind = models.CharField(max_length=16)  # findings.guardduty.parser.Kind, or "finding"
    target = models.CharField(max_length=ENTITY_NAME_MAX_LENGTH)
    # The AWS account of the target; "" if it is in none, as an address.
    account_id = models.CharField(
        max_length=ACCOUNT_ID_MAX_LENGTH, blank=True, db_default="", default=""
    )
    why = models.TextField()
    outcome = models.TextField(blank=True)  # the result, once it is settled
    state = models.CharField(max_length=16, choices=State)
    decided_at = models.DateTimeField()
    # The time of the next attempt, or until when it waits for an approval; null if there is none.
    due_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)  # time of the first attempt
    settled_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)  # the end of a block; null if it has none
    lifts_at = models.DateTimeField(null=True)  # when a worker looks next whether to lift it
    # Null and "" if the policy requires the action, or if a time limit ends a block. An action
    # that a person requests has the name.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=200, blank=True)
    # The ID of the request or message that led to it, which each line of the log about it has.
    # The database has the default too, for a version that does not know the column.
    trace = models.CharField(max_length=TRACE_MAX_LENGTH, blank=True, db_default="", default="")
    # The client ID of the program that requested it. The database has the default too, as above.
    client_id = models.CharField(max_length=200, blank=True, db_default="", default="")
    # Who requested it, and the Idempotency-Key of the request; "" without one.
    request_key = models.CharField(max_length=500, blank=True, db_default="", default="")
    # The SHA-256 digest of the body of that request.
    request_digest = models.CharField(max_length=64, blank=True, db_default="", default="")

    is_being_undone: bool  # set only by `in_force`

    objects = ReactionManager()

    class Meta:
        verbose_name = "action"
        base_manager_name = "objects"
        default_permissions = ("view", "add")
        constraints = [
            models.UniqueConstraint(
                fields=["finding", "kind", "target_kind", "target"],
                condition=Q(requested_by_name="") & ~Q(kind__in=["UNBLOCK", "RESTORE"]),
                name="a_finding_is_acted_on_once",
            ),
            models.UniqueConstraint(
                fields=["request_key"], condition=~Q(request_key=""), name="a_request_acts_once"
            ),
            # The policy acts on findings only. The unblock at the end of a block has what it had.
            models.CheckConstraint(
                condition=Q(finding__isnull=False) | ~Q(requested_by_name="") | Q(kind="UNBLOCK"),
                name="the_policy_acts_on_a_finding",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "waiting"], settled_at=None, due_at__isnull=False)
                | (~Q(state__in=["pending", "waiting"]) & Q(settled_at__isnull=False, due_at=None)),
                name="pending_is_due_and_settled_is_not",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="pending", condition=Q(state="pending")),
            models.Index(fields=["due_at"], name="waiting", condition=Q(state="waiting")),
            models.Index(
                fields=["lifts_at"], name="block_to_lift", condition=Q(lifts_at__isnull=False)
            ),
            models.Index(fields=["target", "kind", "-id"], name="reaction_by_target"),
            models.Index(fields=["kind", "-id"], name="reaction_by_kind"),
            models.Index(fields=["state", "-id"], name="reaction_by_state"),
            models.Index(fields=["finding_type", "-id"], name="reaction_by_finding_type"),
            models.Index(fields=["finding_account_id", "-id"], name="reaction_by_finding_account"),
            # For counts.
            models.Index(fields=["state", "kind", "decided_at"], name="reaction_by_kind_and_state"),
            models.Index(fields=["decided_at"], name="reaction_by_decision"),
            models.Index(fields=["started_at"], name="reaction_by_start"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.target}"

    @property
    def its_finding(self) -> Finding:
        """The finding. Raises ValueError if there is none, as for some actions by hand."""
        if self.finding is None:
            raise ValueError(f"Action {self.pk} has no finding.")
        return self.finding

    @property
    def can_be_allowed(self) -> bool:
        """Whether the target can be added to the allowlist for the finding type."""
        return self.kind in CONTAINMENT and bool(self.target) and self.finding_id is not None

    @property
    def was_not_done(self) -> bool:
        """Whether it failed, was prevented, or waits or waited for an approval."""
        return self.state in (State.FAILED, State.PREVENTED, State.WAITING, State.APPROVED)

    @property
    def remedy(self) -> Remedy | None:
        """A link to what helps if it failed or was prevented; None if nothing does."""
        if self.state not in (State.FAILED, State.PREVENTED):
            return None
        return remedies.remedy(self.outcome, self.finding_id)

    @property
    def has_no_end(self) -> bool:
        """Whether it is a block or denial without a time limit."""
        return self.kind in WITH_AN_END and not self.was_not_done and self.ends_at is None

    @property
    def gives_up_at(self) -> datetime:
        """The time after which there are no more attempts."""
        return self.decided_at + timedelta(days=1)


class AttemptQuerySet(AppendOnlyQuerySet["Attempt"]):
    """Queries of attempts, which are append-only."""


AttemptManager = models.Manager.from_queryset(AttemptQuerySet)


class Attempt(AppendOnlyModel):
    """One attempt at an action, and AWS's answer."""

    reaction = models.ForeignKey(Reaction, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    succeeded = models.BooleanField()
    answer = models.TextField()

    objects = AttemptManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.answer


class VerdictQuerySet(AppendOnlyQuerySet["Verdict"]):
    """Queries of verdicts, which are append-only."""


VerdictManager = models.Manager.from_queryset(VerdictQuerySet)


class Verdict(AppendOnlyModel):
    """Whether a person or a program approved an action that waited for it, and why."""

    reaction = models.OneToOneField(Reaction, on_delete=models.PROTECT, related_name="verdict")
    at = models.DateTimeField()
    approved = models.BooleanField()
    # Null for a program, which `client_id` identifies.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True, db_default="", default="")
    reason = models.TextField()

    objects = VerdictManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{'Approved' if self.approved else 'Rejected'} by {self.by_name}: {self.reason}"
