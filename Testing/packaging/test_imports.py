"""What imports what, and what importing costs."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import cardiactwins

ROOT = Path(__file__).resolve().parents[2]
HEAVY = [
    "cma",
    "dask",
    "distributed",
    "matplotlib",
    "monai",
    "skimage",
    "sklearn",
    "slicer",
    "torch",
    "vtkmodules",
]


def test_the_floors_hold():
    """The contracts of import-linter in pyproject.toml."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    result = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("package", ["anatomy", "compute", "infarct"])
def test_a_domain_imports_numpy_and_scipy_at_most(package):
    folder = Path(cardiactwins.__file__).parent / package
    names = [module.name for module in pkgutil.walk_packages([str(folder)], f"cardiactwins.{package}.")]
    assert names
    program = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
print(sorted(set({HEAVY}) & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["infarct", "lma"])
def test_a_domain_itself_needs_no_torch(package):
    """Modules of lma that compute with torch import it; whoever asks for none of them goes without."""
    program = f"import sys, cardiactwins.{package}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
