"""`tapthread band`: issues bands at an encoder station, checks, reads, retires and replaces them; `--help` of each act says its options.

    tapthread band plan                        print a plan to begin with; --practice prints one to practise with
    tapthread band plan --plan P [--sheet S]   say what would be done to each band; nothing is touched
    tapthread band issue --plan P --sheet S    one band after the other; go on where it broke off
    tapthread band issue --plan P --count N --sealed STORE    spares, not linked, whose keys that store is lent
    tapthread band verify --plan P             is the band on the reader whole
    tapthread band read                        which chip the band on the reader is, whether it is ours, what it says
    tapthread band retire --plan P             take everything off it; torn, it goes on with the same band, also in the next run
    tapthread band replace --plan P --band ID  issue one band in place of another
    tapthread band enter --report R            at the centre: learn the bands of a report

With `--json` an act prints one object when it ends, or {"error": {"code", "message"}}, with `status` and its `meaning` where a chip refused:

    verify          as_planned, state (as_planned, differs, no_id, not_issued, retiring), chip, band, differences, practice
    read            chip, family, uid, true_uid, signature, ours, practice, reason, band, random_uid, capsule, uses,
                    uses_remembered, readings, of which `read --plan` prints what needs keys
    plan --plan     plan, chip, generation_min, signature, label, steps (name, words), bands, practice
    issue, replace  over, issued, wanted, begun (label, line), waiting, report, practice, and of this run bands (outcome, line,
                    label, code, band, store, replaces, problem); with --dry-run chip, band, steps, practice
    retire          retired, chip, band, practice

What is null was not said or is not shown. Anything else goes to standard error, and the exit code is the same.

Practice, without any hardware: `tapthread virtual --pn532 LINK --band desfire-ev2-new` in one terminal, `tapthread band ... --reader
pn532:LINK` with a plan of `tapthread band plan --practice` in another.

Exit codes: 0 done; 1 not done, or not for all, or nothing made while a band lies there; 2 the command line, plan or sheet makes no
sense; 3 nobody held a band to `verify`, `read`, `retire` or `--dry-run`; 4 the reader; 6 the station's own files. A kiosk's
installation cannot issue bands: it says so, and ends with 1.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.commands import options

EXIT_NO_STATION: Final = 1

Plan = Annotated[
    Path | None,
    typer.Option("--plan", help="What every band gets, a TOML file.", show_default=False),
]
Sheet = Annotated[
    Path | None,
    typer.Option(
        "--sheet",
        help="The bands to issue: CSV with label, uid, store; any column may be left out.",
        show_default=False,
    ),
]
Count = Annotated[
    int,
    typer.Option(
        "--count",
        min=0,
        max=100_000,
        help="So many bands, instead of a sheet; their numbers go on from those before."
        " The same again goes on with that run as long as its report is there.",
        show_default=False,
    ),
]
Sealed = Annotated[
    str,
    typer.Option(
        "--sealed",
        metavar="STORE",
        help="Spares: this store may link them to anybody, also without a network.",
        show_default=False,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Where to write what became of each band, CSV; beside the sheet without it.",
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FOLDER",
        help="Write a label with code and QR picture there for each band, SVG.",
        show_default=False,
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FOLDER",
        help="Where the brand's band keys are, when no centre on this machine keeps them.",
        show_default=False,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        metavar="LABEL",
        help="Take the band keys from this PKCS#11 token instead.",
        show_default=False,
    ),
]
TokenModule = Annotated[
    Path | None,
    typer.Option("--token-module", help="The token's PKCS#11 library.", show_default=False),
]
TokenPin = Annotated[
    Path | None,
    typer.Option("--token-pin", help="File with the PIN of its user.", show_default=False),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say what would be done to the band on the reader; write nothing."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0.0,
        metavar="SECONDS",
        help="End when no band came for so long; without it, wait for ever.",
        show_default=False,
    ),
]


def run(
    context: typer.Context,
    data: options.Data = None,
    centre: options.Centre = None,
    reader: options.Reader = None,
) -> None:
    """Issue bands at an encoder station, check them, read them, retire and replace them.

    Each act has its own help: tapthread band issue --help
    """
    context.obj = settings.load(data=data, centre=centre, reader=reader)


def plan(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    sheet: Sheet = None,
    count: Count = 0,
    practice: Annotated[
        bool, typer.Option("--practice", help="Print a plan to practise with on virtual chips.")
    ] = False,
    chip: Annotated[
        str,
        typer.Option(
            "--chip",
            help="Which chip the printed plan is for: desfire, ntag424, ultralight_aes.",
            show_default="desfire",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Print a plan to begin with, or say what one does.

    With --plan it says what is done to each band, step by step. Nothing is touched.
    """
    station = _station()
    station.run(
        "plan",
        station.Asked(
            data=context.obj.data, reader=context.obj.reader, plan=plan, sheet=sheet, count=count,
            chip=chip, is_practising=practice, is_json=as_json,
        ),
    )  # fmt: skip


