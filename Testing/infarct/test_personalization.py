"""Population-wise personalization: the search, its stops, its checkpoints and what it refuses."""

import json
import threading
from dataclasses import dataclass, fields, replace

import cma
import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.evaluation import Evaluator
from cardiactwins.infarct.loss import LOSSES, PopulationLoss
from cardiactwins.infarct.model import Parameter, StartZone, checked_parameters
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.personalization_search import summed_ranks
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.infarct.spherical import IterativeSphericalModel

SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)
TRUTH = [6.0, 3.0, 4.0, 3.0]
QUICK = PersonalizationSettings(
    lesions=20,
    candidates=6,
    generations=4,
    stagnation=0.0,
    searches=2,
    scouts=8,
    polish_generations=3,
    polish_lesions=40,
)
ONE_SEARCH = {"searches": 1, "scouts": 0, "polish_generations": 0}
SEARCH_ONLY = replace(QUICK, **ONE_SEARCH)


def population_of(lesions, anatomy=SMALL):
    return InfarctPopulation(anatomy, lesions, tuple(f"case {number}" for number in range(len(lesions))))


@pytest.fixture(scope="module")
def ellipses():
    return population_of(EllipticalModel(SMALL).sample(TRUTH, 30, np.random.default_rng(0)))


@dataclass(frozen=True, eq=False)
class Wedge:
    """Sectors of the wall of random width, up to the one parameter, and of random depth."""

    anatomy: ReferenceAnatomy = SMALL
    name: str = "wedge"

    n_uniforms = 2
    parameters = (Parameter("widest", "turns", 0.02, 0.5, 0.1, 0.1),)

    def paint(self, parameters, uniforms):
        half_widths = checked_parameters(self, parameters)[..., 0] * uniforms[:, 0]
        turn = np.abs(np.mod(self.anatomy.circumferential + 0.5, 1) - 0.5)
        inside = turn <= half_widths[:, None]
        return inside & (self.anatomy.radial <= uniforms[:, 1:])

    def sample(self, parameters, n, rng):
        return self.paint(parameters, rng.random((n, self.n_uniforms)))


class Spy:
    """A model that notes the parameters and the uniform numbers of every population, in order of arrival."""

    def __init__(self, model):
        self.name, self.anatomy, self.parameters = model.name, model.anatomy, model.parameters
        self.n_uniforms = model.n_uniforms
        self.model = model
        self.seen = []

    def paint(self, parameters, uniforms):
        self.seen.append((np.array(parameters), uniforms))
        return self.model.paint(parameters, uniforms)

    def sample(self, parameters, n, rng):
        return self.paint(parameters, rng.random((n, self.n_uniforms)))

    @property
    def candidates(self):
        return np.array([parameters for parameters, _ in self.seen])


def same(first, second):
    """Whether two outcomes are equal to the last bit, but for what a resumed run did not compute again."""
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert (first.loss, first.loss_error, first.stop) == (second.loss, second.loss_error, second.stop)
    assert first.history.stage == second.history.stage
    for field in fields(first.history)[1:]:
        np.testing.assert_array_equal(getattr(first.history, field.name), getattr(second.history, field.name))
    return True


# The search ----------------------------------------------------------------------------------------


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


# The polish ----------------------------------------------------------------------------------------


def test_every_generation_of_the_polish_has_a_large_population_of_its_own_that_nothing_else_saw(ellipses):
    spy = Spy(EllipticalModel(SMALL))
    personalize(ellipses, spy, settings=QUICK, workers=1)
    judged, polished, fresh = spy.seen[: 2 * 4 * 6 + 8 + 5 * 2], spy.seen[-3 * 6 - 20 : -20], spy.seen[-20:]
    assert len(judged) + len(polished) + len(fresh) == len(spy.seen)
    populations = [uniforms for _, uniforms in polished]
    assert {len(uniforms) for uniforms in populations} == {40}
    generations = [{uniforms.tobytes() for uniforms in populations[g : g + 6]} for g in (0, 6, 12)]
    assert [len(generation) for generation in generations] == [1, 1, 1]
    assert len(set.union(*generations)) == 3
    others = {uniforms[:20].tobytes() for _, uniforms in (*judged, *fresh)}
    assert not others & {uniforms[:20].tobytes() for uniforms in populations}


