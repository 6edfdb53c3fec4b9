"""What every training of hearts shares: rates, means of weights, early stops, shares of a batch."""

import pytest
import torch

from cardiactwins.twin.training_run import TrainingRun


def test_a_training_ends_when_the_validation_has_stalled(fabric):
    run = TrainingRun(torch.nn.Linear(1, 1), {}, fabric, rate=1e-3, averaging=0.9)
    found = [(run.validated(error), run.stalled(2)) for error in (0.5, 0.3, 0.4, 0.35, 0.36)]
    assert found == [(True, False), (True, False), (False, False), (False, True), (False, True)]
    assert not run.stalled(0)


def test_the_learning_rate_rises_and_falls_and_the_running_mean_follows_the_weights(fabric):
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1, bias=False)
    run = TrainingRun(network, {}, fabric, rate=0.1, averaging=0.5)
    rates, weights = [], [network.weight.item()]
    mean = weights[0]
    for step, share in enumerate((0.0, 0.02, 0.5, 0.999)):
        run.descend(run.network(torch.ones(1, 1)).sum(), share)
        rates.append(run.optimizer.param_groups[0]["lr"])
        weights.append(network.weight.item())
        keep = min(0.5, (step + 1) / (step + 11))
        mean = keep * mean + (1 - keep) * weights[-1]
        assert run.averaged.weight.item() == pytest.approx(mean)
    assert rates[0] < rates[1] < 0.1 and rates[2] == pytest.approx(0.05) and rates[3] < 1e-5
    # Adam moves by about the rate.
    assert weights[2] - weights[3] == pytest.approx(0.05, rel=0.2)


def test_a_batch_is_divided_evenly_or_refused(fabric):
    class Second:
        global_rank, world_size, device = 1, 2, torch.device("cpu")

    run = TrainingRun(torch.nn.Linear(1, 1), {}, fabric, rate=1e-3, averaging=0.9)
    assert run.share_of(torch.arange(4)).tolist() == [0, 1, 2, 3]
    run.fabric = Second()
    assert run.share_of(torch.arange(4)).tolist() == [1, 3]
    with pytest.raises(ValueError, match="batch of 3"):
        run.share_of(torch.arange(3))
