"""Aligned populations and personalizations as files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.files import atomic_path, write_json_atomic
from cardiactwins.infarct.model import InfarctModel, StartZone
from cardiactwins.infarct.models import MODELS
from cardiactwins.infarct.personalization import (
    Personalization,
    PersonalizationHistory,
    PersonalizationSettings,
)
from cardiactwins.infarct.population import ExcludedCase, InfarctPopulation

__all__ = [
    "PersonalizedModel",
    "load_model",
    "load_population",
    "model_description",
    "model_from_text",
    "population_bytes",
    "population_from_bytes",
    "save_model",
    "save_population",
]

POPULATION_FORMAT = "cardiactwins infarct population 1"
MODEL_FORMAT = "cardiactwins infarct model 1"


def save_population(population: InfarctPopulation, path: str | Path) -> Path:
    """Write an aligned population as .npz (bits packed, no pickles); whole or not at all."""
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(population_bytes(population))
    return path


def population_bytes(population: InfarctPopulation) -> bytes:
    """An aligned population as the content of its file."""
    description = {
        "format": POPULATION_FORMAT,
        "anatomy": asdict(population.anatomy),
        "identifiers": list(population.identifiers),
        "territories": list(population.territories),
        "excluded": [asdict(case) for case in population.excluded],
        "cases": len(population),
    }
    arrays = {"lesions": np.packbits(population.lesions, axis=1)}
    if population.no_reflow is not None:
        arrays["no_reflow"] = np.packbits(population.no_reflow, axis=1)
    if population.rotations is not None:
        arrays["rotations"] = population.rotations
    for name, values in population.attributes.items():
        arrays[f"attribute:{name}"] = np.asarray(values)
    content = io.BytesIO()
    np.savez_compressed(content, description=np.array(json.dumps(description)), **arrays)
    return content.getvalue()


def load_population(path: str | Path) -> InfarctPopulation:
    """Read a population of `save_population`. ValueError when the file is something else or damaged."""
    return population_from_bytes(Path(path).read_bytes(), str(path))


def population_from_bytes(content: bytes, path: str = "This") -> InfarctPopulation:
    """The population of `population_bytes`. path: what an error calls it. ValueError when it is damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(str(arrays.pop("description")))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a population file or is damaged ({error}). Align the patients again."
        ) from error
    if description.get("format") != POPULATION_FORMAT:
        raise ValueError(f"{path} has the format {description.get('format')!r}, not {POPULATION_FORMAT!r}.")
    anatomy = ReferenceAnatomy(**description["anatomy"])

    def unpacked(name: str) -> np.ndarray | None:
        if name not in arrays:
            return None
        return np.unpackbits(arrays[name], axis=1, count=anatomy.n_voxels).astype(bool)

    return InfarctPopulation(
        anatomy=anatomy,
        lesions=unpacked("lesions"),
        identifiers=tuple(description["identifiers"]),
        no_reflow=unpacked("no_reflow"),
        territories=tuple(description["territories"]),
        rotations=arrays.get("rotations"),
        attributes={
            name.removeprefix("attribute:"): values
            for name, values in arrays.items()
            if name.startswith("attribute:")
        },
        excluded=tuple(ExcludedCase(**case) for case in description["excluded"]),
    )


@dataclass(frozen=True, eq=False)
class PersonalizedModel:
    """A model with the parameters found for a population.

    name: the name in MODELS, or of a model of one's own. personalization: the parameters and how they were
    found.
    """

    model: InfarctModel
    name: str
    personalization: Personalization

    @property
    def parameters(self) -> NDArray[np.float64]:
        """The parameters found, (d,)."""
        return self.personalization.parameters

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """n random lesions (n, N) at the parameters found."""
        return self.model.sample(self.parameters, n, rng)


def save_model(personalized: PersonalizedModel, path: str | Path) -> Path:
    """Write a personalized model with its history as JSON; whole or not at all."""
    return write_json_atomic(path, model_description(personalized))


def model_description(personalized: PersonalizedModel) -> dict[str, Any]:
    """A personalized model as the content of its file."""
    found = personalized.personalization
    history = {name: np.asarray(values).tolist() for name, values in vars(found.history).items()}
    return {
        "format": MODEL_FORMAT,
        "model": personalized.name,
        "anatomy": asdict(personalized.model.anatomy),
        "zone": asdict(getattr(personalized.model, "zone", StartZone())),
        "personalization": {**vars(found), "settings": asdict(found.settings), "history": history},
    }


def load_model(
    path: str | Path,
    models: Mapping[str, Callable[[ReferenceAnatomy, StartZone], InfarctModel]] = MODELS,
) -> PersonalizedModel:
    """Read a personalized model. models: makers of models by name, to which one's own can be added.

    ValueError when the file is something else or its model is not among `models`.
    """
    return model_from_text(Path(path).read_bytes(), str(path), models)


def model_from_text(
    text: str | bytes,
    path: str = "This",
    models: Mapping[str, Callable[[ReferenceAnatomy, StartZone], InfarctModel]] = MODELS,
) -> PersonalizedModel:
    """The model of `model_description` as JSON. path: what an error calls it."""
    try:
        saved = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a personalized model: {error}.") from error
    if not isinstance(saved, dict) or saved.get("format") != MODEL_FORMAT:
        raise ValueError(
            f"{path} is not a personalized model. Make one with `cardiactwins infarct personalize`."
        )
    name = saved["model"]
    if name not in models:
        raise ValueError(f"{path} holds the model {name!r}, which is not among {', '.join(models)}.")
    found = saved["personalization"]
    history = {key: np.array(values) for key, values in found["history"].items()}
    history["stage"] = tuple(found["history"]["stage"])
    return PersonalizedModel(
        model=models[name](ReferenceAnatomy(**saved["anatomy"]), StartZone(**saved["zone"])),
        name=name,
        personalization=Personalization(
            **{
                **found,
                # JSON has no NaN: a preset whose source gives no loss.
                "loss": np.nan if found["loss"] is None else found["loss"],
                "loss_error": np.nan if found["loss_error"] is None else found["loss_error"],
                "parameter_names": tuple(found["parameter_names"]),
                "parameters": np.array(found["parameters"], dtype=float),
                "start": np.array(found["start"], dtype=float),
                "stop": tuple(found["stop"]),
                "settings": PersonalizationSettings(**found["settings"]),
                "history": PersonalizationHistory(**history),
            }
        ),
    )
