"""What this machine and this installation offer: versions, device, threads, memory, and what is missing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from cardiactwins import __version__

__all__ = [
    "Environment",
    "MissingPackage",
    "accelerators",
    "cpu_name",
    "describe_environment",
    "memory_bytes",
    "package_versions",
    "thread_count",
]

PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "cma": "cma",
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "matplotlib": "matplotlib",
    "slicer-core": "slicer",
    "simpleitk": "SimpleITK",
    "vtk": "vtkmodules",
    "typer": "typer",
    "rich": "rich",
    "dask": "dask",
    "distributed": "distributed",
    "torch": "torch",
    "monai": "monai",
    "safetensors": "safetensors",
}
"""Distribution and the package that it brings, in the order they are shown."""

OPTIONAL = {
    "dask": "studies on a Dask cluster",
    "distributed": "studies on a Dask cluster",
    "torch": "modules that train or run neural networks",
    "monai": "modules that train or run neural networks",
    "safetensors": "modules that train or run neural networks",
}
"""What needs a package that the base installation does without."""


@dataclass(frozen=True)
class MissingPackage:
    """A package that is not installed, what needs it, and the command that brings it."""

    name: str
    needed_for: str
    how_to_get: str
    optional: bool


@dataclass(frozen=True)
class Environment:
    """What `describe_environment` found.

    versions: package -> version. memory_total, memory_available: bytes, None where the system does not tell.
    accelerators: names of the GPUs that torch can use.
    """

    versions: Mapping[str, str]
    system: str
    cpu: str
    threads: int
    memory_total: int | None
    memory_available: int | None
    accelerators: tuple[str, ...]
    missing: tuple[MissingPackage, ...]


def describe_environment() -> Environment:
    """Look at this machine and installation. Imports torch (and nothing else heavy) if it is installed."""
    versions = package_versions()
    total, available = memory_bytes()
    return Environment(
        versions=versions,
        system=platform.platform(),
        cpu=cpu_name(),
        threads=thread_count(),
        memory_total=total,
        memory_available=available,
        accelerators=accelerators(),
        missing=tuple(_missing(name) for name in PACKAGES if name not in versions),
    )


def package_versions() -> dict[str, str]:
    """Versions of cardiactwins, Python and every installed package of `PACKAGES`; imports none of them."""
    versions = {"cardiactwins": __version__, "python": platform.python_version()}
    for distribution, package in PACKAGES.items():
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            # The Slicer application brings slicer and vtk without metadata of a distribution.
            if find_spec(package) is not None and distribution != "slicer-core":
                versions[distribution] = getattr(sys.modules.get(package), "__version__", "unknown")
    return versions


def accelerators() -> tuple[str, ...]:
    """Names of the GPUs that torch can use; empty without torch."""
    if find_spec("torch") is None:
        return ()
    import torch

    names = [f"CUDA {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("Apple MPS")
    return tuple(names)


def thread_count() -> int:
    """Hardware threads this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """Model of the processor, or its architecture where the system does not tell."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.stdout.strip():
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> tuple[int | None, int | None]:
    """Memory of the machine and the part free for new work, in bytes; None where the system does not tell."""
    if find_spec("psutil") is not None:
        import psutil

        memory = psutil.virtual_memory()
        return int(memory.total), int(memory.available)
    names = getattr(os, "sysconf_names", {})
    page = os.sysconf("SC_PAGE_SIZE") if "SC_PAGE_SIZE" in names else 0
    total = os.sysconf("SC_PHYS_PAGES") * page if "SC_PHYS_PAGES" in names else None
    available = os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in names else None
    return total, available


def _missing(name: str) -> MissingPackage:
    needed_for = OPTIONAL.get(name, "the base installation")
    command = f"python -m pip install '{_requirement(name)}'"
    return MissingPackage(name, needed_for, command, optional=name in OPTIONAL)


def _requirement(name: str) -> str:
    """The package with the versions that this installation asks for; its name where none are declared."""
    try:
        declared = metadata.requires("cardiactwins") or []
    except metadata.PackageNotFoundError:
        declared = []
    requirements = (line.partition(";")[0].strip() for line in declared)
    return next((line for line in requirements if re.split(r"[\s<>=!~\[]", line)[0] == name), name)
