"""The reader process and the virtual device, as the kiosk's process sees them: real children on a real pty."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.errors import BandMalformed, ReaderAbsent
from drivers.lines import Failed, Left, Proved, ReaderState, Said, Seen
from drivers.ports import LeasedKey
from hardware.clock import SystemClock
from kiosk.band_keys import BandKeyFiles
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, DEMO_TEST_MASTER_KEY, demo_band
from kiosk.links import ReaderLink, VirtualLink
from sync.model.errors import StoreCorrupt

WAIT_S = 30


class AllKeys:
    """The demo's keys, for every band; remembers which were asked for."""

    def __init__(self) -> None:
        self._keys = BandKeyFiles(DEMO_TEST_MASTER_KEY, DEMO_TEST_GROUP_KEY)
        self.asked: list[bytes] = []

    def group_key(self) -> LeasedKey | None:
        return LeasedKey(*self._keys.group_key())

    def band_key(self, uid: bytes) -> LeasedKey | None:
        self.asked.append(uid)
        return LeasedKey(*self._keys.band_key(uid))


class Heard:
    """Everything the reader process said."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Said] = asyncio.Queue()

    async def until(self, wanted: Callable[[Said], bool]) -> Said:
        async with asyncio.timeout(WAIT_S):
            while True:
                said = await self.queue.get()
                if wanted(said):
                    return said


@asynccontextmanager
async def linked(
    tmp_path: Path, keys: AllKeys | None = None
) -> AsyncIterator[tuple[VirtualLink, Heard, AllKeys]]:
    device, heard, keys = VirtualLink(link=tmp_path / "pn532"), Heard(), keys or AllKeys()
    await device.start()
    link = ReaderLink(
        spec=device.spec, keys=keys, heard=heard.queue.put_nowait, clock=SystemClock()
    )
    running = asyncio.create_task(link.run())
    try:
        await heard.until(lambda said: isinstance(said, ReaderState) and not said.code)
        yield device, heard, keys
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await device.close()


def children_of(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def readers_of(pid: int) -> list[int]:
    lines = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children_of(pid)}
    return [child for child, line in lines.items() if b"\0reader\0" in line]


def alive(pids: set[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def test_a_band_is_seen_then_proved_then_gone_and_its_key_crossed_only_the_pipe(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path) as (device, heard, keys):
        assert (await device.present("maya")).startswith("ok")
        seen = await heard.until(lambda said: isinstance(said, Seen))
        proved = await heard.until(lambda said: isinstance(said, Proved))
        assert (await device.remove()).startswith("ok")
        left = await heard.until(lambda said: isinstance(said, Left))

    assert isinstance(proved, Proved)
    assert isinstance(seen, Seen)
    assert isinstance(left, Left)
    assert proved.tap == seen.tap == left.tap
    assert (proved.kind, proved.band) == ("mutual", demo_band("maya").reference.hex())
    assert keys.asked == [demo_band("maya").uid]


async def test_a_reader_process_that_is_killed_is_started_again_and_reads_the_next_band(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path) as (device, heard, _keys):
        readers = readers_of(os.getpid())
        for pid in readers:
            os.kill(pid, signal.SIGKILL)
        gone = await heard.until(lambda said: isinstance(said, ReaderState))
        back = await heard.until(lambda said: isinstance(said, ReaderState) and not said.code)
        await device.present("lena")
        proved = await heard.until(lambda said: isinstance(said, Proved | Failed))

    assert len(readers) == 1
    assert isinstance(gone, ReaderState)
    assert gone.code == "reader_absent"
    assert isinstance(back, ReaderState)
    assert isinstance(proved, Proved)


class BrokenKeys(AllKeys):
    """Keys in a file that does not answer, until it is mended."""

    is_broken = True

    def group_key(self) -> LeasedKey | None:
        if self.is_broken:
            raise StoreCorrupt("the cache is damaged")
        return super().group_key()

    def band_key(self, uid: bytes) -> LeasedKey | None:
        if self.is_broken:
            raise StoreCorrupt("the cache is damaged")
        return super().band_key(uid)


async def test_keys_that_cannot_be_looked_up_are_not_leased_and_are_there_once_they_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = BrokenKeys()
    async with linked(tmp_path, keys) as (device, heard, _keys):
        await device.present("tom")
        before = await heard.until(lambda said: isinstance(said, Proved | Failed))
        keys.is_broken = False
        await device.remove()
        await heard.until(lambda said: isinstance(said, Left))
        await device.present("jonas")
        after = await heard.until(lambda said: isinstance(said, Proved | Failed))

    assert isinstance(before, Proved)
    assert isinstance(after, Proved)
    assert (before.kind, before.band) == ("none", None)
    assert (after.kind, after.band) == ("mutual", demo_band("jonas").reference.hex())
    assert "a key could not be looked up" in caplog.text


class OddKeys(AllKeys):
    """Keys by a UID that must have a size bands have."""

    def band_key(self, uid: bytes) -> LeasedKey | None:
        raise BandMalformed("a UID is 4, 7 or 10 bytes")


async def test_a_uid_no_key_can_be_leased_for_is_a_band_without_a_lease(tmp_path: Path) -> None:
    async with linked(tmp_path, OddKeys()) as (device, heard, _keys):
        await device.present("maya")
        proved = await heard.until(lambda said: isinstance(said, Proved | Failed))

    assert isinstance(proved, Proved)
    assert (proved.kind, proved.band) == ("none", demo_band("maya").reference.hex())


async def test_nothing_is_left_running_when_the_link_ends(tmp_path: Path) -> None:
    before = set(children_of(os.getpid()))

    async with linked(tmp_path):
        during = set(children_of(os.getpid())) - before

    assert len(during) == 2
    assert alive(during) == []


async def test_a_virtual_device_that_cannot_start_is_an_error_and_no_hang(
    tmp_path: Path,
) -> None:
    device = VirtualLink(link=tmp_path / "no" / "such" / "folder" / "pn532")

    with pytest.raises(ReaderAbsent):
        await device.start()


async def test_a_child_that_does_not_end_is_gone_also_when_the_wait_for_it_is_broken_off(
    tmp_path: Path,
) -> None:
    before = set(children_of(os.getpid()))
    device = VirtualLink(link=tmp_path / "pn532")
    await device.start()
    started = set(children_of(os.getpid())) - before
    for pid in started:
        os.kill(pid, signal.SIGSTOP)

    closing = asyncio.create_task(device.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    assert len(started) == 1
    assert alive(started) == []
