"""Trained weights and training states as files: safetensors and a card, checked when they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiactwins.compute.files import atomic_path, write_json_atomic

if TYPE_CHECKING:
    import torch

__all__ = [
    "card_path",
    "load_state",
    "load_weights",
    "save_state",
    "save_weights",
    "sha256_of",
    "weights_parts",
]

CARD_FORMAT = "cardiactwins weights 1"
STATE_FORMAT = "cardiactwins training state 1"
GENERATED = ("format", "kind", "file", "sha256", "bytes", "parts")
"""Of a card, what saving writes itself."""


def save_weights(
    tensors: Mapping[str, torch.Tensor],
    path: str | Path,
    *,
    kind: str,
    card: Mapping[str, Any],
    largest: int | None = None,
) -> Path:
    """Write weights to `path` (.safetensors) and their card beside it (.json); returns the path.

    kind: what they are for, which `load_weights` asks for again. card: data, seed, steps, metrics, licence,
    command, and the settings that build the network; of a card that was read, what described its file is left
    out. largest: bytes of tensors in one file; what is more goes to further files beside it
    (name.2.safetensors, ...), whose hashes stand in the first one: its SHA256 speaks for all.
    """
    path = Path(path)
    first, *others = _portions(tensors, largest)
    further = []
    for number, portion in enumerate(others, start=2):
        part = _write_tensors(portion, path.with_name(f"{path.stem}.{number}.safetensors"), {})
        further.append({"file": part.name, "sha256": sha256_of(part), "bytes": part.stat().st_size})
    _write_tensors(first, path, {"parts": json.dumps(further)} if further else {})
    described = {"format": CARD_FORMAT, "kind": kind, "file": path.name, "sha256": sha256_of(path)}
    parts = {"parts": further} if further else {}
    kept = {key: value for key, value in card.items() if key not in GENERATED}
    write_json_atomic(card_path(path), {**described, "bytes": path.stat().st_size, **parts, **kept})
    return path


def weights_parts(path: str | Path, card: Mapping[str, Any]) -> dict[Path, tuple[str, int]]:
    """SHA256 and bytes by file of all that weights consist of, as their card tells; the file itself first.

    ValueError for a card that tells it in another form.
    """
    path = Path(path)
    try:
        parts = {path: (str(card.get("sha256", "")), int(card.get("bytes", 0)))}
        for part in card.get("parts", ()):
            parts[path.with_name(Path(part["file"]).name)] = (str(part["sha256"]), int(part["bytes"]))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{card_path(path)} is damaged ({reason}). Get the weights again.") from error
    return parts


def load_weights(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and their card, after the file's SHA256 has been found to be the card's.

    FileNotFoundError when weights or card are missing; ValueError when they are of another kind or version,
    or the file is not the one that the card describes.
    """
    path = Path(path)
    for file in (path, card_path(path)):
        if not file.is_file():
            raise FileNotFoundError(
                f"There is no {file}. Weights come as a .safetensors file with its card, a .json file of the "
                "same name; put both into one folder."
            )
    try:
        card = json.loads(card_path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{card_path(path)} is damaged ({error}). Get the weights again.") from error
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT or card.get("kind") != kind:
        found = card.get("kind") if isinstance(card, dict) else None
        raise ValueError(f"{path.name} holds weights of '{found}', not of '{kind}' in this version's format.")
    tensors: dict[str, torch.Tensor] = {}
    for part, (digest, _) in weights_parts(path, card).items():
        if not part.is_file():
            raise FileNotFoundError(f"There is no {part}, which belongs to {path.name}. Put both together.")
        if sha256_of(part) != digest:
            raise ValueError(
                f"{part} is not the file that its card describes (SHA256 differs). It is damaged or was "
                "replaced: get it again."
            )
        tensors |= _read_tensors(part)[0]
    return tensors, card


def save_state(
    tensors: Mapping[str, torch.Tensor], path: str | Path, values: Mapping[str, Any] | None = None
) -> Path:
    """Write the state of a training, tensors and plain values in one file, whole or not at all."""
    text = json.dumps({"format": STATE_FORMAT, "values": dict(values or {})}, allow_nan=True)
    return _write_tensors(tensors, Path(path), {"state": text})


def load_state(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and values of `save_state`. ValueError when the file is something else or damaged."""
    tensors, metadata = _read_tensors(Path(path))
    try:
        state = json.loads((metadata or {}).get("state", "null"))
    except json.JSONDecodeError:
        state = None
    if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
        raise ValueError(f"{path} is not the state of a training. Choose another file, or begin anew.")
    return tensors, state["values"]


def card_path(path: str | Path) -> Path:
    """Where the card of a weights file lies."""
    return Path(path).with_suffix(".json")


def sha256_of(path: str | Path) -> str:
    """SHA256 of a file in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _portions(tensors: Mapping[str, torch.Tensor], largest: int | None) -> list[dict[str, torch.Tensor]]:
    """Tensors in their order, in as few portions of at most `largest` bytes as that order allows."""
    portions: list[dict[str, torch.Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if largest is not None and portions[-1] and filled + size > largest:
            portions.append({})
            filled = 0
        portions[-1][name] = tensor
        filled += size
    return portions


def _write_tensors(tensors: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> Path:
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary, metadata=metadata)
    return path


def _read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file or is damaged ({error}). Get it again.") from error
