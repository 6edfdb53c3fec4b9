"""`cardiactwins twin`: TwinEditor at the command line, digital siblings of a heart."""

from __future__ import annotations

import typer

from cardiactwins.cli_twin_augment import augment
from cardiactwins.cli_twin_edit import edit
from cardiactwins.cli_twin_evaluate import evaluate
from cardiactwins.cli_twin_experiment import experiment
from cardiactwins.cli_twin_import import import_heart
from cardiactwins.cli_twin_sample import sample
from cardiactwins.cli_twin_siblings import siblings
from cardiactwins.cli_twin_train import train

__all__ = ["twin"]

twin = typer.Typer(
    help="Make digital siblings of a segmented heart and cohorts of hearts, judge them, and train the model "
    "that makes them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


twin.command("import")(import_heart)
twin.command()(sample)
twin.command()(edit)
twin.command()(siblings)
twin.command()(evaluate)
twin.command()(augment)
twin.command()(experiment)
twin.command()(train)
