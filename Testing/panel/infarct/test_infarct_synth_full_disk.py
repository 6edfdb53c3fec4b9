"""A disk that is full at any moment of a run leaves the scene and the folders as they were."""

import errno
from pathlib import Path

import pytest
from infarct_steps import RUNS, choose_search, finish, leftovers, occupied, state


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


OPEN = Path.open


def open_on_full_disk(path, mode="r", *more, **options):
    return OPEN(path, mode, *more, **options) if mode in ("r", "rb") else full()


def test_a_disk_that_is_full_when_inputs_are_written_refuses_the_run(host, ready, temporary, monkeypatch):
    before = state(host.scene)
    for name in RUNS.values():
        host.dialogs.clear()
        with monkeypatch.context() as context:
            context.setattr(Path, "open", open_on_full_disk)
            host.click(getattr(ready.ui, name))
            host.wait(lambda: not occupied(ready))
        (text,) = host.dialogs.texts("error")
        assert "The disk is full" in text and "Free some space" in text
        assert state(host.scene) == before and leftovers(temporary) == []
        assert getattr(ready.ui, name).text != "Cancel"


@pytest.fixture
def full_disk_of_the_worker(tmp_path, monkeypatch):
    """The disk is full for what a worker writes that starts from now on, but for its log."""
    folder = tmp_path / "on a full disk"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import errno, pathlib\n"
        "def full(*_arguments, **_options):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "reading = pathlib.Path.open\n"
        "def open(self, mode='r', *more, **options):\n"
        "    return reading(self, mode, *more, **options) if mode in ('r', 'rb') else full()\n"
        "pathlib.Path.open = open\n"
        "pathlib.Path.write_text = pathlib.Path.write_bytes = full\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_a_disk_that_is_full_when_results_are_written_fails_the_run(
    host, full_disk_of_the_worker, ready, temporary
):
    choose_search(host, ready, generations=2)
    before = state(host.scene)
    for run in RUNS:
        host.dialogs.clear()
        finish(host, ready, getattr(ready.ui, RUNS[run]))
        (text,) = host.dialogs.texts("error")
        assert "The disk is full" in text and "Nothing in the scene was changed" in text
        assert state(host.scene) == before and leftovers(temporary) == []


def test_a_disk_that_is_full_when_infarcts_are_written_leaves_no_folder(host, plain, tmp_path, monkeypatch):
    from cardiactwins.mrml import cohorts

    host.choose(plain.ui.outputBox, "Files with a manifest")
    host.type(plain.ui.outputFolderPath, tmp_path / "cohort")
    host.type(plain.ui.countBox, 3)
    before = state(host.scene)
    with monkeypatch.context() as context:
        context.setattr(cohorts, "write_json_atomic", full)
        finish(host, plain, plain.ui.generateButton)
    assert "No space left on device" in host.dialogs.texts("error")[0]
    assert state(host.scene) == before
    assert not (tmp_path / "cohort").exists() and list(tmp_path.glob(".*-cohort")) == []
    assert plain.ui.generatedTable.rowCount == 0
    finish(host, plain, plain.ui.generateButton)
    assert (tmp_path / "cohort" / "manifest.json").exists() and plain.ui.generatedTable.rowCount == 3
    assert not plain.ui.generateButton.enabled and "is not empty" in plain.ui.generateButton.toolTip
