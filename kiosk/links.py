"""The other processes, as this one sees them: the reader process, and virtual devices where the reader is pretended.

A C library that hangs can be killed, and one that writes to the terminal cannot. A child ends when its standard input
does, so none outlives this process, however it ends.

    run:  start -> lines ... -> it ended or hung -> say that the reader is gone -> pause, longer each time -> start
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drivers.errors import BandMalformed, ReaderAbsent, ReaderFault
from drivers.lines import (
    Failed,
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Said,
    Seen,
    Stop,
    Told,
    line_of,
    said_of,
)
from drivers.ports import KeyProvider, LeasedKey
from hardware.clock import Clock
from sync.model.errors import StoreError

log = logging.getLogger(__name__)

RESTART_MS: Final = (200, 500, 1_000, 2_000, 5_000)
"""Pauses before the reader process is started again; the last one repeats."""

HANG_MS: Final = 3_000
"""A band was seen and nothing came of it for this long: ten times what the slowest exchange takes. The process is killed."""

STOP_MS: Final = 1_000
"""How long a child may take to end by itself when asked."""

READY_MS: Final = 20_000
"""How long a virtual device may take to come up on a slow machine."""


def command_line(*arguments: str) -> tuple[str, ...]:
    """This program with other arguments, for a child process."""
    return (sys.executable, "-m", "kiosk.cli", *arguments)


async def _ended(child: asyncio.subprocess.Process) -> None:
    """Close the child's input, give it `STOP_MS`, then kill it; returns when it is gone. Cancelled, it kills it at once."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        async with asyncio.timeout(STOP_MS / 1_000):
            await child.wait()
    except TimeoutError:
        await _killed(child)
    except asyncio.CancelledError:
        await _killed(child)
        raise


