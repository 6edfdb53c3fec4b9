"""How long a move of a mode's slider takes until the scene shows the new pattern, in the InfarctSynth panel.

    python Testing/Benchmarks/panel_latency.py [--slices 1|11|21] [--moves 200]

The panel runs in the Qt host on slicer-core: a move goes through the slider, the parameter node, all
sections and the volume node (half of the moves: the segmentation node too). Drawing is not part of it. The
floor is the pattern itself: one weighted sum of the population's images. Prints one JSON line last: p50_ms,
p95_ms and max_ms of a move, floor_ms, and multiple_of_floor (p50).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "panel"))
SUBJECTS = 118


def open_panel(host, slices: int):
    """The panel with a population of 118 phantom infarcts chosen and its modes computed."""
    from cardiactwins.anatomy.reference import ReferenceAnatomy
    from cardiactwins.infarct.models import make_model
    from cardiactwins.infarct.population import InfarctPopulation
    from cardiactwins.mrml.archive_nodes import new_population_node

    for module in ("CardiacTwinsCore", "InfarctSynth"):
        host.loadModule(ROOT / module / f"{module}.py")
    panel = host.widgetOf("InfarctSynth").panel
    anatomy = ReferenceAnatomy(slices=slices)
    model = make_model("elliptical", anatomy)
    parameters = [parameter.default for parameter in model.parameters]
    lesions = model.sample(parameters, SUBJECTS, np.random.default_rng(1))
    names = tuple(f"case {number + 1}" for number in range(SUBJECTS))
    population = InfarctPopulation(anatomy, lesions, names)
    panel.context.parameterNode.population = new_population_node("Population", population)
    host.processEvents()
    host.click(panel.ui.modesButton)
    host.wait(lambda: not panel.explore.modesControls.running, 300)
    return panel


def moves(host, panel, count: int) -> np.ndarray:
    """Milliseconds of each move; every second quarter of them with a segmentation beside the volume."""
    rng = np.random.default_rng(2)
    sliders = [panel.ui.mode1Slider, panel.ui.mode2Slider, panel.ui.mode3Slider]
    taken = []
    for number, value in enumerate(rng.uniform(-2, 2, count)):
        if number % (count // 4) == 0:
            panel.context.parameterNode.modeSegmentation = number // (count // 4) % 2 == 1
            host.processEvents()
        began = time.perf_counter()
        sliders[number % 3].value = round(float(value), 1)
        host.processEvents()
        taken.append(1e3 * (time.perf_counter() - began))
    return np.array(taken)


def floor(panel, count: int = 50) -> float:
    """Milliseconds of the pattern alone: the weights times the images, in float32."""
    values = panel.explore.modes.decoder.values
    weights = np.full(len(values), 1 / len(values), dtype=np.float32)
    began = time.perf_counter()
    for _ in range(count):
        weights @ values
    return 1e3 * (time.perf_counter() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slices", type=int, default=11, choices=(1, 11, 21))
    parser.add_argument("--moves", type=int, default=200)
    options = parser.parse_args()
    from host import start

    host = start()
    panel = open_panel(host, options.slices)
    taken, least = moves(host, panel, options.moves), floor(panel)
    host.close()
    line = {
        "slices": options.slices,
        "subjects": SUBJECTS,
        "moves": options.moves,
        "p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "p95_ms": round(float(np.quantile(taken, 0.95)), 2),
        "max_ms": round(float(taken.max()), 2),
        "floor_ms": round(least, 3),
        "floor": "one weighted sum of 118 images in float32",
        "multiple_of_floor": round(float(np.quantile(taken, 0.5)) / least, 1),
        "agrees": bool(np.quantile(taken, 0.95) < 100),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
