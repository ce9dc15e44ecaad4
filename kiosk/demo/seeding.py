"""Makes the demo's centre and devices in a folder: rows, bands, approved devices, a pulled cache and leased keys.

DIR/                 the kiosk's own files
DIR/counter/         the counter, a device of its own
DIR/centre/          the centre
DIR/tapthread-demo   says that this folder is a demo and may be made anew
"""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hardware import identity as identities
from hardware.disk import Disk
from kiosk.assembly.device import Device, World, local_zone
from kiosk.assembly.syncing import Sync
from kiosk.band_keys import GROUP_FILE, MASTER_FILE, BandKeyFiles
from kiosk.capsule_signing import KEY_FILE as CAPSULE_FILE
from kiosk.capsule_signing import CapsuleKeyFile
from kiosk.demo.bands import (
    DEMO_TEST_CAPSULE_KEY,
    DEMO_TEST_GROUP_KEY,
    DEMO_TEST_MASTER_KEY,
    ENCODED_CHIPS,
    band_id_of,
    demo_bands,
)
from kiosk.demo.brand import demo_interest, demo_rows
from kiosk.demo.catalogue import HOME_STORE
from kiosk.demo.channels import CHANNELS_FILE, Addresses, demo_channels, write_channels
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.letters import Letter
from kiosk.demo.telling import (
    crowd_letters,
    goods_letters,
    members,
    rows_around,
    story_letters,
)
from sync.central.brand import FILE as BRAND_FILE
from sync.central.centre import Centre
from sync.central.enrolment import scope_of
from sync.edge.runner import Once

MARK_FILE: Final = "tapthread-demo"
CENTRE_FOLDER: Final = "centre"
COUNTER_FOLDER: Final = "counter"

BRAND: Final = b"""name = "Tidemark"
country = "GB"
home = "harbour"
sign_off = \"\"\"
Your Tidemark team
tidemark.example\"\"\"
"""
"""What the demo's centre says of its shop; its time is this machine's, as at the counter."""

DEMO_CENTRE_URL: Final = "http://127.0.0.1:8490"
"""Where `tapthread central` listens unless told otherwise."""

OURS: Final = (
    "cache.db*", "outbox.*", "device.json*", "device.key*", "store.key*", MARK_FILE + "*",
    "store.json*", "sync.json*", "deny.list*", "*.log*",
)  # fmt: skip
"""Files a demo device leaves in its folder and the next one must not find; what is not among them is somebody else's."""


class NotADemo(Exception):
    """The folder holds something that is not a demo; nothing was touched."""


class NotTaken(Exception):
    """A channel of the demo did not believe its own vendor: a defect."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made, counted in the centre's and the kiosk's own files."""

    n_rows: int
    n_held: int
    n_leases: int


