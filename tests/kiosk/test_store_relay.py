"""A device with and without the relay of its store set."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware import identity
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.syncing import Sync
from sync.edge.report import kept_report
from tests.support.commands import environment


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = identity.create(
        store="harbour", role="kiosk", centre_url="http://127.0.0.1:9", centre_key="00",
        entropy=SystemEntropy(),
    )  # fmt: skip
    identity.save(made, tmp_path, disk=SystemDisk())
    opened = Device.open(tmp_path, world=real_world())
    yield opened
    opened.close()


def test_without_a_relay_set_nothing_is_said_of_one(device: Device) -> None:
    sync = Sync(device)

    assert sync.relay is None
    assert StoreDesk(device, sync).standing().relay == "off"


def test_a_relay_that_was_not_reached_yet_is_lost(device: Device) -> None:
    sync = Sync(device, relay="http://127.0.0.1:9")

    standing = StoreDesk(device, sync).standing()

    assert standing.relay == "relay_lost"
    assert standing.relay_since > 0


def test_an_address_somebody_else_listens_on_keeps_no_counter_from_starting(
    device: Device,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sync = Sync(device, relay_listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert sync.relay is not None

        sync.relay.start()
        sync.relay.stop()

    assert StoreDesk(device, sync).standing().relay != "ok"


@pytest.mark.parametrize(("relay", "said"), [("", "off"), ("http://127.0.0.1:9", "relay_lost")])
def test_whoever_asks_from_outside_is_told_how_the_relay_is(
    device: Device, relay: str, said: str
) -> None:
    sync = Sync(device, relay=relay)

    sync._changed()

    report = kept_report(device.store.folder, disk=SystemDisk())
    assert report is not None
    assert report.relay == said


IMPORTED = """
import sys
from pathlib import Path
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.syncing import Sync
device = Device.open(Path(sys.argv[1]), world=real_world())
sync = Sync(device, relay="http://127.0.0.1:9", relay_listen=sys.argv[2])
print("uvicorn" in sys.modules)
device.close()
"""


@pytest.mark.parametrize(("listen", "is_imported"), [("", "False"), ("127.0.0.1:9", "True")])
def test_the_web_server_is_imported_only_where_the_relay_is_hosted(
    device: Device, listen: str, is_imported: str
) -> None:
    device.close()

    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(device.store.folder), listen],
        capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip

    assert done.stdout.strip() == is_imported, done.stderr