def issue(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    sheet: Sheet = None,
    count: Count = 0,
    sealed: Sealed = "",
    report: Report = None,
    labels: Labels = None,
    dry_run: DryRun = False,
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up", help="Bands that were begun and are lost: take others for them."
        ),
    ] = False,
    as_json: Json = False,
    timeout: Timeout = None,
    keys: Keys = None,
    token: Token = "",
    token_module: TokenModule = None,
    token_pin: TokenPin = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Issue bands, one after the other.

    Those of a sheet, or so many. Broken off, it goes on where it was.
    """
    station = _station()
    chosen = _chosen(context, data, reader)
    station.run(
        "issue",
        station.Asked(
            data=chosen.data, reader=chosen.reader, plan=plan, sheet=sheet, count=count,
            sealed=sealed, report=report, labels=labels, is_dry=dry_run, is_giving_up=give_up,
            is_json=as_json, timeout_ms=_ms(timeout), keys=keys, token=token,
            token_module=token_module, token_pin=token_pin,
        ),
    )  # fmt: skip


def verify(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    as_json: Json = False,
    timeout: Timeout = None,
    keys: Keys = None,
    token: Token = "",
    token_module: TokenModule = None,
    token_pin: TokenPin = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Say whether the band on the reader is as planned.

    Every key of ours has to open it, and none of the factory's.
    """
    station = _station()
    chosen = _chosen(context, data, reader)
    station.run(
        "verify",
        station.Asked(
            data=chosen.data, reader=chosen.reader, plan=plan, is_json=as_json,
            timeout_ms=_ms(timeout), keys=keys, token=token, token_module=token_module,
            token_pin=token_pin,
        ),
    )  # fmt: skip


def read(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    show_uid: Annotated[
        bool,
        typer.Option("--show-uid", help="Say the UID as well; it names the band for ever."),
    ] = False,
    as_json: Json = False,
    timeout: Timeout = None,
    keys: Keys = None,
    token: Token = "",
    token_module: TokenModule = None,
    token_pin: TokenPin = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Say what the band on the reader is.

    Which chip, whether it is ours, and what it says. Needs no plan, writes nothing.
    """
    station = _station()
    chosen = _chosen(context, data, reader)
    station.run(
        "read",
        station.Asked(
            data=chosen.data, reader=chosen.reader, plan=plan, is_uid_shown=show_uid,
            is_json=as_json, timeout_ms=_ms(timeout), keys=keys, token=token,
            token_module=token_module, token_pin=token_pin,
        ),
    )  # fmt: skip


def retire(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    band: Annotated[
        str,
        typer.Option(
            "--band",
            metavar="ID",
            help="The id it must have; without it, any band of ours is retired.",
            show_default=False,
        ),
    ] = "",
    as_json: Json = False,
    timeout: Timeout = None,
    keys: Keys = None,
    token: Token = "",
    token_module: TokenModule = None,
    token_pin: TokenPin = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Take everything off the band on the reader.

    No kiosk knows it any more. Its keys stay ours, and it can be issued anew. Taken away too early, it is asked for again;
    broken off, the next run goes on where it was.
    """
    station = _station()
    chosen = _chosen(context, data, reader)
    station.run(
        "retire",
        station.Asked(
            data=chosen.data, reader=chosen.reader, plan=plan, band=band, is_json=as_json,
            timeout_ms=_ms(timeout), keys=keys, token=token, token_module=token_module,
            token_pin=token_pin,
        ),
    )  # fmt: skip


def replace(  # noqa: PLR0913, PLR0917  # its options
    context: typer.Context,
    plan: Plan = None,
    band: Annotated[
        str,
        typer.Option(
            "--band",
            metavar="ID",
            help="Id of the band it stands in for, 32 hex digits; the centre retires that one.",
            show_default=False,
        ),
    ] = "",
    sealed: Sealed = "",
    report: Report = None,
    labels: Labels = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    timeout: Timeout = None,
    keys: Keys = None,
    token: Token = "",
    token_module: TokenModule = None,
    token_pin: TokenPin = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Issue a band in place of another.

    The one that was lost or broke is retired when the report is entered at the centre.
    """
    station = _station()
    chosen = _chosen(context, data, reader)
    station.run(
        "replace",
        station.Asked(
            data=chosen.data, reader=chosen.reader, plan=plan, band=band, sealed=sealed,
            report=report, labels=labels, is_dry=dry_run, is_json=as_json,
            timeout_ms=_ms(timeout), keys=keys, token=token, token_module=token_module,
            token_pin=token_pin,
        ),
    )  # fmt: skip


def enter(
    context: typer.Context,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="A report of an encoder station.", show_default=False),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            help="Where nodes share one: postgresql://USER@HOST/NAME, as for `tapthread central`.",
            show_default=False,
        ),
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="The centre's key, when it is not in the centre's folder.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
) -> None:
    """Tell the centre which bands were made.

    Needs the centre's folder (--data) with no centre running in it, or the database its nodes share.
    """
    station = _station()
    chosen = _chosen(context, data, None)
    station.run(
        "enter",
        station.Asked(
            data=chosen.data, reader=chosen.reader, report=report, database=database, key=key
        ),
    )


ACTS: Final[tuple[Callable[..., None], ...]] = (
    plan, issue, verify, read, retire, replace, enter,
)  # fmt: skip
"""What there is to do, each a command of its own below `tapthread band`."""


def _chosen(context: typer.Context, data: Path | None, reader: str | None) -> settings.Settings:
    """The settings, an option behind the act before one in front of it."""
    before: settings.Settings = context.obj
    origins = before.origins
    return settings.load(
        data=data or (before.data if origins["data"] == "command line" else None),
        reader=reader or (before.reader if origins["reader"] == "command line" else None),
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000)


def _station() -> ModuleType:
    """What does the work, where it is installed; ends the command in words elsewhere."""
    try:
        from kiosk.commands import band_station
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("drivers.issuing"):
            raise
        print(
            "tapthread band: this is no encoder station. A kiosk's installation cannot issue bands;"
            " install the whole product with the extra `encoder` where bands are issued.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_NO_STATION) from error
    return band_station
