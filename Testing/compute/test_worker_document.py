"""The page for developers about the worker, and the program on it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The folder with the two programs of the page, thresholding.py and use.py."""
    text = (Path(__file__).parents[2] / "Docs" / "developer" / "worker.md").read_text(encoding="utf-8")
    function, use = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "thresholding.py").write_text(function, encoding="utf-8")
    (tmp_path / "use.py").write_text(use, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_program_on_the_page_says_what_the_page_says(page):
    run = subprocess.run(
        [sys.executable, "use.py"], cwd=page, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stderr == ""
    *steps, last = run.stdout.splitlines()
    assert last == "256 of 4096 voxels of 16 slices, written to mask.npz"
    assert "slice 16 of 16" in steps


def test_the_page_names_every_kind_of_end_and_every_file(page):
    text = (Path(__file__).parents[2] / "Docs" / "developer" / "worker.md").read_text(encoding="utf-8")
    for name in ("job.json", "result.json", "worker.log", "`stop`", "done", "cancelled", "failed", "died"):
        assert name in text