def test_the_polish_steps_as_far_along_each_parameter_as_the_search_spread(ellipses, monkeypatch):
    """At the longest step `polish_step`, at the shortest a tenth of it, in each parameter's own scale."""
    strategies, make = [], cma.CMAEvolutionStrategy

    def keep(*arguments):
        strategies.append((make(*arguments), []))
        strategies[-1][1].append(strategies[-1][0].result.stds.copy())
        return strategies[-1][0]

    monkeypatch.setattr(cma, "CMAEvolutionStrategy", keep)
    settings = replace(QUICK, searches=1, generations=12, polish_generations=1, polish_step=0.3)
    personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    (search, _), (_, (steps,)) = strategies
    scales = np.array([parameter.scale for parameter in EllipticalModel(SMALL).parameters])
    shape = search.result.stds / scales
    np.testing.assert_allclose(steps / scales, 0.3 * np.maximum(shape / shape.max(), 0.1), rtol=1e-3)
    assert np.ptp(steps / scales) > 0.03


def test_the_polish_ends_at_the_mean_over_its_second_half(ellipses, monkeypatch):
    means, make = [], cma.CMAEvolutionStrategy

    class Noting(make):
        def tell(self, *arguments, **options):
            super().tell(*arguments, **options)
            means.append(np.array(self.result.xfavorite))

    monkeypatch.setattr(cma, "CMAEvolutionStrategy", Noting)
    settings = replace(QUICK, searches=1, polish_generations=7)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    assert len(means) == 4 + 7
    np.testing.assert_array_equal(found.parameters, np.mean(means[-4:], axis=0))
    np.testing.assert_array_equal(found.history.parameters[-3], np.mean(means[-5:-2], axis=0))
    np.testing.assert_array_equal(found.history.parameters[3], means[3])


def test_the_discrepancy_beside_the_loss_has_a_kernel_as_wide_as_real_lesions_lie_apart(ellipses):
    """Against a plain double loop; two of the real lesions are the same and count for nothing."""
    real = np.concatenate([ellipses.lesions[:8], ellipses.lesions[:1]])
    synthetic = EllipticalModel(SMALL).sample([9.0, 2.0, 3.0, 2.0], 12, np.random.default_rng(3))
    loss = PopulationLoss(SMALL, real)
    squared = [[np.count_nonzero(a != b) for b in (*synthetic, *real)] for a in (*synthetic, *real)]
    squared = np.array(squared, dtype=float)
    apart = [np.sqrt(squared[12 + i, 12 + j]) for i in range(9) for j in range(i) if (i, j) != (8, 0)]
    assert loss.median_distance == pytest.approx(np.median(apart))
    kernel = np.exp(-squared / (2 * np.median(apart) ** 2))
    of_synthetic = np.mean([kernel[i, j] for i in range(12) for j in range(12) if i != j])
    of_real = np.mean([kernel[12 + i, 12 + j] for i in range(9) for j in range(9) if i != j])
    expected = of_synthetic + of_real - 2 * np.mean([kernel[i, 12 + j] for i in range(12) for j in range(9)])
    np.testing.assert_allclose(loss.with_discrepancy(synthetic), [loss(synthetic), expected], rtol=1e-6)


def test_candidates_are_ranked_by_both_measures_and_ties_go_to_the_first():
    losses = np.array([[0.3, 9.0], [0.1, 1.0], [0.2, -5.0], [0.9, 4.0]])
    order = summed_ranks(losses)
    np.testing.assert_array_equal(order.argsort(), [1, 2, 0, 3])
    np.testing.assert_array_equal(summed_ranks(1e6 * losses**3).argsort(), order.argsort())


