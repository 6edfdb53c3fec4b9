import re
import runpy
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardiactwins.cli import app

TOUR = runpy.run_path(str(Path(__file__).with_name("update_tour.py")))
WRITTEN = TOUR["TOUR"].read_text(encoding="utf-8")


def test_the_commands_and_options_of_the_tour_exist():
    lines = list(TOUR["commands"](WRITTEN))
    assert lines
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "cardiactwins"
        names = words[: 2 if words[0] in ("infarct", "lma", "twin") else 1]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*names, "--help"])
        assert result.exit_code == 0, line
        shown = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", shown), line


@pytest.mark.long
def test_the_tour_runs_and_prints_the_same_lines_but_for_numbers():
    def words(text):
        without_durations = re.sub(r"about [\d.]+ (s|min|h)\b", "about #", text)
        return re.sub(r"[-+\d.,]+", "#", re.sub(r" +", " ", without_durations))

    assert words(TOUR["updated"](WRITTEN)) == words(WRITTEN)
