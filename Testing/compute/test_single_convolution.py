import pytest
import torch
from torch.nn import functional

from cardiactwins.compute.single_convolution import keep_single_convolutions_fast

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch without oneDNN")


@pytest.fixture
def layers():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(6, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv3d(8, 4, 3, stride=2, padding=1)
    )
    keep_single_convolutions_fast(network)
    return network


def plain(layers, given):
    hidden = functional.silu(functional.conv3d(given, layers[0].weight, layers[0].bias, padding=1))
    return functional.conv3d(hidden, layers[2].weight, layers[2].bias, stride=2, padding=1)


@pytest.mark.parametrize("count", [1, 3])
def test_answers_are_those_of_plain_convolutions(layers, count):
    given = torch.randn(count, 6, 5, 6, 7)
    with torch.no_grad():
        torch.testing.assert_close(layers(given), plain(layers, given), atol=1e-5, rtol=1e-4)


def test_one_volume_no_longer_takes_the_slow_path(layers):
    given = torch.randn(1, 6, 8, 8, 8)

    def operations(work):
        with torch.profiler.profile() as profile, torch.no_grad():
            work()
        return {event.key for event in profile.key_averages()}

    assert "aten::slow_conv3d_forward" in operations(lambda: plain(layers, given))
    found = operations(lambda: layers(given))
    assert "aten::mkldnn_convolution" in found and "aten::slow_conv3d_forward" not in found


def test_gradients_are_those_of_plain_convolutions(layers):
    given = torch.randn(1, 6, 5, 6, 7, requires_grad=True)
    (found,) = torch.autograd.grad(layers(given).square().sum(), given)
    (expected,) = torch.autograd.grad(plain(layers, given).square().sum(), given)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
