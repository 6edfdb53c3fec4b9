"""`cardiactwins lma strain`, `tos` and `map`: from DENSE images to the map."""

import json
import shutil

import numpy as np
import pytest

from cardiactwins.lma.strain_phantom import simulate_strain
from cardiactwins.lma.tos_table import read_tos_csv
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import segmentation_from_file
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.saving import save_node, save_scene
from cardiactwins.mrml.scene_files import load_scene, sequence_named
from cardiactwins.mrml.segmentations import geometry_of_segmentation, segment_array, segment_names
from cardiactwins.mrml.volumes import new_label_volume

QUICK = ("--method", "interpolation")


@pytest.fixture(autouse=True)
def cleared_scene():
    start().scene.Clear(False)
    yield
    start().scene.Clear(False)


@pytest.fixture(scope="module")
def truth():
    """TOS (4, 18) of the sample heart's slices."""
    start().scene.Clear(False)
    return np.array([slice_.onset for slice_ in new_sample_heart(2).dense])


@pytest.fixture(scope="module")
def strained(lma, sample_folder, tmp_path_factory):
    """Outcome and folder of `lma strain` on two of the slices."""
    out = tmp_path_factory.mktemp("strained") / "strain"
    files = [sample_folder / f"dense-{number}.npz" for number in (2, 3)]
    return lma("strain", *files, "--out", out, "--json"), out


@pytest.fixture(scope="module")
def timed(lma, strained, tmp_path_factory):
    """Outcome and table of `lma tos` on that folder."""
    out = tmp_path_factory.mktemp("timed") / "tos.csv"
    return lma("tos", strained[1], "--method", "change-point", "--out", out, "--json"), out


def test_dense_images_become_strain_matrices_with_their_places(strained, rows, sample_folder):
    outcome, out = strained
    assert outcome.exit_code == 0, outcome.stderr
    names = {f"slice-{n}{ending}" for n in (1, 2) for ending in (".csv", ".modes.csv", ".png")}
    assert {path.name for path in out.iterdir()} == names | {"slices.csv", "report.json"}
    table = rows(out / "slice-1.csv")
    assert list(table[0]) == ["time", *(f"sector {n}" for n in range(1, 19))]
    with np.load(sample_folder / "dense-2.npz") as given:
        np.testing.assert_allclose([float(row["time"]) for row in table], given["times"][:-5])
        places = rows(out / "slices.csv")
        assert [row["source"] for row in places] == [str(sample_folder / f"dense-{n}.npz") for n in (2, 3)]
        np.testing.assert_allclose([float(places[0][axis]) for axis in "RAS"], given["position"])
    peaks = [slice_["peak_strain"] for slice_ in outcome.summary["slices"]]
    assert all(-0.3 < peak < -0.05 for peak in peaks)
    assert 0 < outcome.summary["slices"][0]["cure"] <= 1


def test_a_scene_with_sequences_gives_the_same_strain(lma, strained, sample_folder, tmp_path, rows):
    options = [
        option
        for number in (2, 3)
        for part in ("phase-x", "phase-y", "mask")
        for option in (f"--{part}", f"LBBB phantom: DENSE {number} {part.replace('-', ' ')}")
    ]
    outcome = lma(
        "strain", sample_folder / "scene.mrb", *options, "--ke", 0.1, "--out", tmp_path / "s", "--json"
    )
    assert outcome.exit_code == 0, outcome.stderr
    for number in (1, 2):
        one, other = (
            np.array([list(row.values()) for row in rows(folder / f"slice-{number}.csv")], dtype=float)
            for folder in (tmp_path / "s", strained[1])
        )
        # Points on the border of two sectors may change sides by rounding.
        np.testing.assert_allclose(one, other, atol=3e-3)
    one, other = (rows(folder / "slices.csv") for folder in (tmp_path / "s", strained[1]))
    assert [float(row["R"]) for row in one] == pytest.approx([float(row["R"]) for row in other], abs=0.01)


