"""The models that the project offers, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import InfarctModel, StartZone
from cardiactwins.infarct.spherical import IterativeSphericalModel
from cardiactwins.infarct.wavefront import WavefrontModel

__all__ = ["MODELS", "make_model"]


def _uniform_ellipse(anatomy: ReferenceAnatomy, zone: StartZone) -> EllipticalModel:
    return EllipticalModel(anatomy, zone, draws="uniform", name="elliptical-uniform")


MODELS: Mapping[str, Callable[[ReferenceAnatomy, StartZone], InfarctModel]] = MappingProxyType(
    {
        "elliptical": EllipticalModel,
        "elliptical-uniform": _uniform_ellipse,
        "spherical": IterativeSphericalModel,
        "wavefront": WavefrontModel,
    }
)
"""Makers of models on a reference with a start zone: the papers' elliptical model with normal (konik-2024) or
uniform draws (mom-2021), their iterative spherical model, and the wavefront model."""


def make_model(name: str, anatomy: ReferenceAnatomy, zone: StartZone | None = None) -> InfarctModel:
    """The model of that name. ValueError for an unknown name."""
    if name not in MODELS:
        raise ValueError(f"A model is one of {', '.join(MODELS)}; found {name!r}.")
    return MODELS[name](anatomy, zone or StartZone())
