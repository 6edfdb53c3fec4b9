"""How good the generative model of hearts is, on hearts it never saw.

    python Testing/Benchmarks/twin_quality.py --out DIR [--weights FILE] [--training DIR] [--data DIR]
        [--unseen 200] [--cohort 360] [--siblings 20] [--targets 20] [--designed 10] [--augmented 3600]
        [--sensitivity STEPS] [--tried 100] [--parts autoencoder,noise,edits,targets,designs,augmentation]
        [--workers 0] [--batch 1] [--device cpu] [--stand-in]

Autoencoding of unseen hearts; a cohort from noise against them (Kadry et al. 2023, section 4.1); four seed
hearts edited with five psi and two masks (4.2, 4.3); targets by guidance; a ventricle edited to volumes of a
design; augmentation of the hearts with the largest right ventricles (4.4). Hearts are phantoms of a stream
that no training takes from, or a folder of label maps on the common grid (--data). --training: folder of the
hearts trained on, for the distance to the nearest; without it the phantoms that the card tells of are drawn.
--sensitivity 5,10,20,40,80: also a cohort from noise of each number of steps (appendix C). Everything is kept
in DIR: a run that was stopped goes on. --stand-in: ellipsoid hearts and a normal distribution of latents
instead of weights, to try the protocol in some minutes.

Prints a table of what is asked and found, and one JSON line last: vae_dice, tv_heldout, tv_autoencoded,
tv_synthetic, tv_guarded, precision, recall, frechet, *_halves, nearest_train, nearest_heldout and more.
precision, recall and frechet are at the size of the halves whose intervals stand beside them; *_whole are
those of the whole cohort. nearest_difference, nearest_near, nearest_to_unseen and nearest_to_training are
those of `Memorising`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gaussian_hearts import ellipsoid_heart, small_hearts
from twin_quality_parts import PARTS, Bench, Sizes, measured
from twin_requirements import requirements

import cardiactwins
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.files import json_text, write_json_atomic
from cardiactwins.compute.weights_folder import listed_weights, used_weights
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.cohort_run import MODEL_LOADER
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.model import KIND
from cardiactwins.twin.study_maker import StudyMaker
from cardiactwins.twin.training_hearts import draw_phantoms
from cardiactwins.twin.twin_grid import TWIN_GRID

UNSEEN_STREAM = 3
"""Of the phantoms that no training takes from."""
STAND_IN_GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help=".safetensors; the one that comes with the library")
    parser.add_argument("--training", type=Path, help="folder of the hearts that the model was trained on")
    parser.add_argument("--data", type=Path, help="folder of unseen hearts on the common grid")
    parser.add_argument("--unseen", type=int, default=200)
    parser.add_argument("--cohort", type=int, default=360)
    parser.add_argument("--siblings", type=int, default=20)
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--designed", type=int, default=10, help="volumes of a design for each edit")
    parser.add_argument("--augmented", type=int, default=3600, help="unconditional hearts to filter")
    parser.add_argument("--kept", type=int, default=140, help="hearts kept of each augmentation")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--sensitivity",
        type=lambda text: tuple(int(part) for part in text.split(",")),
        default=(),
        metavar="STEPS",
        help="numbers of steps to try too, such as 5,10,20,40,80 (appendix C)",
    )
    parser.add_argument("--tried", type=int, default=100, help="hearts for each of these")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--dilation", type=float, help="of the kept tissues on the latents, mm")
    parser.add_argument("--rule", choices=("nearest", "any"), help="which voxel decides about a latent")
    parser.add_argument("--fuse-below", type=float, help="noise from which on kept latents are fused")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", action="append", help="such as cuda:0; may be given several times")
    parser.add_argument("--stand-in", action="store_true")
    chosen = parser.parse_args(arguments)
    parts = chosen.parts.split(",")
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown parts {', '.join(unknown)}; there are {', '.join(PARTS)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    bench = stand_in(chosen) if chosen.stand_in else trained(chosen)
    values = {**measured(bench, parts), "steps": chosen.steps, "unseen": len(bench.unseen)}
    rows = requirements(values)
    for name, found, held in rows:
        print(f"{'yes' if held else 'NO ':3}  {name}: {found}")
    values["requirements_held"] = f"{sum(held for *_, held in rows)} of {len(rows)}"
    write_json_atomic(chosen.out / "twin-quality.json", values)
    print(json_text(values))
    return values


def trained(chosen: argparse.Namespace) -> Bench:
    """The bench on trained weights and phantoms, or a user's hearts."""
    weights = chosen.weights or shipped_weights()
    unseen = (
        Hearts.in_folder(chosen.data, chosen.unseen)
        if chosen.data
        else drawn(chosen.out / "unseen", chosen.unseen, UNSEEN_STREAM, chosen.workers)
    )
    device = (chosen.device or ["cpu"])[0]
    model = resolve_function(MODEL_LOADER)(weights)
    if device != "cpu":
        model = model.to(device)
    training = None
    if chosen.training:
        training = Hearts.in_folder(chosen.training)
    elif not chosen.data and model.card.get("hearts"):
        training = drawn(chosen.out / "training", int(model.card["hearts"]), 1, chosen.workers)
    return bench_of(chosen, model, weights, MODEL_LOADER, TWIN_GRID, unseen, training)


