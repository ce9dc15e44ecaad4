"""Other people's programs, who judge our virtual hardware and what our drivers wrote: where they are, how they are asked.

The machine has them from Debian: libnfc-bin, libfreefare-bin, libfreefare-dev, libnfc-dev, opensc, pcsc-tools, gcc. One
that is not there fails the test with the package's name; a referee who is absent has not agreed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest
from smartcard import scard

from hardware.virtual.band import VirtualBand
from hardware.virtual.field import Field
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.vpcd import VirtualVpcd

TIMEOUT_S = 30
"""No referee takes a second; one that hangs is ended."""

PACKAGES = {
    "gcc": "gcc",
    "mifare-desfire-access": "libfreefare-bin",
    "mifare-desfire-create-ndef": "libfreefare-bin",
    "mifare-desfire-format": "libfreefare-bin",
    "mifare-desfire-info": "libfreefare-bin",
    "mifare-desfire-read-ndef": "libfreefare-bin",
    "mifare-desfire-write-ndef": "libfreefare-bin",
    "nfc-list": "libnfc-bin",
    "nfc-mfultralight": "libnfc-examples",
    "mifare-ultralight-info": "libfreefare-bin",
    "opensc-tool": "opensc",
    "pcsc_scan": "pcsc-tools",
}
"""Debian's package of each program."""

SOURCE = Path(__file__).with_name("referee_desfire.c")
"""The program that does with a DESFire whatever libfreefare can."""


def program(name: str) -> str:
    """Where a referee is; fails the test when this machine has none."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: apt-get install {PACKAGES[name]}")
    return found


def asked(
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    given: bytes = b"",
    is_good: bool = True,
) -> str:
    """What a program says, errors behind the rest; the test fails when it ends otherwise than expected."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        input=given,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert (done.returncode == 0) is is_good, (
        f"{command[0]} ended with {done.returncode}:\n{said}"
    )
    return said


def asked_libnfc(path: Path, *command: str, given: bytes = b"", is_good: bool = True) -> str:
    """What a libnfc or libfreefare program says of the PN532 at `path`."""
    environment = {
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{path}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }
    whole = [program(command[0]) if "/" not in command[0] else command[0], *command[1:]]
    return asked(whole, environment=environment, given=given, is_good=is_good)


def uids_listed(said: str) -> list[str]:
    """The UIDs nfc-list says, in hexadecimal."""
    found = re.findall(r"UID \(NFCID[13]\): ([0-9a-f ]+)", said)
    return ["".join(each.split()) for each in found]


@pytest.fixture(scope="session")
def libfreefare_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The judge of SOURCE, compiled against libfreefare once a run."""
    judge = tmp_path_factory.mktemp("referee") / "referee_desfire"
    if not Path("/usr/include/freefare.h").exists():
        pytest.fail("freefare.h is missing: apt-get install libfreefare-dev libnfc-dev")
    asked(
        [
            program("gcc"),
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            str(judge),
            str(SOURCE),
            "-lfreefare",
            "-lnfc",
        ]
    )
    return judge


@contextmanager
def nfcpy_frontend(path: Path) -> Iterator[Any]:
    """nfcpy, opened on the virtual terminal; its path strings know only names that begin with tty."""
    frontend = nfc.ContactlessFrontend()
    frontend.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(path)))
    try:
        yield frontend
    finally:
        frontend.close()


def nfcpy_tag(frontend: Any, *, at: str = "106A") -> Any:
    """The tag nfcpy's own tag classes make of what lies there; `at` says the speed and the kind of modulation."""
    found: list[Any] = []

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    frontend.connect(rdwr={"targets": [at], "on-connect": keep})
    return found[0]


@contextmanager
def in_slot(daemon: PrivatePcscd, *bands: VirtualBand) -> Iterator[None]:
    """The bands lie on the daemon's virtual slot, and PC/SC has seen the first; in the end it has seen it go."""
    field = Field()
    slot = VirtualVpcd(field=field, host="127.0.0.1", port=daemon.port)
    slot.start()
    field.present(*bands)
    try:
        _wait_for(scard.SCARD_STATE_PRESENT)
        yield
        # Whoever comes next must not take the card that PC/SC has not missed yet for his own.
        field.remove()
        _wait_for(scard.SCARD_STATE_EMPTY)
    finally:
        slot.close()


def _wait_for(wanted: int) -> None:
    """Wait until the first reader has, or has no, card in it, 30 s at most."""
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    assert result == scard.SCARD_S_SUCCESS
    result, (reader, *_) = scard.SCardListReaders(context, [])
    state = scard.SCARD_STATE_UNAWARE
    for _ in range(20):
        result, states = scard.SCardGetStatusChange(context, 1_500, [(reader, state)])
        state = states[0][1]
        if state & wanted:
            break
    scard.SCardReleaseContext(context)
    assert state & wanted, "PC/SC does not see it"
