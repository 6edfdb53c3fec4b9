"""The EMIDEC infarct patients as cases (Lalande et al. 2020, CC BY-NC-SA 4.0); the data stays outside.

The published images were stretched and their spacing is lost: columns are divided by the ratio that makes
the whole ventricle round, and 1.5 mm in plane and 10 mm between slices are assumed. Slice 0 is the apex. The
right ventricle and the culprit artery are not labelled: the insertion point is the documented estimate of
`lv_coordinates`, in the image frame.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.infarct.population import InfarctCase

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "emidec-infarct-labels"

STORED_AXES = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Directions of i, j and k in RAS: the stacks are stored transposed and flipped. The short-axis display of a
slice (right ventricle left, chest wall upper left, liver below, as the late-enhancement images show) is
`[::-1, ::-1].T`."""


def emidec_cases(data: Path = DATA) -> list[InfarctCase]:
    """The 42 patients with infarct, in order of their names."""
    with (data / "aspect_xy.csv").open(encoding="utf-8") as file:
        aspect = {row["case"]: float(row["std_x_over_std_y_of_whole_LV"]) for row in csv.DictReader(file)}
    stacks = np.load(data / "label_stacks.npz")
    return [emidec_case(name, stacks[name], aspect[name]) for name in sorted(stacks.files) if "_P" in name]


def emidec_case(name: str, labels: np.ndarray, aspect: float) -> InfarctCase:
    """One patient from a label stack (k, j, i): 1 cavity, 2 healthy, 3 infarct, 4 no-reflow."""
    geometry = ImageGeometry.from_spacing(
        labels.shape, spacing=(1.5 / aspect, 1.5, 10.0), direction=STORED_AXES
    )
    return InfarctCase(
        identifier=name,
        geometry=geometry,
        cavity=labels == 1,
        myocardium=labels >= 2,
        infarct=labels >= 3,
        no_reflow=labels == 4,
    )
