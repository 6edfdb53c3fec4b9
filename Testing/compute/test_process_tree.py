"""How the trees of processes end; of Windows only the calls can be seen."""

import os
import subprocess
import sys

import pytest
from worker_steps import posix

from cardiactwins.compute import process_tree


def test_on_windows_trees_are_killed_by_taskkill_and_have_no_console(monkeypatch):
    called = []
    monkeypatch.setattr(process_tree.sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: called.append((command, options)))
    process_tree.end_tree(123)
    process_tree.lead_own_group()
    (command, options), *more = called
    assert command == ["taskkill", "/T", "/F", "/PID", "123"] and not more
    assert options["creationflags"] == 0x08000000
    assert process_tree.spawn_options() == {"creationflags": 0x08000200}


@posix
@pytest.mark.parametrize("without_pidfd", [False, True])
def test_the_end_of_a_process_is_noticed_where_the_system_tells_it_or_not(monkeypatch, without_pidfd):
    if without_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process_id = process.pid
    process_tree.wait_for_end(process_id)
