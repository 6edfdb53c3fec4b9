"""Train the networks that the reconstruction is compared with, each for the same seconds.

    python Testing/Benchmarks/lma_baselines.py --out DIR --seconds 900 [--data phantoms|mesa]
        [--methods unet,ddpm,dispr] [--threads 1] [--mesa FILE]

Weights, states and curves go to DIR/phantoms and DIR/mesa; a run that was stopped goes on from there.
Phantoms: 600 of the training stream, validated on 8 of a stream of their own. MESA: the training people at
both phases, validated on 8 volumes of the validation set; those weights stay outside of the project, as the
data is under the GPL-3.0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from lma_sets import load_volumes, mesa_sets, save_volumes, training_phantoms, validation_phantoms

from cardiactwins.lma.baselines.training import BASELINES, BaselineSettings, train_baseline, training_curve
from cardiactwins.lma.shape_volume import ShapeVolume

PHANTOMS, VALIDATION = 600, 8


def populations(data: str, cache: Path) -> tuple[list[ShapeVolume], list[ShapeVolume]]:
    """Volumes to train and to validate on; cache: file of the MESA sets, written when it is not there."""
    if data == "phantoms":
        return list(training_phantoms(PHANTOMS)), list(validation_phantoms(VALIDATION))
    if not cache.exists():
        save_volumes(mesa_sets(), cache)
    return load_volumes(cache, "train"), load_volumes(cache, "validate")[:VALIDATION]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of training for each network")
    parser.add_argument("--data", choices=("phantoms", "mesa"), default="phantoms")
    parser.add_argument("--methods", default=",".join(BASELINES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mesa", type=Path, help="npz file of the MESA sets; made when it does not exist")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.out / options.data
    training, validation = populations(options.data, options.mesa or options.out / "mesa.npz")
    for name in options.methods.split(","):
        card = {"data": f"{len(training)} volumes: {options.data}", "threads": options.threads}
        settings = BaselineSettings(validate_every=200)
        train_baseline(
            name, training, validation, folder, settings, seconds=options.seconds, card=card, progress=_tell
        )
        for row in training_curve(folder, name):
            print(
                f"{name} {row['seconds']:.0f} s, step {row['step']}: loss {row['loss']:.4f}, "
                f"Dice {row['dice']:.4f}"
            )


def _tell(step: int, total: int, message: str = "", values: dict | None = None) -> None:
    if values and "dice" in values:
        print(f"{message}, Dice {values['dice']:.4f}", flush=True)


if __name__ == "__main__":
    main()
