"""README, citation, changelog, CI: what they say is so."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cardiactwins
from cardiactwins.cli import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL_AND_RUN = "python -m pip install . && cardiactwins demo"
INSTALL_AND_TEST = "python -m pip install '.[test]' && pytest -n auto --dist loadfile"


def code_blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_two_commands_of_the_readme():
    assert [block.strip() for block in code_blocks("sh")] == [INSTALL_AND_RUN, INSTALL_AND_TEST]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert INSTALL_AND_RUN in script
    assert INSTALL_AND_TEST in script


def test_the_commands_of_the_readme_exist():
    lines = [line for block in code_blocks("console") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, *words = line.split()
        assert program == "cardiactwins", line
        command = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        result = CliRunner().invoke(app, [*command, "--help"])
        assert result.exit_code == 0, line
        for option in filter(re.compile("--").match, words):
            assert option in re.sub(r"\x1b\[[0-9;]*m", "", result.stdout), line


def test_the_python_of_the_readme_runs(tmp_path):
    (program,) = code_blocks("python")
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"loss \d\.\d{4} \+- \d\.\d{4}", result.stdout)


def test_the_python_of_lma_reconstruct_runs(tmp_path):
    text = (ROOT / "Docs" / "lma-reconstruct.md").read_text(encoding="utf-8")
    (program,) = code_blocks("python", text)
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"Late: \d+ % of the epicardium, latest segment .*lateral", result.stdout)
    assert (tmp_path / "late-activation" / "report.pdf").is_file()


def links():
    """(document, file that it links to) of all documents."""
    for document in (*ROOT.glob("*.md"), *(ROOT / "Docs").rglob("*.md")):
        for target in re.findall(
            r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")
        ):
            yield document, (document.parent / target).resolve()


def test_files_that_the_documents_link_to_exist():
    linked = list(links())
    assert len(linked) > 50
    assert [f"{document.name} -> {target}" for document, target in linked if not target.exists()] == []


def test_every_picture_of_the_panel_is_shown_in_a_document_and_all_are_small():
    pictures = list((ROOT / "Resources" / "Screenshots").glob("*.png"))
    assert set(pictures) - {target for _, target in links()} == set()
    assert sum(picture.stat().st_size for picture in pictures) < 3e6


def test_the_version_is_the_same_everywhere():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == cardiactwins.__version__
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert len(citation["references"]) == 5


def test_the_base_installation_brings_no_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [line for line in project["dependencies"] if re.match("torch|monai", line)]


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")
