"""Activation maps of two phantom subjects, each beside the reference model, in one scale of colours.

    python Testing/Benchmarks/lma_map_pictures.py --out Docs/lma-reconstruct/maps.png

Each subject goes the whole way: ventricle from slices, strain from DENSE, onset, map.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.image import imread
from numpy.typing import NDArray

from cardiactwins.infarct.figures.canvas import new_figure, save_figure
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_colors import rgb_of
from cardiactwins.mrml.lma_map import ActivationNodes
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.lma_views import VIEWS, map_pictures

SUBJECTS = {"Phantom with LBBB": (1, "LBBB"), "Phantom with RBBB": (2, "RBBB")}
"""Seed and pattern of activation."""
OWN, REFERENCE = "Own model", "Reference model"


@dataclass(frozen=True, eq=False)
class Subject:
    """activation: of the subject's own model. reference: model node with the same map."""

    activation: ActivationNodes
    reference: object


def subject_of(name: str, seed: int, pattern: str, method: str) -> Subject:
    """A phantom, from its slices and DENSE images to its map."""
    logic = LMAReconstructLogic()
    sample = new_sample_heart(seed=seed, pattern=pattern, name=name)
    run = logic.run(
        sample.segmentation,
        sample.insertion,
        dense=[slice_.arguments() for slice_ in sample.dense],
        method=method,
        name=name,
    )
    return Subject(run.activation, logic.referenceModel(run.activation, f"{name}: reference"))


def shared_limits(subjects: Sequence[Subject]) -> tuple[float, float]:
    """Earliest and latest TOS of all in ms, which the colours of all models are set to."""
    values = [subject.activation.tos_table.values for subject in subjects]
    limits = float(np.floor(min(map(np.nanmin, values)))), float(np.ceil(max(map(np.nanmax, values))))
    for subject in subjects:
        for node in (subject.activation.model, subject.reference):
            node.GetDisplayNode().SetScalarRange(*limits)
    return limits


def draw(pictures: Mapping[str, Mapping[str, Path]], limits: tuple[float, float], path: Path) -> Path:
    """One row a subject, its model and the reference model in each view, one legend."""
    columns = [f"{model}, {view}" for view in VIEWS for model in (OWN, REFERENCE)]
    figure = new_figure(2.0 * len(columns) + 0.8, 2.1 * len(pictures) + 0.3)
    axes = figure.subplots(len(pictures), len(columns), squeeze=False)
    images = {path: imread(path) for shown in pictures.values() for path in shown.values()}
    rows, columns_shown = _drawn(list(images.values()))
    for row, (name, shown) in zip(axes, pictures.items(), strict=True):
        for axis, column in zip(row, columns, strict=True):
            axis.imshow(images[shown[column]][rows, columns_shown])
            axis.set(xticks=[], yticks=[])
            axis.set_title(column, fontsize=9)
            for side in axis.spines.values():
                side.set_visible(False)
        row[0].set_ylabel(name, fontsize=10)
    colors = ListedColormap(rgb_of(np.linspace(0, 1, 256)))
    bar = figure.colorbar(ScalarMappable(Normalize(*limits), colors), ax=axes, fraction=0.015, pad=0.01)
    bar.set_label("onset of shortening (TOS), ms after the R wave", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return save_figure(figure, path)


def _drawn(images: Sequence[NDArray[np.float32]]) -> tuple[slice, slice]:
    """Rows and columns of pictures of one size outside of which all are white."""
    dark = np.any([image[..., :3].min(axis=2) < 0.99 for image in images], axis=0)
    return tuple(
        slice(np.argmax(some), len(some) - np.argmax(some[::-1])) for some in (dark.any(1), dark.any(0))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    parser.add_argument("--method", default="auto", help="of the reconstruction")
    options = parser.parse_args()
    start()
    subjects = {name: subject_of(name, *kind, options.method) for name, kind in SUBJECTS.items()}
    limits = shared_limits(list(subjects.values()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        pictures = {}
        for number, (name, subject) in enumerate(subjects.items()):
            folder = Path(temporary, str(number))
            folder.mkdir()
            models = [(OWN, subject.activation.model), (REFERENCE, subject.reference)]
            pictures[name] = map_pictures(models, folder)
        draw(pictures, limits, options.out)


if __name__ == "__main__":
    main()
