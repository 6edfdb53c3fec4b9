"""The 3D Slicer extension: its file lists, its layouts and its module files, without the application."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).parent / "stand_ins"
HOST = ROOT / "Testing" / "panel"
SCRIPT = Path(__file__).parent / "update_cmake_lists.py"

spec = importlib.util.spec_from_file_location("update_cmake_lists", SCRIPT)
cmake_lists = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cmake_lists)

MODULES = cmake_lists.module_folders()
BROUGHT_BY_THE_APPLICATION = {"numpy", "scipy", "slicer-core", "SimpleITK"}
COMMAND_LINE_ONLY = {"typer", "rich"}
PANELS = {"InfarctSynth": "infarct_synth", "LMAReconstruct": "lma_reconstruct", "TwinEditor": "twin_editor"}
"""Modules with a panel -> the library's module of their logic."""


def module_id(module: Path) -> str:
    return module.name


@pytest.fixture(scope="module")
def installed_layout(tmp_path_factory):
    """All modules in one folder, as the application's build and installation lay them."""
    folder = tmp_path_factory.mktemp("installed") / "qt-scripted-modules"
    for module in MODULES:
        for files in cmake_lists.listed_files(module).values():
            for file in files:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(module / file, folder / file)
    return folder


def in_application(program: str, folder: Path) -> str:
    """Output of `program` in a Python with the Qt host's stand-ins, away from the source tree."""
    pytest.importorskip("PySide6")
    prelude = f"""
import importlib, sys, types
from pathlib import Path
sys.path.append({str(HOST)!r})
import host
host.start_widgets()

def load_module(path):
    sys.path.insert(0, str(path.parent))
    file = importlib.import_module(path.stem)
    sys.path.pop(0)
    return getattr(file, path.stem)(types.SimpleNamespace(path=str(path)))
"""
    result = subprocess.run(
        [sys.executable, "-c", prelude + program],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_extension_has_its_modules():
    assert {module.name for module in MODULES} == {path.parent.name for path in ROOT.glob("*/CMakeLists.txt")}
    assert {"CardiacTwinsCore", *PANELS} <= {module.name for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_every_file_of_a_module_is_listed_and_nothing_listed_is_absent(module):
    listed, present = cmake_lists.listed_files(module), cmake_lists.files_in_tree(module)
    assert f"{module.name}.py" in listed["MODULE_PYTHON_SCRIPTS"]
    for name in cmake_lists.LISTS:
        assert listed[name] == present[name], f"run python {SCRIPT.relative_to(ROOT)}"


def test_an_unlisted_and_an_absent_file_are_noticed(tmp_path):
    module = tmp_path / "Toy"
    (module / "toy").mkdir(parents=True)
    (module / "Testing").mkdir()
    for file in ("Toy.py", "toy/heart.py", "toy/label.json", "Testing/ToyTest.py"):
        (module / file).touch()
    (module / "CMakeLists.txt").write_text(
        "set(MODULE_PYTHON_SCRIPTS\n  Toy.py\n  gone.py\n  )\nset(MODULE_PYTHON_RESOURCES\n  )\n"
    )
    assert cmake_lists.listed_files(module) != cmake_lists.files_in_tree(module)
    assert cmake_lists.update(module)
    assert cmake_lists.listed_files(module) == {
        "MODULE_PYTHON_SCRIPTS": ["Toy.py", "toy/heart.py"],
        "MODULE_PYTHON_RESOURCES": ["toy/label.json"],
    }
    assert not cmake_lists.update(module)


def test_no_two_modules_install_the_same_file():
    files = [
        file.lower()
        for module in MODULES
        for listed in cmake_lists.listed_files(module).values()
        for file in listed
    ]
    assert sorted(files) == sorted(set(files))


def test_the_lists_configure_with_cmake(tmp_path, installed_layout):
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    command = [cmake, "-S", ROOT, "-B", tmp_path, f"-DSlicer_DIR={STAND_INS / 'cmake'}", "-DBUILD_TESTING=ON"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    built = tmp_path / "qt-scripted-modules"

    def files(folder):
        return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}

    assert files(built) == files(installed_layout)


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_a_module_file_imports_only_what_the_application_brings(module):
    allowed = set(sys.stdlib_module_names) | {"slicer", "vtk", "SimpleITK", "numpy", "scipy", "qt", "ctk"}
    tree = ast.parse((module / f"{module.name}.py").read_text(encoding="utf-8"))
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= allowed


def requirements_of(module):
    path = ROOT / module / "Resources" / f"requirements_{module}.txt"
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_what_a_module_asks_for_is_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=]", line)[0]: line for line in project["dependencies"]}
    expected = needed.keys() - BROUGHT_BY_THE_APPLICATION - COMMAND_LINE_ONLY
    assert sorted(requirements_of("InfarctSynth")) == sorted(needed[name] for name in expected)
    allowed = {*project["dependencies"], *project["optional-dependencies"]["torch"]}
    for module in ("LMAReconstruct", "TwinEditor"):
        assert set(requirements_of(module)) <= allowed
        assert not any(line.startswith(("torch", "monai")) for line in requirements_of(module))


def test_loading_the_modules_loads_neither_the_library_nor_numpy(installed_layout):
    program = f"""
before = set(sys.modules)
modules = [load_module(Path(name + ".py")) for name in ("CardiacTwinsCore", *{list(PANELS)})]
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(sorted(loaded & {{"cardiactwins", "numpy", "scipy", "cma", "torch"}}))
print(modules[0].parent.hidden, [module.parent.dependencies for module in modules[1:]])
"""
    lines = in_application(program, installed_layout).splitlines()
    assert lines == ["[]", f"True {[['CardiacTwinsCore']] * len(PANELS)}"]


def test_the_library_is_found_in_the_source_tree():
    program = """
load_module(Path("CardiacTwinsCore/CardiacTwinsCore.py"))
import cardiactwins
print(Path(cardiactwins.__file__).resolve().parent)
"""
    assert Path(in_application(program, ROOT).strip()) == ROOT / "CardiacTwinsCore" / "cardiactwins"


@pytest.mark.parametrize(("module", "library"), PANELS.items(), ids=PANELS.keys())
def test_the_logic_of_the_module_is_that_of_the_library(installed_layout, module, library):
    program = f"""
import types
load_module(Path("CardiacTwinsCore.py"))
load_module(Path("{module}.py"))
library = types.ModuleType("cardiactwins.mrml.{library}")
sys.modules[library.__name__] = library

class ConsoleLogic:
    def __init__(self):
        self.ready = True

library.{module}Logic = ConsoleLogic
from {module} import {module}Logic
import {module}
logic = {module}Logic()
print(isinstance(logic, ConsoleLogic), logic.ready, logic.moduleName)
print({module}.{module}Logic is {module}Logic, hasattr({module}, "SomethingElse"))
"""
    assert in_application(program, installed_layout).splitlines() == [f"True True {module}", "True False"]


def test_the_self_tests_pass_in_the_installed_layout(installed_layout):
    program = f"""
load_module(Path("CardiacTwinsCore.py").resolve())
application = host.start()
panels = {list(PANELS)}
for name in panels:
    application.loadModule(name + ".py")
import cardiactwins, slicer
print(Path(cardiactwins.__file__).parents[1] == Path.cwd())
for name in ("CardiacTwinsCore", *panels):
    slicer.selfTests[name]()
application.close()
"""
    assert in_application(program, installed_layout).splitlines()[0] == "True"