def test_slices_of_a_scene_are_taken_in_the_order_of_their_numbers_and_named(
    lma, sample_folder, tmp_path, rows
):
    load_scene(sample_folder / "scene.mrb")
    names = {1: "first", 2: "DENSE 10", 3: "DENSE 2", 4: "last"}
    for number, name in names.items():
        for part in ("phase x", "phase y", "mask"):
            ending = part if "DENSE" in name else f"{part} left out"
            sequence_named(f"LBBB phantom: DENSE {number} {part}").SetName(f"{name} {ending}")
    save_scene(tmp_path / "scene.mrb")
    start().scene.Clear(False)
    outcome = lma("strain", tmp_path / "scene.mrb", "--ke", 0.1, "--sectors", 4, "--out", tmp_path / "s")
    assert outcome.exit_code == 0, outcome.stderr
    table = rows(tmp_path / "s" / "slices.csv")
    assert [row["source"] for row in table] == ["DENSE 2 phase x", "DENSE 10 phase x"]
    with np.load(sample_folder / "dense-3.npz") as given:
        np.testing.assert_allclose([float(table[0][axis]) for axis in "RAS"], given["position"], atol=0.01)


def test_images_as_a_scanner_stores_them_give_the_same_strain(lma, strained, sample_folder, tmp_path, rows):
    dense = sample_folder / "dense-2.npz"
    with np.load(dense) as given:
        values = np.clip(np.round((given["phase"] / np.pi + 1) * 2048), 0, 4095)
        values[0] = 4096 - values[0]
        times = given["times"]
    np.savez(tmp_path / "stored.npz", **dense_without(dense, "times", "ke", phase=values))
    options = ("--ke", 0.1, "--stored-range", "guess", "--signs", "-1,1", "--out", tmp_path / "s")
    listed = ("--times", ",".join(f"{time:.4f}" for time in times))
    outcome = lma("strain", tmp_path / "stored.npz", *options, *listed)
    assert outcome.exit_code == 0, outcome.stderr
    one, other = (
        np.array([list(row.values()) for row in rows(folder / "slice-1.csv")], dtype=float)
        for folder in (tmp_path / "s", strained[1])
    )
    np.testing.assert_allclose(one, other, atol=5e-3)
    interval = float(np.diff(times).mean())
    outcome = lma("strain", tmp_path / "stored.npz", *options, "--force", "--frame-interval", interval)
    assert outcome.exit_code == 0, outcome.stderr
    found = [float(row["time"]) for row in rows(tmp_path / "s" / "slice-1.csv")]
    np.testing.assert_allclose(found, interval * np.arange(1, len(found) + 1))
    for arguments, said in (
        (("--stored-range", "0,1024", "--signs", "1,1", *listed), "with --stored-range 0,4096"),
        (("--signs", "1,1", *listed), "with --stored-range 0,4096"),
        (("--signs", "1,2", *listed), "--signs takes 1 or -1 for x, y and z"),
        ((*listed, "--frame-interval", 17), "Give --times or --frame-interval, not both"),
        (("--stored-range", "guess"), "stored.npz lacks times"),
    ):
        outcome = lma("strain", tmp_path / "stored.npz", "--ke", 0.1, "--out", tmp_path / "no", *arguments)
        assert outcome.exit_code == 2 and said in outcome.stderr and "Python" not in outcome.stderr


def test_strain_becomes_a_table_of_tos_near_the_truth(timed, truth):
    outcome, out = timed
    assert outcome.exit_code == 0, outcome.stderr
    table = read_tos_csv(out)
    assert table.values.shape == (2, 18) and table.longitudinal is None
    assert np.abs(table.values - truth[1:3]).mean() < 12
    assert outcome.summary["method"] == "change point"
    np.testing.assert_allclose(outcome.summary["tos_ms"], table.values)
    assert {path.name for path in out.parent.iterdir()} == {
        "tos.csv",
        "tos.slice-1.png",
        "tos.slice-2.png",
        "tos.report.json",
    }
    assert json.loads(out.with_suffix(".report.json").read_text())["job"] == "lma tos"


