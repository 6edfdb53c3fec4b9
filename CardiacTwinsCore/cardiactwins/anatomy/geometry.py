"""Where the voxels of an image lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ImageGeometry"]


@dataclass(frozen=True, eq=False)
class ImageGeometry:
    """Grid of an image: shape in k, j, i and the affine map of voxel indices to RAS.

    shape: (slices, rows, columns) as slicer.util.arrayFromVolume gives arrays.
    ijk_to_ras: (4, 4) float64, maps (i, j, k, 1) to (R, A, S, 1) in mm. Oblique, anisotropic and left-handed
    axes are ordinary. Raises ValueError when the matrix is not finite, not affine or singular.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"An image shape has three positive sizes (k, j, i); found {self.shape}.")
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4):
            raise ValueError(f"The IJK-to-RAS matrix must be 4 x 4; found {matrix.shape}.")
        if not np.isfinite(matrix).all():
            raise ValueError(
                "The IJK-to-RAS matrix holds NaN or infinite values. Check the image header or the transform "
                "that was applied to this node."
            )
        if not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise ValueError(f"The IJK-to-RAS matrix is not affine: its last row is {matrix[3].tolist()}.")
        axes = matrix[:3, :3]
        if abs(np.linalg.det(axes)) <= 1e-9 * np.linalg.norm(axes, axis=0).prod():
            raise ValueError(
                "The IJK-to-RAS matrix is singular: two image axes are parallel or have no length."
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "ijk_to_ras", matrix)

    @classmethod
    def from_spacing(
        cls,
        shape: tuple[int, int, int],
        spacing: ArrayLike = (1.0, 1.0, 1.0),
        origin: ArrayLike = (0.0, 0.0, 0.0),
        direction: ArrayLike | None = None,
    ) -> ImageGeometry:
        """Grid from spacing (i, j, k) in mm, RAS origin of voxel (0, 0, 0), and direction columns (3, 3)."""
        matrix = np.eye(4)
        axes = np.eye(3) if direction is None else np.asarray(direction, dtype=float)
        matrix[:3, :3] = axes * np.asarray(spacing, dtype=float)
        matrix[:3, 3] = origin
        return cls(shape, matrix)

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size along i, j, k in mm, (3,)."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def origin(self) -> NDArray[np.float64]:
        """RAS position of voxel (0, 0, 0) in mm, (3,)."""
        return self.ijk_to_ras[:3, 3].copy()

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vectors of the i, j and k axes in RAS, as columns, (3, 3)."""
        return self.ijk_to_ras[:3, :3] / self.spacing

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3]))) / 1000.0

    @property
    def is_left_handed(self) -> bool:
        """Whether the image axes mirror RAS (negative determinant)."""
        return bool(np.linalg.det(self.ijk_to_ras[:3, :3]) < 0)

    def kji_to_ras(self, kji: ArrayLike) -> NDArray[np.float64]:
        """RAS positions in mm, (..., 3), of continuous array indices (k, j, i), (..., 3)."""
        ijk = np.asarray(kji, dtype=float)[..., ::-1]
        return ijk @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def ras_to_kji(self, ras: ArrayLike) -> NDArray[np.float64]:
        """Continuous array indices (k, j, i), (..., 3), of RAS positions in mm, (..., 3)."""
        inverse = np.linalg.inv(self.ijk_to_ras)
        ijk = np.asarray(ras, dtype=float) @ inverse[:3, :3].T + inverse[:3, 3]
        return ijk[..., ::-1]

    def matches(self, other: ImageGeometry, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have the same shape and the same corner voxels within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        distance = np.abs(self.kji_to_ras(corners) - other.kji_to_ras(corners)).max()
        return bool(distance <= tolerance_mm)
