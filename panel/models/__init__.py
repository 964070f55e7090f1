"""The tables of the panel: customers, orders, licenses, and what is recorded."""

from panel.models.customers import (
    AccountProof,
    Customer,
    Invitation,
    Member,
    Role,
    account_id_field_validator,
    refuse_example_account,
)
from panel.models.licenses import IssuedLicense, IssuedLicenseQuerySet, Reminder, Revocation
from panel.models.orders import Counter, Invoice, Order
from panel.models.records import Act, OutgoingMail

__all__ = [
    "AccountProof",
    "Act",
    "Counter",
    "Customer",
    "Invitation",
    "Invoice",
    "IssuedLicense",
    "IssuedLicenseQuerySet",
    "Member",
    "Order",
    "OutgoingMail",
    "Reminder",
    "Revocation",
    "Role",
    "account_id_field_validator",
    "refuse_example_account",
]