def test_a_polish_on_the_loss_alone_never_sees_the_discrepancy(ellipses, monkeypatch):
    seen = []
    with_discrepancy = PopulationLoss.with_discrepancy
    monkeypatch.setattr(
        PopulationLoss,
        "with_discrepancy",
        lambda self, synthetic: seen.append(len(synthetic)) or with_discrepancy(self, synthetic),
    )
    personalize(ellipses, EllipticalModel(SMALL), settings=replace(QUICK, polish_loss="own"), workers=1)
    assert not seen
    personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, workers=1)
    assert seen == [20] * 5 * 2 + [40] * 3 * 6


# What is reported ----------------------------------------------------------------------------------


def test_the_reported_loss_is_that_of_new_populations_at_the_optimum(ellipses):
    model = EllipticalModel(SMALL)
    found = personalize(ellipses, model, settings=QUICK)
    loss, rng = PopulationLoss(SMALL, ellipses.lesions), np.random.default_rng(77)
    again = [loss(model.sample(found.parameters, QUICK.lesions, rng)) for _ in range(100)]
    error = np.std(again, ddof=1)
    assert found.loss == pytest.approx(np.mean(again), abs=4 * error * np.sqrt(1 / 100 + 1 / 20))
    assert found.loss_error == pytest.approx(error / np.sqrt(20), rel=0.6)


def test_the_history_has_one_row_a_generation(ellipses):
    reports = []

    def progress(step, total, message="", values=None):
        if values is not None:
            reports.append((step, total, message, values))

    spy = Spy(EllipticalModel(SMALL))
    found = personalize(ellipses, spy, settings=QUICK, progress=progress)
    history = found.history
    assert history.stage == ("search 1",) * 4 + ("search 2",) * 4 + ("polish",) * 3
    for name, shape in (
        ("loss", (11,)),
        ("mean_loss", (11,)),
        ("condition", (11,)),
        ("parameters", (11, 4)),
        ("spread", (11, 4)),
        ("eigenvalues", (11, 4)),
    ):
        assert getattr(history, name).shape == shape
    assert (history.loss <= history.mean_loss).all()
    assert (np.diff(history.eigenvalues, axis=1) <= 0).all()
    np.testing.assert_allclose(
        history.condition, history.eigenvalues[:, 0] / history.eigenvalues[:, -1], rtol=1e-3
    )
    np.testing.assert_array_equal(found.parameters, history.parameters[-1])
    assert found.stop == ("search 1: 4 generations", "search 2: 4 generations", "polish: 3 generations")
    assert found.evaluations == len(spy.seen) >= 8 + 2 * 4 * 6 + 3 * 6 + 20
    assert [(step, total) for step, total, _, _ in reports] == [(step, 11) for step in range(1, 12)]
    for row, (_, _, message, values) in enumerate(reports):
        assert json.loads(json.dumps(values))["parameters"] == history.parameters[row].tolist()
        assert f"loss {history.loss[row]:.4f}" in message
    json.dumps(found.summary())


def test_eigenvalues_are_those_of_the_spread_in_units_of_the_scales(ellipses):
    """The trace of the covariance is the sum of the squared standard deviations in their own units."""
    settings = replace(SEARCH_ONLY, step=0.2)
    history = personalize(
        ellipses, EllipticalModel(SMALL), start=[20.0, 15.0, 20.0, 15.0], settings=settings
    ).history
    scales = [parameter.scale for parameter in EllipticalModel(SMALL).parameters]
    np.testing.assert_allclose(
        history.eigenvalues.sum(axis=1), ((history.spread / scales) ** 2).sum(axis=1), rtol=1e-2
    )
    assert 0.02 < history.eigenvalues[0].mean() < 0.08


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


# Stops ---------------------------------------------------------------------------------------------


def test_the_search_ends_after_m_generations(ellipses):
    found = personalize(ellipses, EllipticalModel(SMALL), settings=replace(SEARCH_ONLY, generations=3))
    assert found.stop == ("search 1: 3 generations",)
    assert len(found.history.loss) == 3


def test_a_loss_below_the_threshold_ends_the_search_at_once_without_confirmation(ellipses):
    settings = replace(SEARCH_ONLY, threshold=10.0, confirmations=0)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    assert found.stop == ("search 1: loss below 10",)
    assert len(found.history.loss) == 1
    assert found.evaluations == 6 + 20


