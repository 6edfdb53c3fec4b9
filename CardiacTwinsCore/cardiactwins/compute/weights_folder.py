"""The weights files of this installation, told from their cards alone: listed, added, checked, deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.weights import CARD_FORMAT, card_path, sha256_of, weights_parts

__all__ = ["WeightsFile", "add_weights", "delete_weights", "listed_weights", "used_weights"]


@dataclass(frozen=True)
class WeightsFile:
    """A .safetensors file and what its card says of it.

    kind: what it is for. size: bytes of all its parts. problem: why it cannot be used, as far as that is
    known without reading it all; "" when nothing is. own: whether the user has added it; otherwise it came
    with the library.
    """

    path: Path
    kind: str
    size: int
    licence: str
    data: str
    sha256: str
    problem: str
    own: bool

    def check(self) -> str:
        """Why the file is not the one that its card describes, by its whole content; "" when it is."""
        if self.problem:
            return self.problem
        for path, (digest, _) in self.parts().items():
            if sha256_of(path) != digest:
                return f"{path.name} is not the file that its card describes (SHA256 differs); get it again"
        return ""

    def parts(self) -> dict[Path, tuple[str, int]]:
        """All files that the weights consist of; see `weights_parts`."""
        return weights_parts(self.path, _card(self.path)[0])


def listed_weights(library: str | Path, own: str | Path | None) -> list[WeightsFile]:
    """The weights in the library's folder and in the user's, if there is one, by kind, the user's first."""
    files = [
        _described(path, is_own)
        for folder, is_own in ((own, True), (library, False))
        if folder is not None
        for path in _first_files(Path(folder))
    ]
    return sorted(files, key=lambda file: (file.kind, not file.own))


def used_weights(files: Iterable[WeightsFile], kind: str) -> WeightsFile | None:
    """The file of a kind that is used: the user's before the library's; None when there is none to use."""
    fitting = [file for file in files if file.kind == kind and not file.problem]
    return next((file for file in fitting if file.own), next(iter(fitting), None))


def add_weights(path: str | Path, own: str | Path, kinds: Iterable[str]) -> WeightsFile:
    """Copy weights and their card into the user's folder, after they were found whole.

    A file of the same kind that the user had added before is replaced. FileNotFoundError when the file or its
    card is not there; ValueError when they do not belong together, or are of none of the kinds.
    """
    path, own = Path(path), Path(own)
    for file in (path, card_path(path)):
        if not file.is_file():
            raise FileNotFoundError(
                f"There is no {file}. Weights come as a .safetensors file with its card, a .json file of the "
                "same name; put both into one folder."
            )
    found = _described(path, True)
    problem = found.check()
    if problem:
        raise ValueError(f"{problem}.")
    if found.kind not in kinds:
        raise ValueError(f"{path.name} holds weights of '{found.kind}'; used here: {', '.join(kinds)}.")
    if path.resolve().parent == own.resolve():
        return found
    before = [_described(file, True) for file in _first_files(own)]
    for source in (*found.parts(), card_path(path)):
        with atomic_path(own / source.name) as temporary:
            shutil.copyfile(source, temporary)
    for file in before:
        if file.kind == found.kind and file.path.name != path.name:
            delete_weights(file)
    return _described(own / path.name, True)


def delete_weights(file: WeightsFile) -> None:
    """Remove weights that the user has added, and their card. ValueError for those of the library."""
    if not file.own:
        raise ValueError(f"{file.path.name} came with the library and is removed with it.")
    for path in (*file.parts(), card_path(file.path)):
        path.unlink(missing_ok=True)


def _first_files(folder: Path) -> list[Path]:
    """Weights in a folder, without the further parts of others."""
    files = sorted(folder.glob("*.safetensors"))
    further = {part for file in files for part in list(weights_parts(file, _card(file)[0]))[1:]}
    return [file for file in files if file not in further]


def _described(path: Path, own: bool) -> WeightsFile:
    card, problem = _card(path)
    size = 0
    for part, (_, wanted) in weights_parts(path, card).items():
        if not part.is_file():
            problem = problem or f"{part.name}, which belongs to it, is missing; get it again"
            continue
        found = part.stat().st_size
        size += found
        if wanted not in (0, found):
            problem = problem or f"{part.name} has {found} bytes, its card says {wanted}; get it again"
    return WeightsFile(
        path,
        str(card.get("kind", "unknown")),
        size,
        str(card.get("licence", "not told")),
        str(card.get("data", "")),
        str(card.get("sha256", "")),
        problem,
        own,
    )


def _card(path: Path) -> tuple[dict[str, Any], str]:
    file = card_path(path)
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, f"its card {file.name} is missing"
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        return {}, f"its card is damaged ({error})"
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
        return {}, f"{file.name} is no card of weights of this version"
    try:
        weights_parts(path, card)
    except ValueError as error:
        return {}, str(error).rstrip(".")
    return card, ""
