"""One tap of ours from the search for the band to the last byte, beside the same exchanges sent raw and by other people's libraries.

The job, everywhere: find the band, select our application, authenticate to each other, read the capsule, which names the
band. Ours is `read_band` as a kiosk does it for a band that carries a capsule and whose own key is not here; it takes
random numbers, works out keys, checks every MAC and deciphers. "Raw" sends the very same commands, recorded once with fixed
random numbers, without our drivers (`tap_raw`): no frame to make, no cryptography. The band is taken away and laid down anew
before each, after the same pause, and they take turns run by run, so that what disturbs the machine disturbs all of them.

MEANINGS says what each metric is, and so does the table. Ratios are made run by run. What is not said to be otherwise is on a
virtual PN532, its line as quick as each program sets it, which is 921,600 baud for nfcpy and for us.

nfcpy sends the same commands as we do. It adds 147 bytes for the search and 95 for each command, so that with n commands and
P bytes of ours it is 1 + (147 + 95 n) / P times as slow on the line: 2.34 for the first job, whose capsule both must carry, 2.77
for the band whose key is here. On a quick line the programs' own time counts beside that. Fewer commands make both quicker
and that ratio smaller; only fewer bytes raise it. `drivers/README.md` counts what is left to save.

tap.leased.* is the tap of a band whose own key is here: the capsule, which then says nothing new, is not read.
tap.slow.* is the first job on a line that is held at 115,200 baud, as a port is that can no more: there the bytes are all.
tap.*_ev1, tap.libfreefare: the first job on an EV1, beside libfreefare in C, which reads the same bytes of the capsule's file
and leaves the chip at 115,200 baud; so the line is held there for both.
tap.*.vpcd is the first job through a private PC/SC daemon; the search is the daemon's, and in none but tap.reader.
tap.air.R is the least time the air takes for our exchanges at R kbit/s, computed (`air`).
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.chips.reading import read_band
from drivers.connection import Connection
from drivers.credential.capsule import Capsule, signed
from drivers.credential.layout import CAPSULE_FILE, REFERENCE_FILE
from drivers.errors import DriverError
from drivers.ports import LeasedKey
from drivers.proof import ProofKind
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.opening import opened
from drivers.readers.pcsc import PcscConnection
from drivers.target import Target
from hardware.clock import Clock, SystemClock
from hardware.entropy import Entropy, SystemEntropy
from hardware.virtual.desfire import VirtualFile
from hardware.virtual.private_pcscd import PcscdUnavailable, PrivatePcscd
from kiosk.bench import air, tap_peers
from kiosk.bench.figures import BenchImpossible, Figure, Goal, figure_of
from kiosk.bench.rig import FAST_UART_BAUD, UART_BAUD, FixedEntropy, Rig, Subject, rig
from kiosk.bench.tap_raw import Exchange, RawLine, RawPcsc, on_air
from sync.model.thread_parts import Part, PartKind, packed

WARM_UP: Final = 5
"""Runs made first and not counted: imports, caches, the first poll of the daemon."""

TARGET_WAITS: Final = 20
"""Waits of half a second each for the band to be seen, after a look that does not wait."""

NFCPY_TRIES: Final = 5

HURRY: Final = 20
"""How much shorter pauses are while nothing is measured."""

BETWEEN_MS: Final = 20
"""From one band's removal to the next one's coming; no hand is quicker."""

LINE_BITS: Final = 10
"""Bits of a byte on a serial line."""

VS_RAW_MAX: Final = 1.15
VS_NFCPY_MIN: Final = 2.5
"""What the ratios are held to."""

DISTURBED: Final = 1.2
"""By how much the slowest twentieth of raw taps may exceed their median; 1.02 to 1.12 was seen on a machine that did nothing else."""

TEST_CAPSULE_KEY: Final = bytes(range(32))
"""Nobody's."""

WORDS: Final = Capsule(
    issued_at=1_790_000_000_000_000, days=90, seq=7, is_waiting=True, is_owed=True, language="en",
    name="Lena", parts=packed((Part(PartKind.CASE, "phone", "C-4711", day=20_784), Part(PartKind.PICKUPS, count=1))),
)  # fmt: skip
"""A capsule of common length: somebody's name, a case with a promise, and something to pick up."""


