"""What TwinEditor does, on nodes and files, with or without the application: its console interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.files import file_name
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.own_weights import network_file
from cardiactwins.mrml.surface_files import write_surfaces
from cardiactwins.mrml.twin_augmentation import augment_population
from cardiactwins.mrml.twin_case import (
    SiblingNodes,
    TwinCase,
    new_difference,
    new_siblings,
    new_violation_markups,
)
from cardiactwins.mrml.twin_cohorts import EvaluatedCohort, evaluate_cohort, known_cohort
from cardiactwins.mrml.twin_models import new_surface_models
from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
from cardiactwins.mrml.twin_sources import heart_of, labels_of, region_name, region_on_twin, unplaced_case
from cardiactwins.mrml.twin_surfaces import HeartSurfaces, heart_surfaces
from cardiactwins.twin.cohort_augmentation import Augmented, CohortFilter
from cardiactwins.twin.cohort_run import MODEL_LOADER
from cardiactwins.twin.heart_pose import Alignment
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_estimate import SiblingEstimate, estimate_siblings
from cardiactwins.twin.siblings import make_siblings
from cardiactwins.twin.soft_measures import hard_measures
from cardiactwins.twin.targets import unseen_text
from cardiactwins.twin.tissue_names import tissue_of_key
from cardiactwins.twin.twin_import import import_twin

__all__ = ["TwinEditorLogic"]

STEPS = 20
WEIGHTS_KIND = "twin"


class TwinEditorLogic:
    """Anatomic variants of a patient's heart, and cohorts of them, as nodes, meshes and numbers.

    Methods and arguments are named in 3D Slicer's style. All take plain values or nodes and work the same in
    the application and on slicer-core. A method adds nothing to the scene before it has its whole result.
    What to keep in mind of siblings stands in their `remarks`. Several siblings are numbered in their
    names, and so is one whose name a node has already, with numbers that no node has.

        logic = TwinEditorLogic()
        case = logic.importTwin(segmentation)
        siblings = logic.perturb(case, psi=0.5, number=4, seed=1)
        rv = logic.editToTarget(case, ["RV volume +20 %"])[0]
        logic.makeSurfaces(case, rv, edgeLength=2.0, directory="meshes")

    weights (kept in `weightsFile`): file of the model; when None, the one that the panel uses: the user's own
    in the application, or the one that comes with the library.
    loader: "module:name" of what takes that path and returns the model, so that other processes find it too;
    the trained model by default (needs PyTorch).
    """

    def __init__(self, weights: str | Path | None = None, loader: str = MODEL_LOADER) -> None:
        start()
        self.weightsFile = weights
        self.loader = loader
        self._models: dict[tuple[Path, float], Any] = {}

    def importTwin(
        self,
        source: Any,
        *,
        tissues: Mapping[str | Tissue, Any] | str | None = None,
        name: str | None = None,
        clean: bool = False,
        alignment: Alignment = "axis",
        progress: Progress = silent,
    ) -> TwinCase:
        """A segmented heart on the model's grid; what is wrong with it is told in `case.twin.remarks`.

        source: a segmentation node, a label-map volume node, a file (.seg.nrrd, .nii.gz, ...), or a pair
        (labels (k, j, i) with values of Tissue, ImageGeometry). tissues: tissue ('LA') -> segment or label
        value, where names and terminology do not tell; or a key of LABEL_PRESETS. clean: remove specks and
        fill holes first. alignment: see `registered_pose`. Adds no node. ValueError as the steps raise it.
        """
        heart = heart_of(source, tissues)
        twin = import_twin(
            heart.labels,
            heart.geometry,
            name=name or heart.name,
            alignment=alignment,
            clean=clean,
            progress=progress,
        )
        return TwinCase(replace(twin, remarks=(*heart.remarks, *twin.remarks)), heart.styles)

    def showHeart(self, case: TwinCase, labels: ArrayLike | None = None, name: str | None = None) -> Any:
        """A segmentation node, in the patient's own grid, of a heart on the common one (default: current)."""
        returned = case.in_patient(None if labels is None else np.asarray(labels))
        return new_heart_segmentation(name or case.name, returned, case.twin.original_geometry, case.styles)

    def showDifference(self, case: TwinCase, sibling: SiblingNodes | ArrayLike, name: str = "") -> Any:
        """A segmentation node of what a sibling changed; see `new_difference`."""
        region = None
        if isinstance(sibling, SiblingNodes):
            region = sibling.sibling.recipe.exact_region(sibling.region)
        return new_difference(case, labels_of(sibling), name or f"{case.name}: difference", region)

    def showViolations(self, case: TwinCase, name: str = "") -> Any:
        """Points where the topology checks of the current heart fail; None where all hold."""
        return new_violation_markups(name or f"{case.name}: violations", topology_checks(case.current), case)

    def sample(
        self,
        number: int = 1,
        *,
        case: TwinCase | None = None,
        seed: int = 0,
        steps: int = STEPS,
        targets: Sequence[str] = (),
        guard: bool = True,
        attempts: int = 1,
        name: str = "Heart",
        afterStep: Any = None,
        progress: Progress = silent,
    ) -> tuple[SiblingNodes, ...]:
        """Hearts from noise alone. case: where they shall lie; on the model's own grid when None."""
        recipe = Recipe(
            "unconditional", seed, steps=steps, targets=tuple(targets), guard=guard, attempts=attempts
        )
        place = case or unplaced_case(name)
        return self._make(place, recipe, number, None, name, afterStep, progress)

    def perturb(
        self,
        case: TwinCase,
        *,
        psi: float = 0.5,
        number: int = 1,
        seed: int = 0,
        steps: int = STEPS,
        guard: bool = True,
        attempts: int = 1,
        name: str = "",
        afterStep: Any = None,
        progress: Progress = silent,
    ) -> tuple[SiblingNodes, ...]:
        """Siblings whose every part varies, on a scale that grows with psi in (0, 1] (Kadry 2023, 3.3)."""
        recipe = Recipe(
            "perturbational", seed, steps=steps, psi=psi, twin=case.name, guard=guard, attempts=attempts
        )
        return self._make(case, recipe, number, None, name, afterStep, progress)

    def editRegion(
        self,
        case: TwinCase,
        region: Any = None,
        *,
        keep: str | Sequence[str | Tissue] = (),
        psi: float = 1.0,
        number: int = 1,
        seed: int = 0,
        steps: int = STEPS,
        dilation: float | None = None,
        exact: bool = False,
        targets: Sequence[str] = (),
        hold: bool = True,
        guard: bool = True,
        attempts: int = 1,
        name: str = "",
        afterStep: Any = None,
        progress: Progress = silent,
    ) -> tuple[SiblingNodes, ...]:
        """Siblings that vary in one region (Kadry 2023, 3.4).

        region: what may change, as a pair (segmentation node, segment) or a mask (k, j, i) on the patient's
        grid; or keep: tissues that stay ('LV', 'Myo', ...). dilation: mm by which the kept part grows on the
        latents; the paper's when None. exact: kept voxels stay exactly, behind a feathered seam. targets,
        hold: as of `editToTarget`, of tissues that may change.
        """
        mask = None if region is None else region_on_twin(case, region)
        values: dict[str, Any] = {} if dilation is None else {"dilation_mm": dilation}
        if mask is not None:
            values["region"] = region_name(region)
        recipe = Recipe(
            "localized",
            seed,
            steps=steps,
            psi=psi,
            twin=case.name,
            keep=tuple(TISSUE_NAMES[tissue_of_key(key)] for key in as_tuple(keep)),
            exact=exact,
            targets=tuple(targets),
            hold=hold,
            guard=guard,
            attempts=attempts,
            **values,
        )
        return self._make(case, recipe, number, mask, name, afterStep, progress)

    def editToTarget(
        self,
        case: TwinCase,
        targets: str | Sequence[str] | Sequence[Sequence[str]],
        *,
        psi: float = 0.5,
        seed: int = 0,
        steps: int = STEPS,
        hold: bool = True,
        guard: bool = True,
        attempts: int = 1,
        name: str = "",
        afterStep: Any = None,
        progress: Progress = silent,
    ) -> tuple[SiblingNodes, ...]:
        """Siblings with wanted measures: 'RV volume 150 ml', 'wall +2 mm', 'LA volume -10 %'.

        targets: of one sibling, or a list of such lists, one sibling each (a design of experiments, see
        `cardiactwins.twin.designs`), numbered in their names. hold: the other chambers keep their volumes.
        What was reached stands in `sibling.targets`. ValueError without targets.
        """
        plans = [as_tuple(targets)]
        if not all(isinstance(text, str) for text in plans[0]):
            plans = [as_tuple(plan) for plan in targets]
        if not all(plans):
            raise ValueError("There is no target. Name a measure and its value, such as 'RV volume 150 ml'.")
        made: list[SiblingNodes] = []
        for number, plan in enumerate(plans):
            recipe = Recipe(
                "perturbational",
                seed + number,
                steps=steps,
                psi=psi,
                twin=case.name,
                targets=tuple(str(text) for text in plan),
                hold=hold,
                guard=guard,
                attempts=attempts,
            )
            progress(number, len(plans), f"Sibling {number + 1} of {len(plans)}")
            made += self._make(case, recipe, 1, None, name, afterStep, progress, len(plans) > 1)
        return tuple(made)

    def estimate(self, recipe: Recipe, number: int, case: TwinCase | None = None) -> SiblingEstimate:
        """Seconds and memory that so many siblings of a recipe take here, from two short trials."""
        return estimate_siblings(self.model(), recipe, number, None if case is None else case.current)

    def unseen(self, case: TwinCase) -> str:
        """What of the current heart the model has not seen, "" where nothing is; see `unseen_text`."""
        return unseen_text(hard_measures(case.current), getattr(self.model(), "card", {}).get("ranges"))

    def makeSurfaces(
        self,
        case: TwinCase,
        sibling: SiblingNodes | ArrayLike | None = None,
        *,
        edgeLength: float | None = 2.0,
        directory: str | Path | None = None,
        space: str = "LPS",
        name: str = "",
        show: bool = True,
        progress: Progress = silent,
    ) -> tuple[HeartSurfaces, dict[Tissue, Any]]:
        """Watertight meshes of all tissues that share their borders, and their models in the scene.

        sibling: the current heart when None. edgeLength: target in mm, None: as fine as the voxels.
        directory: folder for VTP, STL and the mesh quality report, in `space` coordinates. name: of models
        and files; that of the sibling's segmentation or of the case by default. See `heart_surfaces` and
        `write_surfaces`.
        """
        labels = case.current if sibling is None else labels_of(sibling)
        surfaces = heart_surfaces(labels, case.twin.geometry, edge_length=edgeLength, progress=progress)
        own = sibling.segmentation.GetName() if isinstance(sibling, SiblingNodes) else case.name
        title = name or own
        if directory is not None:
            write_surfaces(surfaces, directory, file_name(title), space=space)
        return surfaces, new_surface_models(title, surfaces, case.styles) if show else {}

    def evaluateCohort(
        self,
        hearts: Any,
        reference: Any,
        *,
        training: Any = None,
        directory: str | Path | None = None,
        seed: int = 0,
        repeats: int = 1000,
        name: str = "Cohort",
        progress: Progress = silent,
    ) -> EvaluatedCohort:
        """Judge a cohort against reference hearts; see `evaluate_cohort`."""
        return evaluate_cohort(
            name,
            hearts,
            reference,
            training=training,
            directory=directory,
            seed=seed,
            repeats=repeats,
            progress=progress,
        )

    def augment(
        self,
        twins: Sequence[TwinCase],
        population: Any,
        directory: str | Path,
        *,
        measure: str = "RV volume",
        least: float = -np.inf,
        most: float = np.inf,
        strategies: Sequence[str] = ("unconditional", "perturbational", "localized"),
        number: int = 100,
        size: int = 140,
        seed: int = 0,
        workers: int = 0,
        progress: Progress = silent,
    ) -> list[Augmented]:
        """Enrich a cohort with hearts of a rare measure (Kadry 2023, 4.4); siblings stay in the folder.

        twins: hearts that are edited, as they are after their edits. population: the hearts there are, as
        `known_cohort` takes them. A run that was ended goes on where it stopped; siblings of other runs in
        the folder are not judged. ValueError with the reason when siblings failed, or the guard accepted
        none at all.
        """
        return augment_population(
            twins,
            known_cohort(population, heat_map=False),
            Path(directory),
            CohortFilter(measure, least, most),
            weights=self.weights(),
            loader=self.loader,
            strategies=strategies,
            number=number,
            size=size,
            seed=seed,
            workers=workers,
            progress=progress,
        )

    def weights(self) -> Path:
        """The file of the model: the user's before the library's. FileNotFoundError when there is none."""
        path = network_file(WEIGHTS_KIND, self.weightsFile)
        if path is None:
            raise FileNotFoundError(
                "No weights of the generative model are installed. Give a file (weights=...), or train them "
                "with `cardiactwins twin train`."
            )
        return path

    def model(self) -> Any:
        """The model, read once. ImportError without PyTorch, ValueError for weights that cannot be used."""
        path = self.weights()
        key = (path, path.stat().st_mtime)
        if key not in self._models:
            self._models = {key: resolve_function(self.loader)(path)}
        return self._models[key]

    def _make(
        self,
        case: TwinCase,
        recipe: Recipe,
        number: int,
        region: NDArray[np.bool_] | None,
        name: str,
        after_step: Any,
        progress: Progress,
        numbered: bool = False,
    ) -> tuple[SiblingNodes, ...]:
        if number < 1:
            raise ValueError(f"The number of siblings is 1 or more; found {number}.")
        siblings = make_siblings(
            self.model(),
            [recipe.seeded(recipe.seed + n) for n in range(number)],
            case.current if recipe.twin else None,
            region=region,
            after_step=after_step,
            progress=progress,
        )
        unseen = self.unseen(case) if recipe.twin else ""
        return new_siblings(
            case, siblings, name, region, numbered=numbered, remarks=(unseen,) if unseen else ()
        )


def as_tuple(given: Any) -> tuple[Any, ...]:
    """What was given as one word, or one after the other."""
    return (given,) if isinstance(given, str) else tuple(given)
