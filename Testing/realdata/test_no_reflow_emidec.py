"""Where EMIDEC's experts saw no-reflow: farthest from supplied tissue, rather than nearest to the cavity.

The order was chosen on the first half of the patients (by name), on the reference; here it is asked again on
the patients' own grids, in the same half.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.infarct.regions import no_reflow_region

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "emidec-infarct-labels"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"EMIDEC labels are not at {FOLDER}"),
]


@pytest.fixture(scope="module")
def patients():
    """(labels (k, j, i), spacing (k, j, i) in mm) of the first half with no-reflow."""
    with (FOLDER / "aspect_xy.csv").open(newline="") as file:
        stretch = {row["case"]: float(row["std_x_over_std_y_of_whole_LV"]) for row in csv.DictReader(file)}
    stacks = np.load(FOLDER / "label_stacks.npz")
    names = sorted(name for name in stacks.files if "_P" in name)
    chosen = [name for name in names[: len(names) // 2] if (stacks[name] == 4).sum() > 15]
    return [(stacks[name], (10.0, 1.5, 1.5 / stretch[name])) for name in chosen]


def dice(found, expert):
    return 2 * (found & expert).sum() / (found.sum() + expert.sum())


def test_no_reflow_is_found_better_by_supply_than_by_depth_or_chance(patients):
    rng = np.random.default_rng(0)
    scores = {"farthest from supply": [], "nearest to the cavity": [], "chance": []}
    for labels, spacing in patients:
        core, cavity, expert = labels >= 3, labels == 1, labels == 4
        count = int(expert.sum())
        supply = no_reflow_region(core, labels >= 2, cavity, count / core.sum(), spacing)
        scores["farthest from supply"].append(dice(supply, expert))
        voxels = np.flatnonzero(core)
        to_cavity = ndimage.distance_transform_edt(~cavity, sampling=spacing).ravel()[voxels]
        for name, key in (("nearest to the cavity", to_cavity), ("chance", rng.random(len(voxels)))):
            found = np.zeros(core.size, dtype=bool)
            found[voxels[np.argsort(key, kind="stable")[:count]]] = True
            scores[name].append(dice(found, expert.ravel()))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    print(len(patients), "patients, mean Dice:", {name: round(value, 3) for name, value in means.items()})
    assert means["farthest from supply"] > means["nearest to the cavity"] + 0.05
    assert means["farthest from supply"] > means["chance"] + 0.15
