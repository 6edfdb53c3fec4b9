"""`cardiactwins lma`: LMAReconstruct at the command line, from outlined slices and strain to a map."""

from __future__ import annotations

import typer

from cardiactwins.cli_lma_evaluate import evaluate
from cardiactwins.cli_lma_map import activation_map
from cardiactwins.cli_lma_reconstruct import reconstruct
from cardiactwins.cli_lma_strain import strain
from cardiactwins.cli_lma_tos import tos
from cardiactwins.cli_lma_train import train

__all__ = ["lma"]

lma = typer.Typer(
    help="Rebuild the left ventricle from a few slices and map which part of it shortens last.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for command in (reconstruct, strain, tos):
    lma.command()(command)
lma.command("map")(activation_map)
for command in (train, evaluate):
    lma.command()(command)
