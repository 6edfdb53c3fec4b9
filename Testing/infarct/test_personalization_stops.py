"""What ends the searches of a personalization."""

from dataclasses import replace

import numpy as np
from small_personalizations import SEARCH_ONLY, SMALL, TRUTH, population_of

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.personalization import personalize


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
