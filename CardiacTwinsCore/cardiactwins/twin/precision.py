"""Which precision a device is made for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

__all__ = ["computes_in_bfloat16"]


@cache
def computes_in_bfloat16(device: str) -> bool:
    """Whether a device ("cpu", "cuda", ...) has instructions for bfloat16, so that mixed precision is faster.

    On processors without them, bfloat16 is emulated and slower than float32.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
