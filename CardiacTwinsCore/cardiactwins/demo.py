"""`cardiactwins demo`: the main jobs from beginning to end on phantoms, with no data and no network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.files import check_writable
from cardiactwins.compute.page import PageSection, write_page
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.report import RunReport
from cardiactwins.demo_activation import ActivationDemo, run_activation_demo
from cardiactwins.demo_twin import TwinDemo, run_twin_demo
from cardiactwins.infarct.archive import PersonalizedModel, save_model, save_population
from cardiactwins.infarct.attributes import lesion_attributes, write_attributes_csv
from cardiactwins.infarct.comparison import compare_populations
from cardiactwins.infarct.embedding import LatentSpace, shared_scatter
from cardiactwins.infarct.figures import (
    distribution_figure,
    history_figure,
    latent_figure,
    mean_lesions_figure,
    modes_figure,
)
from cardiactwins.infarct.hearts import heart_of_case
from cardiactwins.infarct.individual import IndividualFits
from cardiactwins.infarct.painting import generated_hearts
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.phantom_cases import phantom_cases
from cardiactwins.infarct.population import InfarctCase, InfarctPopulation
from cardiactwins.mrml.cohorts import write_cohort
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.offscreen import RenderingUnavailable
from cardiactwins.mrml.render import picture_3d, picture_slices
from cardiactwins.mrml.saving import save_scene

__all__ = ["DemoResult", "run_demo"]

PATIENTS = 36
GENERATED = 6
SYNTHETIC = 100
SLICES = 11
QUICK = PersonalizationSettings(generations=20, scouts=48, polish_generations=0)
SEED = 2024
STEPS = 12
PHANTOM_NOTE = (
    "Phantom patients are made on the spot: random adult left ventricles in oblique image grids, each with "
    "an infarct drawn from an ellipsoidal model in the territory of a random coronary artery. They stand "
    "for segmented late-enhancement images."
)
PATIENT_NOTE = (
    "Draws of the personalized 3D model painted into the wall of the first phantom patient, with a border "
    "zone of 3 mm and a no-reflow core of 20 % of the infarct. The segmentations are in the folder "
    "'segmentations'; the scene with all nodes is scene.mrb."
)


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo made: its folder and the figures of the run."""

    directory: Path
    results: dict[str, Any]


def run_demo(
    directory: str | Path, *, patients: int = PATIENTS, seed: int = SEED, progress: Progress = silent
) -> DemoResult:
    """Phantom patients to new infarcts, slices to an activation map, a whole heart to its twin; files in
    `directory`.

    Writes scene.mrb, segmentations/*.seg.nrrd, the population and the model, attributes.csv, activation/*
    (`run_activation_demo`), twin/* (`run_twin_demo`), plots, pictures of the scene where it can be rendered,
    report.json, and report.html with all of it. OSError when the folder cannot be written, ValueError when it
    is not empty.
    """
    directory = Path(directory)
    if directory.exists() and any(directory.iterdir()):
        raise ValueError(f"{directory} is not empty. Choose another folder with --out.")
    check_writable(directory, 50_000_000)
    report = RunReport.begin("demo", parameters={"patients": patients}, seed=seed)
    rng = np.random.default_rng(seed)
    step = _steps(progress)
    logic = InfarctSynthLogic()

    step("Making phantom patients")
    cases = phantom_cases(patients, rng)
    folder = _patients_to_scene(cases)
    step("Aligning the infarcts to the reference")
    territories = {case.identifier: case.territory for case in cases}
    population = logic.alignPopulation(folder, territories=territories)
    whole = logic.alignPopulation(folder, slices=SLICES, territories=territories)
    step("Personalizing the elliptical model in 2D")
    personalized = logic.personalize(population, "elliptical", seed=seed)
    step("Personalizing the elliptical model in 3D")
    ellipsoid = logic.personalize(whole, "elliptical", settings=QUICK, seed=seed)
    step("Fitting single infarcts")
    fits = logic.fitIndividuals(population)
    step("Finding the modes of variation")
    logic.modes(population, dimensions=1, name="Real")
    synthetic = personalized.sample(SYNTHETIC, rng)
    step("Painting new infarcts")
    hearts = generated_hearts(
        ellipsoid, GENERATED, rng, case=cases[0], border_zone=3.0, no_reflow=0.2, name="Generated"
    )
    patient = start().scene.GetFirstNodeByName(cases[0].identifier)
    painted = [new_heart_segmentation(heart) for heart in hearts]
    write_cohort(directory / "segmentations", hearts, {"model": ellipsoid.name, "seed": seed})
    step("Drawing")
    logic.showPersonalization(personalized)
    logic.showPersonalization(ellipsoid)
    logic.showIndividuals(fits)
    logic.showPopulation(population)
    pictures = _draw(population, synthetic, personalized, directory)
    scene_pictures = _render(painted, patient, directory)
    step("Mapping the late activation of another heart")
    activation = run_activation_demo(directory / "activation", directory / "plots", seed=seed)
    step("Making the digital twin of a whole heart")
    twin = run_twin_demo(directory / "twin", directory / "plots", seed=seed)
    step("Writing the scene")
    save_population(population, directory / "population-2d.npz")
    save_population(whole, directory / "population-3d.npz")
    save_model(personalized, directory / "model-2d.json")
    save_model(ellipsoid, directory / "model-3d.json")
    attributes = lesion_attributes(population.lesions, population.anatomy, population.no_reflow)
    write_attributes_csv(directory / "attributes.csv", population.identifiers, attributes)
    save_scene(directory / "scene.mrb")
    results = _results(population, personalized, fits, synthetic)
    results["personalization_3d"] = ellipsoid.personalization.summary()
    results["activation"] = activation.results
    results["twin"] = twin.results
    report.finish(results).write(directory / "report.json")
    _write_page(directory, results, scene_pictures, pictures, activation, twin)
    progress(STEPS, STEPS, "Done")
    return DemoResult(directory, results)


