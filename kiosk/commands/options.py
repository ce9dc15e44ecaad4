"""The options every command takes, declared once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Where this device keeps its files (also TAPTHREAD_DATA).",
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