class _BenchClock(SystemClock):
    """The machine's time; pauses are short while nothing is measured."""

    def __init__(self) -> None:
        self._is_hurried = False

    def sleep_ms(self, duration_ms: int) -> None:
        """Block this thread."""
        super().sleep_ms(duration_ms // HURRY if self._is_hurried else duration_ms)

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Nothing is measured here."""
        self._is_hurried = True
        try:
            yield
        finally:
            self._is_hurried = False


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
    """The keys of the one band there is; its own only where that is leased."""

    def __init__(self, subject: Subject, *, is_leased: bool) -> None:
        self._group = LeasedKey(subject.group_key)
        self._band = LeasedKey(subject.band_key) if is_leased else None
        self.is_leased = is_leased

    def group_key(self) -> LeasedKey:
        """`K_uid`."""
        return self._group

    def band_key(self, uid: bytes) -> LeasedKey | None:  # noqa: ARG002 (there is one band)
        """`K_band`."""
        return self._band


@dataclass(frozen=True, slots=True)
class _Run:
    """One tap each way, in microseconds; 0 where it was not made. A look is the search, the rest comes after it."""

    look_us: int
    ours_us: int
    raw_look_us: int
    raw_us: int
    nfcpy_us: int = 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured with one reader. `sizes` are the bytes on the line for one tap of ours, search first."""

    runs: tuple[_Run, ...]
    exchanges: tuple[Exchange, ...]
    sizes: tuple[int, ...] = ()
    nfcpy_line_bytes: int = 0


class _Lane:
    """One reader with the subject on it."""

    def __init__(self, reader: Reader, keys: _Keys, clock: Clock) -> None:
        self._reader = reader
        self._keys = keys
        self._clock = clock

    def recorded(self) -> tuple[Target, tuple[Exchange, ...]]:
        """The exchanges of one tap with fixed random numbers."""
        target = self.target()
        recording = _Recording(self._reader.connect(target))
        self._read(recording, target, FixedEntropy())
        return target, tuple(recording.exchanges)

    def tap_us(self) -> tuple[int, int]:
        """One tap: the search, and what comes after it."""
        asked_us = self._clock.ticks_us()
        target = self.target()
        begun_us = self._clock.ticks_us()
        self._read(self._reader.connect(target), target, SystemEntropy())
        return begun_us - asked_us, self._clock.ticks_us() - begun_us

    def target(self) -> Target:
        """The band, as the reader reports it."""
        for _ in range(TARGET_WAITS):
            target = self._reader.wait_for_target(WAIT_MS_MAX)
            if target is not None:
                return target
        raise BenchImpossible("reader", "The virtual band was not seen.")

    def await_removal(self) -> None:
        """Until the reader has noticed that the band is gone."""
        for _ in range(TARGET_WAITS):
            if self._reader.wait_for_removal(WAIT_MS_MAX):
                return
        raise BenchImpossible("reader", "The reader did not notice that the band was gone.")

    def _read(self, connection: Connection, target: Target, entropy: Entropy) -> None:
        proof = read_band(connection, target, self._keys, entropy)
        is_done = proof.band is not None and (
            proof.kind is ProofKind.MUTUAL
            if self._keys.is_leased
            else proof.capsule is not None
        )
        if not is_done:
            raise BenchImpossible("proof", "The virtual band did not prove itself.")


def measure(
    *, subject: Subject, runs: int, report_missing: Callable[[BenchImpossible], None]
) -> Mapping[str, Figure]:
    """Measure every job on both readers.

    Args:
        subject: The band on them; it is given a capsule.
        runs: Taps a job.
        report_missing: Told of what cannot be measured here; the rest is measured all the same.
    """
    carrying = _with_capsule(subject)
    results: dict[str, Figure] = {}
    parts: dict[str, Callable[[Subject, int], dict[str, Figure]]] = {
        "the first job on the PN532": _on_line,
        "tap.leased": _leased_on_line,
        "tap.slow": _on_slow_line,
        "vpcd": _on_daemon,
        "libfreefare": _beside_libfreefare,
    }
    for what, part in parts.items():
        try:
            results |= part(carrying, runs)
        except BenchImpossible as missing:
            report_missing(BenchImpossible(missing.code, f"Without {what}: {missing}"))
        except DriverError as error:
            sentence = f"Without {what}: the reader failed: {error}."
            report_missing(BenchImpossible("reader", sentence))
    return judged(results)


MEANINGS: Final = {
    "own": "ours less raw, run by run",
    "vs_raw": "ours over raw, from the report on",
    "ours": "our tap, from the reader's report of the band to the last byte",
    "raw": "the same bytes without our drivers",
    "reader": "the search for the band",
    "whole": "our tap with the search",
    "whole_raw": "the same bytes without our drivers",
    "whole_vs_raw": "ours over raw",
    "nfcpy": "the same commands by nfcpy's tag layer",
    "vs_nfcpy": "nfcpy over ours",
    "line": "what the bytes of our tap take on the line alone",
    "line_nfcpy": "what nfcpy's take",
    "whole_ev1": "the first job on an EV1, at 115,200 baud",
    "libfreefare": "the same by libfreefare, in C",
    "vs_libfreefare": "libfreefare over ours, of the two medians",
    "bytes": "on the line, both ways",
    "air": "the least the air takes at so many kbit/s, computed",
}
"""What each metric is, by its name without job and reader."""


def _meaning(name: str) -> str:
    words = [word for word in name.split(".")[1:] if word not in _JOBS]
    return _JOBS.get(name.split(".")[1], "") + MEANINGS[words[0]]


_JOBS: Final = {
    "leased": "key leased to the store: ",
    "slow": "line held at 115,200 baud: ",
}


def judged(results: Mapping[str, Figure]) -> dict[str, Figure]:
    """All with what they are; the ratios with what they are held to, and what the line alone allows of the one beside nfcpy."""
    said = {name: replace(figure, note=_meaning(name)) for name, figure in results.items()}
    for name, figure in results.items():
        if name.startswith("tap.vs_raw."):
            is_met = figure.median <= VS_RAW_MAX
            goal = Goal("limit", VS_RAW_MAX, VS_RAW_MAX, is_met, is_met)
            note = _joined(
                _meaning(name), _beside_air(name, results), _disturbed(name, results)
            )
            said[name] = replace(figure, note=note, goals=(goal,))
        elif name.endswith(".vs_nfcpy"):
            job = name.removesuffix("vs_nfcpy")
            line = results[f"{job}line_nfcpy"].median / results[f"{job}line.pn532"].median
            is_met = figure.median >= VS_NFCPY_MIN
            goal = Goal("floor", VS_NFCPY_MIN, VS_NFCPY_MIN, is_met, is_met)
            note = f"{line:.2f} by the bytes on the line"
            if line < VS_NFCPY_MIN:
                note += ", half of them a capsule that both carry: drivers/README.md"
            note = _joined(_meaning(name), note, _disturbed(name, results))
            said[name] = replace(figure, note=note, goals=(goal,))
    return said


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _disturbed(name: str, results: Mapping[str, Figure]) -> str:
    """That other programs took part in it: what only sends bytes on a paced line always takes as long. It flatters who sends fewer."""
    job = name.removesuffix("vs_nfcpy").removesuffix("vs_raw.pn532")
    raw = results.get(f"{job}whole_raw.pn532")
    if raw is None or raw.p95 <= DISTURBED * raw.median:
        return ""
    return f"doubtful, the machine was busy: raw took {raw.p95 / raw.median:.1f} times its median once in twenty"


def _with_capsule(subject: Subject) -> Subject:
    """The band with a capsule of common length in its file."""
    key = Ed25519PrivateKey.from_private_bytes(TEST_CAPSULE_KEY)
    files = subject.application.files
    reference = next(
        file.content for file in files
        if isinstance(file, VirtualFile) and file.number == REFERENCE_FILE.number
    )  # fmt: skip
    capsule = signed(
        replace(WORDS, band=reference), uid=subject.uid, band=reference,
        public_key=key.public_key().public_bytes_raw(), sign=key.sign,
    )  # fmt: skip
    carrying = tuple(
        replace(file, content=capsule.ljust(CAPSULE_FILE.size, b"\x00"))
        if isinstance(file, VirtualFile) and file.number == CAPSULE_FILE.number
        else file
        for file in files
    )
    return replace(subject, application=replace(subject.application, files=carrying))


def _beside_air(name: str, results: Mapping[str, Figure]) -> str:
    """What our own time is beside the least a band can take on the air, which no virtual one does."""
    air_ms = results.get(f"tap.air.{max(air.RATES_KBIT)}")
    own_ms = results.get(name.replace("vs_raw", "own"))
    if air_ms is None or own_ms is None:
        return ""
    return f"{1 + own_ms.median / air_ms.median:.2f} with the least air time, at 848 kbit/s"


# The jobs


def _on_line(subject: Subject, runs: int) -> dict[str, Figure]:
    done = _on_pn532(subject, runs, is_leased=False)
    results = _after_report("pn532", done.runs) | _whole("", done)
    names = ("search", *(f"{each.command[1]:02X}" for each in done.exchanges))
    for number, (name, size) in enumerate(zip(names, done.sizes, strict=True)):
        results[f"tap.bytes.{number}.{name}"] = figure_of([size], "B")
    sizes = [(len(command), len(answer)) for command, answer in map(on_air, done.exchanges)]
    for kbit in air.RATES_KBIT:
        at_least = air.tap_ms(sizes, kbit=kbit, uid_size=len(subject.uid))
        results[f"tap.air.{kbit}"] = figure_of([at_least], "ms")
    return results


def _leased_on_line(subject: Subject, runs: int) -> dict[str, Figure]:
    return _whole("leased.", _on_pn532(subject, runs, is_leased=True))


def _on_slow_line(subject: Subject, runs: int) -> dict[str, Figure]:
    done = _on_pn532(subject, runs, is_leased=False, baud=UART_BAUD)
    return _whole("slow.", done, baud=UART_BAUD)


def _on_daemon(subject: Subject, runs: int) -> dict[str, Figure]:
    return _after_report("vpcd", _on_vpcd(subject, runs))


def _beside_libfreefare(subject: Subject, runs: int) -> dict[str, Figure]:
    old = replace(subject, ev=1)
    done = _on_pn532(old, runs, is_leased=False, baud=UART_BAUD, has_nfcpy=False)
    ours = _millis([each.look_us + each.ours_us for each in done.runs])
    with _scratch() as folder, rig(old, link=folder / "pn532"):
        theirs = figure_of(tap_peers.libfreefare_ms(folder / "pn532", old, runs=runs), "ms")
    ratio = round(theirs.median / ours.median, 2)
    return {
        "tap.whole_ev1.pn532": ours,
        "tap.libfreefare": theirs,
        "tap.vs_libfreefare": Figure(ratio, ratio, "x", runs),
    }


def _after_report(name: str, runs: tuple[_Run, ...]) -> dict[str, Figure]:
    """From the report of the band on."""
    return {
        f"tap.own.{name}": _millis([each.ours_us - each.raw_us for each in runs]),
        f"tap.vs_raw.{name}": figure_of([each.ours_us / each.raw_us for each in runs], "x"),
        f"tap.ours.{name}": _millis([each.ours_us for each in runs]),
        f"tap.raw.{name}": _millis([each.raw_us for each in runs]),
        f"tap.reader.{name}": _millis([each.look_us for each in runs]),
    }


def _whole(job: str, done: _Measured, *, baud: int = FAST_UART_BAUD) -> dict[str, Figure]:
    """With the search."""
    ours = [each.look_us + each.ours_us for each in done.runs]
    raw = [each.raw_look_us + each.raw_us for each in done.runs]
    theirs = [each.nfcpy_us for each in done.runs]

    def line(n_bytes: int) -> Figure:
        return figure_of([n_bytes * LINE_BITS * 1_000 / baud], "ms")

    return {
        f"tap.{job}whole.pn532": _millis(ours),
        f"tap.{job}whole_raw.pn532": _millis(raw),
        f"tap.{job}whole_vs_raw.pn532": _ratio(ours, raw),
        f"tap.{job}nfcpy": _millis(theirs),
        f"tap.{job}vs_nfcpy": _ratio(theirs, ours),
        f"tap.{job}line.pn532": line(sum(done.sizes)),
        f"tap.{job}line_nfcpy": line(done.nfcpy_line_bytes),
    }


def _millis(samples_us: list[int]) -> Figure:
    return figure_of([each / 1_000 for each in samples_us], "ms")


def _ratio(over: list[int], under: list[int]) -> Figure:
    """Run by run."""
    return figure_of([high / low for high, low in zip(over, under, strict=True)], "x")


# The readers


def _on_pn532(
    subject: Subject,
    runs: int,
    *,
    is_leased: bool,
    baud: int = FAST_UART_BAUD,
    has_nfcpy: bool = True,
) -> _Measured:
    """Ours and raw at one PN532, nfcpy at another one like it, by turns."""
    clock = _BenchClock()
    with ExitStack() as held:
        folder = held.enter_context(_scratch())
        field = held.enter_context(rig(subject, link=folder / "pn532", baud=baud))
        reader = held.enter_context(closing(opened(f"pn532:{folder / 'pn532'}", clock)))
        lane = _Lane(reader, _Keys(subject, is_leased=is_leased), clock)
        target, exchanges = lane.recorded()
        raw = held.enter_context(closing(RawLine(folder / "pn532", target, exchanges)))
        nfcpy: tap_peers.Nfcpy | None = None
        if has_nfcpy:
            theirs = held.enter_context(rig(subject, link=folder / "theirs", baud=baud))
            pairs = tuple(map(on_air, exchanges))
            nfcpy = held.enter_context(tap_peers.nfcpy_at(folder / "theirs", pairs, clock))

        def run() -> _Run:
            field.take_away()
            with clock.hurried():
                lane.await_removal()
            _lay_anew(field, clock)
            ours = lane.tap_us()
            _lay_anew(field, clock)
            raws = _raw_line_us(raw, clock)
            if nfcpy is None:
                return _Run(*ours, *raws)
            return _Run(*ours, *raws, _nfcpy_us(nfcpy, theirs, clock))

        done = tuple(run() for _ in range(WARM_UP + runs))[WARM_UP:]
        line_bytes = 0 if nfcpy is None else nfcpy.line_bytes
        return _Measured(done, exchanges, raw.sizes, line_bytes)


def _nfcpy_us(nfcpy: tap_peers.Nfcpy, field: Rig, clock: Clock) -> int:
    """One tap of nfcpy's that it did not give up on; those do not count against it."""
    for _ in range(NFCPY_TRIES - 1):
        _lay_anew(field, clock)
        try:
            return nfcpy.tap_us()
        except tap_peers.TooLate:
            continue
    _lay_anew(field, clock)
    return nfcpy.tap_us()


def _lay_anew(field: Rig, clock: Clock) -> None:
    """Whoever taps next has waited as long as the others did, and is no warmer than they were."""
    field.take_away()
    clock.sleep_ms(BETWEEN_MS)
    field.lay_down()


def _raw_line_us(raw: RawLine, clock: Clock) -> tuple[int, int]:
    asked_us = clock.ticks_us()
    raw.find()
    begun_us = clock.ticks_us()
    raw.send()
    return begun_us - asked_us, clock.ticks_us() - begun_us


def _on_vpcd(subject: Subject, runs: int) -> tuple[_Run, ...]:
    clock = SystemClock()
    with ExitStack() as held:
        folder = held.enter_context(_scratch())
        port = held.enter_context(_daemon(folder, clock))
        held.enter_context(rig(subject, port=port))
        reader = held.enter_context(closing(opened("pcsc", clock)))
        lane = _Lane(reader, _Keys(subject, is_leased=False), clock)
        _, exchanges = lane.recorded()
        raw = held.enter_context(closing(RawPcsc(reader.name, exchanges)))

        def run() -> _Run:
            ours = lane.tap_us()
            again = reader.connect(lane.target())
            reader.wait_for_removal(0)
            if isinstance(again, PcscConnection):
                again.close()  # the driver keeps a band that lies there to itself
            raw.begin()
            begun_us = clock.ticks_us()
            raw.send()
            raw_us = clock.ticks_us() - begun_us
            raw.end()
            return _Run(*ours, 0, raw_us)

        return tuple(run() for _ in range(WARM_UP + runs))[WARM_UP:]


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
