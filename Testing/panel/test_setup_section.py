"""The section 'Setup and diagnostics': what it shows, checks, installs and copies."""

import importlib.util
from types import SimpleNamespace

import pytest

from cardiactwins.compute.devices import Device
from cardiactwins.compute.packages import PackageProblem

ABSENT = PackageProblem("scikit-image>=0.24", "scikit-image", "absent")
OLD = PackageProblem("cma>=4.0", "cma", "outdated", "3.1")


@pytest.fixture
def packages(monkeypatch, host):
    """What the next checks find and whether an installation succeeds; nothing is looked up or installed."""
    from cardiactwins.panel import setup_section

    state = SimpleNamespace(found=(), installs=True, calls=[])

    def missing(path, title):
        state.calls.append(("check", str(path), title))
        if isinstance(state.found, Exception):
            raise state.found
        return state.found

    def ensure(path, title):
        state.calls.append(("install", str(path), title))
        if state.installs:
            state.found = ()
        return state.installs

    monkeypatch.setattr(setup_section, "missing_requirements", missing)
    monkeypatch.setattr(setup_section, "ensure_requirements", ensure)
    return state


@pytest.fixture
def section(packages, host):
    import qt

    from cardiactwins.panel.setup_section import SetupSection

    parent = qt.QWidget()
    parent.setLayout(qt.QVBoxLayout())
    parent.show()
    installed = []
    section = SetupSection(
        parent, "requirements_Test.txt", "InfarctSynth", onInstalled=lambda: installed.append(True)
    )
    section.installed, section.parent = installed, parent
    yield section
    section.close()


def rows(section):
    table = section.table
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def test_the_section_is_collapsed_and_looks_nothing_up_before_it_is_opened(section, packages):
    assert section.widget.collapsed
    assert section.table.rowCount == 0
    assert packages.calls == []


def test_an_opened_section_shows_versions_and_machine_without_a_check(host, section, packages):
    import numpy

    from cardiactwins import __version__

    host.click(section.widget)
    shown = rows(section)
    assert shown["CardiacTwins"] == __version__
    assert shown["numpy"] == numpy.__version__
    assert shown["Processor"].endswith("threads")
    assert "GB" in shown["Memory"]
    assert {"3D Slicer", "Python", "System", "scipy", "torch"} <= shown.keys()
    assert packages.calls == []
    assert section.statusLabel.text == "not checked yet: press Check"
    assert not section.installButton.enabled


def test_every_control_has_a_tooltip(section):
    import qt

    for kind in (qt.QPushButton, qt.QComboBox, qt.QLabel, qt.QTableWidget):
        for widget in section.widget.findChildren(kind):
            if kind is not qt.QLabel or widget.text not in ("Device:", "Packages:", ""):
                assert widget.toolTip, widget.text if hasattr(widget, "text") else widget


def test_a_check_that_finds_everything_leaves_nothing_to_install(host, section, packages):
    host.click(section.widget)
    host.click(section.checkButton)
    assert packages.calls == [("check", "requirements_Test.txt", "InfarctSynth")]
    assert section.statusLabel.text == "complete"
    assert not section.installButton.enabled
    assert section.installButton.toolTip == "There is nothing to install."


def test_what_a_check_finds_missing_can_be_installed(host, section, packages):
    packages.found = (ABSENT, OLD)
    host.click(section.widget)
    host.click(section.checkButton)
    assert "scikit-image>=0.24 (not installed)" in section.statusLabel.text
    assert "cma>=4.0 (version 3.1 is installed)" in section.statusLabel.text
    assert section.installButton.enabled
    host.click(section.installButton)
    assert section.statusLabel.text == "complete"
    assert not section.installButton.enabled
    assert section.installed == [True]


def test_a_declined_installation_leaves_the_button_there(host, section, packages):
    packages.found, packages.installs = (ABSENT,), False
    host.click(section.widget)
    host.click(section.checkButton)
    host.click(section.installButton)
    assert section.installButton.enabled
    assert "scikit-image>=0.24" in section.statusLabel.text
    assert section.installed == []


