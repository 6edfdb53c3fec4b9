import json
import subprocess
import sys
from importlib import metadata

import pytest
import typer
from typer.testing import CliRunner

from cardiactwins import __version__
from cardiactwins.cli import CommandsWithPlainErrors, app, options
from cardiactwins.compute.environment import MissingPackage, describe_environment, package_versions
from cardiactwins.compute.progress import Cancelled


def test_info_as_json_says_what_is_here():
    result = CliRunner().invoke(app, ["info", "--json"])
    assert result.exit_code == 0
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["versions"]["cardiactwins"] == __version__
    assert answer["versions"]["scipy"] == metadata.version("scipy")
    assert answer["threads"] >= 1
    assert answer["memory_total"] is None or answer["memory_total"] > 2**28
    assert answer["scene"] == f"slicer-core {metadata.version('slicer-core')}"
    assert {package["name"] for package in answer["missing"]}.isdisjoint(answer["versions"])


def test_info_for_people_names_the_processor_the_scene_and_how_to_get_what_is_missing(monkeypatch):
    environment = describe_environment()
    missing = MissingPackage("torch", "networks", "python -m pip install 'torch[cpu]<2.14'", optional=True)
    monkeypatch.setattr(
        "cardiactwins.compute.environment.describe_environment",
        lambda: type(environment)(**{**vars(environment), "missing": (missing,)}),
    )
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["info"])
    assert result.exit_code == 0
    assert environment.cpu in result.stdout
    assert "scene" in result.stdout
    assert "torch, for networks: python -m pip install 'torch[cpu]<2.14'" in result.stdout


def test_a_package_that_is_not_installed_is_missing(monkeypatch):
    real_version = metadata.version

    def without_dask(name):
        if name == "dask":
            raise metadata.PackageNotFoundError(name)
        return real_version(name)

    monkeypatch.setattr(metadata, "version", without_dask)
    monkeypatch.setattr(
        "cardiactwins.compute.environment.find_spec", lambda name: None if name == "dask" else name
    )
    assert "dask" not in package_versions()


def test_the_version_is_shown():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"cardiactwins {__version__}")


def test_help_loads_nothing_heavy():
    program = """
import sys
from cardiactwins.cli import main
sys.argv = ["cardiactwins", "--help"]
try:
    main()
finally:
    heavy = {"numpy", "scipy", "slicer", "vtk", "sklearn", "skimage", "matplotlib", "torch", "dask"}
    print("heavy:", sorted(heavy & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "info" in result.stdout
    assert result.stdout.splitlines()[-1] == "heavy: []"


ADVICE = (
    "Lower the batch or the number of workers, or close other programs. The options are --batch, --workers "
    "and --device, where the command has them."
)


@pytest.fixture
def toy():
    """A command line whose command raises the error it is given."""
    errors = {
        "input": ValueError("Fewer than 5 cases: 3."),
        "absent": FileNotFoundError(2, "No such file", "a.seg.nrrd"),
        "disk": OSError(28, "The disk is full"),
        "package": ImportError("no dask"),
        "cancel": Cancelled(),
        "memory": MemoryError(),
        "allocator": RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
        ),
        "bug": ZeroDivisionError("division by zero"),
    }
    app = typer.Typer(cls=CommandsWithPlainErrors, pretty_exceptions_enable=False)
    app.callback()(options)
    group = typer.Typer()
    app.add_typer(group, name="infarct")

    @group.command()
    def fail(kind: str) -> None:
        raise errors[kind]

    @group.command()
    def succeed() -> None: ...

    return app


@pytest.mark.parametrize(
    ("kind", "exit_code", "message"),
    [
        ("input", 2, "Error: Fewer than 5 cases: 3."),
        ("absent", 2, "Error: No such file: a.seg.nrrd"),
        ("disk", 1, "Error: The disk is full"),
        ("package", 1, "Error: no dask"),
        ("cancel", 1, "Error: Cancelled"),
        ("memory", 1, f"Error: Not enough memory. {ADVICE}"),
        ("allocator", 1, f"Error: Not enough memory (8 bytes more were asked for). {ADVICE}"),
    ],
)
def test_errors_of_input_and_of_runs_are_one_message_and_an_exit_code(toy, kind, exit_code, message):
    result = CliRunner().invoke(toy, ["infarct", "fail", kind])
    assert (result.exit_code, result.stderr.strip(), result.stdout) == (exit_code, message, "")


def test_debug_shows_the_error_itself(toy):
    assert isinstance(CliRunner().invoke(toy, ["--debug", "infarct", "fail", "input"]).exception, ValueError)


def test_a_bug_is_not_hidden_and_wrong_usage_exits_with_2(toy):
    bug = CliRunner().invoke(toy, ["infarct", "fail", "bug"])
    assert (bug.exit_code, type(bug.exception)) == (1, ZeroDivisionError)
    assert CliRunner().invoke(toy, ["infarct", "fail"]).exit_code == 2
    assert CliRunner().invoke(toy, ["infarct", "succeed"]).exit_code == 0
