"""The processes of a run end with its controls, and with Cancel."""

import gc
import os
import sys
import weakref
from pathlib import Path

import pytest
from controls_panel import Panel
from worker_steps import alive


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_closed_controls_stop_their_own_worker_and_call_nobody(host, job):
    panel = Panel(None)
    panel.start(job("process"))
    assert host.wait(lambda: panel.events)
    process = int(panel.events[0].message.split()[1])
    panel.controls.close()
    assert host.wait(lambda: not alive(process))
    seen = len(panel.events)
    with pytest.raises(TimeoutError):
        host.wait(lambda: len(panel.events) > seen, 0.3)
    assert (len(panel.events), panel.results, panel.failures, panel.cancelled) == (seen, [], [], 0)
    assert host.dialogs.said == []
    with pytest.raises(RuntimeError, match="closed"):
        panel.start(job(steps=1))
    panel.controls.close()


def test_closed_controls_are_forgotten(worker):
    panel = Panel(worker)
    panel.controls.close()
    controls = weakref.ref(panel.controls)
    del panel
    gc.collect()
    assert controls() is None


@pytest.mark.skipif(os.name == "nt", reason="the launcher is a shell script")
def test_in_the_application_pythonslicer_does_the_work_and_cancel_ends_it_with_its_child(
    host, job, tmp_path, monkeypatch
):
    launcher = tmp_path / "bin" / "PythonSlicer"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\n"{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{launcher.parent}{os.pathsep}{os.environ['PATH']}")
    panel = Panel(None)
    panel.controls.worker.stop_seconds = 0.1
    panel.start(job("process"))
    assert host.wait(lambda: panel.events)
    assert (tmp_path / "used").exists()
    process = int(panel.events[0].message.split()[1])
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle)
    assert panel.cancelled == 1
    panel.controls.close()
    assert host.wait(lambda: not alive(process))
