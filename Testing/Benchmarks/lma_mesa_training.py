"""Train the reconstruction on MESA alone, as jayakumar-2023 does: 70 % of 215 people, both phases.

    python Testing/Benchmarks/lma_sets.py mesa.npz
    python Testing/Benchmarks/lma_mesa_training.py mesa.npz --out DIR [--pretraining 2000] [--steps 500]

A run that was stopped goes on. The weights measure how far training on real shapes carries
(lma_reconstruction.py, set mesa-trained); they stay outside of the project.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from lma_sets import load_volumes

from cardiactwins.lma.model_finishing import finish_model
from cardiactwins.lma.reconstruction_model import TrainingSettings
from cardiactwins.lma.training import train_reconstruction

VALIDATED = 16
SHOWN_EVERY = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="npz file that lma_sets.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pretraining", type=int, default=TrainingSettings.pretraining)
    parser.add_argument("--steps", type=int, default=TrainingSettings.steps)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    training, validation = (load_volumes(options.file, name) for name in ("train", "validate"))
    settings = TrainingSettings(pretraining=options.pretraining, steps=options.steps)
    began = time.monotonic()

    def progress(step: int, total: int, message: str = "", values: Mapping[str, float] | None = None) -> None:
        if step % SHOWN_EVERY == 0 or "dice" in (values or {}):
            seconds = time.monotonic() - began
            print(f"{seconds:6.0f} s  {step}/{total}  {message}  {dict(values or {})}", flush=True)

    changes = f"--pretraining {options.pretraining} --steps {options.steps}"
    card = {
        "data": f"{len(training)} hearts of MESA, both phases of 70 % of 215 people; validation: {VALIDATED}",
        "licence": "as the MESA model of the Cardiac Atlas Project; not for distribution",
        "command": f"python Testing/Benchmarks/lma_mesa_training.py FILE.npz {changes} --out DIR",
    }
    weights = train_reconstruction(
        training, validation[:VALIDATED], options.out, settings, seed=0, card=card, progress=progress
    )
    print(finish_model(weights, validation, progress=progress))


if __name__ == "__main__":
    main()
