"""Memory that ran out, recognised in the errors of Python, numpy and PyTorch, and told in words."""

from __future__ import annotations

import errno
import re

__all__ = ["NotEnoughMemory", "described_error", "memory_error"]

TELLTALES = re.compile(
    r"DefaultCPUAllocator|out of memory|can't allocate memory|_STATUS_ALLOC_FAILED", re.IGNORECASE
)
"""In the text of a RuntimeError of PyTorch; only memory of a GPU has an error class of its own there."""

GPUS = re.compile(r"\b(CUDA|HIP|MPS|XPU|GPU)|CUBLAS|CUDNN|MIOPEN", re.IGNORECASE)
AMOUNT = re.compile(r"to allocate ([\d.]+ ?(?:bytes|[KMGTP]iB))", re.IGNORECASE)


class NotEnoughMemory(MemoryError):
    """Memory ran out; the message, which starts with START, says whose, and what to do."""

    START = "Not enough memory"

    @classmethod
    def told(cls, text: str, *, gpu: bool) -> NotEnoughMemory:
        """Of the text of the error that arose, of which the amount is told where it is named."""
        amount = AMOUNT.search(text)
        asked = f" ({amount[1]} more were asked for)" if amount else ""
        if gpu:
            return cls(
                f"{cls.START} on the GPU{asked}. Lower the batch, close other programs that use the GPU, or "
                "compute on the processor."
            )
        return cls(f"{cls.START}{asked}. Lower the batch or the number of workers, or close other programs.")


def memory_error(error: BaseException) -> NotEnoughMemory | None:
    """What an error says in words where it is one of memory that ran out; None for any other.

    These are MemoryError (numpy's too), torch.OutOfMemoryError, a RuntimeError of PyTorch about memory, and
    an OSError of that reason. PyTorch is not imported.
    """
    if isinstance(error, NotEnoughMemory):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return NotEnoughMemory.told(text, gpu=False)
    on_gpu = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    if on_gpu or (isinstance(error, RuntimeError) and TELLTALES.search(text)):
        return NotEnoughMemory.told(text, gpu=on_gpu or GPUS.search(text) is not None)
    return None


def described_error(error: BaseException) -> str:
    """ "ValueError: what is wrong", or in words alone that memory ran out."""
    return str(memory_error(error) or f"{type(error).__name__}: {error}")
