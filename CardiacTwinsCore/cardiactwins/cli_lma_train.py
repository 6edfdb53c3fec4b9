"""`cardiactwins lma train`: atlas and reconstruction network from phantoms or from one's own hearts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, overload

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import need_torch
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed
from cardiactwins.cli_training import claim_training
from cardiactwins.cli_values import labels_from, pairs_from, roles_from

if TYPE_CHECKING:
    from cardiactwins.lma.reconstruction_model import TrainingSettings
    from cardiactwins.lma.shape_volume import ShapeVolume

__all__ = ["train"]

TRAINING_STREAM, VALIDATION_STREAM = 1, 3
"""Phantom number n is drawn with the seed (stream, n)."""
"""What a training in a folder was begun with."""
OWN_SHARE = 0.15
"""Share of one's own hearts that is held out for validation."""
FEWEST_HEARTS = 4


def train(
    context: typer.Context,
    phantoms: Annotated[int, typer.Option(min=2, help="Phantoms to train on.")] = 600,
    validation: Annotated[
        int, typer.Option(min=1, help="Other phantoms to choose the best weights by.")
    ] = 16,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Train on the hearts in this folder instead: dense segmentations or label maps. One in "
            "seven is held out to choose weights by."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimizer.")] = 500,
    seed: Seed = 0,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the training, as width=24,batch=4; repeatable."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of PyTorch. Default: its own choice.")
    ] = None,
    labels: Annotated[list[str] | None, typer.Option(help="Label values of label maps in --data.")] = None,
    roles: Annotated[list[str] | None, typer.Option(help="Segments by role in --data.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, for their card. Phantoms: Apache-2.0.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the training, also to go on.")] = Path("training"),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train the atlas and the network that deforms it, from random phantoms or from your own hearts.

    Writes the weights that did best on the validation (reconstruction.safetensors) with their card (.json),
    and report.json. A training that was stopped goes on where it last saved when the same command is given
    again, and ends with the same weights; --force begins anew. Needs PyTorch.
    """
    run = CommandRun.begin(context, {"data": data})
    reading = {"labels": labels_from(labels or []), "roles": roles_from(roles or [])}
    if data is not None and not existing(data).is_dir():
        raise ValueError(f"--data is the folder of the hearts; found the file {data}.")
    need_torch("A training")

    import torch

    from cardiactwins.compute.progress import Cancelled
    from cardiactwins.lma.model_finishing import finish_model
    from cardiactwins.lma.training import WEIGHTS, train_reconstruction

    settings = _settings(steps, changes or [])
    source = (
        {"phantoms": phantoms, "validation": validation}
        if data is None
        else {"data": str(data.absolute()), "hearts": _listed(data)}
    )
    claim_training(out, {**source, "seed": seed, "settings": asdict(settings)}, force, _remove_training)
    if threads is not None:
        torch.set_num_threads(threads)
    left_out: dict[str, str] = {}
    try:
        with run.progress("Train") as progress:
            if data is None:
                known: Sequence[Any] = _Phantoms(TRAINING_STREAM, phantoms)
                held_out: Sequence[Any] = _Phantoms(VALIDATION_STREAM, validation)
                described = (
                    f"{phantoms} phantoms, number n of seed [{TRAINING_STREAM}, n]; validation on "
                    f"{validation} of seeds [{VALIDATION_STREAM}, n]"
                )
            else:
                known, held_out, left_out = _own_hearts(data, reading, progress)
                described = f"{len(known)} hearts of the user; validation on {len(held_out)} others"
                for name, reason in left_out.items():
                    typer.echo(f"Left out: {name}: {reason}", err=True)
            card = {
                "data": described,
                "licence": licence or ("Apache-2.0" if data is None else "as the user's data"),
                "command": _command(context.params, settings),
                "made_with": dict(run.report.versions),
            }
            weights = train_reconstruction(
                known, held_out, out, settings, seed=seed, card=card, progress=progress
            )
            finish_model(weights, held_out, progress=progress)
    except (KeyboardInterrupt, Cancelled) as error:
        raise Cancelled(f"Cancelled. What was saved is kept in {out}: the same command goes on.") from error
    written = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    metrics = {
        key: written[key] for key in ("steps", "seconds", "metrics", "sha256", "bytes") if key in written
    }
    run.show(f"Weights of step {written.get('steps')}: {json.dumps(written.get('metrics'))}")
    results = {
        "weights": written.get("file", WEIGHTS),
        **metrics,
        "training_seconds": written.get("seconds"),
        "left_out": left_out,
    }
    run.finish(results, {"weights": weights, "card": weights.with_suffix(".json")}, out / REPORT)


class _Phantoms(Sequence):
    """Phantoms that are drawn when they are asked for, so that memory holds each once."""

    def __init__(self, stream: int, count: int) -> None:
        self.stream, self.count = stream, count

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, index: int) -> ShapeVolume: ...
    @overload
    def __getitem__(self, index: slice) -> list[ShapeVolume]: ...
    def __getitem__(self, index: Any) -> Any:
        import numpy as np

        from cardiactwins.lma.shape_volume import phantom_volume

        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self.count))]
        if not 0 <= index < self.count:
            raise IndexError(index)
        return phantom_volume(np.random.default_rng([self.stream, index]))


def _settings(steps: int, changes: Sequence[str]) -> TrainingSettings:
    """Settings with changes 'name=value'. ValueError for unknown names and values of another kind."""
    from cardiactwins.lma.reconstruction_model import TrainingSettings

    settings = TrainingSettings(steps=steps)
    kinds = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    kinds.pop("steps")
    values = {}
    for name, text in pairs_from(changes, "--set").items():
        if name not in kinds:
            raise ValueError(f"--set knows {', '.join(kinds)}; found '{name}'.")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            kind = "a whole number" if kinds[name] is int else "a number"
            raise ValueError(f"--set {name}=... takes {kind}; found '{text}'.") from error
    return replace(settings, **values)


def _listed(folder: Path) -> list[str]:
    from cardiactwins.mrml.heart_files import heart_files

    return [path.name for path in heart_files(folder)]


def _own_hearts(
    folder: Path, reading: Mapping[str, Any], progress: Callable[..., None]
) -> tuple[list[ShapeVolume], list[ShapeVolume], dict[str, str]]:
    """Hearts to train on, hearts to validate on, and reasons of those that cannot be used, by file."""
    from cardiactwins.mrml.heart_files import heart_files, shape_from_file

    files = heart_files(folder)
    hearts, left_out = [], {}
    for number, path in enumerate(files):
        progress(number, len(files), f"Reading {path.name}")
        try:
            hearts.append(shape_from_file(path, **reading))
        except ValueError as error:
            left_out[path.name] = str(error)
    if len(hearts) < FEWEST_HEARTS:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(
            f"A training needs {FEWEST_HEARTS} hearts at least; {len(hearts)} of {len(files)} files in "
            f"{folder} can be used. {reasons}"
        )
    every = round(1 / OWN_SHARE)
    held_out = hearts[every - 1 :: every] or hearts[-1:]
    return [heart for heart in hearts if heart not in held_out], held_out, left_out


def _remove_training(out: Path) -> None:
    from cardiactwins.lma.atlas_estimation import STATE as REGISTRATIONS
    from cardiactwins.lma.training import PREPARED, STATE, WEIGHTS

    for name in (STATE, PREPARED, REGISTRATIONS, WEIGHTS, Path(WEIGHTS).with_suffix(".json"), REPORT):
        (out / name).unlink(missing_ok=True)


def _command(options: Mapping[str, Any], settings: TrainingSettings) -> str:
    """The command that makes the weights again."""
    data = (
        f"--phantoms {options['phantoms']} --validation {options['validation']}"
        if options["data"] is None
        else "--data FOLDER"
    )
    changed = "".join(f"--set {text} " for text in options["changes"] or ())
    begun = f"cardiactwins lma train {data} --steps {settings.steps} --seed {options['seed']}"
    return f"{begun} {changed}--out DIR"
