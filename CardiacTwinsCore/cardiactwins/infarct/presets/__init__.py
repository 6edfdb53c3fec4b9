"""Parameters that are known before any run: the papers' optima, and fits to real patients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.archive import PersonalizedModel
from cardiactwins.infarct.model import StartZone, checked_parameters
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.personalization import (
    Personalization,
    PersonalizationHistory,
    PersonalizationSettings,
)

__all__ = ["Preset", "load_preset", "preset_of", "presets"]

FORMAT = "cardiactwins infarct preset 1"


@dataclass(frozen=True)
class Preset:
    """A model with parameters, where they come from, and under which licence they may be used.

    name: short and unique. model: a name of `MODELS`. anatomy: fields of `ReferenceAnatomy`; zone: fields of
    `StartZone`. parameters: name -> value in the parameter's unit. loss_kind, loss, loss_error: what was
    minimised and its mean and standard error on fresh populations (None where the source gives none).
    subjects: infarcts behind it.
    """

    name: str
    model: str
    anatomy: Mapping[str, Any]
    zone: Mapping[str, float]
    parameters: Mapping[str, float]
    loss_kind: str
    subjects: int
    source: str
    licence: str
    loss: float | None = None
    loss_error: float | None = None

    @property
    def is_3d(self) -> bool:
        """Whether it describes the whole ventricle, not one slice."""
        return self.anatomy["slices"] > 1

    def personalized(self) -> PersonalizedModel:
        """The model at these parameters. ValueError when they do not fit the model."""
        model = make_model(self.model, ReferenceAnatomy(**self.anatomy), StartZone(**self.zone))
        names = tuple(parameter.name for parameter in model.parameters)
        if set(names) != set(self.parameters):
            raise ValueError(
                f"Preset '{self.name}' names {', '.join(self.parameters)}; "
                f"{self.model} has {', '.join(names)}."
            )
        values = checked_parameters(model, [self.parameters[name] for name in names])
        unknown = np.nan
        return PersonalizedModel(
            model,
            self.model,
            Personalization(
                model=model.name,
                parameter_names=names,
                loss_kind=self.loss_kind,
                parameters=values,
                loss=unknown if self.loss is None else self.loss,
                loss_error=unknown if self.loss_error is None else self.loss_error,
                start=values,
                stop=(f"preset: {self.source}",),
                evaluations=0,
                seconds=0.0,
                seed=0,
                settings=PersonalizationSettings(),
                history=_no_history(len(names)),
            ),
        )

    def description(self) -> dict[str, Any]:
        """The preset as the content of its file."""
        return {"format": FORMAT, **asdict(self)}


def presets() -> tuple[Preset, ...]:
    """All presets that the library brings, by name."""
    found = [
        _read(file.read_text(encoding="utf-8"), file.name)
        for file in files(__name__).iterdir()
        if file.name.endswith(".json")
    ]
    return tuple(sorted(found, key=lambda preset: preset.name))


def load_preset(name: str) -> Preset:
    """The preset of that name. ValueError that lists them when there is none."""
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        raise ValueError(f"There is no preset '{name}'. The presets: {'; '.join(known)}.")
    return known[name]


def preset_of(personalized: PersonalizedModel, name: str, subjects: int, source: str, licence: str) -> Preset:
    """A preset from a personalized model."""
    found = personalized.personalization
    return Preset(
        name=name,
        model=personalized.name,
        anatomy=asdict(personalized.model.anatomy),
        zone=asdict(getattr(personalized.model, "zone", StartZone())),
        parameters=dict(zip(found.parameter_names, found.parameters.tolist(), strict=True)),
        loss_kind=found.loss_kind,
        subjects=subjects,
        source=source,
        licence=licence,
        loss=found.loss,
        loss_error=found.loss_error,
    )


def _read(text: str, file: str) -> Preset:
    described = json.loads(text)
    if described.pop("format", None) != FORMAT:
        raise ValueError(f"{file} is not a preset of this version. Install CardiacTwins again.")
    return Preset(**described)


def _no_history(parameters: int) -> PersonalizationHistory:
    none, rows = np.empty(0), np.empty((0, parameters))
    return PersonalizationHistory((), none, none, rows, rows, rows, none)
