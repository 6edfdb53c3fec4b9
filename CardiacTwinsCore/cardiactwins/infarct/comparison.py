"""How the attributes of synthetic infarcts are distributed beside those of real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.attributes import endocardial_extent, infarct_size, transmurality

__all__ = ["AttributeComparison", "compare_populations"]


@dataclass(frozen=True)
class AttributeComparison:
    """One attribute in both populations.

    real, synthetic: mean and standard deviation. statistic, p_value: two-sample Kolmogorov-Smirnov test (a
    small p says that the distributions differ). wasserstein: distance of the distributions in the attribute's
    unit.
    """

    attribute: str
    unit: str
    real: tuple[float, float]
    synthetic: tuple[float, float]
    statistic: float
    p_value: float
    wasserstein: float


def compare_populations(
    real: NDArray[np.bool_], synthetic: NDArray[np.bool_], anatomy: ReferenceAnatomy
) -> list[AttributeComparison]:
    """Size, transmurality and endocardial extent of real (Q, N) and synthetic (P, N) infarcts.

    Empty lesions have size 0 and transmurality 0 and count as such.
    """
    measures = {
        ("size", "% of the wall"): lambda lesions: 100 * infarct_size(lesions),
        ("transmurality", "% of the thickness"): lambda lesions: 100 * transmurality(lesions, anatomy),
        ("endocardial extent", "% of the endocardium"): lambda lesions: (
            100 * endocardial_extent(lesions, anatomy)
        ),
    }
    return [
        _compared(name, unit, measure(real), measure(synthetic)) for (name, unit), measure in measures.items()
    ]


def _compared(name: str, unit: str, real: NDArray, synthetic: NDArray) -> AttributeComparison:
    from scipy.stats import ks_2samp, wasserstein_distance

    test = ks_2samp(real, synthetic)
    return AttributeComparison(
        attribute=name,
        unit=unit,
        real=(float(real.mean()), float(real.std(ddof=1))),
        synthetic=(float(synthetic.mean()), float(synthetic.std(ddof=1))),
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        wasserstein=float(wasserstein_distance(real, synthetic)),
    )
