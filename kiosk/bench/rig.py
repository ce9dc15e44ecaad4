"""The virtual readers of a bench, in a process of their own, so that they do not share our interpreter's lock.

The band's random numbers are fixed, so that recorded exchanges can be sent again and get the recorded answers.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from hardware.clock import SystemClock
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire
from hardware.virtual.field import Field
from hardware.virtual.pn532 import VirtualPn532
from hardware.virtual.vpcd import VirtualVpcd, VpcdAbsent
from kiosk.bench.figures import BenchImpossible

UART_BAUD = 115_200
"""The pace of the virtual serial line: what a PN532 speaks unless it is told otherwise."""

FAST_UART_BAUD = 921_600
"""What nfcpy and we tell it, where the port can."""

READY_S = 30
"""How long the rig may take to come up on a slow machine."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The band that is measured, and the keys that open it. Plain values, so that they can cross to another process.

    Attributes:
        uid: The true UID, 7 bytes.
        ev: Generation.
        application: Our application on it.
        group_key, band_key: 16 bytes each.
    """

    uid: bytes = field(repr=False)
    ev: int
    application: VirtualApplication
    group_key: bytes = field(repr=False)
    band_key: bytes = field(repr=False)


class FixedEntropy:
    """The same bytes every time. For a bench, never for keys."""

    def draw(self, size: int) -> bytes:
        """`size` bytes, always the same."""
        return bytes(index * 37 + 11 & 0xFF for index in range(size))


class Rig:
    """The virtual readers from outside."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def take_away(self) -> None:
        """Nothing is on the readers when this returns."""
        self._tell(is_there=False)

    def lay_down(self) -> None:
        """The subject is on the readers when this returns, as if it had just come: it knows nothing of before."""
        self._tell(is_there=True)

    def _tell(self, *, is_there: bool) -> None:
        self._pipe.send(is_there)
        if not self._pipe.poll(READY_S):
            raise BenchImpossible("rig", "The virtual readers do not answer.")
        self._pipe.recv()


def _run(
    pipe: Connection, subject: Subject, link: Path | None, port: int | None, baud: int
) -> None:
    """Own the readers until the pipe ends. Runs in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent hears it too, and ends the pipe.
    band = VirtualDesfire(
        uid=subject.uid,
        ev=subject.ev,
        applications=(subject.application,),
        entropy=FixedEntropy(),
    )
    field_ = Field()
    readers: list[VirtualPn532 | VirtualVpcd] = []
    if link is not None:
        clock = SystemClock()
        readers.append(VirtualPn532(field=field_, clock=clock, link=link, pace_baud=baud))
    if port is not None:
        readers.append(VirtualVpcd(field=field_, host="127.0.0.1", port=port))
    try:
        for reader in readers:
            reader.start()
        field_.present(band)
        pipe.send("")
        while True:
            field_.present(*((band,) if pipe.recv() else ()))
            pipe.send("")
    except (OSError, VpcdAbsent) as error:
        pipe.send(str(error))
    except EOFError:
        pass  # Whoever measured is gone.
    finally:
        for reader in readers:
            reader.close()


@contextmanager
def rig(
    subject: Subject,
    *,
    link: Path | None = None,
    port: int | None = None,
    baud: int = UART_BAUD,
) -> Iterator[Rig]:
    """The subject lies on a PN532 at `link`, in a vpcd slot at `port`, or both, for as long as the context.

    The PN532's line is no faster than `baud`.

    Raises:
        BenchImpossible: it does not come up.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_run, args=(theirs, subject, link, port, baud), daemon=True)
    child.start()
    theirs.close()
    try:
        problem = ours.recv() if ours.poll(READY_S) else "they do not answer"
        if problem:
            raise BenchImpossible("rig", f"The virtual readers did not come up: {problem}.")
        yield Rig(ours)
    except EOFError as error:
        raise BenchImpossible(
            "rig", "The virtual readers ended before they were ready."
        ) from error
    finally:
        ours.close()
        child.join(READY_S)
