"""The signals of this app."""

from __future__ import annotations

from django.dispatch import Signal

# A user or a program has closed findings. Arguments: `pks` and `at`. Sent in the transaction that
# closes them.
closed = Signal()

# Our detectors have raised or updated findings. Arguments: `findings`, in GuardDuty's format, and
# `at`. Sent in the transaction that counts the events.
detected = Signal()

# Findings were stored or updated. Arguments: `new` and `updated`, each a sequence of ingest.New.
# Sent in the transaction that stores them, after the decision on their actions.
stored = Signal()
