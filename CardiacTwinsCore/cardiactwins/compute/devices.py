"""The device on which networks compute: chosen by the user or the best that works, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

from cardiactwins.compute.environment import cpu_name, memory_bytes, thread_count

__all__ = ["DEVICE_CHOICES", "Device", "choose_device", "device_problem", "torch_name"]

DEVICE_CHOICES = ("auto", "CPU", "CUDA", "MPS")


@dataclass(frozen=True)
class Device:
    """Where tensors live.

    kind: "CPU", "CUDA" or "MPS". name: of the processor or GPU. reason: why this one, a sentence for people.
    memory_bytes: memory of the device (of the machine for CPU), None where the system does not tell.
    index: number of the GPU.
    """

    kind: str
    name: str
    reason: str
    memory_bytes: int | None
    index: int = 0

    @property
    def torch_name(self) -> str:
        """What torch calls it: "cpu", "cuda:0", "mps"."""
        return f"cuda:{self.index}" if self.kind == "CUDA" else self.kind.lower()


def torch_name(device: str) -> str:
    """What torch calls one of `DEVICE_CHOICES`; other names as they are. Errors as of `choose_device`."""
    return choose_device(device).torch_name if device in DEVICE_CHOICES else device


def choose_device(choice: str = "auto") -> Device:
    """The device for one of `DEVICE_CHOICES`; imports torch (seconds) if it is there, unless CPU is chosen.

    "auto" takes the CUDA GPU with the most memory, else MPS, else the CPU, and never fails. A GPU counts only
    if a small computation on it succeeds. Raises ValueError for an unknown choice, and for a chosen GPU that
    cannot be used, with what is missing.
    """
    if choice not in DEVICE_CHOICES:
        raise ValueError(f"Unknown device '{choice}'. Choose one of {', '.join(DEVICE_CHOICES)}.")
    if choice == "CPU":
        return _cpu("CPU was chosen")
    torch, obstacle = _torch()
    if torch is None:
        if choice == "auto":
            return _cpu(obstacle)
        raise ValueError(f"{choice} cannot be used: {obstacle}. Choose CPU or auto.")
    obstacles = []
    for kind, find in (("CUDA", _cuda), ("MPS", _mps)):
        if choice in ("auto", kind):
            found = find(torch, f"{kind} was chosen" if choice == kind else f"the fastest that {kind} offers")
            if isinstance(found, Device):
                return found
            obstacles.append(found)
    if choice == "auto":
        return _cpu("; ".join(obstacles))
    raise ValueError(f"{choice} cannot be used: {obstacles[0]}. Choose CPU or auto.")


def device_problem(name: str) -> str:
    """Why nothing can be computed on a device by torch's name ("cpu", "cuda:1", "mps"); "" when it can."""
    torch, obstacle = _torch()
    return obstacle if torch is None else _does_not_compute(torch, name) or ""


def _torch() -> tuple[ModuleType | None, str]:
    """torch and "", or None and why there is none."""
    if find_spec("torch") is None:
        return None, "PyTorch is not installed"
    try:
        import torch
    except Exception as error:
        # A half-installed PyTorch raises OSError (libraries) and others, not only ImportError.
        return None, f"PyTorch is installed but cannot be imported ({_line(error)})"
    return torch, ""


def _cpu(reason: str) -> Device:
    return Device("CPU", f"{cpu_name()}, {thread_count()} threads", reason, memory_bytes()[0])


def _cuda(torch: ModuleType, reason: str) -> Device | str:
    """The CUDA (or ROCm) GPU with the most memory that computes, or why there is none."""
    try:
        if not torch.cuda.is_available():
            built = getattr(torch.version, "cuda", None) or getattr(torch.version, "hip", None)
            return (
                "no NVIDIA GPU or driver is found"
                if built
                else f"PyTorch {torch.__version__} is installed without CUDA"
            )
        gpus = [(torch.cuda.get_device_properties(i), i) for i in range(torch.cuda.device_count())]
    except Exception as error:
        return f"CUDA does not start ({_line(error)})"
    failures = []
    for gpu, index in sorted(gpus, key=lambda found: (-found[0].total_memory, found[1])):
        failure = _does_not_compute(torch, f"cuda:{index}")
        if failure is None:
            return Device("CUDA", gpu.name, reason, int(gpu.total_memory), index)
        failures.append(f"{gpu.name} does not compute ({failure})")
    return "; ".join(failures) or "no NVIDIA GPU or driver is found"


def _mps(torch: ModuleType, reason: str) -> Device | str:
    """The GPU of a Mac, or why there is none."""
    backend = getattr(torch.backends, "mps", None)
    if backend is None or not backend.is_available():
        return "no Apple GPU is found"
    failure = _does_not_compute(torch, "mps")
    if failure is not None:
        return f"the Apple GPU does not compute ({failure})"
    recommended = getattr(torch.mps, "recommended_max_memory", None)
    memory = int(recommended()) if recommended is not None else memory_bytes()[0]
    return Device("MPS", f"GPU of {cpu_name()}", reason, memory)


def _does_not_compute(torch: ModuleType, device: str) -> str | None:
    """None when the device adds two numbers; otherwise what it says (too old for PyTorch, out of memory)."""
    try:
        total = float(torch.ones(2, device=device).sum().item())
    except Exception as error:
        return _line(error)
    return None if total == 2.0 else f"1 + 1 gives {total:g}"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
