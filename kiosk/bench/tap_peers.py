"""The same tap by other people's libraries, on the same virtual PN532 in the same run.

One tap here is: find the band, select our application, authenticate, read the capsule.

    nfcpy        its tag layer (`nfc.tag.activate`, `Type4Tag.transceive`) sends the commands that ours sent with fixed random
                 numbers, so that it has no cryptography to do: it is measured too fast, not too slow
    libfreefare  a program of its own in C (`freefare_tap.c`), compiled here, on an EV1, which is what it speaks, with the key
                 that every kiosk has; it reads the same bytes of the capsule as ours, which beside it on the same EV1 first
                 asks with the command of an EV2, as in a store
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag

from drivers.chips.reading import FIRST_SIZE
from drivers.credential.capsule import HEAD_SIZE
from drivers.credential.layout import AID, CAPSULE_FILE, KeySlot
from hardware.clock import Clock
from hardware.virtual.desfire import VirtualFile
from kiosk.bench.figures import BenchImpossible
from kiosk.bench.rig import UART_BAUD, Subject

SOURCE: Final = Path(__file__).with_name("freefare_tap.c")
HEADER = Path("/usr/include/freefare.h")
"""Where Debian's libfreefare-dev puts it."""

COMPILE_S: Final = 60
RUN_S: Final = 60
WARM_UP: Final = 5
OPEN_TRIES: Final = 5

Command = bytes
Answer = bytes


class TooLate(BenchImpossible):
    """nfcpy gave up on an answer; another tap may do."""

    def __init__(self) -> None:
        super().__init__("nfcpy", "nfcpy gave up on an answer of the virtual PN532.")


class Nfcpy:
    """nfcpy at one PN532, which nobody else uses.

    Attributes:
        line_bytes: Bytes that its last tap sent and received.
    """

    def __init__(
        self,
        frontend: Any,
        line: "_CountingTty",
        exchanges: tuple[tuple[Command, Answer], ...],
        clock: Clock,
    ) -> None:
        self._frontend = frontend
        self._line = line
        self._exchanges = exchanges
        self._clock = clock
        self.line_bytes = 0

    def tap_us(self) -> int:
        """Microseconds of one tap by its tag layer.

        Raises:
            TooLate: an answer did not come in the 100 ms it waits; a busy machine does that.
            BenchImpossible: it does not find the band, or gets another answer than we did.
        """
        try:
            return self._tap_us()
        except (OSError, nfc.clf.CommunicationError, nfc.tag.TagCommandError) as error:
            raise TooLate from error

    def _tap_us(self) -> int:
        frontend, before = self._frontend, self._line.n_bytes
        begun_us = self._clock.ticks_us()
        target = frontend.sense(nfc.clf.RemoteTarget("106A"))
        tag = None if target is None else nfc.tag.activate(frontend, target)
        if tag is None:
            raise BenchImpossible("nfcpy", "nfcpy does not find the band.")
        for command, answer in self._exchanges:
            if bytes(tag.transceive(command)) != answer:
                raise BenchImpossible("nfcpy", "nfcpy got another answer than we did.")
        took_us = self._clock.ticks_us() - begun_us
        self.line_bytes = self._line.n_bytes - before
        return took_us


class _CountingTty(nfc.clf.transport.TTY):  # type: ignore[misc]  # it has no types
    """A serial port that counts bytes both ways."""

    n_bytes = 0

    def write(self, frame: bytes) -> None:
        """As in nfcpy."""
        self.n_bytes += len(frame)
        super().write(frame)

    def read(self, timeout: int) -> bytes:
        """As in nfcpy."""
        frame: bytes = super().read(timeout)
        self.n_bytes += len(frame or b"")
        return frame


@contextmanager
def nfcpy_at(
    path: Path, exchanges: tuple[tuple[Command, Answer], ...], clock: Clock
) -> Iterator[Nfcpy]:
    """Nfcpy at the PN532 there, which it switches to the highest speed it can. Raises BenchImpossible."""
    frontend = nfc.ContactlessFrontend()
    line = _CountingTty(str(path))
    frontend.device = _opened(line)
    try:
        yield Nfcpy(frontend, line, exchanges, clock)
    finally:
        frontend.close()


def _opened(line: _CountingTty) -> Any:
    """The device nfcpy makes of the chip; it waits 100 ms for each answer, which is short on a busy machine."""
    for attempt in range(1, OPEN_TRIES + 1):
        try:
            return nfc.clf.pn532.init(line)
        except OSError as error:
            if attempt == OPEN_TRIES:
                raise BenchImpossible(
                    "nfcpy", "nfcpy does not open the virtual PN532."
                ) from error
    raise AssertionError


def libfreefare_ms(path: Path, subject: Subject, *, runs: int) -> list[float]:
    """Milliseconds of each tap by libfreefare at the PN532 there. Raises BenchImpossible."""
    with tempfile.TemporaryDirectory(prefix="tapthread-bench-") as folder:
        program = _compiled(Path(folder))
        words = [AID.hex(), str(KeySlot.UID.value), str(WARM_UP + runs)]
        words += [str(CAPSULE_FILE.number), str(HEAD_SIZE), str(FIRST_SIZE)]
        said = subprocess.run(  # noqa: S603  # our own few lines
            [str(program), *words],
            input=subject.group_key.hex() + "\n", capture_output=True, text=True, check=False, timeout=RUN_S,
            env={"LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{path}:{UART_BAUD}", "LIBNFC_AUTO_SCAN": "false"},
        )  # fmt: skip
    if said.returncode:
        raise BenchImpossible("libfreefare", f"libfreefare said: {said.stderr.strip()[-200:]}")
    read, *lines = said.stdout.split()
    if bytes.fromhex(read) != _as_read(subject):
        raise BenchImpossible("libfreefare", "libfreefare read other bytes than ours reads.")
    return [int(line) / 1e6 for line in lines][WARM_UP:]


def _as_read(subject: Subject) -> bytes:
    """What ours reads of the capsule of a common band, and so theirs: not the whole file."""
    content = next(
        file.content for file in subject.application.files
        if isinstance(file, VirtualFile) and file.number == CAPSULE_FILE.number
    )  # fmt: skip
    return content[HEAD_SIZE : HEAD_SIZE + FIRST_SIZE]


def _compiled(folder: Path) -> Path:
    compiler, program = shutil.which("gcc"), folder / "freefare_tap"
    if compiler is None or not HEADER.exists():
        raise BenchImpossible("libfreefare", "gcc or libfreefare-dev is missing.")
    done = subprocess.run(  # noqa: S603  # our own source
        [compiler, "-O2", "-o", str(program), str(SOURCE), "-lfreefare", "-lnfc"],
        capture_output=True, text=True, check=False, timeout=COMPILE_S,
    )  # fmt: skip
    if done.returncode:
        raise BenchImpossible("libfreefare", f"gcc said: {done.stderr.strip()[-200:]}")
    return program
