"""The map as an implanter sees it: fluoroscopic views, beside the same map on the reference model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.activation_map import SectorValues
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.pose import Pose
from cardiactwins.lma.reference_heart import reference_heart
from cardiactwins.mrml.lma_map import project_onto_model
from cardiactwins.mrml.lma_models import new_wall_model
from cardiactwins.mrml.lma_range import range_lines
from cardiactwins.mrml.render import picture_3d

__all__ = ["VIEWS", "map_pictures", "new_reference_model", "view_direction"]

VIEWS = {"LAO 35": ("LAO", 35.0), "RAO 30": ("RAO", 30.0)}
"""Views of the report: projection and angle in degrees."""
SIZE = (560, 560)


def view_direction(projection: str, degrees: float) -> NDArray[np.float64]:
    """Direction in RAS (3,) in which the camera stands for a fluoroscopic view.

    projection: "LAO" (from the patient's left and front) or "RAO" (from the right and front); degrees: from
    straight ahead. ValueError for another projection.
    """
    sides = {"LAO": -1.0, "RAO": 1.0}
    if projection not in sides:
        raise ValueError(f"A view is LAO or RAO; found {projection!r}.")
    angle = np.radians(degrees)
    return np.array([sides[projection] * np.sin(angle), np.cos(angle), 0.0])


def new_reference_model(name: str, frame: LongAxisFrame, measured: SectorValues) -> Any:
    """A model node of the reference left ventricle along a patient's axis, with the same TOS on it."""
    node = new_wall_model(name, reference_heart(), Pose.of(frame))
    project_onto_model(node, measured, frame)
    return node


def map_pictures(
    models: Mapping[str, Any], folder: Path, marks: Mapping[str, Sequence[Any]]
) -> dict[str, Path]:
    """Pictures of models by name in each of `VIEWS`, "<name>, <view>" -> PNG file in a folder.

    They show the lines of the measured range as well. marks: further nodes shown with a model, by its name.
    Raises RenderingUnavailable where nothing can be drawn.
    """
    pictures = {}
    for view, (projection, degrees) in VIEWS.items():
        direction = view_direction(projection, degrees)
        for name, node in models.items():
            lines = range_lines(node)
            shown = [node, *([] if lines is None else [lines]), *marks.get(name, ())]
            path = folder / f"{name}-{view}.png".replace(" ", "-").lower()
            pictures[f"{name}, {view}"] = picture_3d(shown, path, SIZE, direction)
    return pictures
