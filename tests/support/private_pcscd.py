"""One private PC/SC daemon for a whole test run.

Import `private_pcscd` into the conftest.py of a folder that needs it. The client library keeps the socket it found
first, so every folder gets the same daemon; a test that stopped it leaves that to be mended by the next.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def private_pcscd(_private_pcscd: PrivatePcscd) -> PrivatePcscd:
    """The daemon, running."""
    if _private_pcscd.pid is None:
        _private_pcscd.start()
    return _private_pcscd
