"""Infarcts drawn from a personalized model, as hearts on the reference or on a patient's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.transport import Transport
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.archive import PersonalizedModel
from cardiactwins.infarct.attributes import infarct_size, transmurality
from cardiactwins.infarct.hearts import InfarctedHeart, heart_of_case, heart_on_reference
from cardiactwins.infarct.population import InfarctCase
from cardiactwins.infarct.regions import border_zone as border_zone_of
from cardiactwins.infarct.regions import nested_regions, no_reflow_region
from cardiactwins.infarct.requests import lesions_on_request

__all__ = ["generated_hearts"]

MOST_ROUNDS = 20


def generated_hearts(
    personalized: PersonalizedModel,
    count: int,
    rng: np.random.Generator,
    *,
    case: InfarctCase | None = None,
    border_zone: float = 0.0,
    no_reflow: float = 0.0,
    request: Mapping[str, Any] | None = None,
    name: str = "Infarct",
    progress: Progress = silent,
) -> list[InfarctedHeart]:
    """`count` hearts with an infarct of the model, on the reference or in the heart of `case`.

    border_zone: width around the infarct in mm of the patient or pixels of the reference, 0 for none.
    no_reflow: share of the infarct without reflow, 0 for none. request: arguments of `lesions_on_request`. A
    lesion that leaves no voxel on the target grid is drawn anew. In a patient a 2D model fills the mid-level
    slice alone. ValueError when the patient's wall has no coordinates or the model draws empty lesions.
    """
    anatomy = personalized.model.anatomy
    transport = None
    if case is not None:
        transport = Transport(
            lv_coordinates(
                case.geometry,
                case.cavity,
                case.myocardium,
                insertion_points=case.insertion_points,
                right_ventricle=case.right_ventricle,
            ),
            anatomy,
        )
    hearts: list[InfarctedHeart] = []
    for _ in range(MOST_ROUNDS):
        for lesion in _drawn(personalized, count - len(hearts), rng, request):
            identifier = f"{name} {len(hearts) + 1:03d}"
            attributes = {
                "size_percent": 100 * float(infarct_size(lesion[None])[0]),
                "transmurality_percent": 100 * float(transmurality(lesion[None], anatomy)[0]),
            }
            if transport is None:
                heart = _on_reference(identifier, personalized, lesion, border_zone, no_reflow, attributes)
            else:
                heart = _in_patient(identifier, case, transport, lesion, border_zone, no_reflow, attributes)
            if heart.masks["infarct"].any():
                hearts.append(heart)
                progress(len(hearts), count, f"Painted {identifier}")
        if len(hearts) == count:
            return hearts
    raise ValueError(
        f"Only {len(hearts)} of {count} draws leave a voxel on this grid: the lesions of the model "
        f"({personalized.name}) are too small for it. Use a finer grid or other parameters."
    )


def _drawn(
    personalized: PersonalizedModel, count: int, rng: np.random.Generator, request: Mapping[str, Any] | None
) -> NDArray[np.bool_]:
    if not request:
        return personalized.sample(count, rng)
    return lesions_on_request(
        personalized.model, personalized.parameters, n=count, rng=rng, **request
    ).lesions


def _on_reference(
    identifier: str,
    personalized: PersonalizedModel,
    lesion: NDArray[np.bool_],
    border_width: float,
    no_reflow: float,
    attributes: Mapping[str, float],
) -> InfarctedHeart:
    anatomy = personalized.model.anatomy
    regions = nested_regions(lesion[None], anatomy, border_width=border_width, no_reflow_share=no_reflow)
    return heart_on_reference(
        identifier,
        anatomy,
        lesion,
        border_zone=regions.border[0] if border_width else None,
        no_reflow=regions.no_reflow[0] if no_reflow else None,
        attributes=attributes,
    )


def _in_patient(
    identifier: str,
    case: InfarctCase,
    transport: Transport,
    lesion: NDArray[np.bool_],
    border_width: float,
    no_reflow: float,
    attributes: Mapping[str, float],
) -> InfarctedHeart:
    infarct = transport.to_patient(lesion) >= 0.5
    spacing = case.geometry.spacing[::-1]
    border = border_zone_of(infarct, case.myocardium, border_width, spacing)
    without_reflow = no_reflow_region(infarct, case.myocardium, case.cavity, no_reflow, spacing)
    return heart_of_case(
        case,
        infarct,
        identifier=identifier,
        border_zone=border if border_width else None,
        no_reflow=without_reflow if no_reflow else None,
        attributes=attributes,
    )
