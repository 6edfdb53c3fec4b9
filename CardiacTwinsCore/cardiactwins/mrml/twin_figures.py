"""The figures of an imported heart."""

from __future__ import annotations

from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES, heart_morphology
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.twin.twin_import import return_labels

__all__ = ["figures_of_case"]


def figures_of_case(case: TwinCase) -> dict[str, Any]:
    """What an imported heart is, for summaries and reports.

    "volumes_ml": of the patient's own map. "there_and_back_dice": of that map and the heart on the common
    grid, resampled to the patient's. "morphology": the 12 measures on the common grid, ml and mm.
    "violations": names of the topology checks that fail. "remarks": what is wrong with the segmentation.
    """
    twin = case.twin
    back = return_labels(twin, twin.labels, keep_unchanged=False)
    voxel_ml = float(np.prod(twin.original_geometry.spacing)) / 1000
    dice, volumes = {}, {}
    for tissue in Tissue:
        there, here = back == tissue, twin.original == tissue
        dice[TISSUE_NAMES[tissue]] = float(
            2 * np.count_nonzero(there & here) / (np.count_nonzero(there) + np.count_nonzero(here))
        )
        volumes[TISSUE_NAMES[tissue]] = np.count_nonzero(here) * voxel_ml
    morphology = heart_morphology(twin.labels, twin.geometry.spacing)
    return {
        "name": twin.name,
        "shape": twin.original_geometry.shape,
        "spacing_mm": twin.original_geometry.spacing,
        "heart_to_ras": twin.heart_to_ras,
        "volumes_ml": volumes,
        "there_and_back_dice": dice,
        "morphology": dict(zip(MORPHOLOGY_NAMES, morphology.tolist(), strict=True)),
        "violations": [check.name for check in topology_checks(twin.labels) if not check.holds],
        "remarks": twin.remarks,
    }
