"""Lesions on request: rejection keeps the distribution, places are reached, shortfalls are explained."""

from dataclasses import dataclass

import numpy as np
import pytest

from cardiactwins.anatomy.aha import TERRITORIES, reference_segments
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.alignment import infarct_territory
from cardiactwins.infarct.attributes import infarct_size, transmurality
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import Parameter, StartZone
from cardiactwins.infarct.requests import LesionRequest, lesions_on_request, model_at
from cardiactwins.infarct.spherical import IterativeSphericalModel
from cardiactwins.infarct.wavefront import WavefrontModel

RING = ReferenceAnatomy()
STACK = ReferenceAnatomy(slices=11)


@dataclass(frozen=True, eq=False)
class Layers:
    """Toy model without a start zone: infarcts the innermost voxels; their share is U(0, largest)."""

    anatomy: ReferenceAnatomy = RING
    name: str = "layers"
    parameters: tuple[Parameter, ...] = (Parameter("largest", "", 0.05, 1.0, 0.2, 0.5),)

    def sample(self, parameters, n, rng):
        rank = np.argsort(np.argsort(self.anatomy.radial, kind="stable"))
        return rank < parameters[0] * rng.random(n)[:, None] * self.anatomy.n_voxels


def defaults(model):
    return [p.default for p in model.parameters]


def request(model, seed=0, **wishes):
    return lesions_on_request(model, defaults(model), rng=np.random.default_rng(seed), **wishes)


@pytest.mark.parametrize("anatomy", [RING, STACK], ids=["2d", "3d"])
@pytest.mark.parametrize("territory", TERRITORIES)
def test_lad_rca_or_lcx_infarcts_of_a_size_and_transmurality(anatomy, territory):
    model = WavefrontModel(anatomy, StartZone(circumferential=0.1))
    found = request(model, n=5, territory=territory, size=0.2, transmurality=0.75)
    assert found.lesions.shape == (5, anatomy.n_voxels)
    np.testing.assert_allclose(found.size, infarct_size(found.lesions), rtol=1e-12)
    np.testing.assert_allclose(found.transmurality, transmurality(found.lesions, anatomy), rtol=1e-12)
    assert np.abs(found.size - 0.2).max() <= 0.02
    assert np.abs(found.transmurality - 0.75).max() <= 0.05
    assert [infarct_territory(lesion, anatomy) for lesion in found.lesions] == [territory] * 5


@pytest.mark.parametrize("kind", [EllipticalModel, IterativeSphericalModel, WavefrontModel])
def test_segments_are_reached_by_every_model(kind):
    found = request(kind(STACK), n=3, aha_segments=(4, 5), inside=0.6, proposal="broadened")
    inside = np.isin(reference_segments(STACK), (4, 5))
    shares = found.lesions[:, inside].sum(axis=1) / found.lesions.sum(axis=1)
    np.testing.assert_allclose(found.inside, shares)
    assert shares.min() >= 0.6


def test_accepted_lesions_keep_the_models_distribution():
    found = request(Layers(), n=800, size=0.2, size_tolerance=0.05, max_draws=20_000)
    assert found.acceptance_rate == pytest.approx(0.2, abs=0.03)
    assert found.size.mean() == pytest.approx(0.2, abs=0.005)
    assert found.size.std() == pytest.approx(0.1 / np.sqrt(12), abs=0.003)
    assert found.proposal == "model"
    assert (found.parameters == 0.5).all()


def test_acceptance_rate_counts_every_draw():
    found = request(Layers(), n=1, size=0.2, size_tolerance=0.05)
    assert found.draws == 500
    assert len(found.lesions) == 1
    assert found.acceptance_rate == pytest.approx(0.2, abs=0.06)


def test_request_beyond_the_model_says_how_near_it_came_and_what_to_do():
    with pytest.raises(ValueError, match="0 of 3 requested lesions") as error:
        request(Layers(), n=3, size=0.8, max_draws=1500)
    message = str(error.value)
    assert "1,500 draws" in message
    assert "acceptance rate 0.00%" in message
    nearest = float(message.split("has size ")[1].split()[0])
    assert nearest == pytest.approx(0.5, abs=0.005)
    assert "proposal='broadened'" in message


def test_broadened_proposals_reach_what_the_personalized_model_cannot():
    found = request(Layers(), n=20, size=0.8, proposal="broadened")
    assert np.abs(found.size - 0.8).max() <= 0.02
    assert found.proposal == "broadened"
    assert found.parameters.min() >= 0.78
    assert found.parameters.max() <= 1.0


def test_broadened_parameters_come_with_their_lesions():
    found = request(Layers(), n=200, size=0.3, size_tolerance=0.25, proposal="broadened")
    largest = found.parameters[:, 0] + 1 / RING.n_voxels
    assert (found.size <= largest).all()
    assert (found.size > np.roll(largest, 1)).any()


def test_shortfall_names_the_wish_that_is_rarely_met():
    with pytest.raises(ValueError, match=r"met alone: place \d+\.\d%, size 0\.0%"):
        request(WavefrontModel(RING), n=5, territory="LAD", size=0.9, size_tolerance=1e-4, max_draws=500)


def test_start_zone_moves_to_the_middle_of_a_region():
    inferior = np.isin(reference_segments(STACK), (10,))
    moved = model_at(WavefrontModel(STACK, StartZone(0.1, 0.2)), inferior)
    assert moved.zone.circumferential == pytest.approx(2.5 / 6, abs=0.005)
    assert moved.zone.longitudinal == pytest.approx(STACK.longitudinal[inferior].mean())
    assert (
        model_at(EllipticalModel(STACK, StartZone(0.1, 0.2)), inferior, keep_level=True).zone.longitudinal
        == 0.2
    )


def test_model_without_a_start_zone_stays_where_it_is():
    toy = Layers()
    assert model_at(toy, np.ones(RING.n_voxels, dtype=bool)) is toy


def test_seed_decides_the_lesions():
    draws = [request(WavefrontModel(RING), seed, n=3, size=0.2).lesions for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_progress_can_cancel():
    class Stop(Exception):
        pass

    def stop(*_args, **_values):
        raise Stop

    with pytest.raises(Stop):
        request(Layers(), n=1, size=0.2, progress=stop)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({}, "request is empty"),
        ({"territory": "LM"}, "one of LAD, RCA, LCX; found 'LM'"),
        ({"territory": "LAD", "aha_segments": (7,)}, "not both"),
        ({"aha_segments": (18,)}, "numbered 1 to 17"),
        ({"aha_segments": ()}, "numbered 1 to 17"),
        ({"size": 20}, "Write 0.2 for 20 %"),
        ({"transmurality": 0.0}, r"share in \(0, 1\]"),
        ({"size": 0.2, "size_tolerance": 0.0}, "must be positive"),
    ],
)
def test_unreadable_requests_are_refused(wishes, message):
    with pytest.raises(ValueError, match=message):
        LesionRequest(**wishes)


def test_segments_that_the_reference_lacks_are_refused():
    with pytest.raises(ValueError, match="Use a 3D reference"):
        request(WavefrontModel(RING), n=1, aha_segments=(1, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"n": 0}, "At least one lesion"), ({"n": 1, "proposal": "prior"}, "'broadened'")],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        request(Layers(), size=0.2, **settings)
