"""Our own time for one tap, beside the same exchanges sent raw in the same run.

One tap here starts when the reader reports a target and ends when its proof is there: an encoded band, mutual
authentication with the leased key, the band reference read. "Raw" sends the very same commands, recorded once with
fixed random numbers, without our drivers: bytes to the terminal of the virtual PN532, and for PC/SC straight to the
daemon's client library. Ours and raw alternate, so that what disturbs the machine disturbs both.

    tap.own.X      ours less raw, pair by pair, in ms
    tap.vs_raw.X   ours over raw, pair by pair
    tap.ours.X, tap.raw.X     both by themselves, in ms
    tap.reader.X   what the reader takes to report the band, in ms, in none of the above

And whole, from the moment the reader is asked for a band, on the PN532, beside other people's libraries (`tap_peers`):

    tap.whole.pn532, tap.whole_ev1.pn532   ours, on an EV2 and on an EV1, in ms
    tap.nfcpy, tap.libfreefare             theirs, in ms; libfreefare on the EV1
    tap.vs_nfcpy, tap.vs_libfreefare       theirs over ours: how many times faster we are
    tap.air.R                              the least time the air takes for our exchanges at R kbit/s, computed (`air`), in ms

X is pn532 (a line paced at 115,200 baud) or vpcd (a private PC/SC daemon).
"""

import ctypes
import os
import select
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from drivers.chips.reading import read_band
from drivers.connection import Connection
from drivers.errors import DriverError
from drivers.ports import LeasedKey
from drivers.proof import ProofKind
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.opening import opened
from drivers.readers.pcsc import PcscConnection
from drivers.target import Target
from hardware.clock import Clock, SystemClock
from hardware.entropy import Entropy, SystemEntropy
from hardware.virtual.hsu import ACK, TO_CHIP, answer_frame
from hardware.virtual.private_pcscd import PcscdUnavailable, PrivatePcscd
from kiosk.bench import air, tap_peers
from kiosk.bench.figures import BenchImpossible, Figure, figure_of
from kiosk.bench.rig import FixedEntropy, Subject, rig

WARM_UP: Final = 5
"""Pairs run first and not counted: imports, caches, the first poll of the daemon."""

TARGET_WAITS: Final = 20
"""Waits of half a second each for the band to be seen, after a look that does not wait."""

READ_SIZE: Final = 4_096

ANSWER_S: Final = 2.0
"""Ten times the slowest answer of a paced line."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer, as recorded."""

    command: bytes
    answer: bytes


class _Recording:
    """A connection that keeps what passes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.exchanges: list[Exchange] = []

    @property
    def generation(self) -> int:
        """As in the connection underneath."""
        return self._connection.generation

    def transmit(self, command: bytes) -> bytes:
        """As in the connection underneath."""
        answer = self._connection.transmit(command)
        self.exchanges.append(Exchange(command, answer))
        return answer


class _Keys:
    """The keys of the one band there is."""

    def __init__(self, subject: Subject) -> None:
        self._group = LeasedKey(subject.group_key)
        self._band = LeasedKey(subject.band_key)

    def group_key(self) -> LeasedKey:
        """`K_uid`."""
        return self._group

    def band_key(self, uid: bytes) -> LeasedKey:  # noqa: ARG002 (there is one band)
        """`K_band`."""
        return self._band


class _Raw(Protocol):
    """The recorded commands without our drivers."""

    def begin(self) -> None:
        """Get ready; not measured."""
        ...

    def send(self) -> None:
        """Send them all and check every answer; measured."""
        ...

    def end(self) -> None:
        """Let go; not measured."""
        ...


class _RawLine:
    """Bytes to the terminal of the virtual PN532, with frames made before."""

    def __init__(self, path: Path, exchanges: tuple[Exchange, ...]) -> None:
        self._terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._frames = tuple(
            (
                _host_frame(b"\x40\x01" + each.command),
                ACK + answer_frame(0x40, b"\x00" + each.answer),
            )
            for each in exchanges
        )

    def begin(self) -> None:
        """Nothing to do: the driver activated the band on the same line."""

    def send(self) -> None:
        """Frame by frame."""
        terminal = self._terminal
        for frame, expected in self._frames:
            os.write(terminal, frame)
            gathered = b""
            while len(gathered) < len(expected):
                # The driver left the terminal so that a read does not wait by itself.
                if not select.select([terminal], [], [], ANSWER_S)[0]:
                    raise BenchImpossible("raw", "The virtual PN532 does not answer.")
                gathered += os.read(terminal, READ_SIZE)
            if gathered != expected:
                raise BenchImpossible("raw", "The recorded exchanges got other answers.")

    def end(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let go of the terminal."""
        os.close(self._terminal)


def _host_frame(content: bytes) -> bytes:
    """A normal frame from the host. Source: NXP UM0701-02, 6.2.1.1."""
    body = bytes([TO_CHIP]) + content
    head = bytes([len(body), -len(body) & 0xFF])
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0x00])


class _Request(ctypes.Structure):
    """SCARD_IO_REQUEST. Source: PC/SC Lite API."""

    _fields_ = (("protocol", ctypes.c_ulong), ("size", ctypes.c_ulong))


