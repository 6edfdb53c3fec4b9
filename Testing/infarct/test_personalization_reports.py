"""What a personalization reports: its loss on new populations and its history."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_personalizations import QUICK, SEARCH_ONLY, SMALL, Spy

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.personalization import personalize


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
