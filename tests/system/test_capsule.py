"""One band, two shops: proved and renewed where its wearer is known, and greeted offline where nobody ever saw them."""

import asyncio
import json
from pathlib import Path

import pytest

from drivers.lines import Proved, Refreshed, Said
from hardware import identity
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.reading import living
from kiosk.assembly.syncing import Sync
from kiosk.demo.in_process import InProcessTransport
from sync.central.centre import Centre
from sync.edge.lookup import Lookup
from tests.support.centre import open_centre
from tests.support.commands import run, running

WAIT_S = 30.0


def kiosk_elsewhere(centre: Centre, folder: Path) -> Path:
    """A kiosk of a shop that holds no customer; it synced once."""
    made = identity.create(
        store="depot", role="kiosk", centre_url="http://127.0.0.1:9",
        centre_key=centre.public_key_hex, entropy=SystemEntropy(),
    )  # fmt: skip
    identity.save(made, folder, disk=SystemDisk())
    centre.approve_device(public_key=made.public_key, store="depot", role="kiosk")
    device = Device.open(folder, world=real_world())
    try:
        assert Sync(device, transport=InProcessTransport(centre.asgi_app)).once() == "ok"
        assert Lookup(device.store).profile("tom").rows == ()
    finally:
        device.close()
    return folder


async def renewed_at(device: Device, centre: Centre, spec: str) -> list[Said]:
    """A tap at a kiosk that holds the wearer, online, until something came of the capsule."""
    heard: list[Said] = []
    done = asyncio.Event()

    def hear(said: Said) -> None:
        heard.append(said)
        if isinstance(said, Refreshed):
            done.set()

    sync = Sync(device, transport=InProcessTransport(centre.asgi_app))
    async with living(device, sync, spec=spec, heard=hear), asyncio.timeout(WAIT_S):
        await done.wait()
    return heard


@pytest.mark.parametrize("band", ["maya", "tom"])  # a UID that stays, and a random one
def test_a_band_renewed_in_one_shop_is_greeted_offline_in_another_that_never_saw_its_wearer(
    seeded: Path, tmp_path: Path, band: str
) -> None:
    path = tmp_path / "pn532"
    centre = open_centre(seeded / "centre")
    device = Device.open(seeded, world=real_world())
    with running("virtual", "--pn532", path, "--band", band) as reader:
        assert reader.line().startswith("ready")
        elsewhere = kiosk_elsewhere(centre, tmp_path / "elsewhere")
        before = run(
            "tap", "--json", "--timeout", "30", "--data", elsewhere, "--reader", f"pn532:{path}"
        )

        heard = asyncio.run(renewed_at(device, centre, f"pn532:{path}"))
        device.close()
        centre.close()
        after = run(
            "tap", "--json", "--timeout", "30", "--data", elsewhere, "--reader", f"pn532:{path}"
        )

    stranger, greeted = json.loads(before.stdout), json.loads(after.stdout)
    kinds = [said.kind for said in heard if isinstance(said, Proved)]
    outcomes = [said.outcome for said in heard if isinstance(said, Refreshed)]
    assert (kinds[0], outcomes) == ("mutual", ["written"])
    assert (stranger["assurance"], stranger["customer"]) == ("A0", None)
    assert (greeted["assurance"], greeted["reason"], greeted["online"]) == (
        "A1",
        "carried",
        False,
    )
    assert greeted["page_kind"] == "first_name"
    assert greeted["page"][0]["lines"][0] == f"Hello, {band.title()}."
    assert {block["source"] for block in greeted["page"]} <= {"band", "here"}
