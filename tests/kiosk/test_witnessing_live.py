"""A use on its whole way: this process, the reader process, a PN532 on a pty, and the band in its field."""

import asyncio
from pathlib import Path

import msgspec

from drivers.lines import Said, Use
from drivers.ports import LeasedKey
from hardware.clock import SystemClock
from kiosk.band_keys import BandKeyFiles
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, DEMO_TEST_MASTER_KEY, demo_band
from kiosk.links import ReaderLink, VirtualLink
from kiosk.witnessing import BandWitness

WAIT_S = 30
FIRST = Use(
    0, "01890a5d-ac96-774b-bcce-b302099a8057", "entitlement/coffee", 1, 1, 1, 1, "berlin"
)
SECOND = msgspec.structs.replace(FIRST, operation="01890a5d-ac96-774b-bcce-b302099a8058")


class DemoKeys:
    def __init__(self) -> None:
        self._keys = BandKeyFiles(DEMO_TEST_MASTER_KEY, DEMO_TEST_GROUP_KEY)

    def group_key(self) -> LeasedKey | None:
        return LeasedKey(*self._keys.group_key())

    def band_key(self, uid: bytes) -> LeasedKey | None:
        return LeasedKey(*self._keys.band_key(uid))


async def test_a_band_on_a_real_reader_process_witnesses_a_use_once_also_when_it_is_held_there_again(
    tmp_path: Path,
) -> None:
    device, witness = VirtualLink(link=tmp_path / "pn532"), BandWitness()
    changed = asyncio.Event()

    def heard(said: Said) -> None:
        witness.heard(said)
        changed.set()

    await device.start()
    link = ReaderLink(spec=device.spec, keys=DemoKeys(), heard=heard, clock=SystemClock())
    witness.connect(link.tell)
    reading = asyncio.create_task(link.run())
    band = demo_band("maya").reference.hex()
    try:
        async with asyncio.timeout(WAIT_S):
            await device.present("maya")
            while not witness.is_there(band):
                changed.clear()
                await changed.wait()
            outcomes = [await witness.asked(order) for order in (FIRST, FIRST, SECOND)]
            await device.remove()
            while witness.is_there(band):
                changed.clear()
                await changed.wait()
            await device.present("maya")  # at once, as who is asked for it does
            while not witness.is_there(band):
                changed.clear()
                await changed.wait()
            outcomes += [await witness.asked(order) for order in (FIRST, SECOND)]
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await device.close()

    assert outcomes == ["recorded", "there", "used", "there", "used"]