def _steps(progress: Progress) -> Callable[[str], None]:
    """Counts the steps of the demo."""
    done = iter(range(STEPS))
    return lambda message: progress(next(done), STEPS, message)


def _patients_to_scene(cases: list[InfarctCase]) -> int:
    """Segmentation nodes of the cases in a subject hierarchy folder; returns the folder's item id."""
    scene = start().scene
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Phantom patients")
    for case in cases:
        node = new_heart_segmentation(heart_of_case(case))
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    return folder


def _render(painted: list[Any], patient: Any, directory: Path) -> dict[str, Path]:
    """Pictures of the scene by caption; none, and the reason logged, where nothing can be rendered."""
    # In 3D its surface lies in that of the infarct; the slices show it.
    painted[0].GetDisplayNode().SetSegmentVisibility3D("border_zone", False)
    try:
        return {
            "A new infarct in the patient's left ventricle": picture_3d(
                painted[:1], directory / "plots" / "scene-3d.png"
            ),
            "The patient's own infarct, slice by slice from the apex": picture_slices(
                [patient], directory / "plots" / "patient-slices.png"
            ),
            "A new infarct, slice by slice from the apex": picture_slices(
                painted[:1], directory / "plots" / "scene-slices.png"
            ),
        }
    except RenderingUnavailable as error:
        logging.getLogger(__name__).warning("The scene is not pictured: %s", error)
        return {}


def _draw(
    population: InfarctPopulation,
    synthetic: NDArray[np.bool_],
    personalized: PersonalizedModel,
    directory: Path,
) -> dict[str, Path]:
    """Plots of the run by caption."""
    anatomy, real = population.anatomy, population.lesions
    found = personalized.personalization
    spaces = {"real": LatentSpace.fit(real), "synthetic": LatentSpace.fit(synthetic)}
    plots = directory / "plots"
    units = [parameter.unit for parameter in personalized.model.parameters]
    named = [f"{name} ({unit})" for name, unit in zip(found.parameter_names, units, strict=True)]
    return {
        "Search: loss, eigenvalues of the covariance and parameters over the generations": history_figure(
            found.history, named, plots / "personalization.png"
        ),
        "Share of infarcts that cover each pixel of the reference": mean_lesions_figure(
            {"real": real.mean(axis=0), "synthetic": synthetic.mean(axis=0)}, anatomy, plots / "mean.png"
        ),
        "Modes of variation of the real population": modes_figure(
            spaces["real"].modes(), anatomy, plots / "modes-real.png"
        ),
        "Modes of variation of the synthetic population": modes_figure(
            spaces["synthetic"].modes(), anatomy, plots / "modes-synthetic.png"
        ),
        "Size and transmurality": distribution_figure(
            {"real": real, "synthetic": synthetic}, anatomy, plots / "attributes.png"
        ),
        "Both populations in one latent space": latent_figure(
            shared_scatter({"real": real, "synthetic": synthetic}),
            {name: space.eigenvalue_decrease for name, space in spaces.items()},
            plots / "latent.png",
        ),
    }


def _results(
    population: InfarctPopulation,
    personalized: PersonalizedModel,
    fits: IndividualFits,
    synthetic: NDArray[np.bool_],
) -> dict[str, Any]:
    """The figures of the run."""
    compared = compare_populations(population.lesions, synthetic, population.anatomy)
    return {
        "patients_used": len(population),
        "patients_left_out": {case.identifier: case.reason for case in population.excluded},
        "personalization": personalized.personalization.summary(),
        "individual_fits": dict(zip(("mean1", "std1", "mean2", "std2"), fits.summary, strict=True)),
        "individual_mean_dice": float(fits.dice.mean()),
        "comparison": [asdict(row) for row in compared],
    }


def _write_page(
    directory: Path,
    results: dict[str, Any],
    rendered: dict[str, Path],
    plots: dict[str, Path],
    activation: ActivationDemo,
    twin: TwinDemo,
) -> None:
    found = results["personalization"]
    left_out = results["patients_left_out"]
    parameters = [
        {"parameter": name, "found (pixels)": value, "from individual fits (pixels)": fit}
        for (name, value), fit in zip(
            found["parameters"].items(), results["individual_fits"].values(), strict=True
        )
    ]
    compared = [
        {
            "attribute": f"{row['attribute']} ({row['unit']})",
            "real": "{:.1f} +- {:.1f}".format(*row["real"]),
            "synthetic": "{:.1f} +- {:.1f}".format(*row["synthetic"]),
            "Kolmogorov-Smirnov p": row["p_value"],
        }
        for row in results["comparison"]
    ]
    sections = [
        PageSection("New infarcts in a patient", (PATIENT_NOTE,), pictures=rendered),
        PageSection(
            "The population",
            (PHANTOM_NOTE, f"{results['patients_used']} patients aligned, {len(left_out)} left out."),
            [{"patient": name, "left out because": reason} for name, reason in left_out.items()],
        ),
        PageSection(
            "The model found",
            (
                f"Loss on fresh populations {found['loss_fresh_mean']:.4f} +- "
                f"{found['loss_fresh_standard_error']:.4f} (mean, standard error of 20), after "
                f"{found['evaluations']:,} evaluations in {found['seconds']:.1f} s.",
            ),
            parameters,
        ),
        PageSection("Real and synthetic infarcts", rows=compared, pictures=plots),
        activation.section,
        *twin.sections,
    ]
    title = "CardiacTwins demo: infarcts and their model, a map of late activation, a digital twin"
    write_page(directory / "report.html", title, sections)