def prepare_folder(folder: Path, *, disk: Disk) -> None:
    """Make room for a demo: an empty folder, or a demo that may be made anew and that nobody uses.

    Raises:
        NotADemo: the folder holds something else.
        FolderInUse: its centre, its kiosk or its counter runs.
        DeviceError, OSError: the disk refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADemo(f"{folder} is not a folder; give another with --data")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / MARK_FILE).is_file():
        raise NotADemo(
            f"{folder} is not empty and holds no demo; give another folder with --data"
        )
    parts = (folder / CENTRE_FOLDER, folder / COUNTER_FOLDER)
    with ExitStack() as held:
        for owned in (folder, *parts):
            held.callback(disk.lock(owned).close)
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)
        for pattern in OURS:
            for path in folder.glob(pattern):
                if path.is_file():
                    path.unlink()
    (folder / MARK_FILE).write_text("A demo of Tapthread; `tapthread seed` makes it anew.\n")


def open_demo_centre(folder: Path, *, world: World, vendors: Addresses | None = None) -> Centre:
    """The demo's centre, filled through its channels. Close it.

    What fills it is the past: nothing of it is written back to anybody.

    Args:
        folder: Its own.
        world: What it runs in.
        vendors: Where somebody plays the vendors for what goes out from now on; None when nothing is to go out.
    """
    keys = BandKeyFiles(DEMO_TEST_MASTER_KEY, DEMO_TEST_GROUP_KEY)
    world.disk.write(folder / MASTER_FILE, keys.master, private=True)
    world.disk.write(folder / GROUP_FILE, keys.group, private=True)
    world.disk.write(folder / CAPSULE_FILE, DEMO_TEST_CAPSULE_KEY, private=True)
    world.disk.write(folder / BRAND_FILE, BRAND)
    write_channels(folder / CHANNELS_FILE, demo_channels(vendors=vendors), disk=world.disk)
    centre = _opened(folder, keys, world=world)
    try:
        _fill(centre, world=world)
        if vendors is None:
            return centre
    except BaseException:
        centre.close()
        raise
    centre.close()
    return _opened(folder, keys, world=world, vendors=vendors)


def _opened(
    folder: Path, keys: BandKeyFiles, *, world: World, vendors: Addresses | None = None
) -> Centre:
    return Centre.open(
        folder,
        disk=world.disk,
        clock=world.clock,
        entropy=world.entropy,
        band_keys=keys,
        capsule_signer=CapsuleKeyFile.open(folder, disk=world.disk, entropy=world.entropy),
        channels=demo_channels(vendors=vendors),
    )


def _fill(centre: Centre, *, world: World) -> None:
    now = world.clock.now().astimezone(local_zone(world.clock))
    rows = demo_rows(now)
    spares = [row for row in rows if row.kind == "band" and not row.owner]
    centre.put_rows(
        (row for row in rows_around(rows) if row not in spares),
        interest=[
            (store, owner) for store, owners in demo_interest().items() for owner in owners
        ],
    )
    centre.put_rows(spares, scope=scope_of(HOME_STORE))
    for band in demo_bands():
        if band.chip in ENCODED_CHIPS and band.name != "nobody":
            centre.link_chip(band_id_of(band), band.uid)
    for channel, refs in members().items():
        centre.channels.know(channel, refs)
    told = (*goods_letters(rows, now), *crowd_letters(rows, now), *story_letters(rows, now))
    for letter in told:
        deliver(centre, letter)


def deliver(centre: Centre, letter: Letter) -> None:
    """Hand a delivery to the channel it is for, as its vendor would. Raises NotTaken, StoreError."""
    taken = centre.channels.deliver(letter.channel, letter.delivery)
    if taken.code != "taken":
        raise NotTaken(f"{letter.channel}: {taken.code}")


def enrol(centre: Centre, folder: Path, *, role: str, centre_url: str, world: World) -> None:
    """Make a device in `folder` and approve it: what a technician does once."""
    identity = identities.create(
        store=HOME_STORE, role=role, centre_url=centre_url, centre_key=centre.public_key_hex,
        entropy=world.entropy,
    )  # fmt: skip
    identities.save(identity, folder, disk=world.disk)
    centre.approve_device(public_key=identity.public_key, store=HOME_STORE, role=role)


def _pull(centre: Centre, folder: Path, *, world: World) -> Once:
    """Pull a device's cache and leases through the centre's own web application."""
    device = Device.open(folder, world=world)
    try:
        sync = Sync(device, transport=InProcessTransport(centre.asgi_app))
        return sync.runner.sync_once()
    finally:
        device.close()


def seed(folder: Path, *, world: World, centre_url: str = DEMO_CENTRE_URL) -> Seeded:
    """Make the whole demo in `folder`.

    Raises:
        NotADemo: the folder holds something else.
        FolderInUse: the demo that is there runs.
        DeviceError, SyncError, OSError: the disk does not do what it must.
    """
    prepare_folder(folder, disk=world.disk)
    centre = open_demo_centre(folder / CENTRE_FOLDER, world=world)
    try:
        enrol(centre, folder, role="kiosk", centre_url=centre_url, world=world)
        enrol(
            centre, folder / COUNTER_FOLDER, role="counter", centre_url=centre_url, world=world
        )
        pulled = _pull(centre, folder, world=world)
        _pull(centre, folder / COUNTER_FOLDER, world=world)
        return Seeded(centre.count("doc"), pulled.n_rows, pulled.n_leases)
    finally:
        centre.close()
