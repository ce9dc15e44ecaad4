"""One private PC/SC daemon for a whole test run.

Import `private_pcscd` into the conftest.py of a folder that needs it. The client library keeps the socket it found
first, so every folder gets the same daemon; a test that stopped it leaves that to be mended by the next.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import ReaderError
from drivers.readers.pcsc import PcscReader
from hardware.clock import SystemClock
from hardware.virtual.private_pcscd import SOCKET_VARIABLE, PrivatePcscd

_running: list[PrivatePcscd] = []


@pytest.fixture(scope="session")
def _private_pcscd() -> Iterator[PrivatePcscd]:
    if _running:
        yield _running[0]
        return
    folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
    daemon = PrivatePcscd(folder, clock=SystemClock())
    before = os.environ.get(SOCKET_VARIABLE)
    daemon.start()
    os.environ.update(daemon.environment)
    _running.append(daemon)
    yield daemon
    _running.clear()
    daemon.stop()
    shutil.rmtree(folder)
    if before is None:
        del os.environ[SOCKET_VARIABLE]
    else:
        os.environ[SOCKET_VARIABLE] = before


@pytest.fixture
def private_pcscd(_private_pcscd: PrivatePcscd) -> Iterator[PrivatePcscd]:
    """The daemon, running; after the test its slot is seen to be empty, for a card that follows another too soon is unheard."""
    if _private_pcscd.pid is None:
        _private_pcscd.start()
    yield _private_pcscd
    if _private_pcscd.pid is not None:
        _await_empty_slot()


def _await_empty_slot() -> None:
    with contextlib.suppress(ReaderError), PcscReader.opened("", SystemClock()) as reader:
        assert any(reader.wait_for_removal(500) for _ in range(10))
