"""A reader that is a keyboard: it types the number of a band and Enter. A tap on it is a claim and nothing more.

    open      the input device, grabbed so that nothing it types reaches a screen
    tap       digits, Enter -> the UID; what is no number of a band is passed over
    presence  a keyboard never says that a band left: it counts as gone when it was not typed again for a while

Some models type the same number over and over while the band lies there: each time counts as still there.

    number    8, 14 or 20 hex digits: the UID's bytes; 10 decimal digits: four bytes as a number
              16 hex digits: the IDm of FeliCa

The only importer of evdev, which finds and grabs; the bytes of events are taken apart here.
Source: Linux, Documentation/input/input.rst, struct input_event; include/uapi/linux/input-event-codes.h.
"""

import contextlib
import errno
import os
import select
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from drivers.errors import (
    BandLeft,
    BandUnsupported,
    Delivery,
    ReaderAbsent,
    ReaderBusy,
    ReaderFault,
)
from drivers.readers.base import WAIT_MS_MAX
from drivers.readers.profiles import ByteOrder
from drivers.readers.signals import Signal
from drivers.target import Target, Technology
from hardware.clock import Clock

EVENT = struct.Struct("@llHHi")
"""Seconds, microseconds, type, code, value."""

EV_SYN, SYN_DROPPED = 0x00, 0x03
"""The kernel's queue was full and keys are missing. Source: Linux, Documentation/input/event-codes.rst, SYN_DROPPED."""

EV_KEY = 0x01
PRESSED = 1
"""Value of a key that goes down; 0 goes up, 2 is repeated by the keyboard itself."""

KEY_ENTER, KEY_KEYPAD_ENTER = 28, 96
DIGITS = {
    **{code: str((code - 1) % 10) for code in range(2, 12)},
    **dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True)),
    30: "A", 48: "B", 46: "C", 32: "D", 18: "E", 33: "F",
}  # fmt: skip
"""Hex digit by key code: the row above the letters, the keypad, A to F. Upper and lower case are the same here."""

SHIFTS = (42, 54)
OTHER_KEY = "?"
"""Stands for any other key: a line with it is no number."""

TYPED_SIZE_MAX = 20
"""Digits of the longest number; more is not the number of a band."""

PAUSE_MS = 500
"""A reader types a number in a fifth of a second; digits with a longer pause between them are two numbers."""

GONE_MS = 1_200
"""A model that repeats does so once a second; a band that was not typed for longer has left."""

HEX_SIZES = (8, 14, 16, 20)
"""Digits of a UID of 4, 7 or 10 bytes, or of an IDm."""

DECIMAL_SIZE = 10
"""Digits of four bytes as a decimal number."""

READ_SIZE = EVENT.size * 64
"""Bytes taken from the device at once."""


def uid_of(typed: str, order: ByteOrder) -> bytes | None:
    """The UID in what was typed; None when it is no number of a band."""
    if len(typed) == DECIMAL_SIZE and typed.isdecimal() and int(typed) < 1 << 32:
        uid = int(typed).to_bytes(4, "big")
    elif len(typed) in HEX_SIZES and OTHER_KEY not in typed:
        uid = bytes.fromhex(typed)
    else:
        return None
    return uid[::-1] if order is ByteOrder.REVERSED else uid


class Typing:
    """What a keyboard types, from the bytes of its events; lines come out, anything may go in."""

    def __init__(self) -> None:
        self._rest = b""
        self._typed = ""
        self._at_ms = 0

    def feed(self, some: bytes, now_ms: int) -> Iterator[str]:
        """Lines completed by `some`, in order; one that is too long is empty, another key than a digit is OTHER_KEY.

        One of which the kernel lost keys has an OTHER_KEY too: what is left of it may look like a shorter number.
        """
        if now_ms - self._at_ms > PAUSE_MS:
            self._typed = ""
        self._at_ms = now_ms
        some = self._rest + some
        whole = len(some) - len(some) % EVENT.size
        self._rest = some[whole:]
        for _, _, kind, code, value in EVENT.iter_unpack(some[:whole]):
            if (kind, code) == (EV_SYN, SYN_DROPPED):
                self._typed = OTHER_KEY
            elif kind != EV_KEY or value != PRESSED:
                continue
            elif code in (KEY_ENTER, KEY_KEYPAD_ENTER):
                line, self._typed = self._typed, ""
                yield line if len(line) <= TYPED_SIZE_MAX else ""
            elif len(self._typed) <= TYPED_SIZE_MAX:
                self._typed += "" if code in SHIFTS else DIGITS.get(code, OTHER_KEY)


