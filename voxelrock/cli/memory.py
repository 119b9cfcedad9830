"""How the command's process deals with memory: what arrays give back is kept for the next ones."""

from __future__ import annotations

import ctypes
import os
import sys

_ARENAS, _LARGEST, _KEPT = -8, -3, -1
"""glibc's ``M_ARENA_MAX``, ``M_MMAP_THRESHOLD`` and ``M_TRIM_THRESHOLD``."""
_GIB, _MIB = 1 << 30, 1 << 20


def keep_freed_memory() -> bool:
    """Have glibc keep up to 512 MiB of freed memory in one heap, and put arrays of up to 1 GiB there; gives whether it was told.

    By default it gives every array of more than 32 MiB back at once, and the system clears the same pages again for the next: a sixth of the time of
    an analysis at 512³ (benchmarks/README.md). Nothing is changed where the environment says how (``MALLOC_…``), or where there is no glibc.
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    larger = tell(_LARGEST, _GIB) or tell(_LARGEST, 32 * _MIB)  # more than 32 MiB is refused before glibc 2.35
    return bool(larger and tell(_KEPT, 512 * _MIB) and tell(_ARENAS, 1))
