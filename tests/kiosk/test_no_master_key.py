"""What a kiosk has of the brand's band keys: the group key and the keys of its store's bands, and nothing they follow from."""

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.assembly.device import Device, World
from kiosk.assembly.evidence import CacheKeys
from kiosk.assembly.syncing import Sync
from kiosk.band_keys import BandKeyFiles
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.seeding import enrol, open_demo_centre
from sync.central.spares import MadeBand
from sync.edge.store import StoreFile

UID, ELSEWHERE = bytes.fromhex("04F1F2F3F4F5F6"), bytes.fromhex("04F1F2F3F4F5F7")


def _spelled(secret: bytes) -> tuple[bytes, ...]:
    text = secret.hex()
    base64 = b64encode(secret).rstrip(b"=")
    return secret, text.encode(), text.upper().encode(), base64, base64.translate(URL_SAFE)


URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _said_in(content: bytes, secret: bytes) -> bool:
    return any(one in content for one in _spelled(secret))


def _rows_of(file: StoreFile) -> bytes:
    """Every value of every table, as it is kept under the file's encryption."""
    tables = file.glance("SELECT name FROM sqlite_master WHERE type = 'table'")
    values = [
        value
        for (table,) in tables
        for found in file.glance(f'SELECT * FROM "{table}"')
        for value in found
    ]
    return b"\0".join(
        value if isinstance(value, bytes) else str(value).encode() for value in values
    )


def test_a_kiosk_holds_no_key_that_others_follow_from_and_none_of_another_stores_band(
    tmp_path: Path,
) -> None:
    clock = FixedClock(datetime(2026, 5, 4, 12, tzinfo=UTC))
    world = World(clock=clock, entropy=SeededEntropy("kiosk"), disk=SystemDisk())
    centre = open_demo_centre(tmp_path / "centre", world=world)
    folder = tmp_path / "kiosk"
    enrol(centre, folder, role="kiosk", centre_url="http://centre.test", world=world)
    device = Device.open(folder, world=world)
    store = device.identity.store
    centre.enter_bands(
        [
            MadeBand("5a" * 16, UID, label="here", store=store),
            MadeBand("5b" * 16, ELSEWHERE, label="there", store="another"),
        ]
    )

    Sync(device, transport=InProcessTransport(centre.asgi_app)).runner.sync_once()

    held = CacheKeys(device.store).band_key(UID)
    rows = _rows_of(device.store.cache) + _rows_of(device.store.outbox)
    keys = BandKeyFiles.open(tmp_path / "centre", disk=SystemDisk(), entropy=SeededEntropy("x"))
    device.close()
    centre.close()
    files = b"\0".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    here, there = keys.band_key(UID)[0], keys.band_key(ELSEWHERE)[0]
    assert held is not None
    assert held.value == here
    assert _said_in(rows, here)
    assert _said_in(rows, keys.group)
    for secret in (keys.master, there):
        assert not _said_in(rows + files, secret)
    assert not _said_in(files, here), "a lent key stands in a file in clear"
