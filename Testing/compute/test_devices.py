import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from cardiactwins.compute import devices
from cardiactwins.compute.devices import DEVICE_CHOICES, choose_device

GIGABYTE = 2**30


def tensors(broken):
    """torch.ones for a torch whose devices `broken` raise an error."""

    def ones(n, device):
        if device in broken:
            raise RuntimeError("no kernel image is available for execution on the device\nmore lines")
        return SimpleNamespace(sum=lambda: SimpleNamespace(item=lambda: float(n)))

    return ones


def fake_torch(gpus=(), mps=False, built="12.8", broken=()):
    """gpus: (name, bytes) of each. broken: devices that fail to compute."""
    properties = [SimpleNamespace(name=name, total_memory=memory) for name, memory in gpus]
    return SimpleNamespace(
        __version__="2.9.0",
        version=SimpleNamespace(cuda=built, hip=None),
        ones=tensors(broken),
        cuda=SimpleNamespace(
            is_available=lambda: bool(gpus),
            device_count=lambda: len(gpus),
            get_device_properties=lambda index: properties[index],
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
        mps=SimpleNamespace(recommended_max_memory=lambda: 16 * GIGABYTE),
    )


@pytest.fixture
def install(monkeypatch):
    def install(torch):
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setattr(devices, "find_spec", lambda name: object())

    return install


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)


def test_without_torch_auto_takes_the_cpu_and_says_why(no_torch):
    device = choose_device("auto")
    assert (device.kind, device.reason, device.torch_name) == ("CPU", "PyTorch is not installed", "cpu")
    assert "threads" in device.name and device.memory_bytes > 0


@pytest.mark.parametrize("choice", ["CUDA", "MPS"])
def test_a_chosen_gpu_that_cannot_be_used_is_an_error_that_says_what_is_missing(no_torch, choice):
    with pytest.raises(ValueError, match=f"{choice} cannot be used: PyTorch is not installed"):
        choose_device(choice)


def test_an_unknown_choice_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown device 'GPU'\. Choose one of auto, CPU, CUDA, MPS"):
        choose_device("GPU")


def test_the_cpu_can_be_chosen_whatever_there_is_and_imports_no_torch(install):
    install(None)
    assert (choose_device("CPU").kind, choose_device("CPU").reason) == ("CPU", "CPU was chosen")


def test_auto_takes_the_gpu_with_the_most_memory(install):
    install(fake_torch([("small", 4 * GIGABYTE), ("large", 80 * GIGABYTE)], mps=True))
    device = choose_device()
    assert (device.kind, device.name, device.torch_name) == ("CUDA", "large", "cuda:1")
    assert device.memory_bytes == 80 * GIGABYTE
    assert choose_device("CUDA").reason == "CUDA was chosen"


def test_a_gpu_that_does_not_compute_is_passed_over(install):
    gpus = [("new", 8 * GIGABYTE), ("too old", 24 * GIGABYTE)]
    install(fake_torch(gpus, broken=["cuda:1"]))
    assert choose_device().name == "new"
    install(fake_torch(gpus, broken=["cuda:0", "cuda:1"]))
    device = choose_device()
    assert device.kind == "CPU"
    assert "too old does not compute (RuntimeError: no kernel image" in device.reason
    assert "\n" not in device.reason and "no Apple GPU is found" in device.reason
    with pytest.raises(ValueError, match="CUDA cannot be used: too old does not compute"):
        choose_device("CUDA")


@pytest.mark.parametrize(
    ("built", "reason"),
    [(None, "PyTorch 2.9.0 is installed without CUDA"), ("12.8", "no NVIDIA GPU or driver is found")],
)
def test_a_torch_without_cuda_and_a_machine_without_gpu_are_told_apart(install, built, reason):
    install(fake_torch(built=built))
    assert reason in choose_device("auto").reason
    with pytest.raises(ValueError, match=reason):
        choose_device("CUDA")


def test_a_mac_computes_on_its_gpu(install):
    install(fake_torch(mps=True, built=None))
    for choice in ("auto", "MPS"):
        device = choose_device(choice)
        assert (device.kind, device.torch_name, device.memory_bytes) == ("MPS", "mps", 16 * GIGABYTE)


def test_a_half_installed_torch_is_no_torch_but_said(install, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch_cuda.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(devices, "find_spec", find_spec)
    device = choose_device()
    assert device.kind == "CPU"
    assert device.reason.startswith("PyTorch is installed but cannot be imported (OSError: libtorch_cuda.so")


def test_every_choice_of_the_panel_is_known(install):
    install(fake_torch([("gpu", GIGABYTE)], mps=True))
    assert [choose_device(choice).kind for choice in DEVICE_CHOICES] == ["CUDA", "CPU", "CUDA", "MPS"]
