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
        help="pcsc, pcsc:NAME, pn532:PATH or virtual (also TAPTHREAD_READER).",
        show_default=False,
    ),
]