class _RawPcsc:
    """The daemon's client library itself, without pyscard: the baseline must not be what it is compared with."""

    def __init__(self, name: str, exchanges: tuple[Exchange, ...]) -> None:
        self._library = ctypes.CDLL("libpcsclite.so.1")
        self._name = name.encode()
        self._exchanges = exchanges
        self._context = ctypes.c_long()
        self._card = ctypes.c_long()
        self._request = _Request(2, ctypes.sizeof(_Request))
        self._answer = ctypes.create_string_buffer(READ_SIZE)
        self._check(
            self._library.SCardEstablishContext(2, None, None, ctypes.byref(self._context))
        )

    def begin(self) -> None:
        """Connect, exclusively, as the driver does."""
        protocol = ctypes.c_ulong()
        self._check(
            self._library.SCardConnect(
                self._context,
                ctypes.c_char_p(self._name),
                ctypes.c_ulong(1),
                ctypes.c_ulong(3),
                ctypes.byref(self._card),
                ctypes.byref(protocol),
            )
        )
        self._request.protocol = protocol.value

    def send(self) -> None:
        """Command by command."""
        for each in self._exchanges:
            size = ctypes.c_ulong(READ_SIZE)
            self._check(
                self._library.SCardTransmit(
                    self._card,
                    ctypes.byref(self._request),
                    each.command,
                    ctypes.c_ulong(len(each.command)),
                    None,
                    self._answer,
                    ctypes.byref(size),
                )
            )
            if self._answer.raw[: size.value] != each.answer:
                raise BenchImpossible("raw", "The recorded exchanges got other answers.")

    def end(self) -> None:
        """Disconnect; the band stays as it is."""
        self._check(self._library.SCardDisconnect(self._card, ctypes.c_ulong(0)))

    def close(self) -> None:
        """Let go of the context."""
        self._library.SCardReleaseContext(self._context)

    def _check(self, code: int) -> None:
        if code:
            raise BenchImpossible(
                "pcsc", f"The PC/SC library answered {code & 0xFFFFFFFF:08X}."
            )


@dataclass(frozen=True, slots=True)
class _Pair:
    """One tap both ways, in microseconds. `reader_us` is what it took to report the band."""

    ours_us: int
    raw_us: int
    reader_us: int


class _Lane:
    """One reader with the subject on it."""

    def __init__(self, reader: Reader, keys: _Keys, clock: Clock) -> None:
        self._reader = reader
        self._keys = keys
        self._clock = clock

    def recorded(self) -> tuple[Exchange, ...]:
        """The exchanges of one tap with fixed random numbers."""
        target = self._target()
        recording = _Recording(self._reader.connect(target))
        self._read(recording, target, FixedEntropy())
        return tuple(recording.exchanges)

    def measured(self, raw: _Raw, runs: int) -> tuple[_Pair, ...]:
        """`runs` pairs, after the warm-up."""
        return tuple(self._pair(raw) for _ in range(WARM_UP + runs))[WARM_UP:]

    def _pair(self, raw: _Raw) -> _Pair:
        asked_us = self._clock.ticks_us()
        target = self._target()
        begun_us = self._clock.ticks_us()
        self._read(self._reader.connect(target), target, SystemEntropy())
        ours_us = self._clock.ticks_us() - begun_us
        again = self._reader.connect(self._target())
        self._reader.wait_for_removal(0)
        if isinstance(again, PcscConnection):
            again.close()  # the driver keeps a band that lies there to itself
        raw.begin()
        begun_raw_us = self._clock.ticks_us()
        raw.send()
        raw_us = self._clock.ticks_us() - begun_raw_us
        raw.end()
        return _Pair(ours_us, raw_us, begun_us - asked_us)

    def whole_ms(self) -> float:
        """One tap from asking for a band to its proof."""
        self._reader.wait_for_removal(0)
        begun_us = self._clock.ticks_us()
        target = self._target()
        self._read(self._reader.connect(target), target, SystemEntropy())
        return (self._clock.ticks_us() - begun_us) / 1_000

    def _target(self) -> Target:
        for wait_ms in (0, *[WAIT_MS_MAX] * TARGET_WAITS):
            target = self._reader.wait_for_target(wait_ms)
            if target is not None:
                return target
        raise BenchImpossible("reader", "The virtual band was not seen.")

    def _read(self, connection: Connection, target: Target, entropy: Entropy) -> None:
        proof = read_band(connection, target, self._keys, entropy)
        if proof.kind is not ProofKind.MUTUAL or proof.band is None:
            raise BenchImpossible("proof", "The virtual band did not prove itself.")


def measure(
    *, subject: Subject, runs: int, report_missing: Callable[[BenchImpossible], None]
) -> Mapping[str, Figure]:
    """Measure both readers.

    Args:
        subject: The band on them.
        runs: Pairs a reader.
        report_missing: Told of a reader that cannot be measured here; the other one is measured all the same.
    """
    results: dict[str, Figure] = {}
    for name, pairs_of in (("pn532", _on_pn532), ("vpcd", _on_vpcd)):
        try:
            pairs = pairs_of(subject, runs)
        except BenchImpossible as missing:
            report_missing(missing)
            continue
        except DriverError as error:
            report_missing(BenchImpossible("reader", f"The reader on {name} failed: {error}."))
            continue
        results |= _figures(name, pairs)
    try:
        results |= _beside_others(subject, runs, report_missing)
    except DriverError as error:
        report_missing(BenchImpossible("reader", f"The reader failed: {error}."))
    return results


