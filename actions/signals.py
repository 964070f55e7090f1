"""The signals of this app. Each is sent in the transaction that makes the change."""

from __future__ import annotations

from django.dispatch import Signal

# Actions moved to a final state, or were prevented when they were requested. Arguments: `pks`,
# `state` and `at`. What the policy prevents when a finding arrives comes with
# findings.signals.stored.
settled = Signal()

# The circuit breaker tripped. Argument: `trip`.
tripped = Signal()

# The circuit breaker was reset. Argument: `at`.
reset = Signal()
