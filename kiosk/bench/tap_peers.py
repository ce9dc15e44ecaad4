"""The same tap by other people's libraries, on the same virtual PN532 in the same run.

One tap here is: find the band, select our application, authenticate, read the reference, over a line paced at 115,200 baud.

    nfcpy        its tag layer (`nfc.tag.activate`, `Type4Tag.transceive`) sends the commands that ours sent with fixed random
                 numbers, so that it has no cryptography to do: it is measured too fast, not too slow
    libfreefare  a program of its own in C (`freefare_tap.c`), compiled here, on an EV1, which is what it speaks; ours beside it
                 on the same EV1 first asks with the command of an EV2, as it would in a store
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag

from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from hardware.clock import Clock
from kiosk.bench.figures import BenchImpossible
from kiosk.bench.rig import UART_BAUD, Subject, rig

SOURCE: Final = Path(__file__).with_name("freefare_tap.c")
HEADER = Path("/usr/include/freefare.h")
"""Where Debian's libfreefare-dev puts it."""

COMPILE_S: Final = 60
RUN_S: Final = 60
WARM_UP: Final = 5

Command = bytes
Answer = bytes


def nfcpy_ms(
    path: Path, exchanges: tuple[tuple[Command, Answer], ...], *, runs: int, clock: Clock
) -> list[float]:
    """Milliseconds of each tap by nfcpy's tag layer at the PN532 there. Raises BenchImpossible."""
    with _frontend(path) as frontend:
        return [_nfcpy_tap(frontend, exchanges, clock) for _ in range(WARM_UP + runs)][WARM_UP:]


@contextmanager
def _frontend(path: Path) -> Iterator[Any]:
    frontend = nfc.ContactlessFrontend()
    try:
        frontend.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(path)))
    except OSError as error:
        raise BenchImpossible("nfcpy", "nfcpy does not open the virtual PN532.") from error
    try:
        yield frontend
    finally:
        frontend.close()


def _nfcpy_tap(
    frontend: Any, exchanges: tuple[tuple[Command, Answer], ...], clock: Clock
) -> float:
    begun_us = clock.ticks_us()
    target = frontend.sense(nfc.clf.RemoteTarget("106A"))
    tag = None if target is None else nfc.tag.activate(frontend, target)
    if tag is None:
        raise BenchImpossible("nfcpy", "nfcpy does not find the band.")
    for command, answer in exchanges:
        if bytes(tag.transceive(command)) != answer:
            raise BenchImpossible("nfcpy", "nfcpy got another answer than we did.")
    return (clock.ticks_us() - begun_us) / 1_000


def libfreefare_ms(path: Path, subject: Subject, *, runs: int) -> list[float]:
    """Milliseconds of each tap by libfreefare at the PN532 there. Raises BenchImpossible."""
    with tempfile.TemporaryDirectory(prefix="tapthread-bench-") as folder:
        program = _compiled(Path(folder))
        words = [AID.hex(), str(KeySlot.BAND.value), str(REFERENCE_FILE.number)]
        said = subprocess.run(  # noqa: S603  # our own few lines
            [str(program), *words, str(REFERENCE_FILE.size), str(WARM_UP + runs)],
            input=subject.band_key.hex() + "\n", capture_output=True, text=True, check=False, timeout=RUN_S,
            env={"LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{path}:{UART_BAUD}", "LIBNFC_AUTO_SCAN": "false"},
        )  # fmt: skip
    if said.returncode:
        raise BenchImpossible("libfreefare", f"libfreefare said: {said.stderr.strip()[-200:]}")
    _, *lines = said.stdout.split()
    return [int(line) / 1e6 for line in lines][WARM_UP:]


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


def at_own_pn532(
    subject: Subject, measured: Callable[[Path], list[float]], *, ev: int
) -> list[float]:
    """What is measured at a PN532 with this band as such a chip, which nobody else uses."""
    with tempfile.TemporaryDirectory(prefix="tapthread-bench-") as folder:
        link = Path(folder) / "pn532"
        with rig(replace(subject, ev=ev), link=link):
            return measured(link)
