"""Figures: what stands where in the picture that is written."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from cardiactwins.anatomy.aha import reference_segments
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.embedding import SharedScatter
from cardiactwins.infarct.figures import (
    bullseye_figure,
    distribution_figure,
    heatmap_figure,
    history_figure,
    latent_figure,
    mean_lesions_figure,
    modes_figure,
)
from cardiactwins.infarct.personalization import PersonalizationHistory

PLANE = ReferenceAnatomy(size=40, endocardial_radius=9.0, epicardial_radius=15.0)
VENTRICLE = ReferenceAnatomy(slices=5, size=40, endocardial_radius=9.0, epicardial_radius=15.0)
YELLOW, BLUE = np.array([254, 232, 56]) / 255, np.array([0, 34, 78]) / 255


TITLE_HEIGHT, SCALE_WIDTH = 45, 112


def picture(path):
    """The drawing without the titles above it and the colour scale beside it, (rows, columns, 3)."""
    return imread(path)[TITLE_HEIGHT:, :-SCALE_WIDTH, :3]


def where(pixels, color):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero(np.abs(pixels - color).max(axis=-1) < 0.06)


def center(pixels, color):
    rows, columns = where(pixels, color)
    assert rows.size
    return np.array([rows.mean(), columns.mean()])


def side_of(pixels):
    """Direction (right, up) of the infarct from the middle of everything painted."""
    rows, columns = np.nonzero((pixels < 0.9).any(axis=-1))
    middle = np.array([(rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2])
    row, column = center(pixels, YELLOW) - middle
    return column, -row


@pytest.mark.parametrize("anatomy", [PLANE, VENTRICLE], ids=["slice", "polar map"])
def test_a_lesion_after_the_insertion_is_shown_on_the_left_in_the_septum(anatomy, tmp_path):
    septum = (np.abs(anatomy.circumferential - 1 / 6) < 0.06).astype(float)
    path = modes_figure(septum[None, None], anatomy, tmp_path / "modes.png", deviations=[0])
    right, up = side_of(picture(path))
    assert right < -30
    assert abs(up) < 0.25 * abs(right)


def test_the_red_dot_stands_at_the_upper_left_border(tmp_path):
    path = modes_figure(np.zeros((1, 1, PLANE.n_voxels)), PLANE, tmp_path / "modes.png", deviations=[0])
    pixels = picture(path)
    ring_rows, ring_columns = where(pixels, BLUE)
    radius = np.ptp(ring_rows) / 2
    dot = center(pixels, np.array([215, 38, 30]) / 255)
    offset = dot - [(ring_rows.min() + ring_rows.max()) / 2, (ring_columns.min() + ring_columns.max()) / 2]
    np.testing.assert_allclose(offset / radius, [-np.sin(np.pi / 3), -np.cos(np.pi / 3)], atol=0.06)


def test_the_apex_is_in_the_middle_of_the_polar_map(tmp_path):
    apex = (VENTRICLE.indices[:, 0] == 0).astype(float)
    path = modes_figure(apex[None, None], VENTRICLE, tmp_path / "modes.png", deviations=[0])
    pixels = picture(path)
    rows, columns = where(pixels, YELLOW)
    ring_rows, _ = where(pixels, BLUE)
    assert np.ptp(rows) / np.ptp(ring_rows) == pytest.approx(1 / VENTRICLE.slices, abs=0.03)
    assert np.ptp(columns) == pytest.approx(np.ptp(rows), abs=3)


def test_slices_run_from_base_to_apex(tmp_path):
    basal = (VENTRICLE.indices[:, 0] == VENTRICLE.slices - 1).astype(float)
    pixels = picture(mean_lesions_figure({"Mean": basal}, VENTRICLE, tmp_path / "mean.png"))
    yellow, blue = where(pixels, YELLOW), where(pixels, BLUE)
    assert yellow[1].size
    assert yellow[1].max() < blue[1].min()


@pytest.mark.parametrize(
    ("segment", "direction"),
    [(1, (0, 1)), (10, (0, -1)), (14, (-1, 0)), (16, (1, 0))],
)
def test_bullseye_has_the_anterior_wall_on_top_and_the_septum_on_the_left(segment, direction, tmp_path):
    values = np.zeros(17)
    values[segment - 1] = 50
    right, up = side_of(picture(bullseye_figure({"Real": values}, tmp_path / "bullseye.png")))
    assert np.dot(direction, (right, up)) > 30
    assert abs(np.dot(direction[::-1], (right, up))) < 12


@pytest.mark.parametrize("segment", [8, 11])
def test_bullseye_and_slices_agree_where_a_segment_lies(segment, tmp_path):
    values = np.zeros(17)
    values[segment - 1] = 50
    bullseye = picture(bullseye_figure({"Real": values}, tmp_path / "bullseye.png"))
    lesion = (reference_segments(PLANE) == segment).astype(float)
    ring = picture(mean_lesions_figure({"Real": lesion}, PLANE, tmp_path / "ring.png"))
    first, second = (np.array(side_of(pixels)) for pixels in (bullseye, ring))
    assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) > 0.97


def test_the_smallest_loss_is_yellow_and_the_largest_red(tmp_path):
    path = heatmap_figure(
        [[0.01, 0.02, np.nan]], [["(1, 2)", "(3, 4)", ""]], ["KL"], ["a", "b", "c"], tmp_path / "heat.png"
    )
    pixels = picture(path)
    smallest = center(pixels, np.array([255, 255, 204]) / 255)
    largest = center(pixels, np.array([128, 0, 38]) / 255)
    assert smallest[1] < largest[1]


def test_every_parameter_and_both_losses_have_their_curve(tmp_path):
    generations = np.arange(12)
    history = PersonalizationHistory(
        stage=("search",) * 8 + ("polish",) * 4,
        loss=np.exp(-generations / 4),
        mean_loss=2 * np.exp(-generations / 4),
        parameters=np.stack([18 - generations / 4, 5 + generations / 6], axis=1),
        spread=np.full((12, 2), 0.5),
        eigenvalues=np.exp(-generations / 5)[:, None] * [2.0, 1.0],
        condition=np.full(12, 2.0),
    )
    path = history_figure(history, ["mean (pixels)", "std (pixels)"], tmp_path / "new folder" / "history.png")
    pixels = picture(path)
    thirds = np.array_split(pixels, 3)
    blue, orange, light = (np.array(color) / 255 for color in ((0, 114, 178), (213, 94, 0), (86, 180, 233)))
    assert where(thirds[0], blue)[0].size and where(thirds[0], light)[0].size
    for third in thirds[1:]:
        assert where(third, blue)[0].size and where(third, orange)[0].size


def test_populations_keep_their_colours_in_both_parts_of_the_latent_figure(tmp_path):
    scatter = SharedScatter(
        names=("real", "synthetic"),
        coordinates=np.concatenate([np.full((20, 2), [-5.0, 0.0]), np.full((20, 2), [5.0, 0.0])]),
        labels=np.repeat([0, 1], 20),
    )
    decreases = {"real": [1, 0.9, 0.8], "synthetic": [1, 0.2, 0.1]}
    pixels = imread(latent_figure(scatter, decreases, tmp_path / "latent.png"))[:480, :, :3]
    blue, orange = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255
    curves, plane = pixels[:, :600], pixels[:, 700:]
    assert where(curves, blue)[0].mean() < where(curves, orange)[0].mean()
    strong_blue = np.nonzero(plane[..., 2] > plane[..., 0] + 0.3)
    strong_orange = np.nonzero(plane[..., 0] > plane[..., 2] + 0.3)
    assert strong_blue[1].max() < strong_orange[1].min()


def test_larger_infarcts_have_their_distribution_to_the_right(tmp_path):
    rng = np.random.default_rng(0)
    small, large = (rng.random((40, PLANE.n_voxels)) < share for share in (0.1, 0.4))
    path = distribution_figure({"small": small, "large": large}, PLANE, tmp_path / "sizes.png")
    pixels = imread(path)[:380, 90:640, :3]
    blue, orange = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255
    assert where(pixels, blue)[1].mean() < where(pixels, orange)[1].mean() - 100


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda path: modes_figure(np.zeros((3, 5, 7)), PLANE, path), "found \\(3, 5, 7\\)"),
        (lambda path: mean_lesions_figure({}, PLANE, path), "No pattern"),
        (lambda path: mean_lesions_figure({"Real": np.zeros(3)}, PLANE, path), "'Real' must be"),
        (lambda path: bullseye_figure({"Real": np.zeros(16)}, path), "17 segments"),
        (lambda path: heatmap_figure([[np.nan]], [[""]], ["a"], ["b"], path), "No cell"),
        (lambda path: heatmap_figure([[1.0]], [["", ""]], ["a"], ["b"], path), "1 x 1"),
        (lambda path: distribution_figure({}, PLANE, path), "No population"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_drawing_needs_neither_a_display_nor_the_global_state_of_matplotlib(tmp_path):
    program = (
        "import sys, numpy as np\n"
        "from cardiactwins.infarct.figures import bullseye_figure\n"
        "assert 'matplotlib' not in sys.modules and 'sklearn' not in sys.modules\n"
        f"bullseye_figure({{'Real': np.arange(17.0)}}, {str(tmp_path / 'bullseye.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "bullseye.png").exists()
