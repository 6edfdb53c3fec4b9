"""Requirements and whether they are met, looked up in the process that imports them."""

import json
import subprocess
import sys

import pytest

from cardiactwins.compute.packages import (
    PackageProblem,
    child_process_id,
    find_problem,
    import_name,
    problems_of_output,
    read_requirements,
)


def test_comments_options_and_empty_lines_are_no_requirements(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# first\n\n-r other.txt\n--index-url x\ncma>=4.0\nscikit-image>=0.24  # images\n")
    assert read_requirements(file) == ["cma>=4.0", "scikit-image>=0.24"]


def test_a_package_that_is_here_is_no_problem_and_one_that_is_not_or_is_older_is_one():
    assert find_problem("numpy>=2.0") is None
    assert find_problem("ctfake-nowhere>=1") == PackageProblem(
        "ctfake-nowhere>=1", "ctfake-nowhere", "absent"
    )
    outdated = find_problem("numpy>=999")
    assert (outdated.kind, outdated.detail) == ("outdated", sys.modules["numpy"].__version__)
    assert find_problem("ctfake-nowhere; python_version < '3'") is None


def test_a_distribution_is_imported_by_the_name_of_its_package():
    assert import_name("scikit-image") == "skimage"
    assert import_name("Scikit-Learn") == "sklearn"
    assert import_name("pytest") in ("pytest", "py")


def test_the_package_in_whose_import_python_ended_is_broken():
    lines = [
        {"process": 7},
        {"importing": "cma>=4.0"},
        {"problem": {"requirement": "cma>=4.0", "name": "cma", "kind": "absent", "detail": ""}},
        {"importing": "scikit-image>=0.24"},
    ]
    output = "\n".join(["a warning", *map(json.dumps, lines), "{not json}", "Segmentation fault"])
    absent, broken = problems_of_output(output, -11)
    assert (absent.name, absent.kind) == ("cma", "absent")
    assert (broken.name, broken.kind) == ("scikit-image", "broken")
    assert "exit code -11" in broken.detail
    assert child_process_id(output) == 7
    complete = "\n".join([output, json.dumps({"checked": "requirements.txt"})])
    assert problems_of_output(complete, 0) == [absent]


def test_a_check_that_never_began_is_an_error():
    with pytest.raises(RuntimeError, match=r"could not be checked \(exit code 1\): No module named cma"):
        problems_of_output("No module named cma", 1)
    assert child_process_id("No module named cma") is None


def test_the_check_in_a_child_process_says_what_it_finds(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("numpy>=2.0\nctfake-nowhere\n")
    command = [sys.executable, "-m", "cardiactwins.compute.packages", "check", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    (problem,) = problems_of_output(result.stdout, 0)
    assert (problem.name, problem.kind) == ("ctfake-nowhere", "absent")
    assert child_process_id(result.stdout) > 0
