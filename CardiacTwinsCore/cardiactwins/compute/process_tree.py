"""Processes with all their descendants: start them so that they can be ended, end them, notice their end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

__all__ = ["end_own_tree", "end_tree", "lead_own_group", "spawn_options", "wait_for_end"]

SYNCHRONIZE = 0x00100000
INFINITE = 0xFFFFFFFF


def spawn_options() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a process that leads a group of its own and shows no console."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def lead_own_group() -> None:
    """Make this process the leader of its group, so that `end_tree` reaches all that it will start."""
    if sys.platform != "win32" and os.getpgrp() != os.getpid():
        os.setsid()


def end_tree(process_id: int, force: bool = False) -> None:
    """Ask the process and its descendants to end, or kill them (`force`); returns at once.

    On Linux and macOS these are the processes of the group that it leads, also when it is gone itself. On
    Windows they are the descendants of a living process, and they are always killed, as console programs
    there cannot be asked.
    """
    if sys.platform == "win32":
        subprocess.Popen(
            ["taskkill", "/T", "/F", "/PID", str(process_id)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        return
    wish = signal.SIGKILL if force else signal.SIGTERM
    # macOS answers "not permitted" for a group of which only the ended leader is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, wish)
        return
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process_id, wish)


def end_own_tree() -> None:
    """Kill this process and all its descendants; does not return."""
    if sys.platform == "win32" or os.getpgrp() == os.getpid():
        end_tree(os.getpid(), force=True)
        time.sleep(10.0)
    os._exit(1)


def wait_for_end(process_id: int) -> None:
    """Return when the process has ended (at once if there is none), whoever started it."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(SYNCHRONIZE, False, process_id))
        if handle:
            kernel.WaitForSingleObject(handle, INFINITE)
            kernel.CloseHandle(handle)
        return
    with suppress(ProcessLookupError):
        try:
            handle = os.pidfd_open(process_id)
        except ProcessLookupError:
            return
        except (AttributeError, OSError):
            # macOS and old kernels: look again and again.
            while True:
                os.kill(process_id, 0)
                time.sleep(0.5)
        select.select([handle], [], [])
        os.close(handle)
