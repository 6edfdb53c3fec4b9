"""What InfarctSynth does, on nodes and files, with or without the application: its console interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.alignment import measured_population, start_zone
from cardiactwins.infarct.archive import PersonalizedModel
from cardiactwins.infarct.embedding import LatentSpace
from cardiactwins.infarct.enhancement import fwhm_infarct, n_sd_infarct
from cardiactwins.infarct.individual import IndividualFits, fit_individuals
from cardiactwins.infarct.model import InfarctModel
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.painting import generated_hearts
from cardiactwins.infarct.paper_studies import named_study
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import ExcludedCase, InfarctCase, InfarctPopulation
from cardiactwins.infarct.presets import Preset, load_preset, presets
from cardiactwins.infarct.studies import Study, StudyResult, run_study
from cardiactwins.mrml.archive_nodes import (
    model_of_node,
    new_model_node,
    new_population_node,
    population_of_node,
)
from cardiactwins.mrml.cases import patient_from_segmentation
from cardiactwins.mrml.cohorts import new_cohort_sequence, write_cohort
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.population import CaseReader, read_cases, readers_of
from cardiactwins.mrml.results import new_heat_map, new_history, new_mode_volumes
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import add_segment, segment_array
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.volumes import volume_array

__all__ = ["InfarctSynthLogic"]

GENERATED_OUTPUTS = ("segmentations", "sequence")


class InfarctSynthLogic:
    """Align a population, personalize a model to it, and generate infarcts: the console interface.

    Methods and arguments are named in 3D Slicer's style. All take plain values or nodes and work the same in
    the application and on slicer-core. A method adds nothing to the scene before it has its whole result.

        logic = InfarctSynthLogic()
        population = logic.alignPopulation("folder/of/segmentations")
        personalized = logic.personalize(population, "elliptical")
        nodes = logic.generate(personalized, 10, seed=1)
    """

    def __init__(self) -> None:
        start()

    def readCases(
        self,
        source: Any,
        *,
        roles: Mapping[str, str] | None = None,
        insertionPoints: Any = None,
        territories: Mapping[str, str] | None = None,
        labels: Mapping[int, str] | None = None,
        progress: Progress = silent,
    ) -> tuple[list[InfarctCase], list[ExcludedCase]]:
        """Cases of a source, and those that cannot be read with the reason.

        source: a list of segmentation nodes, a subject hierarchy item id, a sequence node of segmentations,
        or a folder on disk. roles, insertionPoints, territories, labels: see `readers_of`.
        """
        return read_cases(
            source,
            labels=labels,
            roles=roles,
            insertion_points=insertionPoints,
            territories=territories,
            progress=progress,
        )

    def caseReaders(
        self,
        source: Any,
        *,
        roles: Mapping[str, str] | None = None,
        insertionPoints: Any = None,
        territories: Mapping[str, str] | None = None,
        labels: Mapping[int, str] | None = None,
    ) -> list[CaseReader]:
        """What reads the cases of a source one by one; arguments as of `readCases`."""
        return readers_of(
            source,
            labels=labels,
            roles=roles,
            insertion_points=insertionPoints,
            territories=territories,
        )

    def infarctFromLGE(
        self,
        volume: Any,
        segmentation: Any,
        *,
        method: str = "FWHM",
        remote: str | None = None,
        roles: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """Add the infarct that a late-enhancement volume shows in the segmented myocardium; returns the node.

        method: "FWHM" or "n-SD"; options: see `fwhm_infarct`, `n_sd_infarct`. remote: name or id of a segment
        painted in healthy wall; None: found automatically. Adds segments "Infarct" and, where there is any,
        "No-reflow" on the grid of the volume. ValueError when the myocardium is missing or not on the image,
        or nothing enhances.
        """
        methods = {"FWHM": fwhm_infarct, "n-SD": n_sd_infarct}
        if method not in methods:
            raise ValueError(f"A method is one of {', '.join(methods)}; found {method!r}.")
        image, geometry = volume_array(volume)
        found = guess_roles(segmentation, roles)
        if "myocardium" not in found:
            raise ValueError(
                f"'{segmentation.GetName()}' has no myocardium. Segment the left-ventricular wall, or say "
                "which segment it is with roles={'myocardium': ...}."
            )
        masks = {role: segment_array(segmentation, found[role], geometry) for role in found}
        painted = None if remote is None else segment_array(segmentation, remote, geometry)
        enhanced = methods[method](
            image, masks["myocardium"], remote=painted, cavity=masks.get("cavity"), **options
        )
        if not enhanced.infarct.any():
            raise ValueError(f"No infarct was found in '{volume.GetName()}' by {method}.")
        for key, mask in (("infarct", enhanced.infarct), ("no_reflow", enhanced.no_reflow)):
            if mask.any():
                role = SEGMENT_ROLES[key]
                add_segment(segmentation, role.name, mask, geometry, role.color, role.terminology, key)
        return segmentation

    def alignPopulation(
        self,
        source: Any,
        *,
        slices: int = 1,
        rotate: bool = True,
        clip: bool = False,
        realSpacing: bool = True,
        progress: Progress = silent,
        **reading: Any,
    ) -> InfarctPopulation:
        """The infarcts of many patients on one reference anatomy.

        source and reading: see `readCases`. slices: 1 for the mid-level slice, 11 or 21 for the whole
        ventricle. rotate: bring each coronary territory onto the LAD's. clip: drop infarct outside of the
        myocardium instead of the case. realSpacing: voxel sizes are the patients', so that `attributes` holds
        ml and grams beside voxels. Cases left out are listed in `excluded` with the reason. ValueError when
        fewer than 5 cases can be used.
        """
        cases, unreadable = self.readCases(source, progress=progress, **reading)
        if not cases:
            reasons = "; ".join(f"{case.identifier}: {case.reason}" for case in unreadable[:5])
            raise ValueError(f"None of {len(unreadable)} cases can be read ({reasons}).")
        return measured_population(
            cases,
            ReferenceAnatomy(slices=slices),
            unreadable,
            rotate=rotate,
            clip=clip,
            real_spacing=realSpacing,
            progress=progress,
        )

    def makeModel(self, name: str, population: InfarctPopulation) -> InfarctModel:
        """A model of that name (see `MODELS`) whose lesions start where the population's lie."""
        return make_model(name, population.anatomy, start_zone(population))

    def personalize(
        self,
        population: InfarctPopulation,
        model: str | InfarctModel = "elliptical",
        *,
        loss: str = "KL_full",
        start: ArrayLike | None = None,
        settings: PersonalizationSettings | None = None,
        seed: int = 0,
        checkpoint: str | Path | None = None,
        progress: Progress = silent,
    ) -> PersonalizedModel:
        """The model with the parameters that make its lesions most like the population's.

        model: a name of `MODELS`, or a model of your own on the population's reference. For the other
        arguments see `cardiactwins.infarct.personalization.personalize`.
        """
        name = model if isinstance(model, str) else model.name
        if isinstance(model, str):
            model = self.makeModel(model, population)
        found = personalize(
            population,
            model,
            loss=loss,
            start=start,
            settings=settings,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        return PersonalizedModel(model, name, found)

    def showPersonalization(self, personalized: PersonalizedModel) -> dict[str, Any]:
        """Nodes of the outcome by name: tables of parameters and history, and their charts."""
        found = personalized.personalization
        name = f"{found.model} {found.loss_kind}"
        history, losses, parameters = new_history(f"{name}: history", found.history, personalized.model)
        eigenvalues = [f"eigenvalue {i + 1}" for i in range(len(found.parameters))]
        return {
            "parameters table": new_model_node(f"{name}: parameters", personalized),
            "history table": history,
            "loss chart": losses,
            "parameters chart": parameters,
            "eigenvalues chart": new_plot(
                f"{name}: eigenvalues", history, "generation", eigenvalues, log_y=True
            ),
        }

    def fitIndividuals(
        self, population: InfarctPopulation, *, progress: Progress = silent, **grid: Any
    ) -> IndividualFits:
        """The best ellipse of each case of a 2D population; grid: see `fit_individuals`."""
        return fit_individuals(population, start_zone(population), progress=progress, **grid)

    def showIndividuals(self, fits: IndividualFits) -> Any:
        """A table node of individual fits, one row a case."""
        return new_table(
            "Individual ellipses",
            {
                "case": list(fits.identifiers),
                "centre": fits.centre,
                "axis 1": fits.axis1,
                "axis 2": fits.axis2,
                "Dice": fits.dice,
            },
            {"centre": "turns", "axis 1": "pixels", "axis 2": "pixels"},
        )

    def generate(
        self,
        personalized: PersonalizedModel,
        count: int = 1,
        *,
        seed: int = 0,
        patient: Any = None,
        roles: Mapping[str, str] | None = None,
        insertionPoints: Any = None,
        borderZone: float = 0.0,
        noReflow: float = 0.0,
        request: Mapping[str, Any] | None = None,
        output: str | Path = "segmentations",
        name: str = "Infarct",
        progress: Progress = silent,
    ) -> Any:
        """New infarcts of a personalized model as segmentations, on the reference or in a patient's wall.

        patient: a segmentation node with cavity and myocardium (a lesion of its own is left aside), or None
        for the reference. borderZone: width of the border zone around the infarct in mm of the patient
        (pixels of the reference); noReflow: share of the infarct that is no-reflow; 0: none. request: lesions
        on request, see `lesions_on_request` (territory, size, transmurality, ...). output: "segmentations" -
        returns a list of segmentation nodes, "sequence" - a sequence node, or a new folder - writes .seg.nrrd
        files and a manifest there and returns the folder. ValueError when count is not positive or the
        patient cannot be used.
        """
        if count < 1:
            raise ValueError(f"At least one infarct must be asked for; found {count}.")
        case = None
        if patient is not None:
            case = patient_from_segmentation(patient, roles, insertionPoints)
        hearts = generated_hearts(
            personalized,
            count,
            np.random.default_rng(seed),
            case=case,
            border_zone=borderZone,
            no_reflow=noReflow,
            request=request,
            name=name,
            progress=progress,
        )
        if isinstance(output, Path) or output not in GENERATED_OUTPUTS:
            description = {
                "model": personalized.name,
                "parameters": personalized.personalization.summary()["parameters"],
                "seed": seed,
                "patient": None if patient is None else patient.GetName(),
                "request": request,
            }
            return write_cohort(output, hearts, description, progress)
        if output == "sequence":
            return new_cohort_sequence(name, hearts, progress)
        return [new_heart_segmentation(heart) for heart in hearts]

    def modes(
        self,
        population: InfarctPopulation,
        *,
        dimensions: int = 3,
        deviations: Sequence[float] = (-2, -1, 0, 1, 2),
        name: str = "Modes",
    ) -> tuple[LatentSpace, list[Any]]:
        """The latent space of a population and its modes of variation as volume nodes on the reference.

        One volume a mode and deviation, values 0 (healthy) to 1 (infarct).
        """
        space = LatentSpace.fit(population.lesions)
        patterns = space.modes(min(dimensions, space.dimensions), deviations)
        volumes = new_mode_volumes(name, population.anatomy, patterns, deviations)
        return space, [volume for of_mode in volumes for volume in of_mode]

    def showPopulation(self, population: InfarctPopulation, name: str = "Infarct population") -> Any:
        """A table node of a population: status and reason of every case, attributes of those used.

        The node holds the population too: `populationOfNode` gives it back, also from a saved scene.
        """
        return new_population_node(name, population)

    def populationOfNode(self, node: Any) -> InfarctPopulation:
        """The population in a table node of `showPopulation`. ValueError when there is none in it."""
        return population_of_node(node)

    def showModel(self, personalized: PersonalizedModel, name: str | None = None) -> Any:
        """A table node with the parameters of a model; `modelOfNode` gives the model back."""
        found = personalized.personalization
        return new_model_node(name or f"{found.model} {found.loss_kind}", personalized)

    def modelOfNode(self, node: Any) -> PersonalizedModel:
        """The model in a table node of `showModel` or `loadPreset`. ValueError when there is none in it."""
        return model_of_node(node)

    def presets(self) -> tuple[Preset, ...]:
        """Models with known parameters: the papers' optima and fits to real patients."""
        return presets()

    def loadPreset(self, name: str) -> Any:
        """A table node of the preset of that name (see `presets`), with its source and licence."""
        preset = load_preset(name)
        return new_model_node(preset.name, preset.personalized(), preset.source, preset.licence)

    def study(
        self,
        study: str | Study,
        population: InfarctPopulation,
        directory: str | Path,
        *,
        settings: PersonalizationSettings | None = None,
        launches: int | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> StudyResult:
        """Run a sensitivity study, or what is not finished of it in `directory`; writes its CSV and heat map.

        study: a name of `STUDIES` (then settings and launches hold) or a `Study` of your own. workers,
        scheduler: processes of this machine, or the address of a Dask scheduler. See `run_study`.
        """
        if isinstance(study, str):
            study = named_study(study, settings, launches)
        return run_study(
            study, population, directory, workers=workers, scheduler=scheduler, progress=progress
        )

    def showStudy(self, result: StudyResult) -> dict[str, Any]:
        """Nodes of a study by name: "table" (one row a place) and "heat map" (mean losses as a volume)."""
        means = result.means()
        names = result.rows[0]["parameter_names"]
        columns = {
            key: [place[key] for place in means] for key in ("row", "column", "launches", "loss", "loss_std")
        }
        for index, name in enumerate(names):
            columns[name] = [place["parameters"][index] for place in means]
            columns[f"{name} std"] = [place["parameters_std"][index] for place in means]
        return {
            "table": new_table(result.study.name, columns),
            "heat map": new_heat_map(f"{result.study.name}: loss", result.losses()),
        }
