"""The `tapthread` command: finds a subcommand by its file in `kiosk/commands` and imports it only when it is used."""

import importlib
import importlib.util
import sys
from typing import Final

import click
import typer
import typer.core
import typer.main

COMMANDS: Final[dict[str, str]] = {
    "demo": "Start everything on this machine: centre, a seeded brand, virtual bands, the kiosk.",
    "tap": "Wait for one tap and print what it says.",
    "virtual": "Run virtual readers and bands for any program.",
    "seed": "Make the demo's centre and one kiosk's pulled cache in a folder.",
    "central": "Run the centre alone.",
    "kiosk": "Run the customer screen of this device.",
    "counter": "Run the counter screen of this device.",
    "reader": "Own one reader and say what it sees, a value a line.",
    "bench": "Measure, beside a baseline, and print medians.",
    "picture": "Export a screen of the demo as SVG.",
}
"""Name and the line `--help` shows for it."""

EXIT_USAGE: Final = 2
EXIT_FAILED: Final = 1


class _OnUse(typer.core.TyperGroup):
    """Commands that are imported when they are run, so that `--version` and `--help` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module_name = f"kiosk.commands.{cmd_name}"
        if importlib.util.find_spec(module_name) is None:
            return None
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("kiosk", "drivers", "sync", "hardware"):
                raise
            typer.echo(
                f"tapthread {cmd_name} needs the package {error.name}, which this installation"
                " does not have. Install the extra `demo`, or use hardware/bootstrap.",
                err=True,
            )
            raise SystemExit(EXIT_FAILED) from error
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name=cmd_name, help=module.run.__doc__)(module.run)
        return typer.main.get_command(single)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=_OnUse, add_completion=False, no_args_is_help=True, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip


@app.callback(invoke_without_command=True)
def _root(
    *, version: bool = typer.Option(False, "--version", help="Print the version and end.")
) -> None:
    """One tap of a wristband, and the store picks up the thread of a customer's story, online or not."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"tapthread {version_of('tapthread')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    from kiosk.settings import SettingsError

    try:
        app()
    except SettingsError as error:
        typer.echo(f"tapthread: {error}", err=True)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
