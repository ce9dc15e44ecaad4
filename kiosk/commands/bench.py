"""`tapthread bench`: measures beside a baseline and prints medians, as one JSON object or as a table.

    tapthread bench tap      our time for one tap on a virtual PN532 and on vpcd, beside the same exchanges sent raw
    tapthread bench screen   from the message that a band was recognised to the bytes on a terminal
    tapthread bench search   --sizes a search at every keystroke, with slips and without, and the look-up of a tap
    tapthread bench sync     --sizes a first sync by pages and by snapshot beside plain SQLite, nothing to do, a change, a push
                             --pouchdb and the same by PouchDB and its server, which npm installs at the first use
    tapthread bench centre   --sizes what other systems send, out to a store, a customer's page, and who is who among so many
    tapthread bench fleet    --kiosks held polls at one centre, waking them all, and a storm of kiosks that come back

Exit codes: 0 all measured; 1 something could not be measured here, which is said, and the rest is printed; 2 the command
line made no sense. A bench is imported when it is asked for.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.bench.figures import BenchImpossible, Figure, as_json, as_table
from kiosk.commands import options

SYNC_SIZES: Final = (1_000, 10_000, 50_000, 200_000)
SEARCH_SIZES: Final = (1_000, 10_000)
"""What is measured when the command line does not say."""

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
Missing = Callable[[BenchImpossible], None]
"""Told of what cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asked for.

    Attributes:
        runs: Samples a metric; 0 leaves it to the bench.
        sizes: Profiles, for benches that grow; empty leaves them to the bench.
        kiosks: Held polls, for the fleet.
        database: An empty PostgreSQL database, for the centre; "" for one of the bench's own.
        is_beside_pouchdb: For sync, PouchDB does the same in the same run.
        tell: Told what is being measured, for somebody who waits.
    """

    runs: int
    sizes: tuple[int, ...]
    kiosks: int
    database: str
    is_beside_pouchdb: bool
    report_missing: Missing
    tell: Callable[[str], None]

    def runs_or(self, default: int) -> int:
        """How many runs, where the command line does not say."""
        return self.runs or default


def _tap(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import tap  # the readers' libraries, 100 ms
    from kiosk.bench.rig import Subject
    from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, demo_bands
    from kiosk.demo.virtual_bands import application_of, band_key_of

    band = demo_bands()[0]
    subject = Subject(
        uid=band.uid,
        ev=2,
        application=application_of(uid=band.uid, reference=band.reference),
        group_key=DEMO_TEST_GROUP_KEY,
        band_key=band_key_of(band.uid),
    )
    return tap.measure(
        subject=subject, runs=asked.runs_or(100), report_missing=asked.report_missing
    )


def _screen(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import screen  # Textual, 200 ms

    try:
        found = screen.measure(asked.runs_or(100))
    except screen.ScreenDied as error:
        asked.report_missing(
            BenchImpossible("screen", f"The screen could not be measured: {error}.")
        )
        return {}
    return {
        name: Figure(
            median=float(each["median"]),
            p95=float(each["p95"]),
            unit=str(each["unit"]),
            runs=int(each["runs"]),
        )
        for name, each in found.items()
    }


def _search(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import search  # the database's driver, 100 ms

    return search.measure(asked.sizes or SEARCH_SIZES, asked.runs_or(100))


def _sync(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import pouchdb, sync  # the centre, 200 ms

    other = None
    if asked.is_beside_pouchdb:
        asked.tell("what npm installs")
        try:
            other = pouchdb.installed(report_missing=asked.report_missing)
        except BenchImpossible as error:
            asked.report_missing(error)
    sizes, runs = asked.sizes or SYNC_SIZES, asked.runs_or(3)
    try:
        return pouchdb.compared(sync.measure(sizes, runs, tell=asked.tell, other=other))
    except BenchImpossible as error:
        asked.report_missing(error)
        return {}


def _fleet(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import fleet  # the centre, 200 ms

    try:
        return fleet.measure(asked.kiosks, min(asked.kiosks, 1_000), asked.runs_or(3))
    except BenchImpossible as error:
        asked.report_missing(error)
        return {}


def _centre(asked: Asked) -> Mapping[str, Figure]:
    from kiosk.bench import centre  # the centre, 200 ms

    sizes = asked.sizes or centre.IDENTITY_SIZES
    try:
        return centre.measure(
            sizes, asked.runs_or(3), database=asked.database, report_missing=asked.report_missing,
            tell=asked.tell,
        )  # fmt: skip
    except BenchImpossible as error:
        asked.report_missing(error)
        return {}


BENCHES: Final[Mapping[str, Callable[[Asked], Mapping[str, Figure]]]] = {
    "tap": _tap,
    "screen": _screen,
    "fleet": _fleet,
    "search": _search,
    "sync": _sync,
    "centre": _centre,
}
"""What can be measured, by name."""


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    what: Annotated[str, typer.Argument(help="tap, screen, fleet, search, sync or centre.")],
    runs: Annotated[
        int, typer.Option("--runs", min=0, help="Samples a metric; 0 takes the bench's own.")
    ] = 0,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Profiles, for benches that grow, as 1000,10000.")
    ] = "",
    kiosks: Annotated[
        int, typer.Option("--kiosks", min=1, max=15_000, help="Held polls, for the fleet.")
    ] = 1_000,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            help="An empty PostgreSQL database, for the centre; else one is started for the bench.",
        ),
    ] = "",
    is_beside_pouchdb: Annotated[
        bool,
        typer.Option(
            "--pouchdb",
            help="For sync: PouchDB does the same in the same run; npm installs it at the first use.",
        ),
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    data: options.Data = None,
    centre: options.Centre = None,
    reader: options.Reader = None,
) -> None:
    """Measure, beside a baseline, and print medians and 95th percentiles."""
    settings.load(data=data, centre=centre, reader=reader)
    bench = BENCHES.get(what)
    if bench is None:
        typer.echo(
            f"tapthread bench: there is no bench {what[:60]!a}; there are {', '.join(BENCHES)} [usage]",
            err=True,
        )
        raise typer.Exit(EXIT_USAGE)
    for option, is_given, takers in (
        ("--sizes", bool(sizes), ("search", "sync", "centre")),
        ("--database", bool(database), ("centre",)),
        ("--pouchdb", is_beside_pouchdb, ("sync",)),
    ):
        if is_given and what not in takers:
            typer.echo(
                f"tapthread bench: {option} is for {_listed(takers)}, not for {what} [usage]",
                err=True,
            )
            raise typer.Exit(EXIT_USAGE)
    missing: list[BenchImpossible] = []
    asked = Asked(
        runs,
        _numbers(sizes) if sizes else (),
        kiosks,
        database,
        is_beside_pouchdb,
        missing.append,
        tell=_told_to_a_terminal,
    )
    results = bench(asked)
    for each in missing:
        typer.echo(f"tapthread bench: {each} [{each.code}]", err=True)
    typer.echo(as_json(results) if is_json else as_table(results))
    if missing:
        raise typer.Exit(EXIT_FAILED)


def _listed(names: tuple[str, ...]) -> str:
    """Names as people list them: commas, and "and" before the last."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _told_to_a_terminal(what: str) -> None:
    """Where somebody watches: these take minutes, and nothing is printed before the end."""
    if sys.stderr.isatty():
        typer.echo(f"measuring {what} ...", err=True)


def _numbers(text: str) -> tuple[int, ...]:
    """1000,10000 as numbers; ends the command for anything else."""
    parts = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(
        part.isascii() and part.isdigit() and 0 < int(part) <= 2_000_000 for part in parts
    ):
        typer.echo(
            f"tapthread bench: --sizes takes numbers like 1000,10000, not {text[:60]!a} [usage]",
            err=True,
        )
        raise typer.Exit(EXIT_USAGE)
    return tuple(map(int, parts))
