"""The search of a personalization: what it recovers, its steps, bounds, draws and scouts."""

import json
from dataclasses import dataclass, replace

import cma
import numpy as np
import pytest
from small_personalizations import ONE_SEARCH, QUICK, SEARCH_ONLY, SMALL, TRUTH, Spy, Wedge, population_of

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.evaluation import Evaluator
from cardiactwins.infarct.loss import LOSSES, PopulationLoss
from cardiactwins.infarct.model import Parameter, checked_parameters
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.spherical import IterativeSphericalModel


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("start", [0.04, 0.48])
def test_every_loss_recovers_the_parameter_its_population_was_drawn_with(kind, start):
    """From both ends; +-0.08 is three standard errors of what 100 lesions tell about the width."""
    population = population_of(Wedge().sample([0.3], 100, np.random.default_rng(5)))
    settings = PersonalizationSettings(candidates=8, generations=15, **ONE_SEARCH)
    found = personalize(population, Wedge(), loss=kind, start=[start], settings=settings, seed=1)
    assert found.parameters == pytest.approx([0.3], abs=0.08)
    assert found.history.spread.max() < 1.001 * (0.5 - 0.02) / 3
    if kind == "KL_full":
        assert found.history.spread[-1] < found.history.spread[0] / 3


def test_the_papers_settings_descend_from_a_far_start():
    population = population_of(EllipticalModel(SMALL).sample(TRUTH, 60, np.random.default_rng(3)))
    model, settings = EllipticalModel(SMALL), PersonalizationSettings.paper(lesions=50, threshold=0.0)
    start = [18.0, 6.0, 15.0, 6.0]
    found = personalize(population, model, start=start, settings=settings, seed=2)
    loss = PopulationLoss(SMALL, population.lesions)
    rng = np.random.default_rng(9)
    at_start, at_truth = (
        np.mean([loss(model.sample(parameters, 50, rng)) for _ in range(20)]) for parameters in (start, TRUTH)
    )
    assert found.loss < at_truth + 0.1 * (at_start - at_truth)


def test_the_papers_settings_are_those_of_the_paper(ellipses, monkeypatch):
    """konik-2024, 3.1: 15 samples, 3 best, identity covariance, 34 iterations, 510 evaluations, 0.004."""
    paper = PersonalizationSettings.paper()
    assert (paper.candidates, paper.parents, paper.generations) == (15, 3, 34)
    assert (paper.threshold, paper.confirmations, paper.condition) == (0.004, 0, 1e14)
    assert (paper.lesions, paper.draws) == (100, "independent")
    assert (paper.searches, paper.polish_generations, paper.stagnation) == (1, 0, 0)
    assert PersonalizationSettings.paper(candidates=50, parents=12).candidates == 50
    assert PopulationLoss(SMALL, ellipses.lesions).neighbours == 9

    strategies, make = [], cma.CMAEvolutionStrategy

    def keep(*arguments):
        strategies.append(make(*arguments))
        np.testing.assert_allclose(strategies[-1].result.stds, 1, rtol=1e-3)
        return strategies[-1]

    monkeypatch.setattr(cma, "CMAEvolutionStrategy", keep)
    settings = PersonalizationSettings.paper(lesions=10, threshold=0.0)
    found = personalize(ellipses, EllipticalModel(SMALL), start=[22, 10, 16, 20], settings=settings)
    (strategy,) = strategies
    assert strategy.popsize == 15
    assert strategy.sp.weights.mu == 3
    assert found.evaluations == 510 + 20
    assert len(found.history.loss) == 34


def test_whole_numbers_stay_whole_and_are_found():
    model = Spy(IterativeSphericalModel(SMALL, most_spheres=9))
    population = population_of(model.model.sample([6, 4.0], 60, np.random.default_rng(0)))
    settings = PersonalizationSettings(lesions=60, candidates=10, scouts=16, polish_lesions=60)
    found = personalize(population, model, start=[1, 9.0], settings=settings)
    counts = model.candidates[:, 0]
    np.testing.assert_array_equal(counts, np.round(counts))
    assert len(set(counts)) > 3
    assert found.parameters[0] == round(found.parameters[0])
    total = found.parameters[0] * found.parameters[1] ** 2
    assert 6 * 4.0**2 / 2 < total < 6 * 4.0**2 * 2, "the spheres must cover about as much as the true ones"


@pytest.mark.parametrize("step_unit", ["identity", "scale", "range"])
def test_every_candidate_that_is_evaluated_lies_within_the_bounds(ellipses, step_unit):
    """Starts on the bounds, whose neighbourhood is half outside."""
    for model, start in (
        (EllipticalModel(SMALL), [0.0, 40.0, 80.0, 0.0]),
        (IterativeSphericalModel(SMALL, most_spheres=4), [4, 1.0]),
    ):
        spy = Spy(model)
        found = personalize(
            ellipses, spy, start=start, settings=replace(QUICK, step_unit=step_unit, step=2.0), workers=1
        )
        low, high = ([getattr(p, side) for p in model.parameters] for side in ("lower", "upper"))
        assert (spy.candidates >= low).all()
        assert (spy.candidates <= high).all()
        assert (found.history.parameters >= low).all()
        assert (found.history.parameters <= high).all()
        assert spy.candidates.std(axis=0).min() > 0


