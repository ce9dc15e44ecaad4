"""One virtual DESFire with a file of every kind in every mode, the driver on it, and a way there that can be spoiled."""

from collections.abc import Callable

from drivers.chips.desfire import Desfire
from drivers.credential.layout import BandFile, CommMode, RecordFile, ValueFile
from drivers.errors import BandLeft
from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import (
    AnyVirtualFile,
    VirtualApplication,
    VirtualDesfire,
    VirtualFile,
    VirtualRecordFile,
    VirtualValueFile,
)
from hardware.virtual.desfire_memory import KeyType
from hardware.virtual.messaging import Mode
from tests.support.bands import UID, ChipConnection

Spoil = Callable[[bytes], bytes | None]

MADE_UP = b"\x5a" * 16 + b"\x91\x00"
"""A good answer of somebody who is not the chip."""

AID = b"\x01\x02\x03"
KEY, OTHER_KEY = bytes(range(16)), bytes(range(16, 32))
DES_KEY = bytes(range(0, 32, 2))
THREE_KEY = bytes(range(0, 48, 2))

MODES = (CommMode.PLAIN, CommMode.MAC, CommMode.FULL)
SIZE = 700


def standard(mode: CommMode) -> BandFile:
    return BandFile(1 + mode.value, SIZE, mode, 1, 1, 1, 0)


def backup(mode: CommMode) -> BandFile:
    return BandFile(5 + mode.value, 64, mode, 1, 1, 1, 0, is_backup=True)


def counted(mode: CommMode) -> ValueFile:
    return ValueFile(9 + mode.value, -100, 1000, 10, mode, 1, 1, 1, 0, has_limited_credit=True)


def recorded(mode: CommMode) -> RecordFile:
    return RecordFile(13 + mode.value, 20, 6, mode, 1, 1, 1, 0)


def _virtual_files() -> tuple[AnyVirtualFile, ...]:
    made: list[AnyVirtualFile] = []
    for mode in MODES:
        data, kept, value, record = standard(mode), backup(mode), counted(mode), recorded(mode)
        there = Mode(mode.value)
        made += [
            VirtualFile(data.number, there, 1, 1, 1, 0, bytes(SIZE)),
            VirtualFile(kept.number, there, 1, 1, 1, 0, bytes(64), has_backup=True),
            VirtualValueFile(
                value.number, there, 1, 1, 1, 0, 10, -100, 1000, is_credit_limited=True
            ),
            VirtualRecordFile(record.number, there, 1, 1, 1, 0, 20, 6),
        ]
    return tuple(made)


class SpoiledConnection(ChipConnection):
    """Straight to a chip, until it is told to spoil an answer."""

    def __init__(self, chip) -> None:  # type: ignore[no-untyped-def]
        super().__init__(chip)
        self._left = 0
        self._spoiled: Spoil | None = None
        self._is_heard = True
        self._is_for_ever = False

    def spoil_from_here(
        self, at: int, spoil: Spoil, *, is_heard: bool = True, is_for_ever: bool = False
    ) -> None:
        """Spoil the answer at exchange `at` from now, and those after it if told; the chip may not even hear the command.

        `spoil` gets the answer, a made-up good one when the chip did not hear, and returns what arrives or None for nothing.
        """
        self._left, self._spoiled = at, spoil
        self._is_heard, self._is_for_ever = is_heard, is_for_ever

    def transmit(self, command: bytes) -> bytes:
        spoil = self._spoiled
        self._left -= 1
        if spoil is None or self._left > 0:
            return super().transmit(command)
        if not self._is_for_ever:
            self._spoiled = None
        answer = super().transmit(command) if self._is_heard else MADE_UP
        spoiled = spoil(answer)
        if spoiled is None:
            raise BandLeft("torn")
        return spoiled


class Bench:
    """One virtual chip, and the driver in sessions of its kind."""

    def __init__(self, kind: str, *, seed: str = "reader", key: bytes = b"") -> None:
        self.kind = kind
        ev = 1 if kind in {"aes", "2k3des", "3k3des"} else int(kind[-1])
        right, key_type = {
            "2k3des": (DES_KEY, KeyType.DES),
            "3k3des": (THREE_KEY, KeyType.TDES3),
        }.get(kind, (KEY, KeyType.AES))
        self.key = key or right
        self.band = VirtualDesfire(
            uid=UID,
            ev=ev,
            applications=(
                VirtualApplication(
                    AID,
                    (OTHER_KEY[: len(right)].ljust(len(right), b"!"), self.key),
                    _virtual_files(),
                    key_versions=(3, 7),
                    key_type=key_type,
                ),
            ),
            entropy=SeededEntropy("chip " + seed),
        )
        self._entropy = SeededEntropy(seed)
        self.enter()

    def enter(self) -> None:
        """The band comes into the field anew."""
        self.connection = SpoiledConnection(self.band.power_up())
        self.chip = Desfire(self.connection, self._entropy)
        self.open()

    def open(self) -> None:
        self.chip.select_application(AID)
        self.authenticate()

    def authenticate(self) -> None:
        if self.kind.endswith("des"):
            self.chip.authenticate_iso(1, self.key)
        elif self.kind == "aes":
            self.chip.authenticate_aes(1, self.key)
        else:
            assert self.chip.authenticate_ev2_first(1, self.key)

    def spoil_from_here(
        self, at: int, spoil: Spoil, *, is_heard: bool = True, is_for_ever: bool = False
    ) -> None:
        """As `SpoiledConnection.spoil_from_here`."""
        self.connection.spoil_from_here(at, spoil, is_heard=is_heard, is_for_ever=is_for_ever)
