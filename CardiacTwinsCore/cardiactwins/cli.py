"""The command line: `cardiactwins COMMAND`.

Exit codes: 0 done; 1 the run or some of its cases failed, or Ctrl+C; 2 wrong usage or input. Results go to
standard output (with `--json`, one JSON summary as its last line), all else to standard error. Heavy packages
load in commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cardiactwins import __version__
from cardiactwins.cli_infarct import infarct
from cardiactwins.cli_lma import lma
from cardiactwins.cli_twin import twin

if TYPE_CHECKING:
    from cardiactwins.compute.environment import Environment

__all__ = ["app", "main"]

MEMORY_OPTIONS = "The options are --batch, --workers and --device, where the command has them."


class CommandsWithPlainErrors(TyperGroup):
    """Shows what a user can mend (input, files, missing packages, memory, a cancel) as one message, no
    traceback."""

    def invoke(self, ctx: Any) -> Any:
        from cardiactwins.compute.memory import memory_error
        from cardiactwins.compute.progress import Cancelled

        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt as error:
            typer.secho("Cancelled: no half-written file is left.", err=True, fg="red")
            raise typer.Exit(1) from error
        except Exception as error:
            shortage = memory_error(error)
            mendable = shortage or isinstance(error, ValueError | OSError | ImportError | Cancelled)
            if not mendable or ctx.params.get("debug"):
                raise
            told = _message(error) if shortage is None else f"{shortage} {MEMORY_OPTIONS}"
            typer.secho(f"Error: {told}", err=True, fg="red")
            raise typer.Exit(2 if isinstance(error, ValueError | FileNotFoundError) else 1) from error


app = typer.Typer(
    cls=CommandsWithPlainErrors,
    name="cardiactwins",
    help="Synthetic infarcts from a population, maps of late activation and digital siblings of hearts, on "
    "MRML nodes, without the 3D Slicer application.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(infarct, name="infarct")
app.add_typer(lma, name="lma")
app.add_typer(twin, name="twin")


def main() -> None:
    """Entry point of the `cardiactwins` command."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cardiactwins {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@app.command()
def info(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show versions, device, threads, memory, where the scene comes from, and what is missing."""
    from cardiactwins.compute.environment import describe_environment
    from cardiactwins.compute.files import json_text

    environment = describe_environment()
    scene = _scene()
    if json:
        typer.echo(json_text({**vars(environment), "scene": scene}))
    else:
        _print_environment(environment, scene)


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the results; it must be new or empty.")
    ] = Path("cardiactwins-demo"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random numbers.")] = 2024,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON summary last.")] = False,
) -> None:
    """Run the main jobs on phantoms, without data or network: new infarcts, a late-activation map, a twin."""
    from cardiactwins.cli_progress import progress_bar
    from cardiactwins.compute.files import json_text
    from cardiactwins.demo import run_demo

    with progress_bar("demo") as progress:
        result = run_demo(out, seed=seed, progress=progress)
    typer.echo(f"Open {result.directory / 'report.html'}")
    if json:
        typer.echo(json_text({"directory": result.directory, **result.results}))


def _scene() -> str:
    try:
        from cardiactwins.mrml.headless import where
    except ImportError as error:
        return f"none: {error}"
    return where()


def _print_environment(environment: Environment, scene: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("system", environment.system)
    table.add_row("processor", f"{environment.cpu}, {environment.threads} threads")
    table.add_row("accelerator", ", ".join(environment.accelerators) or "none seen (none is needed)")
    total, available = map(_gigabytes, (environment.memory_total, environment.memory_available))
    table.add_row("memory", f"{total} ({available} free)")
    table.add_row("scene", escape(scene))
    table.add_row(
        "packages", ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    )
    for package in environment.missing:
        kind = "optional" if package.optional else "MISSING"
        table.add_row(kind, escape(f"{package.name}, for {package.needed_for}: {package.how_to_get}"))
    Console(highlight=False).print(table)


def _gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__
