"""What a job takes of the listed slices, and what its TOS is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from cardiactwins.mrml.lma_dense import dense_slice
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_places import insertion_or_known
from cardiactwins.mrml.lma_strain import strain_of_table
from cardiactwins.panel.lma.context import LMAContext
from cardiactwins.panel.lma.made_from import MadeFrom
from cardiactwins.panel.lma.panel_words import inWordsOfPanel
from cardiactwins.panel.lma.slice_list import ActivationSlice

__all__ = ["madeFrom", "readSlices", "written"]


def readSlices(
    context: LMAContext,
    slices: list[ActivationSlice],
    given: list[dict[str, Any]],
    heights: list[float | None],
    scanner: Mapping[str, Any],
) -> Iterator[tuple[int, int, str]]:
    """Read a slice a step: what the job takes of it, and its height. ValueError names the slice."""
    insertion, model = context.parameterNode.insertionPoints, context.model()
    frame = None if model is None else surface_of_model(model).frame
    for number, slice_ in enumerate(slices, start=1):
        yield number - 1, len(slices), _("Reading slice {number}").format(number=number)
        try:
            if slice_.kind == "strain":
                matrix, times = strain_of_table(slice_.nodes["strain"])
                given.append({"strain": matrix.tolist(), "times": times.tolist()})
                heights.append(slice_.height)
                continue
            with inWordsOfPanel():
                dense = dense_slice(
                    slice_.nodes["phaseX"],
                    slice_.nodes["phaseY"],
                    slice_.nodes["mask"],
                    ke=slice_.ke,
                    insertion=insertion_or_known(insertion, frame),
                    phase_z=slice_.nodes.get("phaseZ"),
                    toward_apex=frame.direction,
                    **scanner,
                )
        except ValueError as error:
            raise ValueError(_("Slice {number}: {error}").format(number=number, error=error)) from error
        given.append({"dense": dense})
        heights.append(float(frame.coordinates(dense.position[None])[1][0]))


def madeFrom(
    slices: list[ActivationSlice], given: list[dict[str, Any]], arguments: Mapping[str, Any]
) -> MadeFrom:
    """What TOS of slices is made with; sectors and last frames count for images alone."""
    inputs = {"activation": [slice_.name for slice_ in slices]}
    if arguments["weights"]:
        inputs["onset weights"] = arguments["weights"]
    parameters: dict[str, Any] = {"onset": arguments["method"]}
    if any(slice_.kind == "dense" for slice_ in slices):
        parameters |= {"sectors": arguments["sectors"], "trim": arguments["trim"]}
        parameters["ke"] = [slice_.ke for slice_ in slices]
        parameters["stored values"] = [part["dense"].stored_range for part in given if "dense" in part]
        parameters["signs"] = arguments["scanner"]["signs"]
        parameters["frame interval"] = arguments["scanner"]["frame_interval"]
    return MadeFrom(parameters, inputs)


def written(given: Mapping[str, Any], folder: Path, number: int) -> dict[str, Any]:
    """A slice as an argument of the job, its images as a file."""
    if "dense" not in given:
        return dict(given)
    dense = given["dense"]
    parts = {name: getattr(dense.images, name) for name in ("phase", "mask", "times", "ke", "pixel")}
    np.savez(folder / f"dense-{number}.npz", insertion=dense.insertion, **parts)
    return {"images": f"dense-{number}.npz", "seen_from_apex": dense.seen_from_apex}
