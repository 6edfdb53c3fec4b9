"""Rewrite the file lists in the modules' CMakeLists.txt from the tree.

Run `python Testing/packaging/update_cmake_lists.py` after adding, moving or removing a file of a module or of
the library: 3D Slicer installs what MODULE_PYTHON_SCRIPTS and MODULE_PYTHON_RESOURCES name, and nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")
NOT_INSTALLED = {"CMakeLists.txt", "Testing", "__pycache__"}


def module_folders() -> list[Path]:
    """Folders of the modules that the root CMakeLists.txt adds."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return [ROOT / name for name in re.findall(r"^add_subdirectory\((\w+)\)$", text, re.MULTILINE)]


def listed_files(module: Path) -> dict[str, list[str]]:
    """What the module's CMakeLists.txt names in each of `LISTS`."""
    text = (module / "CMakeLists.txt").read_text(encoding="utf-8")
    return {name: _block(name).search(text)["files"].split() for name in LISTS}


def files_in_tree(module: Path) -> dict[str, list[str]]:
    """What each of `LISTS` must name: Python files, and all others but those for building and testing."""
    files = [path.relative_to(module) for path in sorted(module.rglob("*")) if path.is_file()]
    installed = [
        path
        for path in files
        if not NOT_INSTALLED.intersection(path.parts)
        and not any(part.startswith(".") or part.endswith(".egg-info") for part in path.parts)
    ]
    scripts = [path.as_posix() for path in installed if path.suffix == ".py"]
    resources = [path.as_posix() for path in installed if path.suffix != ".py"]
    return dict(zip(LISTS, (scripts, resources), strict=True))


def update(module: Path) -> bool:
    """Rewrite the module's lists; returns whether anything changed."""
    cmake = module / "CMakeLists.txt"
    old = text = cmake.read_text(encoding="utf-8")
    for name, files in files_in_tree(module).items():
        lines = "".join(f"  {file}\n" for file in files)
        text = _block(name).sub(f"set({name}\n{lines}  )", text)
    cmake.write_text(text, encoding="utf-8", newline="\n")
    return text != old


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"set\({name}\n(?P<files>[^)]*)\)")


if __name__ == "__main__":
    for folder in module_folders():
        print(f"{folder.name}/CMakeLists.txt {'updated' if update(folder) else 'is up to date'}")
