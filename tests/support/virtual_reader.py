"""A virtual PN532 and its field, plugged in for one test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nfc.clf.transport import TTY

from drivers.readers.host_line import WAIT_MS, HostLine
from hardware.clock import SystemClock
from hardware.virtual.field import Field
from hardware.virtual.pn532 import VirtualPn532

PATIENCE_MS = 2_000
"""So long at least bytes are waited for, by nfcpy and by us: what answers here is a thread, and has to be let run.

The 100 ms there are for an acknowledgement are much for a chip and nothing for a machine with more to do.
"""


@dataclass(frozen=True, slots=True)
class VirtualReader:
    """What a test holds of it."""

    field: Field
    pn532: VirtualPn532

    @property
    def path(self) -> Path:
        """The terminal a client opens."""
        return self.pn532.path


def _patiently(received: Callable[[HostLine], bytes], line: HostLine) -> bytes:
    for _ in range(PATIENCE_MS // WAIT_MS):
        some = received(line)
        if some:
            break
    return some


@pytest.fixture
def virtual_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualReader]:
    """A PN532 on a pseudo terminal with nothing in its field."""
    read = TTY.read
    monkeypatch.setattr(TTY, "read", lambda tty, timeout: read(tty, max(timeout, PATIENCE_MS)))
    received = HostLine._received
    monkeypatch.setattr(HostLine, "_received", lambda line: _patiently(received, line))
    field = Field()
    pn532 = VirtualPn532(field=field, clock=SystemClock(), link=tmp_path / "pn532")
    pn532.start()
    yield VirtualReader(field, pn532)
    pn532.close()
