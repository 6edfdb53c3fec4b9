"""What every random infarct model keeps to, and a user's own model as the documentation gives it."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import InfarctModel, Parameter, StartZone, checked_parameters
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.infarct.spherical import IterativeSphericalModel

OWN_MODEL = Path(__file__).parents[2] / "Docs" / "developer" / "own-model.md"
SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)
STACK = ReferenceAnatomy(
    slices=5,
    size=26,
    endocardial_radius=6.0,
    epicardial_radius=10.0,
    endocardial_length=25.0,
    epicardial_length=30.0,
)
ZONE = StartZone(circumferential_tolerance=0.06, longitudinal_tolerance=0.3, depth=0.3)


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """The two pieces of code of the documentation, written to files as it asks the reader to."""
    model, use = re.findall(r"```python\n(.*?)```", OWN_MODEL.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "wedge_model.py").write_text(model, encoding="utf-8")
    (tmp_path / "use.py").write_text(use, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def wedge(documented):
    return runpy.run_path(str(documented / "wedge_model.py"))["WedgeModel"]


def models_in(dimension, wedge):
    anatomy = {"2D": SMALL, "3D": STACK}[dimension]
    return [
        EllipticalModel(anatomy, ZONE),
        EllipticalModel(anatomy, ZONE, draws="uniform"),
        IterativeSphericalModel(anatomy, ZONE, most_spheres=12),
        wedge(anatomy),
    ]


def defaults(model):
    """Lengths that leave part of the small walls free."""
    return [min(parameter.default, 6.0) for parameter in model.parameters]


@pytest.mark.parametrize("dimension", ["2D", "3D"])
def test_every_model_keeps_the_protocol(dimension, wedge):
    for model in models_in(dimension, wedge):
        assert isinstance(model, InfarctModel)
        checked_parameters(model, defaults(model))
        lesions = model.sample(defaults(model), 7, np.random.default_rng(0))
        assert lesions.shape == (7, model.anatomy.n_voxels)
        assert lesions.dtype == bool
        assert 0 < lesions.mean() < 1
        again = model.sample(defaults(model), 7, np.random.default_rng(0))
        np.testing.assert_array_equal(lesions, again)
        assert (model.sample(defaults(model), 7, np.random.default_rng(1)) != lesions).any()


@pytest.mark.parametrize("dimension", ["2D", "3D"])
def test_sampling_is_painting_the_uniform_numbers_of_the_generator(dimension, wedge):
    for model in models_in(dimension, wedge):
        uniforms = np.random.default_rng(5).random((9, model.n_uniforms))
        painted = model.paint(defaults(model), uniforms)
        np.testing.assert_array_equal(model.sample(defaults(model), 9, np.random.default_rng(5)), painted)
        for row in (0, 8):
            np.testing.assert_array_equal(
                model.paint(defaults(model), uniforms[row : row + 1])[0], painted[row]
            )


@pytest.mark.parametrize("dimension", ["2D", "3D"])
def test_one_row_of_parameters_a_lesion_paints_each_lesion_with_its_own(dimension, wedge):
    rng = np.random.default_rng(2)
    for model in models_in(dimension, wedge):
        low = np.array([parameter.lower for parameter in model.parameters])
        high = np.array([min(parameter.upper, 9) for parameter in model.parameters])
        rows = rng.uniform(low, high, size=(6, len(low)))
        uniforms = rng.random((6, model.n_uniforms))
        together = model.paint(rows, uniforms)
        for row in range(6):
            np.testing.assert_array_equal(together[row], model.paint(rows[row], uniforms[row : row + 1])[0])


def test_the_extremes_of_the_uniform_numbers_are_painted_too():
    """0 is the quantile at minus infinity of a normal draw, the last number below 1 the end of every list."""
    for anatomy in (SMALL, STACK):
        for model in (EllipticalModel(anatomy, ZONE), IterativeSphericalModel(anatomy, ZONE, most_spheres=9)):
            for uniform in (0.0, np.nextafter(1.0, 0.0)):
                lesions = model.paint(defaults(model), np.full((2, model.n_uniforms), uniform))
                assert lesions.any(axis=1).all()


def test_the_documented_model_runs_as_documented_and_finds_its_own_parameter(documented, capsys):
    found = runpy.run_path(str(documented / "use.py"))["found"]
    assert found.parameters == pytest.approx([0.25], abs=0.04)
    assert "widest" in capsys.readouterr().out


def test_a_model_without_paint_is_personalized_with_common_draws(wedge):
    complete = wedge(SMALL)
    bare = SimpleNamespace(name="bare", anatomy=SMALL, parameters=complete.parameters, sample=complete.sample)
    assert isinstance(bare, InfarctModel)
    lesions = complete.sample([0.3], 100, np.random.default_rng(0))
    population = InfarctPopulation(SMALL, lesions, tuple(f"case {number}" for number in range(100)))
    settings = PersonalizationSettings(
        lesions=100, candidates=8, generations=12, draws="common", scouts=0, polish_generations=0
    )
    found = personalize(population, bare, start=[0.05], settings=settings)
    assert found.parameters == pytest.approx([0.3], abs=0.08)
    with pytest.raises(ValueError, match="'bare' has only `sample`"):
        personalize(population, bare, settings=PersonalizationSettings(draws="quasi-random"))


COUNTED = SimpleNamespace(
    name="counted",
    parameters=(
        Parameter("number", "", 1, 9, 2, 3, integer=True),
        Parameter("length", "pixels", 0.0, 20.0, 5, 10.0),
    ),
)


def test_parameters_are_checked_and_whole_numbers_rounded():
    np.testing.assert_array_equal(checked_parameters(COUNTED, [3.4, 3.4]), [3, 3.4])
    rows = checked_parameters(COUNTED, [[8.6, 0.0], [0.7, 20.0]])
    np.testing.assert_array_equal(rows, [[9, 0], [1, 20]])


def test_checking_leaves_the_callers_parameters_alone():
    values = np.array([3.4, 3.4])
    checked_parameters(COUNTED, values)
    np.testing.assert_array_equal(values, [3.4, 3.4])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([3, 20.1], r"counted: 'length' must lie in \[0, 20\] pixels; found 20.1"),
        ([9.6, 5], r"counted: 'number' must lie in \[1, 9\]"),
        ([3, -0.1], "'length'"),
        ([3, np.nan], "'length'"),
        ([np.inf, 3], "'number'"),
        ([3], r"takes 2 parameters \(number, length\)"),
        (3.0, r"takes 2 parameters \(number, length\)"),
        ([[3, 5], [3, 25]], "'length'"),
    ],
)
def test_parameters_out_of_bounds_are_named_with_their_bounds(values, message):
    with pytest.raises(ValueError, match=message):
        checked_parameters(COUNTED, values)


def test_the_start_zone_is_a_patch_of_endocardium_across_the_origin_of_the_angle():
    zone = StartZone(circumferential=0.99, circumferential_tolerance=0.05, depth=0.25)
    voxels = zone.voxels(SMALL)
    turn = np.mod(SMALL.circumferential - 0.99 + 0.5, 1) - 0.5
    expected = np.flatnonzero((np.abs(turn) <= 0.05) & (SMALL.radial <= 0.25))
    assert set(voxels) == set(expected)
    assert len(voxels) == len(expected)
    assert (np.diff(turn[voxels]) >= 0).all()
    assert SMALL.circumferential[voxels].min() < 0.05 < 0.9 < SMALL.circumferential[voxels].max()


def test_the_start_zone_keeps_to_its_levels_in_3d():
    zone = StartZone(longitudinal=0.25, longitudinal_tolerance=0.1, circumferential_tolerance=0.2)
    assert set(STACK.longitudinal[zone.voxels(STACK)]) == {0.25}


def test_a_start_zone_without_voxels_is_refused():
    with pytest.raises(ValueError, match=r"No myocardial voxel lies in the start zone.*Widen the tolerances"):
        EllipticalModel(SMALL, StartZone(depth=-1.0)).sample([5, 1, 5, 1], 3, np.random.default_rng(0))
