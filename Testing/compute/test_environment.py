import os
import re
import sys
import types
from pathlib import Path

import pytest

from cardiactwins.compute import environment


def stand_in_torch(cuda, mps):
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(
        device_count=lambda: len(cuda), get_device_name=lambda index: cuda[index]
    )
    torch.backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: mps))
    return torch


@pytest.mark.parametrize(
    ("cuda", "mps", "names"),
    [([], False, ()), (["A", "B"], False, ("CUDA A", "CUDA B")), ([], True, ("Apple MPS",))],
)
def test_the_accelerators_are_those_that_torch_can_use(monkeypatch, cuda, mps, names):
    monkeypatch.setitem(sys.modules, "torch", stand_in_torch(cuda, mps))
    monkeypatch.setattr(environment, "find_spec", lambda name: name)
    assert environment.accelerators() == names


def test_without_torch_there_is_no_accelerator(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    assert environment.accelerators() == ()


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(environment, "package_versions", lambda: {"numpy": "2.0"})
    missing = {package.name: package for package in environment.describe_environment().missing}
    assert "numpy" not in missing
    assert missing["torch"].optional
    assert re.fullmatch(r"python -m pip install 'torch[<>=,.\d]+'", missing["torch"].how_to_get)
    assert "<2.14" in missing["torch"].how_to_get
    assert re.fullmatch(r"python -m pip install 'dask[<>=,.\d]+'", missing["dask"].how_to_get)
    assert not missing["scipy"].optional


def test_the_machine_has_threads_and_a_processor():
    assert 1 <= environment.thread_count() <= os.cpu_count()
    assert environment.cpu_name()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/meminfo exists on Linux only")
@pytest.mark.parametrize("with_psutil", [True, False])
def test_the_memory_is_what_the_system_says(monkeypatch, with_psutil):
    if with_psutil:
        pytest.importorskip("psutil")
    else:
        monkeypatch.setattr(environment, "find_spec", lambda name: None)

    def told():
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal"))

    before = told()
    total, available = environment.memory_bytes()
    assert total in (before, told())
    assert 0 < available <= total
