"""The part of the demo that maps late activation: a phantom with left bundle branch block, start to end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.page import PageSection
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.strain_figure import strain_matrix_figure
from cardiactwins.mrml.lma_dense import dense_slice
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic, MapRun
from cardiactwins.mrml.lma_sample import SampleHeart, SampleSlice, new_sample_heart
from cardiactwins.mrml.lma_views import map_pictures
from cardiactwins.mrml.offscreen import RenderingUnavailable
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.tables import columns_of_table

__all__ = ["ActivationDemo", "run_activation_demo", "write_inputs"]

NAME = "LBBB phantom"
PICTURED_SLICE = 2
NOTE = (
    "A phantom with left bundle branch block: eight outlined short-axis slices, and phases as of DENSE "
    "images in four others. The whole left ventricle is rebuilt from the outlines; strain comes from the "
    "phases, the onset of shortening (TOS) of 18 sectors a slice from the strain; TOS is carried onto the "
    "surface, and what shortens late is a segment and a point. Blue is early, red late. Research use only."
)
FILES_NOTE = (
    "The folder 'activation' holds the slices, their insertion points and the DENSE images for "
    "`cardiactwins lma`, the reconstructed heart, TOS, and a report of one page (report.pdf); all nodes are "
    "in scene.mrb."
)


@dataclass(frozen=True, eq=False)
class ActivationDemo:
    """What this part made: figures of the run, and its section of the page."""

    results: dict[str, Any]
    section: PageSection


def run_activation_demo(
    directory: str | Path, plots: str | Path, *, seed: int, progress: Progress = silent
) -> ActivationDemo:
    """Outlined slices and DENSE of a phantom to the map of its activation, in the scene and in a folder.

    directory: for the inputs, the heart, TOS and the report of the map. plots: for pictures. The onset comes
    from the network where PyTorch is there, the heart is refined where the weights are.
    """
    directory, plots = Path(directory), Path(plots)
    sample = new_sample_heart(seed, name=NAME)
    logic = LMAReconstructLogic()
    found = logic.run(
        sample.segmentation,
        sample.insertion,
        dense=[slice_.arguments() for slice_ in sample.dense],
        directory=directory,
        seed=seed,
        name=NAME,
        progress=progress,
    )
    reference = logic.referenceModel(found.activation, f"{NAME}: reference model")
    write_inputs(sample, directory)
    save_node(found.heart.segmentation, directory / "heart.seg.nrrd")
    save_node(found.heart.model, directory / "heart.vtp")
    save_node(found.tos.node, directory / "tos.csv")
    pictures = _pictures(found, reference, plots) | _matrix(found, sample.dense, plots)
    results = _results(found, sample.dense)
    return ActivationDemo(
        results, PageSection("Late activation of another heart", (NOTE, FILES_NOTE), _rows(results), pictures)
    )


def write_inputs(sample: SampleHeart, directory: Path) -> None:
    """The sample as files that `cardiactwins lma` takes: slices, insertion points, DENSE images."""
    save_node(sample.segmentation, directory / "slices.seg.nrrd")
    save_node(sample.insertion, directory / "slices.mrk.json")
    for number, slice_ in enumerate(sample.dense, start=1):
        given = dense_slice(
            slice_.phase_x, slice_.phase_y, slice_.mask, ke=slice_.ke, insertion=sample.insertion
        )
        images = given.images
        with atomic_path(directory / f"dense-{number}.npz") as path, path.open("wb") as file:
            np.savez_compressed(
                file,
                phase=images.phase.astype(np.float32),
                mask=images.mask,
                times=images.times,
                ke=images.ke,
                pixel=images.pixel,
                insertion=given.insertion,
                position=given.position,
                seen_from_apex=given.seen_from_apex,
            )


def _pictures(found: MapRun, reference: Any, plots: Path) -> dict[str, Path]:
    """Views of the patient and of the reference model by caption; none where nothing can be rendered."""
    plots.mkdir(parents=True, exist_ok=True)
    marks = [] if found.late.centre is None else [found.late.centre]
    try:
        shown = {"The patient": found.heart.model, "The standard model": reference}
        views = map_pictures(shown, plots, {"The patient": marks})
    except RenderingUnavailable as error:
        logging.getLogger(__name__).warning("The map is not pictured: %s", error)
        return {}
    return {f"Onset of shortening. {caption}": path for caption, path in views.items()}


def _matrix(found: MapRun, dense: Sequence[SampleSlice], plots: Path) -> dict[str, Path]:
    """Strain over time and sector of one slice with the onset that was found and the true one."""
    index = PICTURED_SLICE - 1
    nodes, estimate = found.strain[index], found.tos.estimates[index]
    figure = strain_matrix_figure(nodes.matrix, nodes.times, estimate, truth=dense[index].onset)
    path = plots / "strain-matrix.png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return {f"Strain and onset of shortening of slice {PICTURED_SLICE}, sector by sector": path}


def _results(found: MapRun, dense: Sequence[SampleSlice]) -> dict[str, Any]:
    """The figures of the run. The error of TOS is that against the phantom's own."""
    truth = np.array([slice_.onset for slice_ in dense])
    late = columns_of_table(found.late.table)
    return {
        "reconstruction": found.heart.reconstruction.method,
        "mean_slice_dice": float(np.mean([s.dice for s in found.heart.reconstruction.agreement])),
        "long_axis_mm": found.heart.prepared.pose.frame.length,
        "tos_method": found.tos.method,
        "tos_mean_error_ms": float(np.abs(found.tos.table.values - truth).mean()),
        "target": found.late.target,
        "late": {
            str(name): f"{value} {unit}".strip()
            for name, value, unit in zip(late["quantity"], late["value"], late["unit"], strict=True)
        },
    }


def _rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    rows = {
        "reconstruction by": results["reconstruction"],
        "mean Dice at the slices": f"{results['mean_slice_dice']:.3f}",
        "TOS by": results["tos_method"],
        "mean error of TOS": f"{results['tos_mean_error_ms']:.1f} ms",
        **results["late"],
    }
    return [{"quantity": name, "value": value} for name, value in rows.items()]