def test_a_check_that_does_not_work_is_told(host, section, packages):
    from cardiactwins.compute.progress import Cancelled

    host.click(section.widget)
    packages.found = Cancelled("cancelled")
    host.click(section.checkButton)
    assert host.dialogs.said == []
    packages.found = RuntimeError("no Python")
    host.click(section.checkButton)
    assert "The check did not work." in host.dialogs.texts("error")[0]
    assert "no Python" in host.dialogs.texts("error")[0]
    assert section.statusLabel.text == "not checked yet: press Check"


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed here")
def test_without_pytorch_the_processor_computes_and_the_reason_is_said(host, section):
    host.click(section.widget)
    host.click(section.checkButton)
    assert section.device == "auto"
    assert section.deviceLabel.text.startswith("CPU: ")
    assert section.deviceLabel.text.endswith("(PyTorch is not installed)")
    host.choose(section.deviceComboBox, "CUDA")
    assert section.device == "CUDA"
    assert section.deviceLabel.text == "press Check to find out"
    host.click(section.checkButton)
    assert section.deviceLabel.text == ("CUDA cannot be used: PyTorch is not installed. Choose CPU or auto.")


@pytest.fixture
def torch(tmp_path, monkeypatch):
    """Writes a package `torch` of the given source in front of all others, as child processes see it too."""

    def write(source):
        (tmp_path / "torch.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))

    return write


def test_pytorch_is_only_loaded_in_a_child_process_that_may_crash(host, torch, monkeypatch):
    import sys

    from cardiactwins.panel.diagnostics import device_text, find_device

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    torch("import os; os._exit(139)")
    assert "its process ended with exit code 139" in find_device("auto", "Check")
    torch("raise OSError('libcudart is missing')")
    found = find_device("auto", "Check")
    assert isinstance(found, Device) and found.kind == "CPU"
    assert "libcudart is missing" in device_text(found)
    assert "libcudart is missing" in find_device("CUDA", "Check")
    assert "torch" not in sys.modules


def test_a_device_is_told_with_its_memory_and_reason(host):
    from cardiactwins.panel.diagnostics import device_text

    gpu = Device("CUDA", "NVIDIA RTX 4090", "the fastest that CUDA offers", 25_000_000_000)
    assert device_text(gpu) == "CUDA: NVIDIA RTX 4090, 25.0 GB (the fastest that CUDA offers)"
    assert device_text(Device("MPS", "GPU", "chosen", None)) == "MPS: GPU (chosen)"
    assert device_text("no GPU") == "no GPU"


def test_everything_can_be_copied_as_text(host, section, packages):
    import slicer

    packages.found = (ABSENT,)
    host.click(section.widget)
    host.click(section.copyButton)
    assert slicer.app.clipboard().text().endswith("Python packages: not checked")
    host.click(section.checkButton)
    host.click(section.copyButton)
    lines = slicer.app.clipboard().text().splitlines()
    assert lines[0] == "InfarctSynth"
    assert f"Device: {section.deviceLabel.text}" in lines
    assert lines[-1] == "Python packages missing: scikit-image>=0.24 (not installed)"
    assert len(lines) == len(rows(section)) + 3
    packages.found = ()
    host.click(section.checkButton)
    assert section.text.endswith("Python packages: complete")


def test_the_device_is_bound_to_a_parameter_when_the_panel_has_one(host, packages):
    import qt

    from cardiactwins.panel.setup_section import SetupSection

    layout = qt.QVBoxLayout()
    section = SetupSection(layout, "requirements_Test.txt", "InfarctSynth", deviceParameter="device")
    assert section.deviceComboBox.property("SlicerParameterName") == "device"
    assert layout.itemAt(0).widget() is section.widget
    section.close()


def test_the_requirements_of_the_module_are_checked_for_real(host):
    """The packages of InfarctSynth are all here, as the library's own tests need them."""
    from pathlib import Path

    from cardiactwins.panel.requirements import missing_requirements

    root = Path(__file__).resolve().parents[2]
    path = root / "InfarctSynth" / "Resources" / "requirements_InfarctSynth.txt"
    assert missing_requirements(path) == ()
