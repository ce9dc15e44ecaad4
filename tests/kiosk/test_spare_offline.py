"""A sealed spare is proved and linked at a counter that hears no centre, and opens its new owner's page at once."""

from datetime import UTC, datetime
from pathlib import Path

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, World
from kiosk.assembly.evidence import CacheKeys
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.assembly.syncing import Sync
from kiosk.core.ports import BandEvidence
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.seeding import enrol, open_demo_centre
from sync.central.spares import MadeBand
from sync.model.operation import Evidence
from sync.model.operations.link_band import LinkBand
from sync.model.records import Band

SPARE = "5a" * 16
UID = bytes.fromhex("04F1F2F3F4F5F6")


def test_a_spare_is_linked_without_a_network_and_the_centre_agrees_later(
    tmp_path: Path,
) -> None:
    clock = FixedClock(datetime(2026, 5, 4, 12, tzinfo=UTC))
    world = World(clock=clock, entropy=SeededEntropy("spare"), disk=SystemDisk())
    centre = open_demo_centre(tmp_path / "centre", world=world)
    enrol(
        centre,
        tmp_path / "counter",
        role="counter",
        centre_url="http://centre.test",
        world=world,
    )
    device = Device.open(tmp_path / "counter", world=world)
    store = device.identity.store
    centre.enter_bands([MadeBand(SPARE, UID, label="spare", store=store)])
    sync = Sync(device, transport=InProcessTransport(centre.asgi_app))
    sync.runner.sync_once()

    # From here on nobody is heard.
    recogniser, desk = LocalRecogniser(device), StoreDesk(device, None)
    leased = CacheKeys(device.store).band_key(UID)
    evidence = BandEvidence("mutual", "desfire", 2, SPARE, is_uid_only=False)
    before = recogniser.recognise(evidence)
    ruth = desk.find("ruth")[0].owner
    desk.record(
        "link_band",
        LinkBand(band=SPARE),
        owner=ruth,
        actor="ben",
        evidence=Evidence("S1", "id_seen", SPARE),
    )
    after = recogniser.recognise(evidence)
    sync.runner.sync_once()
    row = centre.row(f"band/{SPARE}")
    device.close()
    centre.close()

    assert leased is not None
    assert (before.owner, before.reason) == ("", "unlinked")
    assert after.owner == ruth
    assert row is not None
    assert isinstance(row.body, Band)
    assert (row.owner, row.body.state) == (ruth, "active")
