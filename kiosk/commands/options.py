"""The options every command takes, declared once, and the database of a centre that two of them name."""

from pathlib import Path
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.commands.own_files import fail

CENTRE_FOLDER: Final = "centre"
"""Where the centre keeps its files, inside the data folder."""

EXIT_DATABASE: Final = 6
"""How a command ends that works on the database of a centre, where that cannot be used."""

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Where this device keeps its files (also TAPTHREAD_DATA).",
        show_default=False,
    ),
]
Database = Annotated[
    str,
    typer.Option(
        "--database",
        help="postgresql://USER@HOST/NAME; without it the file in the data folder.",
        show_default=False,
    ),
]
Centre = Annotated[
    str | None,
    typer.Option(
        "--centre", help="Address of the centre (also TAPTHREAD_CENTRE).", show_default=False
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(
        "--reader",
        help="pcsc, pcsc:NAME, pn532:PATH, wedge:PATH, wedge-reversed:PATH or virtual (also TAPTHREAD_READER).",
        show_default=False,
    ),
]
Relay = Annotated[
    str | None,
    typer.Option(
        "--relay",
        help="Address of this store's relay, http://HOST:PORT (also TAPTHREAD_RELAY).",
        show_default=False,
    ),
]
RelayListen = Annotated[
    str | None,
    typer.Option(
        "--relay-listen",
        help="HOST:PORT at which this device hosts the relay (also TAPTHREAD_RELAY_LISTEN).",
        show_default=False,
    ),
]


def database_of(data: Path | None, database: str, *, as_json: bool) -> str:
    """The database of a centre that `--database` names, or its file in the data folder; ends with 6 where there is none."""
    if database:
        return database
    file = settings.load(data=data).data / CENTRE_FOLDER / "centre.db"
    if not file.is_file():
        message = f"There is no centre in {file.parent}. Make one: tapthread central --data {file.parents[1]}"
        fail("no_centre", message, exit_code=EXIT_DATABASE, as_json=as_json)
    return str(file)
