"""From the DENSE images of one slice to its strain matrix, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.dense import DenseImages
from cardiactwins.lma.sectors import SECTORS, circumferential_turns, sector_strain
from cardiactwins.lma.strain import RADIUS_MM, WallStrain, wall_strain
from cardiactwins.lma.tracking import TissueMotion, track_tissue
from cardiactwins.lma.wall import LAYERS, WallSlice, wall_slice

__all__ = ["SliceStrain", "slice_strain"]


@dataclass(frozen=True, eq=False)
class SliceStrain:
    """Strain of a slice's material points and its summary by sectors.

    motion, wall: of the P points that were tracked. strain: of the motion reduced to its modes, for maps and
    curves. measured: circumferential strain (T, P) of the motion as measured, for the onset. turns: (P,)
    circumferential coordinate from the insertion, counter-clockwise seen from the apex. times: (T,) ms.
    """

    motion: TissueMotion
    wall: WallSlice
    strain: WallStrain
    measured: NDArray[np.float64]
    turns: NDArray[np.float64]
    times: NDArray[np.float64]

    def matrix(
        self, sectors: int = SECTORS, *, layer: str | None = "mid", component: str = "circumferential"
    ) -> NDArray[np.float64]:
        """Strain matrix (sectors, T) of a layer ("endo", "mid", "epi"), or of the whole wall when None.

        component: "circumferential", "radial" or "shear". ValueError for another layer or component.
        """
        if component not in WallStrain.__dataclass_fields__:
            raise ValueError(f"Components are circumferential, radial and shear; found {component!r}.")
        if layer is not None and layer not in LAYERS:
            raise ValueError(f"Layers are {', '.join(LAYERS)}; found {layer!r}.")
        chosen = slice(None) if layer is None else self.wall.layer(layer)
        return sector_strain(getattr(self.strain, component)[:, chosen], self.turns[chosen], sectors=sectors)

    def measured_matrix(self, sectors: int = SECTORS) -> NDArray[np.float64]:
        """Mid-wall circumferential strain matrix (sectors, T) of the motion as measured.

        What `estimate_onset` wants: after a reduction to modes the noise that is left is alike over time, and
        intervals that take it for white are too narrow.
        """
        mid = self.wall.layer("mid")
        return sector_strain(self.measured[:, mid], self.turns[mid], sectors=sectors)


def slice_strain(
    images: DenseImages,
    insertion: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    seen_from_apex: bool = True,
    modes: int | None = None,
    radius: float = RADIUS_MM,
    progress: Progress = silent,
) -> SliceStrain:
    """Unwrap, track, differentiate and resolve along the wall.

    insertion: (2,) anterior RV insertion, (x, y) in mm, the image's first pixel at (0, 0). reference, modes:
    as in `track_tissue`. seen_from_apex: as in `circumferential_turns`. radius: mm, as in
    `deformation_gradient`. ValueError as in those.
    """
    motion = track_tissue(images, reference, modes=modes, progress=progress)
    wall = wall_slice(motion.mask, images.pixel)
    strain = wall_strain(motion.points, motion.displacement, wall.radial, radius=radius)
    measured = wall_strain(motion.points, motion.measured, wall.radial, radius=radius).circumferential
    turns = circumferential_turns(wall.points, wall.center, insertion, seen_from_apex=seen_from_apex)
    return SliceStrain(motion, wall, strain, measured, turns, images.times)
