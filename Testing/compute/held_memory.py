"""Memory that this process holds, as the C library counts it.

Resident memory is no measure of it: the kernel keeps pages of freed blocks, and may fill them anew, so
that what is added within them does not show.
"""

import ctypes
import gc
import sys

_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
CAN_COUNT = hasattr(_C_LIBRARY, "mallinfo2")
_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Counts(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and later, over all arenas."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]


def held_bytes():
    """Bytes of the blocks that were asked for and not yet freed: of the heap and mapped ones."""
    gc.collect()
    count = _C_LIBRARY.mallinfo2
    count.restype = _Counts
    counts = count()
    return counts.uordblks + counts.hblkhd
