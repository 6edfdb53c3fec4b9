"""Job functions that the tests of the worker run: well-behaved ones and every kind of bad one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cardiactwins.compute.files import atomic_path

CALLS = 0


def count(folder, progress, n=3, seconds=0.0):
    global CALLS
    CALLS += 1
    for i in range(n):
        progress(i, n, f"step {i}", {"loss": 1.0 / (i + 1)})
        time.sleep(seconds)
    return {"n": n, "calls": CALLS, "pid": os.getpid()}


def until_stopped(folder, progress, cleanup=None):
    try:
        step = 0
        while True:
            progress(step, 1000, "", {"step": step})
            step += 1
            time.sleep(0.01)
    finally:
        if cleanup:
            (folder / cleanup).touch()


def stopped_at_the_end(folder, progress):
    """The stop file comes when all steps are done and progress is called no more."""
    progress(1, 1)
    (folder / "stop").touch()
    return {"late": True}


def deaf(folder, progress, to_terminate=""):
    """Never looks at the stop file and has a child; the child, or both, may be deaf to SIGTERM too."""
    before = signal.getsignal(signal.SIGTERM)
    if to_terminate:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    if to_terminate != "both":
        signal.signal(signal.SIGTERM, before)
    try:
        progress(0, 1, "deaf", {"pids": [os.getpid(), child.pid]})
        time.sleep(120)
    finally:
        (folder / "cleaned").touch()


def killed(folder, progress, where):
    progress(0, 2, "before")
    print("last words", where, flush=True)
    if where == "middle":
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    if where == "writing an output":
        with atomic_path(folder / "field.npz") as path:
            path.write_bytes(b"half of it")
            os.kill(os.getpid(), signal.SIGKILL)
    if where == "writing the result":
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if where == "in C":
        ctypes.string_at(0)
    if where == "with a child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        time.sleep(0.2)  # so that the line is due, and goes out before the end
        progress(1, 2, "", {"pids": [child.pid]})
        os.kill(os.getpid(), signal.SIGKILL)
    return {"never": "seen"}


def on_a_disk_that_is_full(folder, progress):
    """Files of this process cannot grow beyond 4 kB; neither can its log."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    print("x" * 100_000)
    progress(1, 1, "printed")
    return {"large": "y" * 100_000}


def fills_the_disk(folder, progress):
    with atomic_path(folder / "field.npz") as path:
        path.write_bytes(b"z" * 1_000_000)


def noisy(folder, progress, megabytes=4):
    print("from Python")
    print('{"job": "not a line", "done": {}}')
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    ctypes.CDLL(None).printf(b"from C\n")
    os.write(1, b"caf\xe9 \xff\xfe\n")
    sys.stdout.buffer.write(b"bytes \xff\n")
    print("unpaired \ud800")
    for _ in range(megabytes):
        os.write(2, (b"e" * 99 + b"\n") * 10_000)
    print("typed:", repr(sys.stdin.read()))
    print("the end")
    return {}


def many_steps(folder, progress, n=20_000):
    for i in range(n):
        progress(i, n, f"step {i}")
        if i % 1000 == 0:
            progress(i, n, values={"i": i})
    progress(n, n, "last")
    return {}


def returns(folder, progress, value):
    return value


def raises(folder, progress, error="ValueError"):
    print("about to fail")
    if error == "exit":
        sys.exit(3)
    if error == "memory":
        raise MemoryError
    raise ValueError("Parameter 'depth' is -1; choose 0 to 1.")
