"""Keeps what is imported before this out of garbage collections, also in forks of the process.

A collection would look at all of it in vain, and copy its memory in each fork.
"""

from __future__ import annotations

import gc

gc.freeze()
