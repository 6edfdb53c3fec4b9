"""Measures of a heart that depend smoothly on the probabilities of its tissues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.heart_morphology import (
    heart_morphology,
    tissue_volumes_ml,
    wall_thickness_mm,
)
from cardiactwins.anatomy.heart_tissues import CHAMBERS, TISSUE_NAMES, Tissue

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MEASURES", "hard_measures", "measure_named", "soft_measure"]

MEASURES: Mapping[str, str] = MappingProxyType(
    {
        **{f"{name} volume": "ml" for name in TISSUE_NAMES.values()},
        **{
            f"{TISSUE_NAMES[chamber]} {axis} axis": "mm"
            for chamber in CHAMBERS
            for axis in ("major", "minor")
        },
        "wall": "mm",
    }
)
"""Measures that can be targets, and their units. "wall" is the mean thickness of the LV's wall."""

_TISSUES = {name: tissue for tissue, name in TISSUE_NAMES.items()}


def measure_named(name: str) -> str:
    """The name of MEASURES that is meant, in any case. ValueError with the names when there is none."""
    for known in MEASURES:
        if known.lower() == name.strip().lower():
            return known
    raise ValueError(f"There is no measure '{name}' to set. Use one of {', '.join(MEASURES)}.")


def hard_measures(
    labels: ArrayLike, spacing: ArrayLike = (1.4, 1.4, 1.4), names: Iterable[str] = tuple(MEASURES)
) -> dict[str, float]:
    """Measures of a label map (k, j, i), in ml and mm; spacing along i, j, k. names: which, all by default.

    A chamber that is missing has volume and axes 0, a heart without LV or Myo wall 0.
    """
    wanted = [measure_named(name) for name in names]
    found = {f"{name} volume": volume for name, volume in tissue_volumes_ml(labels, spacing).items()}
    if any(name.endswith("axis") for name in wanted):
        rows = np.nan_to_num(heart_morphology(labels, spacing)).reshape(len(CHAMBERS), 3)
        for chamber, (_, major, minor) in zip(CHAMBERS, rows, strict=True):
            found[f"{TISSUE_NAMES[chamber]} major axis"] = float(major)
            found[f"{TISSUE_NAMES[chamber]} minor axis"] = float(minor)
    if "wall" in wanted:
        thickness = wall_thickness_mm(labels, spacing)
        found["wall"] = float(thickness.mean()) if thickness.size else 0.0
    return {name: found[name] for name in wanted}


def soft_measure(name: str, probabilities: Tensor, spacing: ArrayLike = (1.4, 1.4, 1.4)) -> Tensor:
    """One of MEASURES of each heart (B,), differentiable in its probabilities (B, 7, k, j, i).

    Volumes are sums of probabilities. Axes are those of the ellipsoid with the second moments of the
    probabilities. The wall is the myocardium's volume by the mean of the areas of its inside and its outside,
    which are total variations: it follows the mean thickness, and lies near it rather than on it.
    """
    sizes = tuple(float(s) for s in np.asarray(spacing, dtype=float)[::-1])
    return _measure(measure_named(name))(probabilities, sizes)


def _measure(name: str) -> Callable[[Tensor, tuple[float, ...]], Tensor]:
    if name == "wall":
        return _wall
    tissue, _, what = name.partition(" ")
    channel = int(_TISSUES[tissue])
    if what == "volume":
        return lambda p, sizes: p[:, channel].flatten(1).sum(dim=1) * (float(np.prod(sizes)) / 1000)
    return lambda p, sizes: _axis(p[:, channel], sizes, longest=what.startswith("major"))


def _axis(share: Tensor, sizes: tuple[float, ...], longest: bool) -> Tensor:
    """Full length of the longest or shortest axis of the ellipsoid with the moments of (B, k, j, i)."""
    import torch

    total = share.flatten(1).sum(dim=1).clamp_min(1e-6)
    at = [
        torch.arange(n, dtype=share.dtype, device=share.device) * s
        for n, s in zip(share.shape[1:], sizes, strict=True)
    ]
    one = [share.sum(dim=[a for a in (1, 2, 3) if a != axis + 1]) for axis in range(3)]
    mean = [(one[axis] @ at[axis]) / total for axis in range(3)]
    rows = [[None] * 3 for _ in range(3)]
    for a in range(3):
        rows[a][a] = (one[a] @ at[a] ** 2) / total - mean[a] ** 2
        for b in range(a + 1, 3):
            (other,) = {1, 2, 3} - {a + 1, b + 1}
            both = torch.einsum("bxy,x,y->b", share.sum(dim=other), at[a], at[b]) / total
            rows[a][b] = rows[b][a] = both - mean[a] * mean[b]
    covariance = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    variances = torch.linalg.eigvalsh(covariance.double()).clamp_min(1e-6)
    return 2 * torch.sqrt(5 * variances[:, -1 if longest else 0]).to(share.dtype)


def _wall(p: Tensor, sizes: tuple[float, ...]) -> Tensor:
    wall, cavity = p[:, int(Tissue.MYO)], p[:, int(Tissue.LV)]
    volume = wall.flatten(1).sum(dim=1) * float(np.prod(sizes))
    inside, outside = _area(cavity, sizes), _area(cavity + wall, sizes)
    return 2 * volume / (inside + outside).clamp_min(1.0)


def _area(share: Tensor, sizes: tuple[float, ...]) -> Tensor:
    """Area of the surface of a soft region (B, k, j, i) in mm^2: the integral of |grad share|."""
    import torch

    here = share[:, :-1, :-1, :-1]
    k, j, i = (
        (ahead - here) / size
        for ahead, size in zip(
            (share[:, 1:, :-1, :-1], share[:, :-1, 1:, :-1], share[:, :-1, :-1, 1:]), sizes, strict=True
        )
    )
    slope = torch.sqrt(k**2 + j**2 + i**2 + 1e-12)
    return slope.flatten(1).sum(dim=1) * float(np.prod(sizes))