def test_a_lucky_loss_ends_the_unconfirmed_search_and_not_the_confirmed_one():
    """At the truth the best of 15 noisy losses lies below the mean loss; fresh populations give the mean."""
    model = EllipticalModel(SMALL)
    population = population_of(model.sample(TRUTH, 30, np.random.default_rng(0)))
    loss, rng = PopulationLoss(SMALL, population.lesions), np.random.default_rng(1)
    at_truth = np.array([loss(model.sample(TRUTH, 10, rng)) for _ in range(200)])
    settings = replace(
        SEARCH_ONLY,
        lesions=10,
        candidates=15,
        draws="independent",
        step=0.02,
        threshold=float(np.quantile(at_truth, 0.2)),
    )
    lucky = personalize(population, model, start=TRUTH, settings=replace(settings, confirmations=0))
    sober = personalize(population, model, start=TRUTH, settings=replace(settings, confirmations=10))
    assert lucky.stop[0].startswith("search 1: loss below")
    assert lucky.loss > settings.threshold
    assert (sober.history.loss < settings.threshold).any()
    assert sober.stop == ("search 1: 4 generations",)


def test_a_loss_that_fresh_populations_confirm_ends_the_search(ellipses):
    settings = replace(SEARCH_ONLY, threshold=10.0, confirmations=3)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    assert found.stop == ("search 1: loss below 10",)
    assert found.evaluations == 6 + 3 + 20


def test_a_covariance_worse_than_the_condition_number_ends_the_search(ellipses):
    settings = replace(SEARCH_ONLY, generations=30, condition=2.0)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    assert found.stop == ("search 1: condition number above 2",)
    assert (found.history.condition[:-1] <= 2).all()
    assert found.history.condition[-1] > 2


def test_a_search_that_stands_still_for_eight_generations_ends(ellipses):
    """Any move is small against a huge tolerance; the polish counts its own eight generations."""
    settings = replace(SEARCH_ONLY, generations=20, polish_generations=20, stagnation=1e6)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    unchanged = "mean and spread unchanged for 8 generations"
    assert found.stop == (f"search 1: {unchanged}", f"polish: {unchanged}")
    assert found.history.stage == ("search 1",) * 8 + ("polish",) * 8


def test_the_search_goes_on_while_the_mean_or_the_spread_moves_by_the_tolerance(ellipses):
    """The first window of eight in which neither moved by 0.35 scales is the one that ends the search."""
    settings = replace(SEARCH_ONLY, generations=60, stagnation=0.35)
    found = personalize(ellipses, EllipticalModel(SMALL), settings=settings)
    scales = np.array([parameter.scale for parameter in EllipticalModel(SMALL).parameters])
    moved = [
        max(
            (np.ptp(column[last - 7 : last + 1], axis=0) / scales).max()
            for column in (found.history.parameters, found.history.spread)
        )
        for last in range(7, len(found.history.loss))
    ]
    assert "unchanged" in found.stop[0]
    assert len(moved) > 1
    assert min(moved[:-1]) >= 0.35 > moved[-1]


# Repeatability and checkpoints ---------------------------------------------------------------------


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


def test_cancelling_ends_the_threads_leaves_a_whole_checkpoint_and_can_be_resumed(ellipses, tmp_path):
    path = tmp_path / "run.json"

    def cancel_in_the_third_generation(step, total, message="", values=None):
        if step == 3:
            raise Cancelled

    before = set(threading.enumerate())
    with pytest.raises(Cancelled):
        personalize(
            ellipses,
            EllipticalModel(SMALL),
            settings=QUICK,
            checkpoint=path,
            workers=3,
            progress=cancel_in_the_third_generation,
        )
    assert set(threading.enumerate()) <= before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
    assert len(json.loads(path.read_text(encoding="utf-8"))["losses"]) == 1 + 3
    resumed = personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, checkpoint=path)
    assert same(resumed, personalize(ellipses, EllipticalModel(SMALL), settings=QUICK))


