"""`cardiactwins twin train`: the generative model of whole hearts, from phantoms or from one's own hearts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed
from cardiactwins.cli_training import DATA, claim_training
from cardiactwins.cli_twin_cohort import tell_doubtful
from cardiactwins.cli_twin_inputs import LeaveOut, in_words_of_options, tissues_from
from cardiactwins.cli_values import pairs_from

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from cardiactwins.twin.training_hearts import HeartFolder

__all__ = ["train"]

OWN_SHARE = 0.15
"""Share of one's own hearts that is held out for validation."""
FEWEST_HEARTS = 8


class FewHearts(ValueError):
    """Too few hearts of a folder can be used."""


def train(
    context: typer.Context,
    preset: Annotated[
        str, typer.Option(help="swift, or paper: the networks of Kadry et al. 2023.")
    ] = "swift",
    phantoms: Annotated[int, typer.Option(min=2, help="Phantoms to train on.")] = 4000,
    validation: Annotated[int, typer.Option(min=1, help="Other phantoms to choose the weights by.")] = 32,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Train on the hearts in this folder instead: segmentations or label maps of six tissues. "
            "One in seven is held out to choose weights by."
        ),
    ] = None,
    tissues: Annotated[
        list[str] | None,
        typer.Option(
            help="Which label of the files in --data is which tissue, as LA=2,RA=3; or a known table, such "
            "as CardiacTwins. Default: by the names of labels and segments."
        ),
    ] = None,
    leave_out: LeaveOut = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Train for so long, both networks together, instead of a number of steps. Matching the "
            "spread of latents takes some minutes more.",
        ),
    ] = None,
    seed: Seed = 0,
    autoencoder: Annotated[
        list[str] | None,
        typer.Option(help="A setting of the autoencoder's training, as steps=4000,batch=4; repeatable."),
    ] = None,
    denoiser: Annotated[
        list[str] | None, typer.Option(help="A setting of the denoiser's training, the same way.")
    ] = None,
    precision: Annotated[str, typer.Option(help="mixed (bfloat16), full, or auto.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of PyTorch. Default: its own choice.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes or GPUs of each machine that train together.")
    ] = 1,
    machines: Annotated[
        int,
        typer.Option(
            min=1, help="Machines that train together; start the command on each, as torchrun does."
        ),
    ] = 1,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, for their card. Phantoms: Apache-2.0.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the training, also to go on.")] = Path("training"),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train the generative model of whole hearts, from random phantoms or from your own hearts.

    Writes the weights that did best on the validation (twin.safetensors) with their card (.json), and
    report.json. A training that was stopped goes on where it last saved when the same command is given again;
    --force begins anew. Needs PyTorch, MONAI and Lightning Fabric.
    """
    run = CommandRun.begin(context, {"data": data})
    if data is not None and not existing(data).is_dir():
        raise ValueError(f"--data is the folder of the hearts; found the file {data}.")
    _need_torch()

    import torch

    from cardiactwins.compute.progress import Cancelled
    from cardiactwins.twin.training_hearts import VALIDATION_STREAM, draw_phantoms
    from cardiactwins.twin.twin_training import PRESETS, train_twin

    if preset not in PRESETS:
        raise ValueError(f"--preset is {' or '.join(PRESETS)}; found '{preset}'.")
    coding = changed(PRESETS[preset][0], autoencoder or [], "--autoencoder")
    denoising = changed(PRESETS[preset][1], denoiser or [], "--denoiser")
    source: dict[str, Any] = {"phantoms": phantoms, "validation": validation}
    if data is not None:
        source = _listed(data, tissues, leave_out)
    begun = {
        **source,
        "seed": seed,
        "minutes": minutes,
        "autoencoder": asdict(coding),
        "denoiser": asdict(denoising),
    }
    if threads is not None:
        torch.set_num_threads(threads)
    fabric = _fabric(precision, processes, machines)
    first, fresh = fabric.global_rank == 0, not (out / DATA).is_file()
    if first:
        claim_training(out, begun, force, _remove_training)
    left_out: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    try:
        with run.progress("Train") as progress, fabric.rank_zero_first():
            if data is None:
                known = draw_phantoms(out / "hearts", phantoms, workers=threads, progress=progress)
                held_out = draw_phantoms(
                    out / "validation", validation, VALIDATION_STREAM, workers=threads, progress=progress
                )
            else:
                known, held_out, left_out, doubtful = _own_hearts(
                    data, out, tissues_from(tissues), leave_out, progress
                )
        tell_doubtful(left_out, True)
        tell_doubtful(doubtful, False)
        card = {
            "data": _described(data, known, held_out),
            "licence": licence or ("Apache-2.0" if data is None else "as the user's data"),
            "command": _command(context.params),
            "made_with": dict(run.report.versions),
        }
        with run.progress("Train") as progress:
            weights = train_twin(
                known,
                held_out,
                out,
                coding,
                denoising,
                seed=seed,
                card=card,
                seconds=None if minutes is None else 60 * minutes,
                fabric=fabric,
                progress=progress,
            )
    except (KeyboardInterrupt, Cancelled) as error:
        raise Cancelled(f"Cancelled. What was saved is kept in {out}: the same command goes on.") from error
    except FewHearts:
        if first and fresh:
            # Nothing was trained: the command may be given again with other options.
            _remove_training(out)
            (out / DATA).unlink()
        raise
    if not first:
        return
    written = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    coded = json.loads((out / "autoencoder.json").read_text(encoding="utf-8"))
    run.show(
        f"Autoencoder of step {coded['steps']}: {json.dumps(coded['metrics'])}\n"
        f"Denoiser of step {written['steps']}: {json.dumps(written['metrics'])}"
    )
    results = {
        "weights": written["file"],
        "sha256": written["sha256"],
        "bytes": written["bytes"],
        "metrics": {**coded["metrics"], **written["metrics"]},
        "steps": {"autoencoder": coded["steps"], "denoiser": written["steps"]},
        "training_seconds": coded["seconds"] + written["seconds"],
        "left_out": left_out,
    }
    run.finish(results, {"weights": weights, "card": weights.with_suffix(".json")}, out / REPORT)


def changed(settings: Any, changes: Sequence[str], option: str) -> Any:
    """Settings with changes 'name=value' of numbers and words, also of the network's own settings.

    ValueError for unknown names and values of another kind.
    """
    ours = {field.name: settings for field in fields(settings)}
    inner = {field.name: settings.network for field in fields(settings.network)}
    holders = {
        name: holder
        for name, holder in {**inner, **ours}.items()
        if isinstance(getattr(holder, name), int | float | str) and name != "preset"
    }
    values: dict[str, Any] = {}
    for name, text in pairs_from(changes, option).items():
        if name not in holders:
            raise ValueError(f"{option} knows {', '.join(holders)}; found '{name}'.")
        kind = type(getattr(holders[name], name))
        try:
            values[name] = kind(text)
        except ValueError as error:
            wanted = "a whole number" if kind is int else "a number"
            raise ValueError(f"{option} {name}=... takes {wanted}; found '{text}'.") from error
    network = replace(settings.network, **{n: v for n, v in values.items() if holders[n] is settings.network})
    return replace(settings, network=network, **{n: v for n, v in values.items() if holders[n] is settings})


def _need_torch() -> None:
    """ModuleNotFoundError with the command that helps."""
    from importlib.util import find_spec

    for package, name in (("torch", "torch"), ("monai", "monai"), ("lightning_fabric", "lightning-fabric")):
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f"A training needs {name}: python -m pip install 'cardiactwins[torch]'", name=package
            )


def _fabric(precision: str, processes: int, machines: int) -> Fabric:
    from cardiactwins.twin.training_run import many_processes, single_process

    if processes * machines == 1:
        return single_process(precision)
    return many_processes(processes, machines, precision)


def _listed(folder: Path, tissues: Sequence[str] | None, leave_out: bool) -> dict[str, Any]:
    from cardiactwins.mrml.heart_files import heart_files

    listed = {"data": str(folder.absolute()), "hearts": [path.name for path in heart_files(folder)]}
    listed |= {"tissues": list(tissues)} if tissues else {}
    return {**listed, "leave_out_incomplete": True} if leave_out else listed


def _own_hearts(
    folder: Path,
    out: Path,
    tissues: Mapping[str, str] | str | None,
    leave_out: bool,
    progress: Callable[..., None],
) -> tuple[HeartFolder, HeartFolder, dict[str, str], dict[str, str]]:
    """Hearts to train on, hearts to validate on, both on the common grid; why hearts were left out, and what
    is seriously wrong with others that were brought there now.

    leave_out: also hearts with serious remarks.
    """
    from cardiactwins.mrml.heart_files import heart_files
    from cardiactwins.mrml.twin_segmentation import heart_of_file
    from cardiactwins.twin.heart_review import serious_remarks
    from cardiactwins.twin.training_hearts import HeartFolder
    from cardiactwins.twin.twin_import import import_twin

    files = heart_files(folder)
    every = round(1 / OWN_SHARE)
    left_out: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    usable = 0
    for number, path in enumerate(files):
        if any(HeartFolder.path(out / part, number).exists() for part in ("hearts", "validation")):
            usable += 1
            continue
        progress(number, len(files), f"Reading {path.name}")
        try:
            with in_words_of_options():
                heart = heart_of_file(path, tissues)
            if remarks := " ".join(serious_remarks(heart.labels, heart.geometry)):
                if leave_out:
                    raise ValueError(remarks)
                doubtful[path.name] = remarks
            twin = import_twin(heart.labels, heart.geometry, name=path.name)
        except ValueError as error:
            left_out[path.name] = str(error)
            continue
        # Counted among those that can be used, so that as many are held out whichever are left out.
        part = "validation" if usable % every == every - 1 else "hearts"
        HeartFolder.write(out / part, number, twin.labels)
        usable += 1
    if usable < FEWEST_HEARTS or not (out / "validation").is_dir():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise FewHearts(
            f"A training needs {FEWEST_HEARTS} hearts at least; {usable} of {len(files)} files in {folder} "
            f"can be used. {reasons}"
        )
    doubtful = {name: remarks for name, remarks in doubtful.items() if name not in left_out}
    return HeartFolder(out / "hearts"), HeartFolder(out / "validation"), left_out, doubtful


def _described(data: Path | None, known: HeartFolder, held_out: HeartFolder) -> str:
    from cardiactwins.twin.training_hearts import TRAINING_STREAM, VALIDATION_STREAM

    if data is None:
        return (
            f"{len(known)} phantoms of whole hearts, number n of seed [{TRAINING_STREAM}, n]; validation on "
            f"{len(held_out)} of seeds [{VALIDATION_STREAM}, n]. No heart of a patient."
        )
    return f"{len(known)} hearts of the user; validation on {len(held_out)} others"


def _remove_training(out: Path) -> None:
    """Remove what a training wrote, but for phantoms, which any other draws alike."""
    import shutil

    from cardiactwins.twin.autoencoder_training import STATE as CODING_STATE
    from cardiactwins.twin.autoencoder_training import WEIGHTS as CODING_WEIGHTS
    from cardiactwins.twin.denoiser_training import STATE, WEIGHTS

    earlier = json.loads((out / DATA).read_text(encoding="utf-8"))
    for name in ("latents", *(("hearts", "validation") if "data" in earlier else ())):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (CODING_STATE, STATE, CODING_WEIGHTS, WEIGHTS, REPORT):
        for path in (out / name, *out.glob(f"{Path(name).stem}.*.safetensors")):
            path.unlink(missing_ok=True)
        (out / name).with_suffix(".json").unlink(missing_ok=True)


def _command(options: Mapping[str, Any]) -> str:
    """The command that makes the weights again."""
    words = ["cardiactwins twin train", f"--preset {options['preset']}"]
    if options["data"] is None:
        words.append(f"--phantoms {options['phantoms']} --validation {options['validation']}")
    else:
        words.append("--data FOLDER")
        words += [f"--tissues '{text}'" for text in options["tissues"] or ()]
        words += ["--leave-out-incomplete"] if options["leave_out"] else []
    if options["minutes"] is not None:
        words.append(f"--minutes {options['minutes']:g}")
    for name in ("autoencoder", "denoiser"):
        words += [f"--{name} {text}" for text in options[name] or ()]
    return " ".join([*words, f"--seed {options['seed']}", "--out DIR"])
