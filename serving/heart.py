"""That a loop of a worker moves."""

from __future__ import annotations

import time

# Longer than the lease of a batch, which is longer than a batch can take while AWS hangs.
STUCK = 6 * 60.0  # seconds without the end of a round, after which a loop is stuck


class Heart:
    """Of one loop in one process. Other threads can read it."""

    def __init__(self, loop: str) -> None:
        self.loop = loop
        self.moved_at = time.monotonic()

    @property
    def is_stuck(self) -> bool:
        """Whether the loop has not moved for STUCK seconds, so that only a restart helps."""
        return time.monotonic() - self.moved_at > STUCK

    def move(self) -> None:
        """After a part of a round, also after an error."""
        self.moved_at = time.monotonic()
