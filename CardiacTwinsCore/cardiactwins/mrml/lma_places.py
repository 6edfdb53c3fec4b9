"""Where slices and points lie along the heart, in whatever form they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_outcomes import ReconstructedHeart
from cardiactwins.mrml.markups import points_of_markups

__all__ = ["given_points", "insertion_or_known", "known_frame", "own_heights", "slice_heights"]


def given_points(given: Any) -> NDArray[np.float64] | None:
    """(M, 3) RAS mm of a markups node or array; None for neither or for an empty node."""
    if given is None:
        return None
    if hasattr(given, "GetNumberOfControlPoints"):
        points = points_of_markups(given)
        return points if len(points) else None
    return np.atleast_2d(np.asarray(given, dtype=float))


def insertion_or_known(given: Any, frame: LongAxisFrame | None) -> Any:
    """Insertion points as given, (M, 3) RAS mm of a frame in place of none or of an empty markups node."""
    empty = hasattr(given, "GetNumberOfControlPoints") and not given.GetNumberOfControlPoints()
    if given is not None and not empty:
        return given
    return None if frame is None else frame.insertion


def slice_heights(
    given: Any, frame: LongAxisFrame | None, heart: ReconstructedHeart | None
) -> NDArray[np.float64] | None:
    """Longitudinal heights (S,) of TOS slices."""
    if given is None:
        return None
    if isinstance(given, str):
        if given != "slices" or heart is None:
            raise ValueError(
                "Positions of slices are numbers, points, or 'slices' for those of a reconstruction; found "
                f"{given!r}."
            )
        return frame.coordinates(heart.prepared.stack.centers())[1]
    points = points_of_markups(given) if hasattr(given, "GetNumberOfControlPoints") else np.asarray(given)
    if points.ndim == 2 and points.shape[1] == 3:
        if frame is None:
            raise ValueError("Positions in RAS need a model, which tells where the long axis lies.")
        return frame.coordinates(points)[1]
    return np.atleast_1d(points.astype(float))


def own_heights(slices: Sequence[Any], frame: LongAxisFrame | None) -> NDArray[np.float64] | None:
    """Longitudinal heights of slices that know where they lie, None when one does not."""
    positions = [getattr(slice_, "position", None) for slice_ in slices]
    if frame is None or any(position is None for position in positions):
        return None
    return frame.coordinates(np.array(positions))[1]


def known_frame(model: Any) -> LongAxisFrame | None:
    """Axis and insertion of a `ReconstructedHeart` or a model node; None without either."""
    if model is None:
        return None
    return surface_of_model(model.model if isinstance(model, ReconstructedHeart) else model).frame
