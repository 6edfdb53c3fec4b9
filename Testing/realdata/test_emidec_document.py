"""Docs/emidec.md says what the study's figures say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from emidec_rows import resampled_interval
from emidec_tables import TABLES, filled

DOCS = Path(__file__).resolve().parents[2] / "Docs"
TEXT = (DOCS / "emidec.md").read_text(encoding="utf-8")
FIGURES = json.loads((DOCS / "emidec" / "figures.json").read_text(encoding="utf-8"))


def test_every_table_is_made_of_the_figures():
    assert set(re.findall(r"<!-- table (\w+) -->", TEXT)) == set(TABLES)
    assert filled(TEXT, FIGURES) == TEXT


def test_every_picture_is_shown_and_exists():
    shown = re.findall(r"!\[[^\]]+\]\((emidec/[^)]+)\)", TEXT)
    assert sorted(shown) == sorted(f"emidec/{path.name}" for path in (DOCS / "emidec").glob("*.png"))


def test_the_data_is_credited():
    assert "CC BY-NC-SA 4.0" in TEXT
    assert "CC BY-NC-SA 4.0" in FIGURES["data"]


def test_no_patient_is_published_but_the_names_of_those_left_out():
    excluded = {case["identifier"] for row in FIGURES["aligned"] for case in row["excluded"]}
    named = set(re.findall(r"Case_P\d+", json.dumps(FIGURES) + TEXT))
    assert named == excluded


def test_overlapping_halves_widen_the_interval_of_a_difference():
    differences = np.array([1.0, 2.0, 3.0, 4.0])
    mean, low, high = resampled_interval(differences)
    assert mean == pytest.approx(2.5)
    # Student's t of 3 degrees of freedom at 97.5 % is 3.182; the variance 5/3 counts 1/4 + 1 times.
    assert (high - low) / 2 == pytest.approx(3.182 * np.sqrt(5 / 3 * 1.25), rel=1e-3)
