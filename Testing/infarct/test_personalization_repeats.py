"""A personalization comes out the same when it is repeated or resumed from its checkpoint."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from small_personalizations import QUICK, SEARCH_ONLY, SMALL, Spy, Wedge, population_of, same

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.personalization import personalize
from cardiactwins.infarct.spherical import IterativeSphericalModel


def test_the_same_seed_gives_the_same_result_on_any_number_of_threads(ellipses):
    outcomes = [
        personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, seed=3, workers=workers)
        for workers in (1, 2, 5)
    ]
    assert same(outcomes[0], outcomes[1])
    assert same(outcomes[0], outcomes[2])
    other = personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, seed=4)
    assert (other.parameters != outcomes[0].parameters).any()
    assert (other.history.loss != outcomes[0].history.loss).all()


def test_the_global_random_numbers_play_no_part(ellipses):
    model = IterativeSphericalModel(SMALL, most_spheres=6)
    outcomes = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        outcomes.append(personalize(ellipses, model, settings=QUICK))
    assert same(*outcomes)


def truncate(path, calls):
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["losses"] = kept["losses"][:calls]
    path.write_text(json.dumps(kept), encoding="utf-8")


@pytest.mark.parametrize("draws", ["independent", "quasi-random"])
def test_a_run_resumed_anywhere_ends_the_same_and_computes_only_what_is_missing(ellipses, tmp_path, draws):
    settings = replace(QUICK, draws=draws, threshold=0.02, confirmations=4)
    path = tmp_path / "run.json"
    whole = personalize(ellipses, EllipticalModel(SMALL), settings=settings, checkpoint=path)
    calls = json.loads(path.read_text(encoding="utf-8"))["losses"]
    assert sum(len(call) for call in calls) == whole.evaluations
    for kept in (0, 1, 4, len(calls) - 1, len(calls)):
        truncate(path, kept)
        resumed = personalize(ellipses, EllipticalModel(SMALL), settings=settings, checkpoint=path)
        assert same(whole, resumed)
        assert resumed.evaluations == sum(len(call) for call in calls[kept:])
        assert json.loads(path.read_text(encoding="utf-8"))["losses"] == calls


def test_a_resumed_run_paints_only_the_missing_populations(ellipses, tmp_path):
    spy, path = Spy(EllipticalModel(SMALL)), tmp_path / "run.json"
    personalize(ellipses, spy, settings=QUICK, checkpoint=path, workers=1)
    everything = list(spy.seen)
    done = sum(len(call) for call in json.loads(path.read_text(encoding="utf-8"))["losses"][:4])
    truncate(path, 4)
    spy.seen.clear()
    personalize(ellipses, spy, settings=QUICK, checkpoint=path, workers=1)
    assert len(spy.seen) == len(everything) - done
    for (parameters, uniforms), (again, numbers) in zip(everything[done:], spy.seen, strict=True):
        np.testing.assert_array_equal(again, parameters)
        np.testing.assert_array_equal(numbers, uniforms)


def test_a_checkpoint_of_another_run_is_refused(ellipses, tmp_path):
    """Whatever the result depends on: data, model, its options and bounds, loss, start, settings, seed."""
    path = tmp_path / "run.json"
    model = EllipticalModel(SMALL)
    settings = replace(SEARCH_ONLY, generations=1)
    usual = {"model": model, "settings": settings, "checkpoint": path}
    personalize(ellipses, **usual)
    written = path.read_bytes()

    fewer = population_of(ellipses.lesions[:-1])
    prepared = PopulationLoss(SMALL, ellipses.lesions[:-1])
    others = [
        (fewer, {}),
        (ellipses, {"seed": 1}),
        (ellipses, {"start": [5, 5, 5, 5]}),
        (ellipses, {"loss": "KL_attr"}),
        (ellipses, {"loss": PopulationLoss(SMALL, ellipses.lesions, bandwidth=3.0)}),
        (ellipses, {"loss": PopulationLoss(SMALL, ellipses.lesions, estimator="sample")}),
        (ellipses, {"loss": prepared}),
        (ellipses, {"settings": replace(settings, lesions=21)}),
        (ellipses, {"model": EllipticalModel(SMALL, StartZone(0.1))}),
        (ellipses, {"model": EllipticalModel(SMALL, draws="uniform")}),
        (ellipses, {"model": IterativeSphericalModel(SMALL)}),
    ]
    for population, changes in others:
        with pytest.raises(ValueError, match=r"run\.json belongs to another run"):
            personalize(population, **{**usual, **changes})
        assert path.read_bytes() == written
    personalize(ellipses, **usual)


def test_options_of_a_users_own_model_are_part_of_the_run(tmp_path):
    @dataclass(frozen=True, eq=False)
    class Stretched(Wedge):
        factor: float = 1.0

        def paint(self, parameters, uniforms):
            return super().paint(parameters, uniforms**self.factor)

    population = population_of(Wedge().sample([0.3], 30, np.random.default_rng(0)))
    arguments = {"settings": SEARCH_ONLY, "checkpoint": tmp_path / "run.json"}
    personalize(population, Stretched(), **arguments)
    personalize(population, Stretched(factor=1.0), **arguments)
    with pytest.raises(ValueError, match="belongs to another run"):
        personalize(population, Stretched(factor=2.0), **arguments)


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"fingerprint": "x", "losses": [[0.1'])
def test_a_corrupt_checkpoint_is_refused_and_left_alone(ellipses, tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.json cannot be read.*Delete it to start anew"):
        personalize(ellipses, EllipticalModel(SMALL), settings=SEARCH_ONLY, checkpoint=path)
    assert path.read_text(encoding="utf-8") == content