def test_cancelling_in_the_first_generation_without_a_checkpoint_writes_nothing(
    ellipses, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    def cancel(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, progress=cancel)
    assert not list(tmp_path.iterdir())


def test_a_run_can_be_stopped_while_it_scouts(ellipses):
    spy = Spy(EllipticalModel(SMALL))
    calls = []

    def cancel_at_the_fifth_evaluation(step, total, message="", values=None):
        calls.append((step, values))
        if len(calls) == 5:
            raise Cancelled

    settings = replace(QUICK, scouts=4096)
    with pytest.raises(Cancelled):
        personalize(ellipses, spy, settings=settings, workers=1, progress=cancel_at_the_fifth_evaluation)
    assert calls == [(0, None)] * 5, "no generation had ended"
    assert len(spy.seen) < 2048, "most of the other scouts are not evaluated"


def test_an_error_inside_a_model_comes_out_and_ends_the_threads(ellipses):
    class Broken(Spy):
        def paint(self, parameters, uniforms):
            raise RuntimeError("the model broke")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="the model broke"):
        personalize(ellipses, Broken(EllipticalModel(SMALL)), settings=QUICK, workers=3)
    assert set(threading.enumerate()) <= before


# Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([22, 10, 16, 41], r"'radial std' must lie in \[0, 40\] pixels; found 41"),
        ([22, 10, -1, 20], "'radial mean' must lie in"),
        ([22, 10, np.nan, 20], "'radial mean' must lie in"),
        ([22, 10], "takes 4 parameters"),
    ],
)
def test_a_start_out_of_bounds_is_refused(ellipses, start, message):
    with pytest.raises(ValueError, match=message):
        personalize(ellipses, EllipticalModel(SMALL), start=start, settings=QUICK)


def test_fewer_than_five_subjects_are_refused(ellipses):
    with pytest.raises(ValueError, match="at least 5 infarcts to be compared with a model; found 4"):
        personalize(population_of(ellipses.lesions[:4]), EllipticalModel(SMALL), settings=QUICK)


def test_a_population_of_equal_infarcts_is_refused(ellipses):
    equal = population_of(np.tile(ellipses.lesions[3], (12, 1)))
    for kind in LOSSES:
        with pytest.raises(ValueError, match="All real infarcts are the same"):
            personalize(equal, EllipticalModel(SMALL), loss=kind, settings=QUICK)


def test_a_model_or_a_loss_on_another_reference_is_refused(ellipses):
    """Also one with as many voxels at other places, which no shape would tell."""
    larger = ReferenceAnatomy(size=28, endocardial_radius=6.0, epicardial_radius=10.0)
    thinner = ReferenceAnatomy(size=26, endocardial_radius=7.0, epicardial_radius=10.0)
    for other in (larger, thinner):
        with pytest.raises(ValueError, match=r"The model lives on .* Give both the same reference"):
            personalize(ellipses, EllipticalModel(other), settings=QUICK)
        lesions = EllipticalModel(other).sample(TRUTH, 10, np.random.default_rng(0))
        with pytest.raises(ValueError, match=r"The loss lives on .* Give both the same reference"):
            personalize(ellipses, EllipticalModel(SMALL), loss=PopulationLoss(other, lesions), settings=QUICK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"draws": "sobol"}, "found 'sobol'"),
        ({"step_unit": "pixel"}, "found 'pixel'"),
        ({"polish_loss": "discrepancy"}, "'own' or 'both'; found 'discrepancy'"),
        ({"parents": 16}, "16 parents cannot be chosen from 15"),
        ({"parents": 0}, "0 parents"),
        ({"lesions": 9}, "at least 10 lesions"),
        ({"candidates": 1, "parents": 1}, "2 candidates"),
        ({"generations": 0}, "1 generation"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PersonalizationSettings(**changes)


def test_an_unknown_loss_is_refused(ellipses):
    with pytest.raises(ValueError, match="KL_full, KL_attr, KL_sectors, MMD; found 'L2'"):
        personalize(ellipses, EllipticalModel(SMALL), loss="L2", settings=QUICK)
