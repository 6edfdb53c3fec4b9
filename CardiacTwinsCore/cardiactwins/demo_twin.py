"""The part of the demo that makes a digital twin of a whole heart, and siblings where a model is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_defects import with_defects
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.compute.page import PageSection
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.offscreen import RenderingUnavailable
from cardiactwins.mrml.render import picture_3d
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.surface_files import write_surfaces
from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
from cardiactwins.mrml.twin_editor import TwinEditorLogic
from cardiactwins.mrml.twin_figures import figures_of_case
from cardiactwins.mrml.twin_files import write_case
from cardiactwins.mrml.twin_sample import scanned
from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
from cardiactwins.twin.cohort_figures import save_figure, slices_figure

__all__ = ["TwinDemo", "run_twin_demo", "what_siblings_lack"]

ANTERIOR = (-0.25, 0.95, 0.2)
NAME = "Whole heart phantom"
PACKAGES = ("torch", "monai", "safetensors")
NOTE = (
    "A whole-heart phantom of six tissues, with fragments and holes as automatic segmentations have them, on "
    "an oblique grid of 2 mm, stands for a segmented patient. It is cleaned, registered and resampled to the "
    "model's grid of 1.4 mm, and from there goes back to its own. Its surfaces share their borders."
)
FILES_NOTE = (
    "The folder 'twin' holds the segmentation, the twin for `cardiactwins twin edit` (twin.npz), and its "
    "surfaces with their quality (meshes); all nodes are in scene.mrb."
)
SIBLINGS_NOTE = (
    "Siblings of that heart by the generative model that comes along, which has seen phantoms only: two vary "
    "in all parts (psi 0.5), two in the right ventricle and the myocardium alone. Violations of the topology "
    "are counted before and after the guard."
)


@dataclass(frozen=True, eq=False)
class TwinDemo:
    """What this part made: figures of the run, and its sections of the page."""

    results: dict[str, Any]
    sections: tuple[PageSection, ...]


def run_twin_demo(
    directory: str | Path, plots: str | Path, *, seed: int, progress: Progress = silent
) -> TwinDemo:
    """A segmented phantom heart to its twin, its numbers, its surfaces, and siblings of it.

    directory: for the segmentation, the twin, the meshes and the siblings. plots: for pictures. Siblings need
    PyTorch and weights of the model; without them the section says what is missing.
    """
    directory, plots = Path(directory), Path(plots)
    rng = np.random.default_rng([seed, 3])
    phantom = whole_heart_phantom(rng, kind="ordinary")
    spoiled, defects = with_defects(phantom.labels, rng, number=4, kinds=("fragment", "hole"))
    patient = new_heart_segmentation(NAME, *scanned(replace(phantom, labels=spoiled)))
    logic = TwinEditorLogic()
    case = logic.importTwin(patient, clean=True, progress=progress)
    save_node(patient, directory / "heart.seg.nrrd")
    write_case(directory / "twin.npz", case)
    surfaces, models = logic.makeSurfaces(case, edgeLength=None, name=NAME, progress=progress)
    write_surfaces(surfaces, directory / "meshes", "heart", formats=("vtp",))
    figures = figures_of_case(case)
    quality = surfaces.quality
    results = {
        **{key: figures[key] for key in ("volumes_ml", "there_and_back_dice", "morphology")},
        "defects": [defect.kind for defect in defects],
        "violations": figures["violations"],
        "remarks": figures["remarks"],
        "watertight": quality.watertight,
        "triangles": quality.triangles,
        "crossing_triangles": quality.crossing,
        "first_percentile_angle": quality.angle_first_percentile,
    }
    sections = [PageSection("Digital twin of a whole heart", (NOTE, FILES_NOTE), _rows(results))]
    sections[0] = replace(sections[0], pictures=_picture(models, plots))
    missing = what_siblings_lack(logic)
    if missing:
        logging.getLogger(__name__).info("No siblings: %s", missing)
        sections.append(PageSection("Siblings of that heart", (f"None were made: {missing}",)))
        return TwinDemo({**results, "siblings": None}, tuple(sections))
    made = _siblings(logic, case, seed, progress)
    for number, nodes in enumerate((one for row in made.values() for one in row), start=1):
        save_node(nodes.segmentation, directory / f"sibling-{number}.seg.nrrd")
    rows = [_sibling_row(nodes) for row in made.values() for nodes in row]
    picture = slices_figure(
        {title: [case.twin.labels, *(nodes.sibling.labels for nodes in row)] for title, row in made.items()}
    )
    caption = "The heart (left) and its siblings, through the four chambers"
    pictures = {caption: save_figure(picture, plots / "siblings.png")}
    sections.append(PageSection("Siblings of that heart", (SIBLINGS_NOTE,), rows, pictures))
    return TwinDemo({**results, "siblings": rows}, tuple(sections))


def what_siblings_lack(logic: TwinEditorLogic) -> str:
    """What siblings lack here, with what brings it; "" when nothing is missing."""
    try:
        logic.weights()
    except FileNotFoundError:
        return (
            "this installation has no weights of the generative model. `cardiactwins twin train --out "
            "training` makes them."
        )
    for package in PACKAGES:
        if find_spec(package) is None:
            return f"they need {package}: python -m pip install 'cardiactwins[torch]'."
    return ""


def _siblings(
    logic: TwinEditorLogic, case: TwinCase, seed: int, progress: Progress
) -> Mapping[str, tuple[SiblingNodes, ...]]:
    """Two of every part, two of one region."""
    common = {"number": 2, "seed": seed, "progress": progress}
    return {
        "psi 0.5": logic.perturb(case, psi=0.5, name=f"{NAME}: sibling", **common),
        "RV and Myo free": logic.editRegion(
            case, keep=("Ao", "LV", "RA", "LA"), name=f"{NAME}: sibling with another RV", **common
        ),
    }


def _picture(models: Mapping[Any, Any], plots: Path) -> dict[str, Path]:
    """The surfaces in 3D by caption; none, and the reason logged, where nothing can be rendered."""
    plots.mkdir(parents=True, exist_ok=True)
    try:
        path = picture_3d(list(models.values()), plots / "whole-heart.png", view_from=ANTERIOR)
    except RenderingUnavailable as error:
        logging.getLogger(__name__).warning("The whole heart is not pictured: %s", error)
        return {}
    return {"Its surfaces, at the resolution of the voxels": path}


def _rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: dict[str, str] = {
        "found in the segmentation": " ".join(results["remarks"]) or "nothing wrong",
        "topology checks that fail": ", ".join(results["violations"]) or "none of 12",
        "there-and-back Dice, worst tissue": f"{min(results['there_and_back_dice'].values()):.3f}",
        **{name: f"{value:.1f}" for name, value in results["morphology"].items()},
        "surfaces": f"{results['triangles']:,} triangles, "
        + ("watertight" if results["watertight"] else "open in places"),
        "triangles that cross": str(results["crossing_triangles"]),
        "smallest angles (first percentile)": f"{results['first_percentile_angle']:.0f} degrees",
    }
    return [{"quantity": name, "value": value} for name, value in rows.items()]


def _sibling_row(nodes: SiblingNodes) -> dict[str, Any]:
    """Kind, volumes and checks of a sibling."""
    from cardiactwins.mrml.tables import columns_of_table

    sibling, changes = nodes.sibling, columns_of_table(nodes.changes)
    volumes = {
        f"{tissue} (ml)": f"{value:.0f} ({change:+.0f})"
        for tissue, value, change in zip(
            changes["tissue"], changes["sibling (ml)"], changes["change (ml)"], strict=True
        )
    }
    before, after = (
        sum(not check.holds for check in checks) for checks in (sibling.raw_checks, sibling.checks)
    )
    return {"sibling": sibling.recipe.title(), **volumes, "violations": f"{before}, guarded {after}"}
