"""Bounds of what is counted of a log file, and the principals that stand for others."""

from __future__ import annotations

SLOT = 10  # seconds, the smallest interval of the sums
LATE = 24 * 60 * 60  # seconds after which a record is not counted
EARLY = 60 * 60  # seconds in the future up to which a record is counted

# Rows of one bucket in one slot of one file; the rest is counted for OTHERS. Strangers have a share
# of their own, so that they cannot hide what the account's own principals do.
ROWS_MAX = 200
SUMS_MAX = 50_000  # of one file; the rest, and the share of strangers, as above
ACTORS_MAX = 2000  # of one file whose particulars are told
CHANGES_MAX = 1000  # of the settings of buckets in one file
BYTES_MAX = 2**50  # of one row, so that no column overflows
PRINCIPAL_MAX_LENGTH = 256
SOURCE_MAX_LENGTH = 64
KEY_MAX_LENGTH = 256  # of an example
EXAMPLES = 5

OTHERS = "(others)"  # the principal of all that the limits leave without a row of their own
ANONYMOUS = "anonymous "  # and the address
ACCOUNT = "account "  # and the ID of another account, and of its principal
