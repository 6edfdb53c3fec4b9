import json
import time

import numpy as np
import pytest

from cardiactwins import __version__
from cardiactwins.compute.report import RunReport


def test_a_report_says_what_ran_on_what_for_how_long_and_what_came_out(tmp_path):
    before = time.time()
    report = RunReport.begin(
        "infarct personalize", parameters={"model": "elliptical"}, inputs={"a": "b"}, seed=7
    )
    assert report.seconds is None
    finished = report.finish({"loss": np.float64(0.25)})
    elapsed = time.time() - before
    written = json.loads(finished.write(tmp_path / "run.json").read_text(encoding="utf-8"))

    assert written["job"] == "infarct personalize"
    assert (written["parameters"], written["inputs"]) == ({"model": "elliptical"}, {"a": "b"})
    assert (written["seed"], written["results"]) == (7, {"loss": 0.25})
    assert -0.001 <= written["seconds"] <= elapsed + 0.001
    assert written["versions"]["cardiactwins"] == __version__
    assert written["versions"]["numpy"] == np.__version__
    assert "threads" in written["device"]


def test_a_report_that_never_began_cannot_finish():
    with pytest.raises(ValueError, match=r"RunReport\.begin"):
        RunReport("job").finish({})
