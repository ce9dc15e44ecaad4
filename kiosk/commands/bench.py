"""`tapthread bench`: measures beside a baseline and prints medians, as one JSON object or as a table.

    tapthread bench tap      our time for one tap on a virtual PN532 and on vpcd, beside the same exchanges sent raw
    tapthread bench screen   from the message that a band was recognised to the bytes on a terminal

Exit codes: 0 all measured; 1 something could not be measured here, which is said, and the rest is printed; 2 the command
line made no sense. A bench is imported when it is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.bench.figures import BenchImpossible, Figure, as_json, as_table
from kiosk.commands import options

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
RUNS: Final = 100
"""Enough for a 95th percentile that does not hang on one sample."""

Missing = Callable[[BenchImpossible], None]
"""Told of what cannot be measured here."""


def _tap(runs: int, report_missing: Missing) -> Mapping[str, Figure]:
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
    return tap.measure(subject=subject, runs=runs, report_missing=report_missing)


def _screen(runs: int, report_missing: Missing) -> Mapping[str, Figure]:
    from kiosk.bench import screen  # Textual, 200 ms

    try:
        found = screen.measure(runs)
    except screen.ScreenDied as error:
        report_missing(BenchImpossible("screen", f"The screen could not be measured: {error}."))
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


BENCHES: Final[Mapping[str, Callable[[int, Missing], Mapping[str, Figure]]]] = {
    "tap": _tap,
    "screen": _screen,
}
"""What can be measured, by name."""


def run(
    what: Annotated[str, typer.Argument(help="tap or screen.")],
    runs: Annotated[int, typer.Option("--runs", min=1, help="Samples a metric.")] = RUNS,
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
    missing: list[BenchImpossible] = []
    results = bench(runs, missing.append)
    for each in missing:
        typer.echo(f"tapthread bench: {each} [{each.code}]", err=True)
    typer.echo(as_json(results) if is_json else as_table(results))
    if missing:
        raise typer.Exit(EXIT_FAILED)
