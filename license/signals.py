"""The signals of this app."""

from __future__ import annotations

from django.dispatch import Signal

# Sent when the license refuses a write. Arguments: `request`; `code`, the problem code.
write_refused = Signal()
