"""The polish of a personalization: its populations, its steps, its end and its measures."""

from dataclasses import replace

import cma
import numpy as np
import pytest
from small_personalizations import QUICK, SMALL, Spy

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.personalization import personalize
from cardiactwins.infarct.personalization_search import summed_ranks


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
