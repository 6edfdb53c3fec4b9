"""Covariances of displacements along directions under a prior of velocities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiactwins.lma.band import Band
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["DirectedPlaces", "VelocityCovariance"]

FINENESS = 2
"""Entries of the table a voxel; the shortest wave of a shipped band has nine voxels."""


@dataclass(frozen=True, eq=False)
class DirectedPlaces:
    """Places (m, 3) in voxels and unit directions (m, 3), along which displacements are looked at.

    basis: (m, n^3) values of the band's functions there. modes: (m, R) displacements that the population's
    modes make, each in its own deviations beyond the field's.
    """

    places: Tensor
    directions: Tensor
    basis: Tensor
    modes: Tensor


@dataclass(frozen=True, eq=False)
class VelocityCovariance:
    """What displacements have in common under a prior, each to first order the velocity there.

    The field of the prior is stationary: what two places have in common depends on their difference alone and
    is read from a table. That of the modes is the product of their displacements.

    table: (1, 3, D, H, W) covariance of each component at differences of half voxels, from 0 to half of the
    box. loadings: (3 n^3, R) coefficients of the velocities of the modes.
    """

    band: Band
    prior: VelocityPrior
    table: Tensor
    loadings: Tensor

    @classmethod
    def of(cls, band: Band, prior: VelocityPrior) -> VelocityCovariance:
        """The covariance of a prior. ValueError unless cosines and sines of a frequency vary alike."""
        variance = prior.deviation.detach().cpu().double() ** 2
        waves = []
        for axis, (modes, box) in enumerate(zip(band.modes, band.box, strict=True), start=1):
            constant, cosine, sine = variance.split([1, modes, modes], dim=axis)
            if not torch.allclose(cosine, sine, rtol=1e-3):
                raise ValueError(
                    "The field of this prior is not stationary: along an axis the cosine and the sine of a "
                    "frequency vary differently. Make the prior from velocities anew."
                )
            variance = torch.cat([constant, cosine], dim=axis)
            apart = torch.arange(FINENESS * box // 2 + 1, dtype=torch.float64) / FINENESS
            angle = 2 * torch.pi * apart[:, None] * torch.arange(modes + 1) / box
            waves.append(angle.cos() * torch.where(torch.arange(modes + 1) > 0, 2.0, 1.0))
        table = torch.einsum("xabc,ka,jb,ic->xkji", variance, *waves)[None].float()
        excess = (prior.gains**2 - 1).clamp(min=0).sqrt()
        loadings = (prior.deviation * prior.directions).flatten(1).T * excess
        return cls(band, prior, table, loadings.detach().cpu().float())

    def directed(self, places: NDArray[np.float64], directions: NDArray[np.float64]) -> DirectedPlaces:
        """Places (m, 3) in voxels k, j, i with directions (m, 3), prepared for what follows."""
        where, along = (torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in (places, directions))
        k, j, i = self.band.basis(where)
        basis = (k[:, :, None, None] * j[:, None, :, None] * i[:, None, None, :]).flatten(1)
        count = self.loadings.shape[1]
        velocities = basis @ self.loadings.unflatten(0, (3, -1)).movedim(0, 1).flatten(1)
        modes = torch.einsum("mcr,mc->mr", velocities.unflatten(1, (3, count)), along)
        return DirectedPlaces(where, along, basis, modes)

    def between(self, first: DirectedPlaces, second: DirectedPlaces) -> Tensor:
        """Covariances (m, n) in square voxels of the displacements of two sets."""
        depth, height, width = self.table.shape[-3:]
        apart = []
        for axis, box in enumerate(self.band.box):
            along = (first.places[:, axis, None] - second.places[:, axis]).abs_()
            apart.append(torch.minimum(along, (box - along).abs_()).mul_(FINENESS))
        # The planes of the table, one below the other, are one image: bilinear interpolation in each of the
        # two planes around a difference and linear between them takes half the time of trilinear.
        k, j, i = apart
        plane = k.floor().clamp_(max=depth - 2)
        image = self.table.flatten(2, 3)
        step = 2 / (depth * height - 1)
        rows = j.add_(plane, alpha=height).mul_(step).sub_(1)
        columns = i.mul_(2 / (width - 1)).sub_(1)
        # Threads share the work by batches: one a row.
        lower, upper = (
            functional.grid_sample(
                image.expand(len(rows), -1, -1, -1),
                torch.stack([columns, rows + further], dim=-1)[:, None],
                padding_mode="border",
                align_corners=True,
            )
            for further in (0, height * step)
        )
        common = first.modes @ second.modes.T
        for axis, covariance in enumerate(
            torch.lerp(lower, upper, (k - plane)[:, None, None])[:, :, 0].unbind(1)
        ):
            common += covariance * first.directions[:, axis, None] * second.directions[:, axis]
        return common

    def variance(self, of: DirectedPlaces) -> Tensor:
        """Variances (m,) in square voxels of the displacements."""
        return of.directions**2 @ self.table[0, :, 0, 0, 0] + (of.modes**2).sum(dim=1)

    def weighted(self, of: DirectedPlaces, weights: Tensor) -> Tensor:
        """Sum over displacements of weight (m,) times covariance with each coefficient, (3, n, n, n)."""
        deviation = self.prior.deviation.cpu()
        field = (of.directions * weights[:, None]).T @ of.basis
        along = self.loadings @ (weights @ of.modes)
        return field.reshape(deviation.shape) * deviation**2 + along.reshape(deviation.shape)
