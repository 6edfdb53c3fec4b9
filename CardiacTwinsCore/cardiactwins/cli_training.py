"""The folder of a training: a new one, or one in which the same training goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["DATA", "claim_training"]

DATA = "data.json"
"""What a folder's training was begun with."""


def claim_training(out: Path, begun: Mapping[str, Any], force: bool, remove: Callable[[Path], None]) -> None:
    """Make the folder ready: new, or one in which a training of the same data and settings goes on.

    begun: plain values that tell the data and settings. remove: takes what an earlier training wrote out of
    the folder, for `force`. ValueError when it holds something else, or a training of others and `force` is
    not given.
    """
    from cardiactwins.compute.files import check_writable, write_json_atomic

    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. Choose a folder with --out.")
    known = out / DATA
    if out.is_dir() and any(out.iterdir()):
        try:
            earlier = json.loads(known.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ValueError(
                f"{out} holds files, but no training to go on with. Choose another folder with --out."
            ) from None
        same = earlier == json.loads(json.dumps(begun))
        if not same and not force:
            raise ValueError(
                f"{out} holds a training of other data or settings. Give the same options to go on with it, "
                "choose another folder with --out, or add --force to begin anew."
            )
        if force:
            remove(out)
    check_writable(out)
    write_json_atomic(known, begun)