def _beside_others(
    subject: Subject, runs: int, report_missing: Callable[[BenchImpossible], None]
) -> dict[str, Figure]:
    """Whole taps, ours and others'; and what the air alone would take for ours."""
    clock = SystemClock()
    whole: dict[int, list[float]] = {}
    exchanges: dict[int, tuple[Exchange, ...]] = {}
    for ev in (2, 1):
        tap_peers.at_own_pn532(
            subject, partial(_whole_taps, subject, runs, whole, exchanges, ev), ev=ev
        )
    results = {
        "tap.whole.pn532": figure_of(whole[2], "ms"),
        "tap.whole_ev1.pn532": figure_of(whole[1], "ms"),
    }
    pairs = tuple((each.command, each.answer) for each in exchanges[2])
    peers: tuple[tuple[str, int, Callable[[Path], list[float]]], ...] = (
        ("nfcpy", 2, lambda path: tap_peers.nfcpy_ms(path, pairs, runs=runs, clock=clock)),
        ("libfreefare", 1, lambda path: tap_peers.libfreefare_ms(path, subject, runs=runs)),
    )
    for name, ev, measured in peers:
        try:
            theirs = figure_of(tap_peers.at_own_pn532(subject, measured, ev=ev), "ms")
        except BenchImpossible as missing:
            report_missing(missing)
            continue
        ours = results["tap.whole.pn532" if ev == 2 else "tap.whole_ev1.pn532"]
        ratio = round(theirs.median / ours.median, 2)
        results[f"tap.{name}"] = theirs
        results[f"tap.vs_{name}"] = Figure(ratio, ratio, "x", runs)
    sizes = [(len(command), len(answer)) for command, answer in pairs]
    for kbit in air.RATES_KBIT:
        at_least = air.tap_ms(sizes, kbit=kbit, uid_size=len(subject.uid))
        results[f"tap.air.{kbit}"] = figure_of([at_least], "ms")
    return results


def _whole_taps(
    subject: Subject,
    runs: int,
    whole: dict[int, list[float]],
    exchanges: dict[int, tuple[Exchange, ...]],
    ev: int,
    path: Path,
) -> list[float]:
    clock = SystemClock()
    reader = opened(f"pn532:{path}", clock)
    try:
        lane = _Lane(reader, _Keys(subject), clock)
        exchanges[ev] = lane.recorded()
        whole[ev] = [lane.whole_ms() for _ in range(WARM_UP + runs)][WARM_UP:]
        return whole[ev]
    finally:
        reader.close()


def _figures(name: str, pairs: tuple[_Pair, ...]) -> dict[str, Figure]:
    def millis(samples: list[int]) -> Figure:
        return figure_of([each / 1_000 for each in samples], "ms")

    return {
        f"tap.own.{name}": millis([each.ours_us - each.raw_us for each in pairs]),
        f"tap.vs_raw.{name}": figure_of([each.ours_us / each.raw_us for each in pairs], "x"),
        f"tap.ours.{name}": millis([each.ours_us for each in pairs]),
        f"tap.raw.{name}": millis([each.raw_us for each in pairs]),
        f"tap.reader.{name}": millis([each.reader_us for each in pairs]),
    }


def _on_pn532(subject: Subject, runs: int) -> tuple[_Pair, ...]:
    clock = SystemClock()
    with _scratch() as folder:
        link = folder / "pn532"
        with rig(subject, link=link):
            reader = opened(f"pn532:{link}", clock)
            try:
                lane = _Lane(reader, _Keys(subject), clock)
                raw = _RawLine(link, lane.recorded())
                try:
                    return lane.measured(raw, runs)
                finally:
                    raw.close()
            finally:
                reader.close()


def _on_vpcd(subject: Subject, runs: int) -> tuple[_Pair, ...]:
    clock = SystemClock()
    with _scratch() as folder, _daemon(folder, clock) as port, rig(subject, port=port):
        reader = opened("pcsc", clock)
        try:
            lane = _Lane(reader, _Keys(subject), clock)
            raw = _RawPcsc(reader.name, lane.recorded())
            try:
                return lane.measured(raw, runs)
            finally:
                raw.close()
        finally:
            reader.close()


@contextmanager
def _daemon(folder: Path, clock: Clock) -> Iterator[int]:
    """A private daemon that this process talks to; the port of its slot."""
    daemon = PrivatePcscd(folder, clock=clock)
    before = dict(os.environ)
    try:
        daemon.start()
    except PcscdUnavailable as error:
        raise BenchImpossible("pcscd-absent", str(error)) from error
    os.environ.update(daemon.environment)
    try:
        yield daemon.port
    finally:
        for name in daemon.environment:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]
        daemon.stop()


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tapthread-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