@dataclass(frozen=True, eq=False)
class TwoScales:
    """Two parameters of scales 1 and 100, far from their bounds."""

    anatomy: ReferenceAnatomy = SMALL
    name: str = "two scales"

    n_uniforms = 1
    parameters = (Parameter("fine", "", 0, 100, 1, 50), Parameter("coarse", "", 0, 10_000, 100, 5000))

    def paint(self, parameters, uniforms):
        fine, coarse = checked_parameters(self, parameters)
        return self.anatomy.circumferential <= uniforms * (fine / 100 + coarse / 10_000) / 2

    def sample(self, parameters, n, rng):
        return self.paint(parameters, rng.random((n, 1)))


@pytest.mark.parametrize(
    ("step_unit", "steps"), [("identity", (1, 1)), ("scale", (1, 100)), ("range", (25, 2500))]
)
def test_the_first_candidates_spread_by_each_parameters_own_step(step_unit, steps):
    population = population_of(TwoScales().sample([50, 5000], 30, np.random.default_rng(0)))
    spy = Spy(TwoScales())
    settings = replace(SEARCH_ONLY, candidates=200, generations=1, step_unit=step_unit, step=0.5)
    personalize(population, spy, settings=settings, workers=1)
    first = spy.candidates[:200]
    np.testing.assert_allclose(first.std(axis=0), 0.5 * np.array(steps), rtol=0.15)
    np.testing.assert_allclose(first.mean(axis=0), [50, 5000], atol=0.2 * max(steps))


@pytest.mark.parametrize("draws", ["independent", "common", "quasi-random"])
def test_candidates_share_their_random_numbers_where_they_should(ellipses, draws):
    spy = Spy(EllipticalModel(SMALL))
    personalize(ellipses, spy, settings=replace(SEARCH_ONLY, draws=draws), workers=1)
    searched = {uniforms.tobytes() for _, uniforms in spy.seen[: 6 * 4]}
    assert len(searched) == (6 * 4 if draws == "independent" else 1)
    final = {uniforms.tobytes() for _, uniforms in spy.seen[6 * 4 :]}
    assert len(final) == 20
    assert not final & searched


def test_fresh_populations_are_seen_by_no_search_and_no_earlier_confirmation(ellipses):
    spy = Spy(EllipticalModel(SMALL))
    loss = PopulationLoss(SMALL, ellipses.lesions)
    with Evaluator(spy, loss, 20, "independent", seed=0, workers=1) as evaluator:
        evaluator(np.array([TRUTH] * 4), lesions=20)
        evaluator(np.array([TRUTH] * 4), lesions=20, population=1)
        evaluator.fresh(np.array(TRUTH), 3)
        evaluator.fresh(np.array(TRUTH), 3)
    assert len({uniforms.tobytes() for _, uniforms in spy.seen}) == len(spy.seen) == 4 + 4 + 3 + 3


def test_a_call_judges_all_candidates_on_the_population_of_its_number_and_size(ellipses):
    model, loss = EllipticalModel(SMALL), PopulationLoss(SMALL, ellipses.lesions)
    candidates = np.array([TRUTH, [9.0, 1.0, 2.0, 1.0]])
    with Evaluator(model, loss, 20, "common", seed=5, workers=1) as evaluator:
        found = [
            evaluator(candidates, lesions=lesions, population=number)
            for lesions, number in ((20, 0), (20, 3), (50, 3))
        ]
        assert evaluator.evaluations == 6
    expected = [
        [loss(PopulationDraws(model, lesions, "common", 5).lesions(row, number)) for row in candidates]
        for lesions, number in ((20, 0), (20, 3), (50, 3))
    ]
    np.testing.assert_array_equal(found, expected)


def test_further_searches_from_scouted_points_make_up_for_a_bad_start(ellipses):
    """The whole wall infarcted in every lesion, and flat all around."""
    start = [80.0, 0.0, 80.0, 0.0]
    alone = personalize(ellipses, EllipticalModel(SMALL), start=start, settings=SEARCH_ONLY)
    scouted = personalize(ellipses, EllipticalModel(SMALL), start=start, settings=replace(QUICK, scouts=64))
    assert scouted.loss < alone.loss / 2
    np.testing.assert_array_equal(scouted.start, start)


def test_the_second_search_goes_out_from_the_best_scouted_point(ellipses, tmp_path):
    spy, path = Spy(EllipticalModel(SMALL)), tmp_path / "run.json"
    settings = replace(QUICK, step=0.01, scouts=16)
    personalize(ellipses, spy, start=[80, 40, 80, 40], settings=settings, checkpoint=path, workers=1)
    losses = json.loads(path.read_text(encoding="utf-8"))["losses"]
    assert len(losses[0]) == 16
    best = spy.candidates[np.argmin(losses[0])]
    first_of_second = spy.candidates[16 + 4 * 6 :][:6]
    assert np.abs(first_of_second - best).max() < 1
