"""`tapthread band`: issues bands at an encoder station, checks, reads, retires and replaces them.

    tapthread band plan                        print a plan to begin with
    tapthread band plan --plan P [--sheet S]   say what would be done to each band; nothing is touched
    tapthread band issue --plan P --sheet S    one band after the other; go on where it broke off
    tapthread band issue --plan P --count N --sealed STORE    spares, not linked, whose keys that store is lent
    tapthread band verify --plan P             is the band on the reader whole
    tapthread band read --plan P               what the band on the reader says
    tapthread band retire --plan P             take everything off it
    tapthread band replace --plan P --band ID  issue one band in place of another
    tapthread band enter --report R            at the centre: learn the bands of a report, while no centre runs in the folder

Exit codes: 0 done; 1 not done, or not for all; 2 the command line, plan or sheet makes no sense; 3 nobody held a band;
4 the reader; 6 the station's own files. A kiosk's installation cannot issue bands: it says so, and ends with 1.
"""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.commands import options

EXIT_NO_STATION: Final = 1


class What(Enum):
    """What to do."""

    PLAN = "plan"
    ISSUE = "issue"
    VERIFY = "verify"
    READ = "read"
    RETIRE = "retire"
    REPLACE = "replace"
    ENTER = "enter"


def run(  # noqa: PLR0913, PLR0917  # its options
    what: Annotated[What, typer.Argument(help="What to do.", show_default=False)],
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="What every band gets, a TOML file.", show_default=False),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            help="The bands to issue, CSV with label, uid, store; any may be left out.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=0, max=100_000, help="So many bands without a sheet.")
    ] = 0,
    sealed: Annotated[
        str,
        typer.Option(
            "--sealed", help="They are spares this store may link, also without a network."
        ),
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="What became of each band, CSV; beside the sheet, or in the data folder.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="Folder for one QR label a band, SVG.", show_default=False
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            help="Folder with the brand's band keys; the centre's, when it is on this machine.",
            show_default=False,
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            "--token", help="Label of the PKCS#11 token with the band keys, instead of --keys."
        ),
    ] = "",
    token_module: Annotated[
        Path | None,
        typer.Option("--token-module", help="Its PKCS#11 library.", show_default=False),
    ] = None,
    token_pin: Annotated[
        Path | None,
        typer.Option("--token-pin", help="File with its user's PIN.", show_default=False),
    ] = None,
    band: Annotated[
        str, typer.Option("--band", help="Id of the band to retire or to replace.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done to it; write nothing.")
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option("--give-up", help="Bands that were begun and lost: take others for them."),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", min=0.0, help="Seconds to wait for a band; for ever without."
        ),
    ] = None,
    data: options.Data = None,
    reader: options.Reader = None,
) -> None:
    """Issue bands at an encoder station, check them, read them, retire and replace them."""
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
    chosen = settings.load(data=data, reader=reader)
    band_station.run(
        what.value,
        band_station.Asked(
            data=chosen.data,
            reader=chosen.reader,
            plan=plan,
            sheet=sheet,
            count=count,
            sealed=sealed,
            report=report,
            labels=labels,
            keys=keys,
            token=token,
            token_module=token_module,
            token_pin=token_pin,
            band=band,
            is_dry=dry_run,
            is_giving_up=give_up,
            timeout_ms=None if timeout is None else int(timeout * 1_000),
        ),
    )