def stand_in(chosen: argparse.Namespace) -> Bench:
    """The bench on ellipsoid hearts."""
    model = small_hearts(24)
    weights = model.save(chosen.out / "stand-in.npz")
    unseen, training = (
        Hearts.of({f"{name}-{i}": ellipsoid_heart(np.random.default_rng([stream, i])) for i in range(number)})
        for name, stream, number in (("unseen", UNSEEN_STREAM, chosen.unseen), ("seen", 0, 24))
    )
    return bench_of(chosen, model, weights, "gaussian_hearts:load", STAND_IN_GRID, unseen, training)


def bench_of(
    chosen: argparse.Namespace,
    model: Any,
    weights: Path,
    loader: str,
    grid: ImageGeometry,
    unseen: Hearts,
    training: Hearts | None,
) -> Bench:
    maker = StudyMaker(
        CohortFolder.create(chosen.out / "cohort", grid),
        weights,
        loader=loader,
        workers=chosen.workers,
        batch=chosen.batch,
        devices=tuple(chosen.device or ["cpu"]),
    )
    edited = 2 * chosen.kept
    sizes = Sizes(
        cohort=chosen.cohort,
        siblings=chosen.siblings,
        exact=min(5, chosen.siblings),
        targets=chosen.targets,
        designed=chosen.designed,
        augmented={"unconditional": chosen.augmented, "perturbational": edited, "localized": edited},
        kept=chosen.kept,
        steps=chosen.steps,
        sensitivity=chosen.sensitivity,
        tried=chosen.tried,
    )
    recipe = {
        name: value
        for name, value in (
            ("dilation_mm", chosen.dilation),
            ("rule", chosen.rule),
            ("fuse_below", chosen.fuse_below),
        )
        if value is not None
    }
    return Bench(model, maker, unseen, training, sizes, chosen.out, told, recipe)


def shipped_weights() -> Path:
    """The weights that come with the library. FileNotFoundError when there are none."""
    folder = Path(cardiactwins.__file__).parent / "Resources" / "Models"
    file = used_weights(listed_weights(folder, folder / "none"), KIND)
    if file is None:
        raise FileNotFoundError(
            "No weights of the twin model come with this library: name them by --weights."
        )
    return file.path


def drawn(folder: Path, number: int, stream: int, workers: int) -> Hearts:
    """Phantoms of a stream, drawn into a folder where they are not there."""
    draw_phantoms(folder, number, stream, workers=workers or None, progress=told)
    return Hearts.in_folder(folder, number)


def told(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
    """A line now and then."""
    if total and (step == total or step % max(total // 20, 1) == 0):
        print(f"{message} {step}/{total}", flush=True)


if __name__ == "__main__":
    main()
