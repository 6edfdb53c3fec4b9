"""Registration of a heart to slices of itself after a deformation that is known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.anatomy.phantoms import lv_phantom  # noqa: E402
from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.observations import KnownPoints, KnownVoxels  # noqa: E402
from cardiactwins.lma.registration import register  # noqa: E402
from cardiactwins.lma.shooting import sample, shoot, warp  # noqa: E402

BAND = Band((48, 48, 48), size=11, margin=2)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def atlas():
    """Myocardium of a phantom in a cube of 2.5 mm voxels, float32."""
    heart = lv_phantom(np.random.default_rng(1), spacing=(2.5, 2.5, 2.5), oblique=False).myocardium
    middle = np.argwhere(heart).mean(axis=0).round().astype(int)
    cut = tuple(slice(m, m + n) for m, n in zip(middle, BAND.shape, strict=True))
    return torch.from_numpy(np.pad(heart, 24)[cut].astype(np.float32))


@pytest.fixture(scope="module")
def target(atlas):
    """The atlas after a random deformation of at most two periods a box and 4 voxels, float32 0 to 1."""
    rng = np.random.default_rng(3)
    low = Band(BAND.shape, size=5, margin=BAND.margin)
    waves = torch.from_numpy(rng.normal(size=(1, 3, *low.coefficient_shape))).float()
    velocity = BAND.samples(BAND.coefficients(_resampled(low, waves)))
    deformation = shoot(velocity * 4 / velocity.abs().max(), BAND)
    assert deformation.jacobian().min() > 0.2
    return warp(atlas[None, None], deformation.displacement())[0, 0]


def _resampled(low, waves):
    coefficients = torch.zeros(1, 3, *BAND.coefficient_shape)
    kept = [[0, 1, 2, m + 1, m + 2] for m in BAND.modes]
    coefficients[(slice(None), slice(None), *np.ix_(*kept))] = waves
    return BAND.samples(coefficients)


def dice(first, second) -> float:
    first, second = first > 0.5, second > 0.5
    return 2 * int((first & second).sum()) / int(first.sum() + second.sum())


def slices_of(target, count: int):
    """Voxels of `count` planes evenly from one end of the heart to the other."""
    planes = (target > 0.5).flatten(1).any(1).nonzero().flatten()
    observed = torch.zeros(target.shape, dtype=torch.bool)
    observed[np.linspace(int(planes[0]) + 1, int(planes[-1]) - 1, count).round().astype(int)] = True
    return observed


def reconstruct(atlas, target, count: int, **options):
    observed = slices_of(target, count)
    hidden = torch.where(observed, target, torch.nan)
    known = KnownVoxels(hidden, observed)
    return register(atlas, known, band=BAND, iterations=18, steps=5, **options), observed


def test_a_known_deformation_comes_back_from_slices_the_better_the_more_there_are(atlas, target):
    before = dice(atlas, target)
    assert before < 0.8
    reached = []
    for count in (3, 8):
        found, observed = reconstruct(atlas, target, count)
        assert found.geodesic.jacobian().min() > 0
        reached.append(dice(found.deformed, target))
        assert dice(found.deformed[observed], target[observed]) > 0.9
    assert before + 0.02 < reached[0] < reached[1] - 0.02
    assert reached[1] > 0.92


def test_the_soft_dice_leads_to_the_same_place(atlas, target):
    found, _ = reconstruct(atlas, target, 8, similarity="dice")
    assert dice(found.deformed, target) > 0.92


def test_the_loss_is_the_papers_and_only_falls(atlas, target):
    found, observed = reconstruct(atlas, target, 4, sigma=0.1)
    missed = (found.deformed - target)[observed].square().sum() / 0.1**2
    energy = Metric().energy(BAND.coefficients(found.velocity), BAND)
    assert found.loss[-1] == pytest.approx(float(missed + energy), rel=1e-3)
    assert found.loss[0] == pytest.approx(float((atlas - target)[observed].square().sum() / 0.1**2), rel=1e-3)
    assert (np.diff(found.loss) <= 0).all() and found.loss[-1] < 0.7 * found.loss[0]


def test_less_noise_means_more_deformation(atlas, target):
    energies = [
        float(reconstruct(atlas, target, 4, sigma=sigma)[0].geodesic.energy) for sigma in (0.3, 0.1, 0.03)
    ]
    assert energies == sorted(energies) and energies[0] < energies[-1] / 2


def test_a_good_start_is_kept(atlas, target):
    first, observed = reconstruct(atlas, target, 4)
    known = KnownVoxels(target, observed)
    again = register(atlas, known, band=BAND, iterations=1, steps=5, initial=first.velocity.requires_grad_())
    assert again.loss[0] == pytest.approx(first.loss[-1], rel=1e-3)
    assert again.loss[-1] <= again.loss[0]


def test_an_atlas_that_fits_stays_where_it_is(atlas):
    found = register(atlas, KnownVoxels(atlas), band=BAND, iterations=3)
    assert found.loss[0] < 0.01
    torch.testing.assert_close(found.deformed, atlas, atol=1e-3, rtol=0)


def test_cancelling_stops_it(atlas, target):
    def stop(step, total, message="", values=None):
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        reconstruct(atlas, target, 3, progress=stop)


def test_slices_may_lie_any_way(atlas, target):
    """Three short-axis and two tilted long-axis slices with pixels of 5/4 voxel, against the former alone."""
    across = torch.arange(0, 47, 1.25)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(across, across, indexing="ij"))
    planes = slices_of(target, 3).flatten(1).any(1).nonzero().flatten()
    short = [torch.stack([torch.full_like(rows, float(k)), rows, columns], dim=1) for k in planes]
    middle = (target > 0.5).nonzero().float().mean(dim=0)
    long = [
        torch.stack([rows, middle[1] + slope * (columns - middle[2]) + 0.1 * (rows - middle[0]), columns], 1)
        for slope in (0.6, -0.8)
    ]
    reached = []
    for slices in (short, short + long):
        points = torch.cat(slices)
        points = points[(points - middle).norm(dim=1) < 24]
        known = KnownPoints(points, sample(target, points), weight=1.25**2)
        found = register(atlas, known, band=BAND, iterations=12, steps=5)
        assert found.geodesic.jacobian().min() > 0
        reached.append(dice(found.deformed, target))
    assert reached[1] > reached[0] + 0.05


def test_points_on_voxels_are_the_voxels(atlas, target):
    observed = slices_of(target, 3)
    voxels, points = KnownVoxels(target, observed), KnownPoints(observed.nonzero().float(), target[observed])
    deformation = shoot(torch.linspace(-1, 1, 3 * 11**3).reshape(1, 3, 11, 11, 11), BAND)
    torch.testing.assert_close(
        points.of(atlas, deformation), voxels.of(atlas, deformation), atol=1e-4, rtol=0
    )
    assert torch.equal(points.values, voxels.values)


def test_bad_input_is_named(atlas, target):
    nothing = torch.zeros(BAND.shape, dtype=torch.bool)
    points = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="at least one slice"):
        KnownVoxels(target, nothing)
    with pytest.raises(ValueError, match="share one grid"):
        KnownVoxels(target, nothing[1:])
    with pytest.raises(ValueError, match="NaN"):
        KnownVoxels(target / 0)
    with pytest.raises(ValueError, match=r"\(P, 3\)"):
        KnownPoints(points, torch.zeros(3))
    with pytest.raises(ValueError, match="at least one point"):
        KnownPoints(points[:0], torch.zeros(0))
    with pytest.raises(ValueError, match="Resample"):
        register(atlas, KnownVoxels(target[1:]), band=BAND)
    with pytest.raises(ValueError, match="the band is for"):
        register(atlas[1:], KnownVoxels(target), band=BAND)
    known = KnownVoxels(target)
    with pytest.raises(ValueError, match="float64"):
        register(atlas, KnownVoxels(target.double()), band=BAND)
    with pytest.raises(ValueError, match="standard deviation"):
        register(atlas, known, band=BAND, sigma=0)
    with pytest.raises(ValueError, match="squares, dice"):
        register(atlas, known, band=BAND, similarity="ncc")
    with pytest.raises(ValueError, match="to start from"):
        register(atlas, known, band=BAND, initial=torch.zeros(3, 8, 8, 8))
