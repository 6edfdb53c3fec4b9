"""How large adult hearts are: published sizes and correlations, and hearts drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

__all__ = [
    "HEART_KINDS",
    "PUBLISHED",
    "PUBLISHED_CORRELATIONS",
    "HeartKind",
    "HeartMeasures",
    "draw_heart_kind",
    "draw_heart_measures",
]

HeartKind = Literal["ordinary", "dilated", "hypertrophic", "small", "right-dilated"]
HEART_KINDS: Mapping[HeartKind, float] = MappingProxyType(
    dict(zip(get_args(HeartKind), (0.84, 0.04, 0.04, 0.04, 0.04), strict=True))
)
"""Share of each kind in a cohort."""


@dataclass(frozen=True)
class HeartMeasures:
    """Sizes of a heart at end-diastole of the ventricles, the atria at their largest.

    lv, rv, la, ra: volumes of the cavities in ml. wall: thickness of the left-ventricular wall in mm at its
    equator. sinus: diameter of the aortic root at the sinuses of Valsalva in mm.
    """

    lv: float
    rv: float
    la: float
    ra: float
    wall: float
    sinus: float


PUBLISHED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "lv": (147.5, 30.3),
        "rv": (169.0, 40.0),
        "la": (72.5, 15.6),
        "ra": (81.0, 25.6),
        "wall": (7.75, 0.92),
        "sinus": (32.0, 3.6),
    }
)
"""Mean and standard deviation of adults, men and women in equal parts, pooled from

- LV 160 +- 29 and 135 +- 26 ml, RV 190 +- 33 and 148 +- 35 ml: Hudsmith et al., J Cardiovasc Magn Reson
  7:775, 2005 (63 men, 45 women);
- LA with its appendage 77 +- 15 and 68 +- 15 ml: Maceira et al., J Cardiovasc Magn Reson 12:65, 2010;
- RA 93 +- 27 and 69 +- 17 ml: Petersen et al., J Cardiovasc Magn Reson 19:18, 2017 (UK Biobank);
- wall 6 to 10 and 6 to 9 mm, sinuses 34 +- 3 and 30 +- 3 mm: Lang et al., J Am Soc Echocardiogr 28:1, 2015,
  the ranges taken as mean +- 2 SD.
"""

PUBLISHED_CORRELATIONS: Mapping[tuple[str, str], float] = MappingProxyType(
    {("lv", "rv"): 0.91, ("la", "ra"): 0.75}
)
"""Of both end-diastolic volumes (R^2 = 0.83) and both atrial volumes (R^2 = 0.56) in 18 triathletes and 27
other healthy adults: "Training-induced enlargement of the heart is balanced between the left and right atria
and ventricles", J Cardiovasc Magn Reson 11(S1):P57, 2009."""

_NAMES = tuple(PUBLISHED)
_BEFORE_CUT = {
    ("lv", "rv"): 0.935,
    ("la", "ra"): 0.81,
    ("lv", "la"): 0.5,
    ("rv", "ra"): 0.5,
    ("lv", "ra"): 0.45,
    ("rv", "la"): 0.45,
    ("lv", "wall"): 0.3,
    ("rv", "wall"): 0.25,
    ("la", "wall"): 0.2,
    ("ra", "wall"): 0.2,
    ("lv", "sinus"): 0.35,
    ("rv", "sinus"): 0.35,
    ("la", "sinus"): 0.25,
    ("ra", "sinus"): 0.25,
    ("wall", "sinus"): 0.25,
}
"""Correlations of the normal distribution; cut at 2 SD, it has those of PUBLISHED_CORRELATIONS. The others
are moderate, as all sizes grow with the body: assumed, no study at hand gives them."""


def draw_heart_kind(rng: np.random.Generator) -> HeartKind:
    """A kind of heart with the shares of HEART_KINDS."""
    kinds = list(HEART_KINDS)
    return kinds[rng.choice(len(kinds), p=list(HEART_KINDS.values()))]


def draw_heart_measures(rng: np.random.Generator, kind: HeartKind = "ordinary") -> HeartMeasures:
    """Sizes of a heart of a kind.

    Ordinary hearts follow the normal distribution with the moments of PUBLISHED and the correlations of
    PUBLISHED_CORRELATIONS, and of moderate strength between the others, drawn again while a size lies more
    than 2 SD from its mean. The other kinds change such a heart: the LV of dilated ones is 30 to 50 % larger,
    the other chambers less, and the wall no thicker; hypertrophic ones have 4 to 7 mm more wall and smaller
    ventricles; small ones have 60 to 75 % of all volumes; right-dilated ones 25 to 40 % more in the RV and 30
    to 60 % more in the RA. ValueError for an unknown kind.
    """
    if kind not in HEART_KINDS:
        raise ValueError(f"There is no kind of heart '{kind}'. Use one of {', '.join(HEART_KINDS)}.")
    mean, deviation = np.transpose([PUBLISHED[name] for name in _NAMES])
    correlation = np.eye(len(_NAMES))
    for (first, second), value in _BEFORE_CUT.items():
        a, b = _NAMES.index(first), _NAMES.index(second)
        correlation[a, b] = correlation[b, a] = value
    factor = np.linalg.cholesky(correlation)
    z = np.full(len(_NAMES), np.inf)
    while np.abs(z).max() > 2:
        z = factor @ rng.standard_normal(len(_NAMES))
    sizes = dict(zip(_NAMES, mean + deviation * z, strict=True))
    for name, factors in _FACTORS[kind].items():
        sizes[name] *= rng.uniform(*factors)
    if kind == "hypertrophic":
        sizes["wall"] += rng.uniform(4, 7)
    return HeartMeasures(**{name: float(size) for name, size in sizes.items()})


_FACTORS: Mapping[HeartKind, Mapping[str, tuple[float, float]]] = {
    "ordinary": {},
    "dilated": {
        "lv": (1.3, 1.5),
        "rv": (1.1, 1.3),
        "la": (1.15, 1.5),
        "ra": (1.1, 1.4),
        "wall": (0.8, 1.0),
    },
    "hypertrophic": {"lv": (0.8, 0.95), "rv": (0.85, 1.0), "la": (1.1, 1.3), "ra": (1.0, 1.2)},
    "small": dict.fromkeys(("lv", "rv", "la", "ra"), (0.6, 0.75)) | {"sinus": (0.85, 0.95)},
    "right-dilated": {"rv": (1.25, 1.4), "ra": (1.3, 1.6)},
}
