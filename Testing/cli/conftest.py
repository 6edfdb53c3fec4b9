"""What the tests of the command line share: patients, a population, a model, a heart with LBBB, all small."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.cli import app
from cardiactwins.demo_activation import write_inputs
from cardiactwins.infarct.archive import save_population
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.hearts import heart_of_case
from cardiactwins.infarct.phantom_cases import phantom_cases
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.mrml.cohorts import write_cohort
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.saving import save_node, save_scene
from cardiactwins.mrml.twin_segmentation import SegmentStyle, new_heart_segmentation
from cardiactwins.twin.label_resampling import resampled_labels


@dataclass(frozen=True)
class Outcome:
    """What a command gave back."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def summary(self):
        """The JSON summary, which is the last line of standard output."""
        return json.loads(self.stdout.splitlines()[-1])


def runner(group):
    """Runs `cardiactwins GROUP ARGUMENTS` in this process."""

    def run(*arguments):
        result = CliRunner(env={"COLUMNS": "300"}).invoke(app, [group, *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def infarct():
    """Runs `cardiactwins infarct ARGUMENTS` in this process."""
    return runner("infarct")


@pytest.fixture(scope="session")
def lma():
    """Runs `cardiactwins lma ARGUMENTS` in this process."""
    return runner("lma")


@pytest.fixture(scope="session")
def twin():
    """Runs `cardiactwins twin ARGUMENTS` in this process."""
    return runner("twin")


@pytest.fixture(scope="session")
def whole_heart():
    """A whole-heart phantom."""
    return whole_heart_phantom(np.random.default_rng([3, 1]))


@pytest.fixture(scope="session")
def oblique_heart(whole_heart):
    """The phantom on an oblique grid of 2.5 mm: labels (k, j, i) and their geometry."""
    fine = whole_heart.patient_geometry()
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, :3] *= 2.5 / 1.4
    matrix[:3, 3] = fine.ijk_to_ras[:3, 3] - matrix[:3, :3] @ np.full(3, 3.0)
    geometry = ImageGeometry((78,) * 3, matrix)
    return resampled_labels(whole_heart.labels, fine, geometry), geometry


@pytest.fixture(scope="session")
def heart_file(oblique_heart, tmp_path_factory):
    """The same as a segmentation whose segments have names and colours of their own."""
    start()
    styles = {
        tissue: SegmentStyle(f"My {TISSUE_NAMES[tissue]}", (0.1 * tissue, 0.5, 0.2), "") for tissue in Tissue
    }
    node = new_heart_segmentation("Ann", *oblique_heart, styles)
    path = save_node(node, tmp_path_factory.mktemp("heart") / "ann.seg.nrrd")
    start().scene.Clear(False)
    return path


@pytest.fixture(scope="session")
def own_names():
    """Tissue -> name of its segment in `heart_file`."""
    return {name: f"My {name}" for name in TISSUE_NAMES.values()}


@pytest.fixture(scope="session")
def twin_file(twin, heart_file, own_names, tmp_path_factory):
    """The same imported as a twin."""
    out = tmp_path_factory.mktemp("twin") / "twin"
    names = ",".join(f"{name}={own}" for name, own in own_names.items())
    assert twin("import", heart_file, "--tissues", names, "--out", out).exit_code == 0
    return out / "twin.npz"


@pytest.fixture(scope="session")
def stand_in(whole_heart, tmp_path_factory):
    """Options that put a stand-in for trained weights, around the phantom, into a command."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("weights") / "stand-in.npz"
    np.savez_compressed(path, labels=whole_heart.labels)
    yield "--weights", path, "--loader", "block_hearts:load"
    torch.set_num_threads(threads)


@pytest.fixture
def without_ra(stand_in, whole_heart, tmp_path):
    """The same around the phantom without its RA, which the topology guard cannot repair."""
    labels = np.where(whole_heart.labels == Tissue.RA, 0, whole_heart.labels)
    path = tmp_path / "without-ra.npz"
    np.savez_compressed(path, labels=labels)
    return "--weights", path, *stand_in[2:]


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory):
    """A heart with LBBB as files: slices.seg.nrrd, slices.mrk.json, dense-1.npz, ..., and scene.mrb."""
    folder = tmp_path_factory.mktemp("sample")
    scene = start().scene
    scene.Clear(False)
    write_inputs(new_sample_heart(2), folder)
    save_scene(folder / "scene.mrb")
    scene.Clear(False)
    return folder


@pytest.fixture(scope="session")
def patients():
    """Six phantom patients."""
    return phantom_cases(6, np.random.default_rng(1))


@pytest.fixture(scope="session")
def patient_folder(patients, tmp_path_factory):
    """The patients as a folder of .seg.nrrd files."""
    start()
    return write_cohort(tmp_path_factory.mktemp("cohort") / "patients", [heart_of_case(c) for c in patients])


@pytest.fixture(scope="session")
def small_reference():
    return ReferenceAnatomy(size=32, endocardial_radius=8.0, epicardial_radius=13.0)


@pytest.fixture(scope="session")
def population_file(small_reference, tmp_path_factory):
    """Twelve draws of an elliptical model on a small reference, as a population file."""
    lesions = EllipticalModel(small_reference).sample((8, 3, 4, 2), 12, np.random.default_rng(3))
    population = InfarctPopulation(small_reference, lesions, tuple(f"case {n}" for n in range(12)))
    return save_population(population, tmp_path_factory.mktemp("population") / "population.npz")


QUICK = ("--preset", "paper", "--set", "generations=2,lesions=20,candidates=4,parents=2")


@pytest.fixture(scope="session")
def model_file(infarct, population_file, tmp_path_factory):
    """A model personalized to that population, in two generations."""
    path = tmp_path_factory.mktemp("model") / "model.json"
    assert infarct("personalize", population_file, *QUICK, "--out", path).exit_code == 0
    return path


@pytest.fixture(scope="session")
def quick():
    """Options of a personalization that takes a moment."""
    return QUICK


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def rows():
    """Reads the rows of a CSV file as dicts."""
    return rows_of
