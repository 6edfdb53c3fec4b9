"""Fields on a periodic box that hold low frequencies only, and the exact products of such fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["Band"]

Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Band:
    """Low frequencies of a volume in a periodic box (Zhang & Fletcher, Int J Comput Vis 127:61, 2019).

    shape: voxels (k, j, i) of the volume. size: samples of a field along each axis of the box; they hold the
    frequencies of up to (size - 1) // 2 periods a box, an even size no half-sampling frequency. margin:
    voxels between the volume and each face of the box, so that the heart does not feel its periodic copies.
    size and margin are one number or one an axis. Lengths are in voxels everywhere.

    A field is kept as real coefficients (..., n, n, n), n = 2 ((size - 1) // 2) + 1 an axis, of the products
    of 1, sqrt(2) cos(2 pi f x), sqrt(2) sin(2 pi f x), which are orthonormal under the mean over the box.
    With so few frequencies a Fourier sum along an axis is one small matrix product, several times faster
    than a zero-padded fast Fourier transform, and it can be taken at any positions.

    ValueError for a volume that is not three-dimensional, a size below 3 or finer than the voxels, or a
    negative margin.
    """

    shape: Sizes
    size: int | Sizes = 16
    margin: int | Sizes = 4

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"A volume has three positive sizes (k, j, i); found {self.shape}.")
        object.__setattr__(self, "shape", shape)
        for name in ("size", "margin"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(np.broadcast_to(value, 3).tolist()))
        if min(self.margin) < 0:
            raise ValueError(f"The margin of a periodic box cannot be negative; found {self.margin} voxels.")
        if min(self.size) < 3 or any(2 * m + 1 > n for m, n in zip(self.modes, self.box, strict=True)):
            raise ValueError(
                f"A band has at least 3 samples an axis and no more than the box has voxels; found "
                f"{self.size} samples in a box of {self.box}."
            )

    @property
    def box(self) -> Sizes:
        """Period of the fields along k, j, i in voxels."""
        return tuple(n + 2 * m for n, m in zip(self.shape, self.margin, strict=True))

    @property
    def modes(self) -> Sizes:
        """Highest frequency along each axis in periods a box."""
        return tuple((n - 1) // 2 for n in self.size)

    @property
    def coefficient_shape(self) -> Sizes:
        """Coefficients of a field along each axis."""
        return tuple(2 * m + 1 for m in self.modes)

    @property
    def voxels_in_box(self) -> int:
        """Voxels of the periodic box."""
        return int(np.prod(self.box))

    def coefficients(self, samples: Tensor) -> Tensor:
        """Coefficients (..., n, n, n) of samples (..., size, size, size) evenly over the box."""
        return _along_axes(samples, [m.T / len(m) for m in self._even(self.size, samples)])

    def samples(self, coefficients: Tensor) -> Tensor:
        """Samples (..., size, size, size) evenly over the box, from its corner."""
        return _along_axes(coefficients, self._even(self.size, coefficients))

    def product_grid(self, coefficients: Tensor) -> Tensor:
        """Samples on the smallest grid from which `project` gets products of two fields without error."""
        return _along_axes(coefficients, self._even(self._product_size, coefficients))

    def project(self, products: Tensor) -> Tensor:
        """Coefficients of samples on the product grid, with the frequencies above the band left out."""
        return _along_axes(products, [m.T / len(m) for m in self._even(self._product_size, products)])

    def volume(self, coefficients: Tensor, planes: Sequence[float] | None = None) -> Tensor:
        """Values at the voxels of the volume, (..., k, j, i), or on planes k only, also between voxels."""
        k, j, i = (
            _basis(n, 1.0, float(margin), box, modes, coefficients.dtype, coefficients.device)
            for n, margin, box, modes in zip(self.shape, self.margin, self.box, self.modes, strict=True)
        )
        if planes is not None:
            places = torch.tensor(list(planes), dtype=torch.float64)
            k = _fourier((places + self.margin[0]) / self.box[0], self.modes[0]).to(k)
        return _along_axes(coefficients, [k, j, i])

    def points(self, coefficients: Tensor, points: Tensor) -> Tensor:
        """Values (..., P) at any points (P, 3) of the volume, in voxels k, j, i."""
        k, j, i = self.basis(points)
        planes = torch.einsum("pa,...abc->...pbc", k, coefficients)
        return torch.einsum("pc,...pc->...p", i, torch.einsum("pb,...pbc->...pc", j, planes))

    def basis(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values (P, n) of the basis functions along k, j and i at points (P, 3) in voxels."""
        return tuple(
            _fourier((points[:, axis] + margin) / box, modes)
            for axis, (margin, box, modes) in enumerate(zip(self.margin, self.box, self.modes, strict=True))
        )

    def derivative(self, coefficients: Tensor, axis: int) -> Tensor:
        """Coefficients of the exact derivative along axis 0 (k), 1 (j) or 2 (i), per voxel."""
        matrix = _derivative(self.box[axis], self.modes[axis], coefficients.dtype, coefficients.device)
        if axis == 0:
            return (matrix @ coefficients.flatten(-2)).unflatten(-1, coefficients.shape[-2:])
        return matrix @ coefficients if axis == 1 else coefficients @ matrix.T

    def gradient(self, coefficients: Tensor) -> Tensor:
        """Derivatives along k, j, i stacked in front of the axes: (..., n, n, n) to (..., 3, n, n, n)."""
        return torch.stack([self.derivative(coefficients, axis) for axis in range(3)], dim=-4)

    @property
    def _product_size(self) -> Sizes:
        return tuple(3 * m + 1 for m in self.modes)

    def _even(self, counts: Sizes, like: Tensor) -> list[Tensor]:
        return [
            _basis(n, box / n, 0.0, box, modes, like.dtype, like.device)
            for n, box, modes in zip(counts, self.box, self.modes, strict=True)
        ]


def _along_axes(values: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Values (..., a, b, c) times a matrix (A, a), (B, b), (C, c) along each axis: (..., A, B, C)."""
    k, j, i = matrices
    values = (k @ values.flatten(-2)).unflatten(-1, values.shape[-2:])
    return (j @ values) @ i.T


def _fourier(turns: Tensor, modes: int) -> Tensor:
    """Orthonormal basis at positions (P,) in periods: (P, 2 modes + 1), first 1, then cosines, then sines."""
    angle = 2 * torch.pi * turns[:, None] * torch.arange(1, modes + 1, dtype=turns.dtype, device=turns.device)
    return torch.cat([torch.ones_like(turns[:, None]), 2**0.5 * angle.cos(), 2**0.5 * angle.sin()], dim=1)


@lru_cache(maxsize=256)
def _basis(
    count: int, step: float, start: float, box: int, modes: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    # Kept matrices serve later calls that want gradients, also when the first one ran in inference mode.
    with torch.inference_mode(False), torch.no_grad():
        turns = (start + step * torch.arange(count, dtype=torch.float64)) / box
        return _fourier(turns, modes).to(device, dtype)


@lru_cache(maxsize=256)
def _derivative(box: int, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False), torch.no_grad():
        matrix = torch.zeros(2 * modes + 1, 2 * modes + 1, dtype=torch.float64)
        rate = 2 * torch.pi * torch.arange(1, modes + 1) / box
        cosine, sine = torch.arange(1, modes + 1), torch.arange(modes + 1, 2 * modes + 1)
        matrix[sine, cosine] = -rate.double()
        matrix[cosine, sine] = rate.double()
        return matrix.to(device, dtype)
