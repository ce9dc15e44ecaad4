"""`tapthread central`: runs the centre alone, in the folder `centre` of the data folder; `import`: `central_import`.

`tapthread central restored`, before the centre is started again, says that its database was put back from a copy: every device then
offers again what the copy lacks, and pulls anew. Without it they find out by themselves, each once it presents what the copy never said.
Leave `erased.notes` beside the database as it is: by it, and by what devices hold, whoever was erased since the copy is erased again.

With `--channels FILE` it takes what other systems send: `sync.central.channels_file`.

With `--database postgresql://...` it is one of any number of nodes, which share that database and, by `--key`, the centre's
key with the keys of bands beside it; each has a data folder of its own. Otherwise its database is a file in its folder.

With `--token-module` the keys of bands, and the one that signs capsules, are in a PKCS#11 token and not in files:
`kiosk.band_keys_token`. A key for capsules that is in a file stays there until `--token-bring` brings it.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from hardware import log
from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import DeviceError, FolderInUse
from hardware.identity import lasting_bytes
from kiosk import settings
from kiosk.band_keys import GROUP_FILE, MASTER_FILE, BandKeyFiles
from kiosk.capsule_signing import KEY_FILE as CAPSULE_FILE
from kiosk.capsule_signing import SEED_SIZE, CapsuleKeyFile
from kiosk.commands.counting import counted
from kiosk.commands.options import CENTRE_FOLDER, Data
from kiosk.commands.own_files import sentence
from sync.central.app import Tls, serve
from sync.central.centre import DATABASE_FILE, KEY_FILE, Centre
from sync.central.errors import ChannelsWrong
from sync.central.ports import CapsuleSigner
from sync.central.sql import is_address
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from kiosk.band_keys_token import TokenBandKeys

LOG_FILE: Final = "centre.log"
EXIT_FAILED: Final = 1
STDIN: Final = 0

EPOCH_SIZE: Final = 8
"""Bytes of the name of a history."""


def run(  # noqa: PLR0913, PLR0917  # its options
    what: Annotated[
        str,
        typer.Argument(
            help="Nothing, to run the centre; import, for a FILE of records; restored, after its database was put back from a copy."
        ),
    ] = "",
    file: Annotated[Path | None, typer.Argument(help="With import: CSV or NDJSON.")] = None,
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
    token_module: Annotated[
        Path | None,
        typer.Option(
            "--token-module",
            help="PKCS#11 library of the token that keeps the keys of bands, instead of files beside the centre's key.",
        ),
    ] = None,
    token_label: Annotated[
        str, typer.Option("--token-label", help="Label of that token.")
    ] = "tapthread",  # noqa: S107  # the name of a token
    token_pin_file: Annotated[
        Path | None,
        typer.Option("--token-pin-file", help="File with its PIN, readable by nobody else."),
    ] = None,
    token_bring: Annotated[
        bool,
        typer.Option(
            "--token-bring",
            help="Bring the keys that were in files until now into the token; remove the files once that was said to be done.",
        ),
    ] = False,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input does.")
    ] = False,
    channels: Annotated[
        Path | None,
        typer.Option(
            "--channels",
            help="File that names the other systems that send to the centre; see sync/central/channels/README.md.",
        ),
    ] = None,
    channel: Annotated[
        str, typer.Option("--channel", help="With import: the channel the file is of.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="With import: print one JSON object.")
    ] = False,
) -> None:
    """Run the centre alone: devices push operations to it and pull rows from it."""
    chosen = settings.load(data=data).data
    folder = chosen / CENTRE_FOLDER
    if what:
        _aside(what, folder, database, channels, file, channel, as_json=as_json)
        return
    if (chosen / KEY_FILE).exists():
        # Made there, it would be a new one in a folder within, which knows no device.
        _fail(f"{chosen} is the folder of a centre itself. Give --data {chosen.parent}.")
    if database and not is_address(database):
        _fail("--database takes an address, postgresql://USER@HOST/NAME.")
    if (tls_cert is None) != (tls_key is None):
        _fail("--tls-cert and --tls-key belong together: give both, or neither.")
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    if token_module is None and (token_pin_file is not None or token_bring):
        _fail("--token-pin-file and --token-bring need --token-module.")
    token = (
        _Token(token_module, token_label, _pin_in(token_pin_file), token_bring)
        if token_module
        else None
    )
    node = _Node(folder, database, key, tls, token, channels)
    where = "that --database names" if database else f"in {folder}"
    try:
        _run(node, host=host, port=port, public_url=public_url, until_eof=until_eof)
    except ChannelsWrong as error:
        _fail(sentence(f"The channels cannot be used: {error}"))
    except FolderInUse:
        _fail(f"Another process runs the centre in {folder}. Stop it, or give another --data.")
    except DeviceError as error:
        _fail(f"The centre cannot run in {folder}: {error}.")
    except StoreError as error:
        _fail(f"The database of the centre {where} cannot be used: {error}.")


def _restored(folder: Path, address: str) -> None:
    """Name the history of all scopes anew, in a centre that is not running."""
    from sync.central.store import Store  # not for who runs a centre

    try:
        lock = SystemDisk().lock(folder)
    except FolderInUse:
        _fail(f"The centre in {folder} is running. Stop it, and all its other nodes, first.")
    except DeviceError as error:
        _fail(f"{folder} cannot be used: {error}.")
    try:
        store = Store(address, fresh_epoch="")
        try:
            n_scopes = store.begin_epoch(SystemEntropy().draw(EPOCH_SIZE).hex())
        finally:
            store.close()
    except StoreError as error:
        _fail(f"The database of the centre cannot be used: {error}.")
    finally:
        lock.close()
    print(
        f"The history of {counted(n_scopes, 'scope')} has another name. Start the centre again: each device offers again what it keeps"
        " as answered, and fetches its rows anew over what it holds. Leave erased.notes in that folder: by it whoever was erased"
        " since the copy is erased again."
    )


def _aside(  # noqa: PLR0913  # what the line said
    what: str,
    folder: Path,
    database: str,
    channels: Path | None,
    file: Path | None,
    channel: str,
    *,
    as_json: bool,
) -> None:
    """Something else than to run the centre."""
    if what not in ("import", "restored"):
        _fail(f"There is no {what!r}. Give import, restored, or nothing to run the centre.")
    address = database or str(folder / DATABASE_FILE)
    if not is_address(address) and not Path(address).is_file():
        _fail(f"There is no centre in {Path(address).parent}.")
    if what == "restored":
        _restored(folder, address)
        return
    from kiosk.commands.central_import import import_file  # not for who runs a centre

    import_file(address, channels=channels, file=file, channel=channel, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Node:
    """Where this node keeps its things. `key` is None for one in its folder."""

    folder: Path
    database: str
    key: Path | None
    tls: Tls | None
    token: "_Token | None"
    channels: Path | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    """The token with the keys of bands. `is_bringing` says that keys in files go into it."""

    module: Path
    label: str
    pin: str = field(repr=False)
    is_bringing: bool


def _pin_in(file: Path | None) -> str:
    """The PIN in a file that others cannot read."""
    if file is None:
        _fail("--token-module needs --token-pin-file.")
    try:
        if file.stat().st_mode & 0o077:
            _fail(f"Others can read {file}. Run: chmod 600 {file}")
        pin = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        _fail(f"The PIN in {file} cannot be read.")
    if not pin:
        _fail(f"There is no PIN in {file}.")
    return pin


def _band_keys(node: _Node, keys: Path) -> "BandKeyFiles | TokenBandKeys":
    """The keys of bands: in files, or in a token. Raises EnrolmentError, DiskFull, DiskFault."""
    disk, entropy = SystemDisk(), SystemEntropy()
    token = node.token
    if token is None:
        return BandKeyFiles.open(keys, disk=disk, entropy=entropy)
    try:
        # Built for the centre alone: a kiosk has no such module.
        from kiosk.band_keys_token import TokenBandKeys
    except ModuleNotFoundError as error:
        _fail(f"--token-module needs the package {error.name}; install the extra `centre`.")
    has_files = all((keys / name).exists() for name in (MASTER_FILE, GROUP_FILE))
    if token.is_bringing and not has_files and not (keys / CAPSULE_FILE).exists():
        _fail(f"There are no keys in {keys} to bring into the token.")
    if has_files and not token.is_bringing:
        _fail(
            f"There are keys of bands in {keys} as well. Add --token-bring once, then remove {MASTER_FILE} and {GROUP_FILE}."
        )
    brought = None
    if token.is_bringing and has_files:
        files = BandKeyFiles.open(keys, disk=disk, entropy=entropy)
        brought = (files.master, files.group)
    opened = TokenBandKeys.open(token.module, label=token.label, pin=token.pin, bring=brought)
    if brought is not None:
        print(
            f"tapthread central: the keys are in the token. Remove {keys / MASTER_FILE} and {keys / GROUP_FILE} now.",
            file=sys.stderr,
        )
    return opened


def _capsule_signer(
    node: _Node, keys: Path, band_keys: "BandKeyFiles | TokenBandKeys"
) -> CapsuleSigner:
    """The key for capsules: in the token where it is there, brought or drawn; else in a file. Raises as `_band_keys`."""
    disk, entropy, token = SystemDisk(), SystemEntropy(), node.token
    file = keys / CAPSULE_FILE
    if token is None or isinstance(band_keys, BandKeyFiles) or not band_keys.knows_capsules:
        return CapsuleKeyFile.open(keys, disk=disk, entropy=entropy)
    if not file.exists():
        return band_keys.capsule_key()
    if token.is_bringing:
        seed = lasting_bytes(file, size=SEED_SIZE, disk=disk, entropy=entropy)
        brought = band_keys.capsule_key(seed)
        print(
            f"tapthread central: the key for capsules is in the token. Remove {file} now.",
            file=sys.stderr,
        )
        return brought
    if band_keys.has_capsule_key:
        _fail(
            f"There is a key for capsules in {keys} as well. Add --token-bring once, then remove {CAPSULE_FILE}."
        )
    return CapsuleKeyFile.open(keys, disk=disk, entropy=entropy)


def _run(node: _Node, *, host: str, port: int, public_url: str, until_eof: bool) -> None:
    def ready(url: str) -> None:
        _say_ready(url, centre.public_key_hex)
        if until_eof:  # not earlier: until now nothing takes the signal it ends with
            threading.Thread(target=_end_with_input, daemon=True).start()

    disk, entropy, clock = SystemDisk(), SystemEntropy(), SystemClock()
    keys = node.key.parent if node.key else node.folder
    band_keys = _band_keys(node, keys)
    centre = Centre.open(
        node.folder,
        disk=disk,
        clock=clock,
        entropy=entropy,
        band_keys=band_keys,
        capsule_signer=_capsule_signer(node, keys, band_keys),
        database=node.database,
        key=node.key,
        channels=node.channels or (),
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
        band_keys.close()


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