async def _killed(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()


class ReaderLink:
    """One reader process: started, listened to, given keys, killed when it hangs, started again.

    A key that cannot be looked up counts as not leased. The group key is told as soon as there is one, and when it changes.

    Args:
        spec: Reader as `tapthread reader --reader` takes it.
        keys: Where leased keys come from; called on the event loop, must answer in milliseconds. May raise StoreError.
        heard: Called on the event loop with everything the process says, key requests excepted.
    """

    def __init__(
        self, *, spec: str, keys: KeyProvider, heard: Callable[[Said], None], clock: Clock
    ) -> None:
        self._spec = spec
        self._keys = keys
        self._heard = heard
        self._clock = clock
        self._child: asyncio.subprocess.Process | None = None

    def tell(self, value: Told) -> None:
        """Tell the process something; on the event loop. What is told while none runs is not heard by anybody."""
        if self._child is not None:
            self._tell(self._child, line_of(value))

    async def run(self) -> None:
        """Keep a reader process until this task is cancelled."""
        n_failed = 0
        while True:
            n_lines = await self._run_once()
            n_failed = 0 if n_lines > 1 else n_failed + 1
            pause_ms = RESTART_MS[min(n_failed, len(RESTART_MS) - 1)]
            log.warning("reader process started again", extra={"retry_ms": pause_ms})
            await self._clock.pause_ms(pause_ms)

    async def _run_once(self) -> int:
        """One life of the process; how many lines it said."""
        child = await asyncio.create_subprocess_exec(
            *command_line("reader", "--reader", self._spec),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._child = child
        try:
            n_lines, code = await self._listen(child)
        except asyncio.CancelledError:
            self._tell(child, line_of(Stop()))
            raise
        finally:
            self._child = None
            await _ended(child)
        self._heard(ReaderState(name=self._spec, code=code, reason="its process ended"))
        return n_lines

    async def _listen(self, child: asyncio.subprocess.Process) -> tuple[int, str]:
        assert child.stdout is not None
        told = self._tell_group_key(child, None)
        n_lines = 0
        open_tap: int | None = None
        while True:
            try:
                async with asyncio.timeout(HANG_MS / 1_000 if open_tap else None):
                    line = await child.stdout.readline()
                if not line:
                    return n_lines, self._broken_off(open_tap, ReaderAbsent.code)
                said = said_of(line)
            except (TimeoutError, BandMalformed, ValueError):
                return n_lines, self._broken_off(open_tap, ReaderFault.code)
            n_lines += 1
            match said:
                case Seen(tap=tap):
                    open_tap = tap
                    if told is None:
                        told = self._tell_group_key(child, told)
                case Proved() | Failed():
                    open_tap = None
                case Left():
                    told = self._tell_group_key(child, told)
                case _:
                    pass
            if isinstance(said, ReaderState) and said.code:
                log.warning(
                    "the reader failed", extra={"code": said.code, "cause": said.reason}
                )
            if isinstance(said, KeyWanted):
                self._answer(child, said)
            else:
                self._heard(said)

    def _broken_off(self, open_tap: int | None, code: str) -> str:
        """The process broke off; a tap it was reading has failed with that."""
        if open_tap is not None:
            self._heard(Failed(tap=open_tap, code=code))
        return code

    def _tell_group_key(
        self, child: asyncio.subprocess.Process, told: LeasedKey | None
    ) -> LeasedKey | None:
        """Tell the group key unless it is the one told before; the one that is known there now."""
        held = self._held(self._keys.group_key)
        if held is None or held == told:
            return told
        self._tell(child, line_of(GroupKey(held.value.hex(), held.version)))
        return held

    def _answer(self, child: asyncio.subprocess.Process, wanted: KeyWanted) -> None:
        leased = self._held(lambda: self._keys.band_key(bytes.fromhex(wanted.uid)))
        key = (
            Key(wanted.tap, None)
            if leased is None
            else Key(wanted.tap, leased.value.hex(), leased.version)
        )
        self._tell(child, line_of(key))

    @staticmethod
    def _held(look_up: Callable[[], LeasedKey | None]) -> LeasedKey | None:
        try:
            return look_up()
        except (StoreError, BandMalformed, ValueError) as error:
            log.warning("a key could not be looked up", extra={"cause": type(error).__name__})
            return None

    @staticmethod
    def _tell(child: asyncio.subprocess.Process, line: bytes) -> None:
        assert child.stdin is not None
        if not child.stdin.is_closing():
            child.stdin.write(line)


class VirtualLink:
    """A `tapthread virtual` child with a PN532 on a pty, and the demo's bands to put in its field."""

    def __init__(self, *, link: Path) -> None:
        self._link = link
        self._child: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()

    @property
    def spec(self) -> str:
        """The reader spec that opens this device."""
        return f"pn532:{self._link}"

    async def start(self, *, band: str | None = None) -> None:
        """Start it and wait until the device is there. Raises ReaderAbsent."""
        more = () if band is None else ("--band", band)
        self._child = await asyncio.create_subprocess_exec(
            *command_line("virtual", "--pn532", str(self._link), "--until-eof", *more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await self._be_ready()
        except BaseException:
            await self.close()
            raise

    async def _be_ready(self) -> None:
        answer = await self._line()
        if not answer.startswith("ready"):
            raise ReaderAbsent(f"the virtual reader did not start: {answer}")

    async def present(self, *bands: str) -> str:
        """Put bands in the field; the device's own answer."""
        return await self._ask(" ".join(("present", *bands)))

    async def remove(self) -> str:
        """Take everything out of the field; the device's own answer."""
        return await self._ask("remove")

    async def close(self) -> None:
        """End the child; harmless when done twice."""
        if self._child is not None:
            child, self._child = self._child, None
            await _ended(child)

    async def _ask(self, line: str) -> str:
        async with self._asking:
            if self._child is None or self._child.stdin is None:
                raise ReaderAbsent("the virtual reader is not running")
            self._child.stdin.write(line.encode() + b"\n")
            return await self._line()

    async def _line(self) -> str:
        assert self._child is not None
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(READY_MS / 1_000):
                line = await self._child.stdout.readline()
        except TimeoutError as error:
            raise ReaderAbsent("the virtual reader does not answer") from error
        if not line:
            raise ReaderAbsent("the virtual reader ended")
        return line.decode(errors="replace").strip()
