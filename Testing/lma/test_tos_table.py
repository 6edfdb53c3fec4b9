"""TOS typed in or read from files, and the choice of the method."""

import numpy as np
import pytest

from cardiactwins.lma.last_frames import beyond_frames, remark_on_frames
from cardiactwins.lma.onset import OnsetEstimate, estimate_onset
from cardiactwins.lma.onset_methods import chosen_onset_method, estimate_onset_by
from cardiactwins.lma.strain_phantom import simulate_strain
from cardiactwins.lma.tos_table import TosTable, read_tos_csv, tos_of_columns


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    values = rng.uniform(20, 150, (3, 18))
    return TosTable(
        values, np.arange(1, 4), np.array([0.2, 0.5, 0.8]), values - 10, values + 12, rng.random((3, 18))
    )


def test_onsets_after_the_last_frame_of_their_slice_are_named():
    table = TosTable(np.array([[40.0, 150.0, 136.0], [np.nan, 150.0, 10.0]]), np.array([1, 4]))
    assert beyond_frames(table.values, [136, 160]) == [[2], []]
    assert remark_on_frames(table, [136, 160]).startswith(
        "TOS lies after the last frame, where nothing was measured, in sectors of slice 1 (136 ms): 2. Do not"
    )
    assert "slice 1 (30 ms): 1, 2, 3; of slice 4 (149 ms): 2." in remark_on_frames(table, [30, 149])
    assert remark_on_frames(table, [160, 160]) == ""


def test_columns_give_the_table_back_in_any_order_of_rows(table):
    order = np.random.default_rng(1).permutation(54)
    found = tos_of_columns({name: values[order] for name, values in table.columns().items()}, sectors=18)
    for name in ("values", "slices", "longitudinal", "lower", "upper", "late"):
        np.testing.assert_allclose(getattr(found, name), getattr(table, name))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_with_one_row_a_sector_is_read(table, tmp_path, separator):
    rows = [separator.join(("slice", "sector", "TOS (ms)", "longitudinal"))]
    rows += [
        separator.join((str(s + 1), str(n + 1), f"{table.values[s, n]:.6f}", str(table.longitudinal[s])))
        for s in range(3)
        for n in range(18)
    ]
    path = tmp_path / "tos.csv"
    path.write_text("# typed in\n" + "\n".join(rows) + "\n", encoding="utf-8-sig")
    found = read_tos_csv(path, 18)
    np.testing.assert_allclose(found.values, table.values, atol=1e-6)
    np.testing.assert_allclose(found.longitudinal, table.longitudinal)
    assert found.errors is None


def test_a_file_with_one_row_a_slice_is_read_and_an_empty_field_is_unknown(tmp_path):
    path = tmp_path / "tos.csv"
    path.write_text("slice,1,2,3,4\n1,30,40,,60\n2,35,45,55,65\n", encoding="utf-8")
    found = read_tos_csv(path)
    np.testing.assert_allclose(found.values, [[30, 40, np.nan, 60], [35, 45, 55, 65]])
    with pytest.raises(ValueError, match="heights of the TOS slices"):
        found.sector_values()
    assert found.at([0.3, 0.7]).sector_values().sectors == 4


def test_tables_that_cannot_be_used_say_why(table, tmp_path):
    with pytest.raises(ValueError, match="18 sectors a slice, 12 are expected"):
        tos_of_columns(table.columns(), sectors=12)
    columns = table.columns()
    columns["sector"] = np.where(columns["sector"] == 7, 8, columns["sector"])
    with pytest.raises(ValueError, match="each from 1 to 18"):
        tos_of_columns(columns)
    with pytest.raises(ValueError, match="column 'TOS'"):
        tos_of_columns({"a": [1.0]})
    path = tmp_path / "tos.csv"
    path.write_text("sector,TOS\n1,early\n2,3\n3,4\n4,5\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'TOS' holds something that is not a number"):
        read_tos_csv(path)
    path.write_text("sector,TOS\n1,3\n2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Line 3"):
        read_tos_csv(path)


def test_seconds_are_not_taken_for_milliseconds(table):
    with pytest.raises(ValueError, match="looks like seconds"):
        TosTable(table.values / 1000, table.slices, table.longitudinal).sector_values()
    made = simulate_strain("LBBB", np.random.default_rng(0))
    with pytest.raises(ValueError, match="looks like seconds"):
        estimate_onset(made.strain, made.times / 1000)


def test_errors_come_from_the_intervals_of_estimates():
    tos = np.linspace(20, 90, 18)
    estimate = OnsetEstimate(tos, np.full(18, 5.0), tos - 1.6449 * 5, tos + 1.6449 * 5, 0.01)
    table = TosTable.of_estimates([estimate, estimate], [0.2, 0.6])
    np.testing.assert_allclose(table.errors, 5.0)


def test_the_change_point_is_the_way_without_a_network():
    slice_ = simulate_strain("LBBB", np.random.default_rng(0))
    found = estimate_onset_by(slice_.strain, slice_.times, method="change point")
    np.testing.assert_array_equal(found.tos, estimate_onset(slice_.strain, slice_.times).tos)
    assert chosen_onset_method("change point") == "change point"
    with pytest.raises(ValueError, match="A method is one of"):
        chosen_onset_method("guess")


def test_a_table_as_a_spreadsheet_writes_it_is_read(tmp_path):
    path = tmp_path / "tos.csv"
    wanted = [[30.5, 40, np.nan, 60], [35, 45.25, 55, 65]]
    for separator in (";", "\t"):
        rows = ["Slice;Height;1;2;3;4;Höhe (mm)", "1;0,3;30,5;40;;60;x", "2;0,7;35;45,25;55;65;y"]
        text = "\r\n".join(row.replace(";", separator) for row in rows)
        for encoding in ("utf-8", "utf-16", "cp1252"):
            path.write_bytes(text.encode(encoding))
            found = read_tos_csv(path)
            np.testing.assert_array_equal(found.values, wanted)
            np.testing.assert_allclose(found.longitudinal, [0.3, 0.7])
    path.write_bytes(b"PK\x03\x04\x00\x00\n\x00,\x00\n")
    with pytest.raises(ValueError, match=r"'tos.csv' is not a CSV file"):
        read_tos_csv(path)


def test_slices_come_in_the_order_of_their_numbers_in_both_forms():
    wide = {"slice": [3, 1, 2]} | {str(n): [3 + 10 * n, 1 + 10 * n, 2 + 10 * n] for n in range(1, 5)}
    long = {
        "Slice": np.repeat([3, 1, 2], 4),
        "Sector": np.tile(np.arange(1, 5), 3),
        "TOS": np.concatenate([[s + 10 * n for n in range(1, 5)] for s in (3, 1, 2)]),
    }
    for columns in (wide, long):
        found = tos_of_columns(columns)
        np.testing.assert_array_equal(found.slices, [1, 2, 3])
        np.testing.assert_array_equal(found.values[:, 0], [11, 12, 13])
    np.testing.assert_array_equal(
        tos_of_columns(wide | {"height": [0.8, 0.2, 0.5]}).longitudinal, [0.2, 0.5, 0.8]
    )
    with pytest.raises(ValueError, match="a slice of its own"):
        tos_of_columns(wide | {"slice": [1, 1, 2]})