def test_strain_tables_typed_by_somebody_are_read_with_their_heights(lma, strained, tmp_path):
    files = [shutil.copy(strained[1] / f"slice-{n}.csv", tmp_path) for n in (1, 2)]
    given = ("--method", "change-point", "--heights", "0.3,0.7", "--sectors", 18)
    outcome = lma("tos", *files, *given, "--out", tmp_path / "t.csv")
    assert outcome.exit_code == 0, outcome.stderr
    assert "TOS by the change point" in outcome.stdout
    np.testing.assert_allclose(read_tos_csv(tmp_path / "t.csv").longitudinal, [0.3, 0.7])


def test_onsets_after_the_last_frame_are_told(lma, sample_folder, tmp_path):
    pytest.importorskip("torch")
    made = simulate_strain("LBBB", np.random.default_rng(0))
    lines = [",".join(["time", *(f"sector {n}" for n in range(1, 19))])]
    for time, column in zip(made.times[:8], made.strain.T[:8], strict=True):
        lines.append(",".join(map(str, [time, *column])))
    (tmp_path / "short.csv").write_text("\n".join(lines))
    given = (tmp_path / "short.csv", "--method", "network", "--heights", 0.5)
    outcome = lma("tos", *given, "--out", tmp_path / "t.csv", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    (beyond,) = outcome.summary["tos_beyond_frames"]
    assert beyond == (np.flatnonzero(np.array(outcome.summary["tos_ms"][0]) > 136) + 1).tolist() != []
    said = f"in sectors of slice 1 (136 ms): {', '.join(map(str, beyond))}. Do not rely on it"
    assert said in lma("tos", *given, "--out", tmp_path / "t.csv", "--force").stdout
    slices, strain = sample_folder / "slices.seg.nrrd", ("--strain", tmp_path / "short.csv")
    again = ("--onset", "network", "--heights", 0.5, *QUICK, "--out", tmp_path / "m")
    assert said in lma("map", slices, *strain, *again).stdout
    report = json.loads((tmp_path / "m" / "report.json").read_text())
    assert report["results"]["tos_beyond_frames"] == [beyond]


def test_tables_of_a_spreadsheet_are_read_whatever_their_order_and_decimal_sign(
    lma, strained, sample_folder, tmp_path
):
    def with_commas(path):
        text = path.read_text().replace(",", ";").replace(".", ",")
        (tmp_path / path.name).write_text(text)
        return tmp_path / path.name

    files = [with_commas(strained[1] / f"slice-{n}.csv") for n in (1, 2)]
    given = ("--method", "change-point", "--heights", "0.3,0.7", "--json")
    outcome = lma("tos", *files, *given, "--out", tmp_path / "t.csv")
    assert outcome.exit_code == 0, outcome.stderr
    plain = lma("tos", strained[1], *given, "--out", tmp_path / "plain.csv")
    np.testing.assert_allclose(outcome.summary["tos_ms"], plain.summary["tos_ms"])

    header = ";".join(["Slice", *map(str, range(1, 19)), "R", "A", "S"])
    lines = [";".join([str(n), *[f"{10 * n},5"] * 18, "", "", ""]) for n in (8, 7, 6, 5, 4, 3, 2, 1)]
    (tmp_path / "wide.csv").write_text("\n".join([header, *lines]))
    slices = sample_folder / "slices.seg.nrrd"
    outcome = lma("map", slices, "--tos", tmp_path / "wide.csv", *QUICK, "--out", tmp_path / "m", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    np.testing.assert_allclose(np.array(outcome.summary["tos_ms"])[:, 0], 10.5 + 10 * np.arange(8))
    assert (np.diff(outcome.summary["tos_longitudinal"]) > 0).all() and outcome.summary["target"] >= 13


def test_the_map_comes_with_report_late_region_and_tables(lma, timed, sample_folder, tmp_path, rows):
    slices = sample_folder / "slices.seg.nrrd"
    outcome = lma("map", slices, "--tos", timed[1], *QUICK, "--scene", "--out", tmp_path / "m", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert names == {
        "report.html",
        "report.pdf",
        "report.json",
        "heart.seg.nrrd",
        "heart.vtp",
        "slices.csv",
        "tos.csv",
        "segments.csv",
        "late.csv",
        "scene.mrb",
    }
    # The lateral wall is late in LBBB, and the slices lie at 0.4 and 0.6 of the axis.
    assert outcome.summary["target"] in (4, 5, 6, 10, 11, 12, 15, 16)
    np.testing.assert_allclose(outcome.summary["tos_longitudinal"], [0.4, 0.6], atol=0.06)
    assert outcome.summary["tos_method"] == "given"
    with segmentation_from_file(tmp_path / "m" / "heart.seg.nrrd") as node:
        late = next(key for key, name in segment_names(node).items() if "late" in name.lower())
        assert 0 < segment_array(node, late).sum() < segment_array(node, "myocardium").sum()
    assert b"TOS (ms)" in (tmp_path / "m" / "heart.vtp").read_bytes()
    means = [float(row["mean TOS"]) for row in rows(tmp_path / "m" / "segments.csv")]
    assert len(means) == 17 and np.argmax(means) + 1 == outcome.summary["target"]
    assert json.loads((tmp_path / "m" / "report.json").read_text())["job"] == "lma map"
    share, unit = outcome.summary["late"]["of the late area, extrapolated"]
    assert 30 < float(share) < 100 and unit == "%"  # two slices measure a fifth of the axis


def test_a_map_from_strain_and_by_share_of_area(lma, strained, sample_folder, tmp_path):
    outcome = lma(
        "map",
        sample_folder / "slices.seg.nrrd",
        "--strain",
        strained[1],
        "--onset",
        "change-point",
        "--area-share",
        20,
        *QUICK,
        "--out",
        tmp_path / "m",
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert "% of the late area lies beyond the measured slices, where TOS" in outcome.stdout
    assert "TOS by the change point." in outcome.stdout and "Research use only" in outcome.stdout
    (share,) = (line for line in outcome.stdout.splitlines() if line.startswith("late share"))
    assert float(share.split()[-2]) == pytest.approx(20, abs=1)
    (uniformity,) = (line for line in outcome.stdout.splitlines() if line.startswith("CURE"))
    told = [slice_["cure"] for slice_ in strained[0].summary["slices"]]
    assert float(uniformity.split()[-1]) == pytest.approx(np.mean(told), abs=0.02)


def test_scar_is_late_but_left_out(lma, timed, sample_folder, tmp_path):
    with segmentation_from_file(sample_folder / "slices.seg.nrrd") as node:
        geometry = geometry_of_segmentation(node)
        cavity, wall = (segment_array(node, role) for role in ("cavity", "myocardium"))
    far = np.indices(wall.shape)[2] > np.argwhere(cavity)[:, 2].mean()
    labels = cavity + 2 * (wall & ~far) + 3 * (wall & far)
    save_node(new_label_volume("slices", labels.astype(np.int16), geometry), tmp_path / "slices.nii.gz")
    shutil.copy(sample_folder / "slices.mrk.json", tmp_path)
    slices = tmp_path / "slices.nii.gz"

    def summary(*options):
        outcome = lma("map", slices, "--tos", timed[1], *QUICK, *options, "--json")
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.summary["late"]

    whole = summary("--out", tmp_path / "whole")
    viable = summary("--out", tmp_path / "viable", "--scar", slices)
    (excluded,) = (float(value) for name, (value, _) in viable.items() if "over 50 % scar" in name)
    assert not any("scar" in name for name in whole) and 0 < excluded <= 100
    areas = [float(late["late area of the epicardium"][0]) for late in (whole, viable)]
    assert areas[1] == pytest.approx(areas[0] * (1 - excluded / 100), rel=0.02)
    assert "latest viable segment" in viable


def dense_without(path, *names, **changes):
    with np.load(path) as given:
        arrays = {name: given[name] for name in given.files if name not in names}
    return arrays | changes


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("strain", ("nowhere.npz",), "No such file or directory: nowhere.npz"),
        ("strain", ("text.csv",), "text.csv is no .npz file or is damaged"),
        ("strain", ("no-ke.npz",), "lacks ke"),
        ("strain", ("flat.npz",), "(2 or 3, frames, rows, columns), x first"),
        ("strain", ("nan.npz",), "Slice 1: "),
        ("strain", ("dense.npz", "--stored-range", "1"), "--stored-range takes two numbers"),
        ("strain", ("dense.npz", "--ke", "0"), "Slice 1: "),
        ("strain", ("dense.npz", "--insertion", "1,2,3"), "--insertion names a part of a scene"),
        ("strain", ("dense.npz", "--frame-interval", "0.017"), "looks like seconds"),
        ("strain", ("dense.npz", "scene.mrb"), "Give one scene, or one .npz file a slice"),
        ("tos", ("text.csv",), "needs a column 'time' in ms"),
        ("tos", ("nowhere.csv",), "No such file or directory: nowhere.csv"),
        ("tos", (".",), "is no folder of `cardiactwins lma strain`"),
        ("tos", ("curves", "--heights", "0.5"), "--heights names 1 slices; there are 2"),
        ("tos", ("curves", "--method", "magic"), "A method is one of auto, network, change point"),
        ("tos", ("curves", "--sectors", "12"), "18 sectors, 12 are expected"),
        ("tos", ("curves", "--out", "t.txt"), "TOS is a .csv file"),
        ("map", ("slices.seg.nrrd",), "Give either --tos or --strain"),
        ("map", ("slices.seg.nrrd", "--tos", "text.csv"), "text.csv: A table of TOS has"),
        (
            "map",
            ("slices.seg.nrrd", "--tos", "times.csv", "--delay", "5", "--area-share", "5"),
            "not both",
        ),
        (
            "map",
            ("slices.seg.nrrd", "--tos", "times.csv", "--area-share", "150"),
            "in %, above 0 and below 100",
        ),
        ("map", ("slices.seg.nrrd", "--tos", "times.csv", "--heights", "0.1,0.5,0.9"), "as many heights"),
        (
            "map",
            ("slices.seg.nrrd", "--tos", "times.csv", "--scar", "slices.seg.nrrd"),
            "--roles infarct=NAME",
        ),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(
    lma, strained, timed, sample_folder, tmp_path, monkeypatch, command, options, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("slices.seg.nrrd", "slices.mrk.json", "scene.mrb"):
        shutil.copy(sample_folder / name, tmp_path)
    shutil.copytree(strained[1], tmp_path / "curves")
    shutil.copy(timed[1], tmp_path / "times.csv")
    dense = sample_folder / "dense-1.npz"
    shutil.copy(dense, tmp_path / "dense.npz")
    (tmp_path / "text.csv").write_text("name,value\na,1\n")
    with np.load(dense) as given:
        broken = given["phase"].copy()
    np.savez("no-ke.npz", **dense_without(dense, "ke"))
    np.savez("flat.npz", **dense_without(dense, phase=broken[0]))
    broken[:, 3] = np.nan
    np.savez("nan.npz", **dense_without(dense, phase=broken))
    before = {path.name for path in tmp_path.iterdir()}
    outcome = lma(command, *options)
    assert outcome.exit_code == 2, outcome.stdout
    assert message in outcome.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
