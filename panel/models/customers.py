"""Customers, their teams, and the AWS accounts that they have proven."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet

account_id_field_validator = RegexValidator(r"\A[0-9]{12}\Z", "An AWS account id is 12 digits.")
# Accounts that nobody has: those of examples in AWS's documentation, and twelve times one digit.
EXAMPLE_ACCOUNTS = {
    "012345678901",
    "111122223333",
    "123456789012",
    "444455556666",
    "777788889999",
    *(digit * 12 for digit in "0123456789"),
}


def refuse_example_account(account_id: str) -> None:
    """Raises ValidationError for an account of EXAMPLE_ACCOUNTS."""
    if account_id in EXAMPLE_ACCOUNTS:
        msg = f"{account_id} is an example from AWS's documentation. Enter your own account."
        raise ValidationError(msg)


class Customer(models.Model):
    """A person who has signed up and can get licenses. panel.customers locks this row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(
        max_length=200, blank=True, help_text="Shown in the licenses that are issued from now on."
    )
    is_suspended = models.BooleanField("suspended", default=False, editable=False)

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("suspend_customer", "Can suspend and reinstate customers"),
            ("approve_account_customer", "Can approve AWS accounts of customers"),
            ("make_owner_customer", "Can make people owners of customers"),
        ]

    def __str__(self) -> str:
        return self.user.email

    @property
    def why_suspended(self) -> str:
        """The reason of the latest suspension, which the customer reads. Empty without one."""
        latest = self.act_set.filter(kind=self.act_set.model.Kind.SUSPENDED).order_by("-pk").first()
        return latest.why if latest and self.is_suspended else ""


class Role(models.TextChoices):
    """The role of a member. panel.teams defines what each may do."""

    OWNER = "owner", "Owner"
    BILLING = "billing", "Billing"
    TECHNICAL = "technical", "Technical"


class Member(models.Model):
    """A user who acts for a customer. Each user acts for one; each customer has an owner.

    `Customer.user` is one of the owners.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="members")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="membership"
    )
    role = models.CharField(max_length=9, choices=Role)
    joined_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user.email}, {self.get_role_display()}"


class Invitation(models.Model):
    """An address that may join a customer's team. It is deleted when it is answered."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField("email")
    role = models.CharField(max_length=9, choices=Role)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    sent_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["customer", "email"], name="one_invitation_per_address")
        ]

    def __str__(self) -> str:
        return self.email


class AccountProof(AppendOnlyModel):
    """A customer has proven that an AWS account is theirs, or staff have approved it.

    A Trial requires one. The journal has the time, the person and the reason.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    aws_account_id = models.CharField("AWS account", max_length=12)
    # The challenge that was signed, so that it cannot be used again; null for an approval.
    challenge = models.CharField(max_length=200, null=True, unique=True)  # noqa: DJ001  (NULLs differ)

    objects = models.Manager.from_queryset(AppendOnlyQuerySet["AccountProof"])()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.aws_account_id
