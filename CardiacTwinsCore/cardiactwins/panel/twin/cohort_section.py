"""Section 5: cohorts of hearts, made, judged and enriched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.panel.context import Section
from cardiactwins.panel.twin.cohort_results import CohortResults
from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.panel.twin.edit_form import EditForm
from cardiactwins.twin.hearts import plain_name
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.paper_experiment import LOCAL_EDITS, PSIS, SEED_HEARTS
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.twin_archive import write_twin
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["CohortSection"]

REFERENCE_NEEDED = ("NOISE", "EDITS", "AUGMENT", "JUDGE")
MODEL_NEEDED = ("NOISE", "EDITS", "AUGMENT", "OWN")
TRAINING_USED = ("NOISE", "JUDGE")
SEEDS, ROWS = len(SEED_HEARTS), len(PSIS) + len(LOCAL_EDITS)
"""Seed hearts of the paper's experiment, and the edits of each."""
STRATEGIES = {
    "fromNoise": "unconditional",
    "wholeHeart": "perturbational",
    "oneChamber": "localized",
}
"""Parameter -> strategy of an augmentation."""


class CohortSection(Section):
    """Runs a task in the worker; what is finished stays in the folder of the cohort."""

    context: TwinContext

    def __init__(self, context: TwinContext, form: EditForm) -> None:
        super().__init__(context)
        self.form = form
        self.controls = context.controls(self.ui.cohortButton, self.run)
        self.results = CohortResults(context)

    def missing(self) -> list[str]:
        """What has to be chosen before the task can run."""
        node, missing = self.parameterNode, []
        task = node.task.name
        if task in REFERENCE_NEEDED:
            missing += _missingFolder(node.referenceFolder, _("choose the folder of the reference hearts"))
        if task == "JUDGE":
            missing += _missingFolder(node.heartsFolder, _("choose the folder of the hearts to judge"))
        if str(node.cohortFolder) in ("", "."):
            missing.append(_("choose the folder of the cohort"))
        elif Path(node.cohortFolder).is_file():
            missing.append(_("choose a folder for the cohort, not a file"))
        if task in MODEL_NEEDED and self.context.obstacle():
            missing.append(_("the model: {reason}").format(reason=self.context.obstacle()))
        if task == "OWN":
            missing += self._missingOfEdit()
        if task == "AUGMENT":
            if not self._strategies():
                missing.append(_("check at least one way of making hearts"))
            if node.most and node.most <= node.least:
                missing.append(_("let the upper limit of the measure lie above the lower one"))
        return missing

    def run(self) -> None:
        """Run the task; its table, chart and figures are shown."""
        node = self.parameterNode
        task = node.task.name
        if task == "OWN":
            self._runOwn()
            return
        arguments: dict[str, Any] = {
            "task": node.task.value,
            "cohort": str(Path(node.cohortFolder).absolute()),
            "number": node.cohortNumber,
            "steps": node.cohortSteps,
            "device": node.device,
            "workers": node.workers,
        }
        if task in REFERENCE_NEEDED:
            arguments["reference"] = str(Path(node.referenceFolder).absolute())
        if task == "JUDGE":
            arguments["hearts"] = str(Path(node.heartsFolder).absolute())
        if task in TRAINING_USED and str(node.trainingFolder) not in ("", "."):
            arguments["training"] = str(Path(node.trainingFolder).absolute())
        if task in MODEL_NEEDED:
            arguments |= self.context.modelArguments()
        if task == "AUGMENT":
            measure = node.cohortMeasure
            arguments["chosen"] = {"measure": measure, "least": node.least or None, "most": node.most or None}
            arguments |= {"strategies": self._strategies(), "size": node.keepNumber}
        title = node.task.label()

        def done(_folder: Path, result: Mapping[str, Any]) -> None:
            self.results.show(title, result)

        self.context.start(
            self.controls,
            "cardiactwins.mrml.twin_cohort_jobs:cohort_job",
            lambda _folder: arguments,
            done,
        )

    def _runOwn(self) -> None:
        """Make siblings of the imported heart as section 2 asks for, as many of each design as asked here."""
        node, case = self.parameterNode, self.context.case()
        region, recipes = self.form.region(case), self.ownRecipes(case)
        title = f"{case.name}: {node.task.label()}"

        def prepare(folder: Path) -> dict[str, Any]:
            write_twin(folder / "twin.npz", case.edited)
            arguments: dict[str, Any] = {
                "cohort": str(Path(node.cohortFolder).absolute()),
                "recipes": [recipe.values() for recipe in recipes],
                "device": node.device,
                "workers": node.workers,
            }
            if region is not None:
                write_heart(folder / "region.nrrd", region.astype(np.uint8), TWIN_GRID)
                arguments["region"] = "region.nrrd"
            return {**self.context.modelArguments(), **arguments}

        def done(_folder: Path, result: Mapping[str, Any]) -> None:
            self.results.show(title, result)

        self.context.start(self.controls, "cardiactwins.twin.own_cohort_job:own_cohort_job", prepare, done)

    def ownRecipes(self, case: TwinCase) -> list[Recipe]:
        """Recipes of section 2, with steps and number of section 5, under names that files can have."""
        node = self.parameterNode
        seeds = range(node.seed, node.seed + node.cohortNumber)
        return [design.seeded(seed) for design in self._designs(case) for seed in seeds]

    def _designs(self, case: TwinCase) -> list[Recipe]:
        """One recipe of each."""
        found = [
            replace(
                recipe,
                seed=0,
                steps=self.parameterNode.cohortSteps,
                twin=plain_name(recipe.twin),
                region=plain_name(recipe.region) if recipe.region else "",
            )
            for recipe in self.form.recipes(case)
        ]
        return list(dict.fromkeys(found))

    def update(self) -> None:
        """Show what belongs to the task, and what is missing."""
        task = self.parameterNode.task.name
        for name, visible in (
            ("referencePath", task in REFERENCE_NEEDED),
            ("heartsPath", task == "JUDGE"),
            ("trainingPath", task in TRAINING_USED),
            ("cohortNumberBox", task != "JUDGE"),
            ("cohortStepsBox", task in MODEL_NEEDED),
            ("workersBox", task != "JUDGE"),
        ):
            getattr(self.ui, name).setVisible(visible)
            getattr(self.ui, f"{name}Label").setVisible(visible)
        self.ui.augmentGroup.setVisible(task == "AUGMENT")
        self.ui.cohortEstimateLabel.text = self._estimate(task)
        self.ui.cohortEstimateLabel.setVisible(task in MODEL_NEEDED)
        self.ui.cohortPathLabel.text = _("Report in:") if task == "JUDGE" else _("Cohort:")
        self.controls.setMissing(self.missing())

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.results.clear()

    def close(self) -> None:
        self.controls.close()

    def _estimate(self, task: str) -> str:
        """What the siblings of the task take at most; those that are in the folder are not made again."""
        node = self.parameterNode
        if task == "OWN":
            if self._missingOfEdit():
                return ""
            designs = self._designs(self.context.case())
            count, workers = len(designs) * node.cohortNumber, max(node.workers, 1)
            return self.context.estimates.text(self.context.place(), designs[0], count, workers)
        hearts = {"NOISE": 1, "EDITS": SEEDS * ROWS, "AUGMENT": len(self._strategies())}.get(task, 0)
        if not hearts:
            return ""
        recipe = Recipe("unconditional", 0, steps=node.cohortSteps)
        count, processes = hearts * node.cohortNumber, max(node.workers, 1)
        return self.context.estimates.text(self.context.place(), recipe, count, processes)

    def _missingOfEdit(self) -> list[str]:
        """What section 2 lacks of an edit of the imported heart."""
        if self.form.kind == "NOISE":
            return [_("choose an edit of the heart in section 2, or hearts from noise here")]
        return self.form.missing()

    def _strategies(self) -> list[str]:
        return [name for parameter, name in STRATEGIES.items() if getattr(self.parameterNode, parameter)]


def _missingFolder(path: Any, text: str) -> list[str]:
    if str(path) in ("", "."):
        return [text]
    return [] if Path(path).is_dir() else [_("{path} is no folder: {text}").format(path=path, text=text)]
