"""Memory that ran out is told in words, whatever raised the error."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from cardiactwins.compute.memory import NotEnoughMemory, described_error, memory_error

CPU = "Lower the batch or the number of workers, or close other programs."
GPU = "Lower the batch, close other programs that use the GPU, or compute on the processor."


def error_of(function):
    with pytest.raises(Exception) as caught:
        function()
    return caught.value


def test_the_errors_of_python_and_numpy_are_recognised():
    assert str(memory_error(MemoryError())) == f"Not enough memory. {CPU}"
    found = memory_error(error_of(lambda: np.empty(1 << 50)))
    assert str(found) == f"Not enough memory (8.00 PiB more were asked for). {CPU}"
    assert memory_error(found) is found and isinstance(found, MemoryError)
    no_process = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    assert str(memory_error(no_process)) == f"Not enough memory. {CPU}"


def test_the_errors_of_torch_are_recognised():
    torch = pytest.importorskip("torch")
    found = memory_error(error_of(lambda: torch.empty(1 << 50)))
    assert str(found) == f"Not enough memory ({4 << 50} bytes more were asked for). {CPU}"
    text = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which"
    found = memory_error(torch.cuda.OutOfMemoryError(text))
    assert str(found) == f"Not enough memory on the GPU (2.00 GiB more were asked for). {GPU}"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: not enough memory", CPU),
        ("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", GPU),
        ("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)", GPU),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", GPU),
    ],
)
def test_a_runtime_error_is_known_by_its_text(text, advice):
    assert str(memory_error(RuntimeError(text))).endswith(advice)
    assert memory_error(ValueError(text)) is None


def test_other_errors_are_not_taken_for_one_of_memory():
    for error in (RuntimeError("The shapes differ"), OSError(errno.ENOSPC, "full"), KeyError("memory")):
        assert memory_error(error) is None
    assert described_error(ValueError("a is 0")) == "ValueError: a is 0"
    assert described_error(MemoryError()) == f"{NotEnoughMemory.START}. {CPU}"


def test_torch_is_not_imported():
    code = (
        "import sys; from cardiactwins.compute.memory import memory_error; memory_error(MemoryError())\n"
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
