"""Remembered hearts are told from new ones, and from a cohort that is merely more alike."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.frechet import standardised
from cardiactwins.twin.memorising import memorising


def cohort_of(points):
    return Cohort(tuple(map(str, range(len(points)))), points, np.zeros((len(points), 12), dtype=bool))


@pytest.fixture(scope="module")
def population():
    """Training, unseen and synthetic hearts of one distribution, in three dimensions and nine that follow."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 12))
    return [rng.normal(size=(number, 3)) @ mixing + 5 for number in (900, 300, 300)]


def judged(synthetic, training, unseen):
    return memorising(
        cohort_of(unseen), cohort_of(synthetic), cohort_of(training), np.random.default_rng(1), repeats=400
    )


def test_fresh_hearts_of_the_population_are_as_far_as_unseen_ones(population):
    training, unseen, synthetic = population
    found = judged(synthetic, training, unseen)
    assert found.difference.holds(0) and found.near.holds(0.05)
    assert found.to_training.holds(found.to_unseen) and not found.remembers
    seen, held, made = (standardised(points, training) for points in population)
    difference = np.median(cdist(made, seen).min(axis=1)) - np.median(cdist(held, seen).min(axis=1))
    assert found.difference.value == pytest.approx(difference)
    assert found.to_unseen == pytest.approx(np.median(cdist(made, held).min(axis=1)))


def test_hearts_that_come_back_from_the_training_are_found(population):
    training, unseen, synthetic = population
    rng = np.random.default_rng(2)
    copied = np.concatenate([synthetic[:200], training[:100] * (1 + 0.002 * rng.normal(size=(100, 12)))])
    found = judged(copied, training, unseen)
    assert found.near.low > 0.15 and found.difference.high < 0
    assert found.remembers and "nearer than chance" in found.sentences()[1]


def test_a_cohort_that_is_more_alike_lies_nearer_but_remembers_nothing(population):
    training, unseen, synthetic = population
    middle = training.mean(axis=0)
    found = judged(middle + 0.5 * (synthetic - middle), training, unseen)
    assert found.difference.high < 0
    assert not found.remembers and "no nearer than chance" in found.sentences()[1]


def test_cohorts_without_hearts_are_refused(population):
    training, unseen, _ = population
    with pytest.raises(ValueError, match="300 unseen and 0 synthetic"):
        judged(np.zeros((0, 12)), training, unseen)
