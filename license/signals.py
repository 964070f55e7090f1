"""The signals of this app."""

from __future__ import annotations

from django.dispatch import Signal

# The license did not allow a write. Arguments: request; code, the reason.
write_refused = Signal()
