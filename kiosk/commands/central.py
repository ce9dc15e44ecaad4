"""`tapthread central`: runs the centre alone, in the folder `centre` of the data folder.

With `--database postgresql://...` it is one of any number of nodes, which share that database and, by `--key`, the centre's
key with the keys of bands beside it; each has a data folder of its own. Otherwise its database is a file in its folder.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from hardware import log
from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import DeviceError, FolderInUse
from kiosk import settings
from kiosk.band_keys import BandKeyFiles
from kiosk.capsule_signing import CapsuleKeyFile
from kiosk.commands.options import Data
from sync.central.app import Tls, serve
from sync.central.centre import KEY_FILE, Centre
from sync.central.sql import is_address
from sync.model.errors import StoreError

FOLDER: Final = "centre"
"""Where the centre keeps its files, inside the data folder."""

LOG_FILE: Final = "centre.log"
EXIT_FAILED: Final = 1
STDIN: Final = 0


def run(  # noqa: PLR0913, PLR0917  # its options
    data: Data = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on. Give --tls-cert, or put TLS in front, before it is not this machine's own.",
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
    database: Annotated[
        str,
        typer.Option(
            "--database",
            help="postgresql://USER@HOST/NAME, or several hosts with commas; the password comes from the file PGPASSFILE"
            " names. Without it the database is a file in the data folder.",
        ),
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="The centre's key, the same for all its nodes; the keys of bands are beside it.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", help="Certificate of this server with its chain, PEM."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="Key of that certificate, PEM.")
    ] = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input does.")
    ] = False,
) -> None:
    """Run the centre alone: devices push operations to it and pull rows from it."""
    chosen = settings.load(data=data).data
    folder = chosen / FOLDER
    if (chosen / KEY_FILE).exists():
        # Made there, it would be a new one in a folder within, which knows no device.
        _fail(f"{chosen} is the folder of a centre itself. Give --data {chosen.parent}.")
    if database and not is_address(database):
        _fail("--database takes an address, postgresql://USER@HOST/NAME.")
    if (tls_cert is None) != (tls_key is None):
        _fail("--tls-cert and --tls-key belong together: give both, or neither.")
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    node = _Node(folder, database, key, tls)
    where = "that --database names" if database else f"in {folder}"
    try:
        _run(node, host=host, port=port, public_url=public_url, until_eof=until_eof)
    except FolderInUse:
        _fail(f"Another process runs the centre in {folder}. Stop it, or give another --data.")
    except DeviceError as error:
        _fail(f"The centre cannot run in {folder}: {error}.")
    except StoreError as error:
        _fail(f"The database of the centre {where} cannot be used: {error}.")


@dataclass(frozen=True, slots=True)
class _Node:
    """Where this node keeps its things. `key` is None for one in its folder."""

    folder: Path
    database: str
    key: Path | None
    tls: Tls | None


def _run(node: _Node, *, host: str, port: int, public_url: str, until_eof: bool) -> None:
    def ready(url: str) -> None:
        _say_ready(url, centre.public_key_hex)
        if until_eof:  # not earlier: until now nothing takes the signal it ends with
            threading.Thread(target=_end_with_input, daemon=True).start()

    disk, entropy, clock = SystemDisk(), SystemEntropy(), SystemClock()
    keys = node.key.parent if node.key else node.folder
    centre = Centre.open(
        node.folder,
        disk=disk,
        clock=clock,
        entropy=entropy,
        band_keys=BandKeyFiles.open(keys, disk=disk, entropy=entropy),
        capsule_signer=CapsuleKeyFile.open(keys, disk=disk, entropy=entropy),
        database=node.database,
        key=node.key,
    )
    try:
        with log.started(node.folder / LOG_FILE):
            logging.getLogger(__name__).info("centre started", extra={"port": port})
            serve(
                centre,
                host=host,
                port=port,
                public_url=public_url,
                on_ready=ready,
                tls=node.tls,
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


def _fail(sentence: str) -> NoReturn:
    print(f"tapthread central: {sentence}", file=sys.stderr)
    raise typer.Exit(EXIT_FAILED)
