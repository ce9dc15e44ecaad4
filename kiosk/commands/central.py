"""`tapthread central`: runs the centre alone, in the folder `centre` of the data folder.

Prints one line of JSON on standard output when it listens, {"ready":true,"url":...,"key":...}: where devices reach it, and
the key they pin. Ends with 0 on SIGTERM or SIGINT. What cannot be started ends with 1 and a sentence on standard error:
the port is taken, another centre owns the folder, it cannot be written, a file of it is damaged.
"""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from hardware import log
from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import DeviceError, FolderInUse
from kiosk import settings
from kiosk.band_keys import BandKeyFiles
from kiosk.commands.options import Data
from sync.central.app import serve
from sync.central.centre import Centre
from sync.model.errors import StoreError

FOLDER: Final = "centre"
"""Where the centre keeps its files, inside the data folder."""

LOG_FILE: Final = "centre.log"
EXIT_FAILED: Final = 1
STDIN: Final = 0


def run(
    data: Data = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on. Put TLS in front before it is not this machine's own.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port; 0 takes a free one.")
    ] = 8_490,
    public_url: Annotated[
        str,
        typer.Option(
            "--public-url", help="How devices reach it when something in front ends TLS."
        ),
    ] = "",
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input does.")
    ] = False,
) -> None:
    """Run the centre alone: devices push operations to it and pull rows from it."""
    folder = settings.load(data=data).data / FOLDER
    try:
        _run(folder, host=host, port=port, public_url=public_url, until_eof=until_eof)
    except FolderInUse:
        _fail(f"Another process runs the centre in {folder}. Stop it, or give another --data.")
    except DeviceError as error:
        _fail(f"The centre cannot run in {folder}: {error}.")
    except StoreError as error:
        _fail(f"The database of the centre in {folder} cannot be used: {error}.")


def _run(folder: Path, *, host: str, port: int, public_url: str, until_eof: bool) -> None:
    def ready(url: str) -> None:
        _say_ready(url, centre.public_key_hex)
        if until_eof:  # not earlier: until now nothing takes the signal it ends with
            threading.Thread(target=_end_with_input, daemon=True).start()

    disk, entropy, clock = SystemDisk(), SystemEntropy(), SystemClock()
    band_keys = BandKeyFiles.open(folder, disk=disk, entropy=entropy)
    centre = Centre.open(folder, disk=disk, clock=clock, entropy=entropy, band_keys=band_keys)
    try:
        with log.started(folder / LOG_FILE):
            logging.getLogger(__name__).info("centre started", extra={"port": port})
            serve(
                centre,
                host=host,
                port=port,
                public_url=public_url,
                on_ready=ready,
            )
    finally:
        centre.close()


def _end_with_input() -> None:
    """Wait until whoever started us is gone, then ask ourselves to end."""
    # Not `sys.stdin`: its lock, held by this thread, is fatal to a process that ends for another reason.
    while os.read(STDIN, 4_096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say_ready(url: str, key: str) -> None:
    print(json.dumps({"ready": True, "url": url, "key": key}), flush=True)


def _fail(sentence: str) -> None:
    print(f"tapthread central: {sentence}", file=sys.stderr)
    raise typer.Exit(EXIT_FAILED)
