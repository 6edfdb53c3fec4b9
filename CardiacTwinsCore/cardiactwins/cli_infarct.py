"""`cardiactwins infarct`: InfarctSynth at the command line, from segmentation files to segmentation files."""

from __future__ import annotations

import typer

from cardiactwins.cli_infarct_align import align
from cardiactwins.cli_infarct_generate import generate
from cardiactwins.cli_infarct_modes import modes
from cardiactwins.cli_infarct_personalize import fit, personalize
from cardiactwins.cli_infarct_study import study

__all__ = ["infarct"]

infarct = typer.Typer(
    help="Align infarcts, personalize a random model to them, and generate new ones.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for command in (align, personalize, fit, generate, modes, study):
    infarct.command()(command)
