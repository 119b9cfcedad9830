"""The command ``voxelrock``: its help is quick, its errors are one line."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from voxelrock import __version__, options
from voxelrock.cli.memory import keep_freed_memory
from voxelrock.errors import VoxelrockError

COMMANDS = {
    "analyze": "Segment and measure a scan; write a report.",
    "convert": "Convert between stores and files.",
    "demo": "Analyse a synthetic scan whose porosity is known.",
    "kernels": "List what computes on a GPU, and what on the host and why.",
    "look": "Show a scan in seconds; convert nothing.",
    "info": "Say what a file or store holds.",
    "register": "Bring one scan onto another.",
    "report": "Write a page on any image.",
    "submit": "Run analyze as a batch job of SLURM.",
}
_MODULES = {"submit": "submitting", "kernels": "listing", "register": "registering"}


_COMPUTING = ("analyze", "convert", "demo", "register", "report")


def _workers_option() -> click.Option:
    """``--workers``, which may stand before or after the name of a command."""
    return click.Option(["--workers"], type=click.IntRange(min=1), expose_value=False, callback=_set_workers, help=_WORKERS)


def _set_workers(context: click.Context, option: click.Parameter, value: int | None) -> None:
    if value is not None:
        options.set(workers=value)


_WORKERS = "Threads to compute with; all cores by default."


class Commands(click.Group):
    """Commands are loaded when they are called. Our errors are one line and exit code 1; ``--debug`` shows where they come from."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load a command."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"voxelrock.cli.{_MODULES.get(name, 'commands')}"), name)
        if name in _COMPUTING and not any(p.name == "workers" for p in command.params):
            command.params.append(_workers_option())
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; where there is none of that name, the nearest is named."""
        near = get_close_matches(args[0], COMMANDS, n=1)
        if near and args[0] not in COMMANDS:
            context.fail(f"there is no command {args[0]!r}; is it {near[0]!r}?")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except (VoxelrockError, OSError, KeyboardInterrupt) as error:
            if context.params.get("debug"):
                raise
            for note in getattr(error, "__notes__", ()):
                click.echo(note, err=True)
            interrupted = isinstance(error, KeyboardInterrupt)
            click.echo("voxelrock: interrupted" if interrupted else f"voxelrock: {error}", err=True)
            sys.exit(130 if interrupted else 1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="voxelrock")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--workers", type=click.IntRange(min=1), expose_value=False, callback=_set_workers, help=_WORKERS)
def main(debug: bool) -> None:
    """Exact, chunk-free analysis of three-dimensional images of rock, of any size."""


def run() -> None:
    """The command as a process of its own."""
    keep_freed_memory()
    main()
