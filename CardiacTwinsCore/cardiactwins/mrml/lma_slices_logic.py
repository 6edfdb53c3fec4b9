"""The first part of LMAReconstruct's console interface: from outlined slices to the left ventricle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.prepared_heart import PreparedHeart, prepare_heart
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.mrml.lma_inputs import (
    heart_of_curves,
    heart_of_segmentation,
    heart_of_segmentations,
    insertion_points,
    known_points,
)
from cardiactwins.mrml.lma_outcomes import ReconstructedHeart, new_reconstructed_heart

__all__ = ["SlicesLogic"]


class SlicesLogic:
    """Reads outlined slices and rebuilds the left ventricle from them; see `LMAReconstructLogic`."""

    def prepare(
        self,
        source: Any,
        insertionPoints: Any = None,
        *,
        roles: Mapping[str, str] | None = None,
        slices: int | None = None,
        longAxis: Any = None,
        correctShifts: bool = True,
        base: float | None = None,
    ) -> PreparedHeart:
        """Read, correct and place the outlined slices; arguments as of `reconstruct`. Adds no node."""
        if _segmentations(source):
            heart = heart_of_segmentations(source, roles, slices)
        elif isinstance(source, (list, tuple)):
            heart = heart_of_curves(source, slices)
        else:
            heart = heart_of_segmentation(source, roles, slices)
        insertion = insertion_points(insertionPoints, heart)
        points = values = None
        nodes = longAxis if isinstance(longAxis, (list, tuple)) else [longAxis]
        if longAxis is not None and nodes:
            points, values = known_points(nodes, roles)
        return prepare_heart(
            heart.stack,
            insertion,
            correct_shifts=correctShifts,
            base=base,
            points=points,
            values=values,
        )

    def reconstruct(
        self,
        source: Any,
        insertionPoints: Any = None,
        *,
        roles: Mapping[str, str] | None = None,
        method: str = "auto",
        slices: int | None = None,
        longAxis: Any = None,
        correctShifts: bool = True,
        base: float | None = None,
        samples: int = 1,
        seed: int = 0,
        model: Any = None,
        device: str = "auto",
        referenceVolume: Any = None,
        name: str = "Left ventricle",
        progress: Progress = silent,
    ) -> ReconstructedHeart:
        """The whole left ventricle from outlines in a few short-axis slices, as nodes.

        source: a segmentation node (cavity and myocardium, see `guess_roles`), a list of segmentation nodes
        with a slice or more each, or a list of closed-curve nodes ('endo ...', 'epi ...') or of pairs of
        them, base to apex. insertionPoints: markups or (M, 3) RAS mm of the anterior RV insertion; None: from
        a right ventricle in the segmentation. roles: role -> segment where names mislead, in long-axis slices
        too, if they have a segment of that name. slices: use so many of them. longAxis: segmentation node or
        nodes of long-axis slices, one a slice (`long_axis_points`). correctShifts: correct recognised shifts
        between breath-holds. base: distance of the base plane above the first slice in mm. method, samples,
        seed, model, device: see `cardiactwins.lma.reconstruction.reconstruct`. referenceVolume: grid of the
        dense segmentation; its own grid of 1 mm when None. ValueError as the steps raise it.
        """
        prepared = self.prepare(
            source,
            insertionPoints,
            roles=roles,
            slices=slices,
            longAxis=longAxis,
            correctShifts=correctShifts,
            base=base,
        )
        found = reconstruct(
            prepared.outlines,
            method=method,
            voxel=prepared.pose.voxel,
            samples=samples,
            seed=seed,
            model=model,
            device=device,
            progress=progress,
        )
        return self.showReconstruction(prepared, found, referenceVolume=referenceVolume, name=name)

    def showReconstruction(
        self,
        prepared: PreparedHeart,
        reconstruction: HeartReconstruction,
        *,
        referenceVolume: Any = None,
        name: str = "Left ventricle",
    ) -> ReconstructedHeart:
        """Nodes of a reconstruction, such as one that a worker has computed from `prepared.outlines`."""
        return new_reconstructed_heart(prepared, reconstruction, referenceVolume, name)


def _segmentations(source: Any) -> bool:
    """Whether a source is a list of segmentation nodes."""
    return (
        isinstance(source, (list, tuple))
        and len(source) > 0
        and all(hasattr(node, "IsA") and node.IsA("vtkMRMLSegmentationNode") for node in source)
    )
