"""One digital sibling at 128^3 with the swift preset, against the paper's preset in the same run.

    python Testing/Benchmarks/twin_speed.py [--weights twin.safetensors] [--threads 2] [--repeats 7]
        [--batch 4] [--device cpu]

A sibling is: the label map encoded, 20 Heun steps (39 evaluations of the denoiser), the result decoded to a
label map, with the weights that ship unless others are given. The paper's networks, untrained, are timed in a
process of their own, in float32 as the paper ran them: encoder and decoder on an eighth of the volume (16
slices), the U-net in one whole evaluation, each scaled linearly. The floor is the multiplications of the
swift networks at the rate of a large matrix product in the precision that they run in. Prints one JSON line
last; the shortest time of each counts, and processor_seconds, of all threads, tell on a busy machine what a
quiet one would take.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import timeit
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import cardiactwins
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.autoencoder import build_autoencoder
from cardiactwins.twin.autoencoder_training import PAPER_AUTOENCODER_TRAINING
from cardiactwins.twin.denoiser import build_denoiser
from cardiactwins.twin.denoiser_training import PAPER_DENOISER_TRAINING
from cardiactwins.twin.latents import LatentScale
from cardiactwins.twin.model import TwinModel
from cardiactwins.twin.sampler import evaluations, heun, noise_schedule

SIZE = (128, 128, 128)
SHIPPED = str(Path(cardiactwins.__file__).parent / "Resources" / "Models" / "twin.safetensors")
SLICES = 16
"""Of the label map that the paper's encoder and decoder are timed on."""


def untrained_paper() -> TwinModel:
    """The preset "paper" with random weights."""
    autoencoder = build_autoencoder(PAPER_AUTOENCODER_TRAINING.network)
    shape = autoencoder.latent_shape(SIZE)
    scale = LatentScale(torch.zeros(shape), torch.ones(shape[0], 1, 1, 1))
    return TwinModel(autoencoder, build_denoiser(PAPER_DENOISER_TRAINING.network, shape), scale)


def sibling(model: TwinModel, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Label maps of siblings of twins, recomputed whole."""
    sigmas = noise_schedule(20)
    latents = model.encode(labels)
    noise = torch.randn(latents.shape, generator=generator).to(model.device)
    return model.decode_labels(heun(model.denoise, latents + float(sigmas[0]) * noise, sigmas))


@torch.inference_mode()
def swift(weights: str, device: str, repeats: int, batch: int) -> dict:
    """Seconds of a sibling and of its parts, siblings a minute in batches, peak memory, and the floor."""
    model = TwinModel.load(weights, device)
    heart = torch.from_numpy(whole_heart_phantom(np.random.default_rng(0)).labels)[None]
    generator = torch.Generator().manual_seed(0)
    waiting = torch.cuda.synchronize if device == "cuda" else lambda: None

    def seconds(work, number: int = repeats) -> float:
        def timed() -> None:
            work()
            waiting()

        return min(timeit.repeat(timed, number=1, repeat=number))

    began = time.perf_counter()
    sibling(model, heart, generator)
    waiting()
    first = time.perf_counter() - began
    one = seconds(lambda: sibling(model, heart, generator))
    began = time.process_time()
    sibling(model, heart, generator)
    processor = time.process_time() - began
    latents = model.encode(heart)
    parts = {
        "encode_seconds": seconds(lambda: model.encode(heart)),
        "denoise_seconds": seconds(lambda: model.denoise(latents, 1.0)),
        "denoise_loud_seconds": seconds(lambda: model.denoise(latents, 50.0)),
        "decode_seconds": seconds(lambda: model.decode_labels(latents)),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    many = seconds(lambda: sibling(model, heart.expand(batch, -1, -1, -1), generator), 1)
    rate = multiplications_a_second(device, model.mixed)
    return {
        "seconds": one,
        "processor_seconds": processor,
        "first_seconds": first,
        **parts,
        "peak_gb": peak,
        "siblings_per_minute": 60 * batch / many,
        "floor_seconds": multiplications(model, heart) / rate,
    }


def multiplications(model: TwinModel, labels: torch.Tensor) -> float:
    """Operations of convolutions and matrix products of one sibling."""
    with FlopCounterMode(display=False) as counted:
        sibling(model, labels, torch.Generator().manual_seed(0))
    return counted.get_total_flops()


def multiplications_a_second(device: str, mixed: bool | None) -> float:
    """Operations a second of a large matrix product, in bfloat16 where the model computes in it."""
    from cardiactwins.twin.precision import computes_in_bfloat16

    lower = computes_in_bfloat16(device) if mixed is None else mixed
    size = 2048
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if lower else torch.float32)
    return 2 * size**3 / min(timeit.repeat(lambda: a @ a, number=1, repeat=10))


@torch.inference_mode()
def paper() -> dict:
    """Seconds of a sibling with the paper's networks, from timed parts."""
    model = untrained_paper().to("cpu")
    model.mixed = False
    labels = torch.zeros(1, SLICES, *SIZE[1:], dtype=torch.uint8)
    parts = SIZE[0] / SLICES

    def seconds(work) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    encode = parts * seconds(lambda: model.autoencoder.encode(labels))
    shape = model.autoencoder.latent_shape((SLICES, *SIZE[1:]))
    decode = parts * seconds(lambda: model.autoencoder.labels(torch.zeros(1, *shape)))
    denoise = min(seconds(lambda: model.denoise(torch.zeros(1, *model.latent_shape), 1.0)) for _ in range(3))
    return {
        "paper_seconds": encode + evaluations(noise_schedule(20)) * denoise + decode,
        "paper_encode_seconds": encode,
        "paper_denoise_seconds": denoise,
        "paper_decode_seconds": decode,
    }


def main() -> None:
    """Time both presets, each in a process of its own, so that memory is told apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default=SHIPPED, help="trained weights (default: those that ship)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=4, help="siblings at once for the throughput")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--part", choices=["swift", "paper"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.part == "swift":
        print(json.dumps(swift(chosen.weights, chosen.device, chosen.repeats, chosen.batch)))
        return
    if chosen.part == "paper":
        print(json.dumps(paper()))
        return
    found: dict = {"threads": chosen.threads, "device": chosen.device, "torch": torch.__version__}
    for part in ("swift", "paper"):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--part", part],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        found |= json.loads(done.stdout.splitlines()[-1])
    found["ratio"] = found["paper_seconds"] / found["seconds"]
    for name, value in found.items():
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    print(json.dumps({name: round(v, 4) if isinstance(v, float) else v for name, v in found.items()}))


if __name__ == "__main__":
    main()