class WedgeReader:
    """A keyboard reader, open and ours alone until closed."""

    def __init__(
        self,
        descriptor: int,
        name: str,
        clock: Clock,
        *,
        order: ByteOrder = ByteOrder.AS_READ,
        gone_ms: int = GONE_MS,
        let_go: Callable[[], None] | None = None,
    ) -> None:
        """Read events from `descriptor`, which this closes unless `let_go` does."""
        self._descriptor = descriptor
        self._name = name
        self._clock = clock
        self._order = order
        self._gone_ms = gone_ms
        self._let_go = let_go or (lambda: os.close(descriptor))
        self._typing = Typing()
        self._waiting: list[bytes] = []
        self._generation = 0
        self._last: bytes | None = None
        self._last_ms = 0
        self._is_open = True
        self.reported_at_us = 0

    @classmethod
    def opened(
        cls, wanted: str, clock: Clock, *, order: ByteOrder = ByteOrder.AS_READ
    ) -> "WedgeReader":
        """The input device at the path `wanted`, or the first keyboard whose name holds it, any case.

        Raises:
            ReaderAbsent: no such device, or it is no keyboard.
            ReaderBusy: another program has grabbed it, or we may not open it.
        """
        import evdev  # 20 ms, a C library; not needed for other readers

        path = wanted if wanted.startswith("/") else _path_of(wanted)
        if path is None or not Path(path).exists():
            raise ReaderAbsent("no such keyboard", delivery=Delivery.NOT_SENT)
        try:
            device = evdev.InputDevice(path)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                raise ReaderBusy(
                    "the keyboard may not be opened", delivery=Delivery.NOT_SENT
                ) from error
            raise ReaderAbsent("it is no keyboard", delivery=Delivery.NOT_SENT) from error
        try:
            device.grab()
        except OSError as error:
            device.close()
            raise ReaderBusy(
                "another program holds the keyboard", delivery=Delivery.NOT_SENT
            ) from error

        def let_go() -> None:
            with contextlib.suppress(OSError):  # It may be unplugged already.
                device.ungrab()
            device.close()

        return cls(device.fd, device.name, clock, order=order, let_go=let_go)

    @property
    def name(self) -> str:
        """What the kernel calls it."""
        return self._name

    @property
    def generation(self) -> int:
        """Counts what was typed; connections to older ones are dead."""
        return self._generation

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        """The band that was typed, or None. See `Reader`; a band that only lies there is not typed again by most models."""
        if not self._waiting:
            self._listen(timeout_ms)
        if not self._waiting:
            return None
        self._last = self._waiting.pop(0)
        self._generation += 1
        return Target(Technology.OTHER, self._last, b"", self._generation)

    def connect(self, target: Target) -> "WedgeConnection":
        """A connection that carries nothing. See `Reader`."""
        if target.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        return WedgeConnection(self._generation)

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Was the band not typed again for a while, or another one? See `Reader`."""
        until_ms = self._clock.ticks_ms() + min(timeout_ms, WAIT_MS_MAX)
        left_ms = 0
        while True:
            self._listen(left_ms)
            now_ms = self._clock.ticks_ms()
            if self._is_another_waiting() or now_ms - self._last_ms >= self._gone_ms:
                return True
            if now_ms >= until_ms:
                return False
            left_ms = min(until_ms, self._last_ms + self._gone_ms) - now_ms

    def signal(self, signal: Signal) -> None:
        """A keyboard has nothing to signal with. See `Reader`."""

    def close(self) -> None:
        """Give the keyboard back."""
        if self._is_open:
            self._is_open = False
            self._generation += 1
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_another_waiting(self) -> bool:
        """The same band typed again is still there; the first other one says that this one left."""
        while self._waiting and self._waiting[0] == self._last:
            self._waiting.pop(0)
        return bool(self._waiting)

    def _listen(self, timeout_ms: int) -> None:
        """Take in what is typed until there is a number, at most `timeout_ms`. Raises ReaderAbsent, ReaderFault."""
        if not self._is_open:
            raise ReaderAbsent("the reader is closed", delivery=Delivery.NOT_SENT)
        until_ms = self._clock.ticks_ms() + min(timeout_ms, WAIT_MS_MAX)
        while not self._waiting:
            left_ms = until_ms - self._clock.ticks_ms()
            if not select.select([self._descriptor], [], [], max(0, left_ms) / 1_000)[0]:
                return
            now_ms = self._clock.ticks_ms()
            for line in self._typing.feed(self._read(), now_ms):
                uid = uid_of(line, self._order)
                if uid is not None:
                    self._waiting.append(uid)
                    self._last_ms = now_ms
                    self.reported_at_us = self._clock.ticks_us()

    def _read(self) -> bytes:
        try:
            some = os.read(self._descriptor, READ_SIZE)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise ReaderAbsent("the keyboard is gone") from error
            raise ReaderFault("the keyboard cannot be read") from error
        if not some:
            raise ReaderAbsent("the keyboard is gone")
        return some


def _path_of(part: str) -> str | None:
    """The first keyboard whose name holds `part`, by path. Those we may not open are passed over."""
    import evdev

    for path in sorted(evdev.list_devices()):
        with contextlib.suppress(OSError):
            device = evdev.InputDevice(path)
            name, kinds = device.name, device.capabilities(verbose=False)
            device.close()
            if part.lower() in name.lower() and KEY_ENTER in kinds.get(EV_KEY, ()):
                return str(path)
    return None


class WedgeConnection:
    """A band that was only typed cannot be spoken to."""

    def __init__(self, generation: int) -> None:
        self._generation = generation

    @property
    def generation(self) -> int:
        """The activation it belongs to."""
        return self._generation

    def transmit(self, command: bytes) -> bytes:
        """Always raises BandUnsupported; nothing is sent."""
        raise BandUnsupported(
            f"a keyboard reader only types, it carries no {len(command)} bytes",
            delivery=Delivery.NOT_SENT,
        )
