import errno
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.compute.files import (
    atomic_path,
    check_writable,
    json_text,
    write_json_atomic,
    write_text_atomic,
)


def test_a_finished_block_leaves_the_file_and_nothing_else(tmp_path):
    with atomic_path(tmp_path / "new" / "infarct.seg.nrrd") as temporary:
        assert temporary.name.endswith(".seg.nrrd")
        temporary.write_bytes(b"whole")
        assert not (tmp_path / "new" / "infarct.seg.nrrd").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["infarct.seg.nrrd"]
    assert (tmp_path / "new" / "infarct.seg.nrrd").read_bytes() == b"whole"


@pytest.mark.parametrize("error", [RuntimeError("writer failed"), KeyboardInterrupt()])
def test_a_failing_block_leaves_the_older_file_as_it_was(tmp_path, error):
    (tmp_path / "table.csv").write_text("old")
    with pytest.raises(type(error)), atomic_path(tmp_path / "table.csv") as temporary:
        temporary.write_text("ne")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "old"


def test_a_block_that_wrote_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Nothing was written"), atomic_path(tmp_path / "scene.mrb"):
        pass


def test_a_full_disk_leaves_nothing_half_written_and_says_so(tiny_disk):
    write_text_atomic(tiny_disk / "report.json", "old")
    with pytest.raises(
        OSError, match=r"disk is full.*report\.json was not written.*Free some space"
    ) as caught:
        write_text_atomic(tiny_disk / "report.json", "x" * 1_000_000)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tiny_disk.iterdir()] == ["report.json"]
    assert (tiny_disk / "report.json").read_text() == "old"


def test_a_writer_out_of_space_leaves_nothing_half_written(tmp_path):
    with pytest.raises(OSError, match="disk is full") as caught, atomic_path(tmp_path / "a.npz") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "out.txt"):
        (tmp_path / "missing.nrrd").read_bytes()
    assert caught.value.filename == str(tmp_path / "missing.nrrd")


def test_too_little_free_space_is_told_before_the_run(tmp_path):
    assert check_writable(tmp_path / "out", needed_bytes=1) == tmp_path / "out"
    with pytest.raises(OSError, match="MB are needed") as caught:
        check_writable(tmp_path / "out", needed_bytes=10**18)
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_in_the_place_of_the_output_folder_is_told(tmp_path):
    (tmp_path / "results").write_text("I am a file")
    for folder in (tmp_path / "results", tmp_path / "results" / "deeper"):
        with pytest.raises(NotADirectoryError, match="a file stands in its way"):
            check_writable(folder)
        with pytest.raises(NotADirectoryError, match="a file stands in its way"):
            write_text_atomic(folder / "a.txt", "")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc exists on Linux only")
def test_an_unwritable_output_folder_is_told():
    with pytest.raises(OSError, match=r"cannot be written to.*Choose another"):
        check_writable(Path("/proc/self"))


def test_json_carries_arrays_dataclasses_paths_and_no_nan(tmp_path):
    @dataclass
    class Point:
        name: str
        where: np.ndarray

    value = {
        1: Point("apex", np.array([[1.5, np.inf]])),
        "size": np.float32(0.5),
        "count": np.int64(3),
        "loss": float("nan"),
        "file": Path("a") / "b.csv",
        "segments": {"infarct", "cavity"},
        "used": (True, None),
    }
    write_json_atomic(tmp_path / "v.json", value)
    assert json.loads((tmp_path / "v.json").read_text(encoding="utf-8")) == {
        "1": {"name": "apex", "where": [[1.5, None]]},
        "size": 0.5,
        "count": 3,
        "loss": None,
        "file": str(Path("a") / "b.csv"),
        "segments": ["cavity", "infarct"],
        "used": [True, None],
    }
    with pytest.raises(TypeError, match="complex"):
        json_text({"z": 1j})
