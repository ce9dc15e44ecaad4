"""The `tapthread` command: finds a subcommand by its file in `kiosk/commands` and imports it only when it is used."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any, Final, get_args

import typer

COMMANDS: Final[dict[str, str]] = {
    "demo": "Start everything on this machine: centre, a seeded brand, virtual bands, the kiosk.",
    "tap": "Wait for one tap and print what it says.",
    "virtual": "Run virtual readers and bands for any program.",
    "seed": "Make the demo's centre and one kiosk's pulled cache in a folder.",
    "central": "Run the centre alone.",
    "kiosk": "Run the customer screen of this device.",
    "counter": "Run the counter screen of this device.",
    "sync": "Exchange with the centre once: push, pull, leases.",
    "inbox": "List what waits for a person at the centre, and settle it.",
    "channel": "List the other systems that send to the centre, pause them, take events again.",
    "outgoing": "Show what goes out of the centre and what did not, and send it again.",
    "agent": "Say who outside the stores may sign in to the centre's pages.",
    "card": "Print the hand-over card of a customer.",
    "watch": "Say who waits for an answer, and how each channel does.",
    "erase": "Say who asked to be forgotten, and erase a customer everywhere.",
    "likeness": "Look for customers who are probably one person, for a clerk to say.",
    "band": "Plan, issue, verify, read, retire and replace bands, at an encoder station.",
    "doctor": "Look for what keeps this device from working, with the command that fixes it.",
    "reader": "Own one reader and say what it sees, a value a line.",
    "bench": "Measure, beside a baseline, and print medians.",
    "simulate": "Run both ends under random faults and check that they agree.",
    "picture": "Export a screen of the demo as SVG.",
}
"""Name and the line `--help` shows for it."""

NOT_ON_A_KIOSK: Final = ("drivers.issuing", "sync.central", "hardware.virtual")
"""Packages that a kiosk's installation does without."""

EXIT_USAGE: Final = 2
EXIT_FAILED: Final = 1


def _loaded(name: str) -> ModuleType:
    """The module of one command, imported now. Ends the process in words when a package is missing."""
    try:
        return importlib.import_module(f"kiosk.commands.{name}")
    except ModuleNotFoundError as error:
        if _is_left_out(error.name or ""):
            typer.echo(f"tapthread {name} is not part of a kiosk's installation.", err=True)
            raise SystemExit(EXIT_FAILED) from error
        if (error.name or "").partition(".")[0] in ("kiosk", "drivers", "sync", "hardware"):
            raise
        typer.echo(
            f"tapthread {name} needs the package {error.name}, which this installation does not"
            " have. Install the extra `demo`, or use hardware/bootstrap.",
            err=True,
        )
        raise SystemExit(EXIT_FAILED) from error


def _is_left_out(module: str) -> bool:
    """Whether a kiosk's wheel is made without this module (`hardware.kiosk_wheel`)."""
    return any(module == one or module.startswith(f"{one}.") for one in NOT_ON_A_KIOSK)


def _add(app: typer.Typer, name: str, line: str, module: ModuleType) -> None:
    """One command; where its module has ACTS, a command for each of them below it, with help of its own."""
    run: Callable[..., None] = _with_common_options(module.run)
    acts: tuple[Callable[..., None], ...] = getattr(module, "ACTS", ())
    if not acts:
        app.command(name=name, short_help=line, help=run.__doc__)(run)
        return
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback()(run)
    for act in acts:
        group.command(name=act.__name__, help=act.__doc__)(
            _with_common_options(act, is_hidden=True)
        )
    app.add_typer(group, name=name, short_help=line, help=run.__doc__)


def _with_common_options(
    run: Callable[..., None], *, is_hidden: bool = False
) -> Callable[..., None]:
    """The same command, taking --data, --centre and --reader also where it needs none of them.

    So that one line of options serves a whole script; what is given is checked all the same. `is_hidden` leaves those that
    are not its own out of its help.
    """
    from kiosk import settings
    from kiosk.commands import options

    common: dict[str, Any] = {
        "data": options.Data,
        "centre": options.Centre,
        "reader": options.Reader,
    }
    if is_hidden:
        common = {name: _hidden(name, kind) for name, kind in common.items()}
    own = inspect.signature(run)
    added = {name: kind for name, kind in common.items() if name not in own.parameters}

    @functools.wraps(run)
    def wrapped(**given: Any) -> None:
        settings.load(**{name: given.pop(name) for name in added})
        run(**given)

    wrapped.__signature__ = own.replace(  # type: ignore[attr-defined]  # what typer reads
        parameters=[
            *own.parameters.values(),
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
                )
                for name, kind in added.items()
            ),
        ]
    )
    return wrapped


def _hidden(name: str, kind: Any) -> Any:
    """A common option that no help shows."""
    return Annotated[get_args(kind)[0], typer.Option(f"--{name}", hidden=True)]


def _listed() -> None:
    """Stand in the list of commands without being imported."""


def _app_for(name: str | None) -> typer.Typer:
    """All commands by name; only `name` is real, the others stand in the list."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )  # fmt: skip
    app.callback(invoke_without_command=True)(_root)
    for known, line in COMMANDS.items():
        if known == name:
            _add(app, known, line, _loaded(known))
        else:
            app.command(name=known, short_help=line)(_listed)
    return app


def _root(
    *, version: bool = typer.Option(False, "--version", help="Print the version and end.")
) -> None:
    """One tap of a wristband, and the store picks up the thread of a customer's story, online or not."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"tapthread {version_of('tapthread')}")
        raise typer.Exit


def _name_in(arguments: list[str]) -> str | None:
    """The command a line names: its first word that is not an option."""
    return next((word for word in arguments if not word.startswith("-")), None)


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    from kiosk.settings import SettingsError

    try:
        _app_for(_name_in(sys.argv[1:]))()
    except SettingsError as error:
        typer.echo(f"tapthread: {error}", err=True)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
