"""Two readers on one machine, each with its own band at the same time: one daemon with two slots, two PN532 on two ports."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.chips.reading import read_band
from drivers.errors import BandLeft, ReaderBusy
from drivers.proof import ProofKind
from drivers.readers.base import Reader
from drivers.readers.opening import opened
from drivers.readers.pcsc import survey
from drivers.target import Target
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.field import Field
from hardware.virtual.pn532 import VirtualPn532
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.vpcd import VirtualVpcd
from tests.support.bands import UID, Keys, band

OTHER = bytes.fromhex("04FEDCBA987654")


class Two:
    """Two fields and how the readers over them are called."""

    def __init__(self, fields: tuple[Field, Field], specs: tuple[str, str]) -> None:
        self.fields = fields
        self.specs = specs


def _slots(tmp_path: Path, daemon: PrivatePcscd) -> Iterator[Two]:
    del tmp_path
    fields = Field(), Field()
    slots = [
        VirtualVpcd(field=field, host="127.0.0.1", port=daemon.port + number)
        for number, field in enumerate(fields)
    ]
    for slot in slots:
        slot.start()
    names = [each.name for each in survey()]
    yield Two(fields, (f"pcsc:{names[0]}", f"pcsc:{names[1]}"))
    for field, slot in zip(fields, slots, strict=True):
        field.remove()
        slot.close()
    for name in names:
        reader = opened(f"pcsc:{name}", SystemClock())
        assert any(reader.wait_for_removal(500) for _ in range(10))
        reader.close()


def _ports(tmp_path: Path, daemon: PrivatePcscd) -> Iterator[Two]:
    del daemon
    fields = Field(), Field()
    made = [
        VirtualPn532(field=field, clock=SystemClock(), link=tmp_path / f"port{number}")
        for number, field in enumerate(fields)
    ]
    for each in made:
        each.start()
    yield Two(fields, (f"pn532:{made[0].path}", f"pn532:{made[1].path}"))
    for each in made:
        each.close()


@pytest.fixture(params=[_slots, _ports], ids=["pcsc", "pn532"])
def two(
    request: pytest.FixtureRequest, tmp_path: Path, private_pcscd: PrivatePcscd
) -> Iterator[Two]:
    make: Callable[[Path, PrivatePcscd], Iterator[Two]] = request.param
    yield from make(tmp_path, private_pcscd)


def _arrived(reader: Reader) -> Target:
    for _ in range(10):
        target = reader.wait_for_target(500)
        if target is not None:
            return target
    raise AssertionError("the band was not seen")


def _proved_uid(reader: Reader, target: Target) -> bytes | None:
    keys = Keys(UID, OTHER)
    proof = read_band(reader.connect(target), target, keys, SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL
    return proof.uid


def test_two_readers_read_their_own_bands_at_the_same_time(two: Two) -> None:
    one, other = (opened(spec, SystemClock()) for spec in two.specs)
    two.fields[0].present(band())
    two.fields[1].present(band(uid=OTHER))

    first, second = _arrived(one), _arrived(other)
    uids = _proved_uid(other, second), _proved_uid(one, first)
    one.close()
    other.close()

    assert one.name != other.name
    assert uids == (OTHER, UID)


def test_a_band_taken_from_one_reader_is_not_missed_at_the_other(two: Two) -> None:
    one, other = (opened(spec, SystemClock()) for spec in two.specs)
    two.fields[0].present(band())
    two.fields[1].present(band(uid=OTHER))
    first, second = _arrived(one), _arrived(other)

    two.fields[0].remove()

    assert any(one.wait_for_removal(500) for _ in range(10))
    assert not other.wait_for_removal(10)
    assert _proved_uid(other, second) == OTHER
    with pytest.raises(BandLeft):
        _proved_uid(one, first)
    one.close()
    other.close()


def test_a_reader_another_program_has_keeps_nobody_from_the_other_one(two: Two) -> None:
    taken, free = (opened(spec, SystemClock()) for spec in two.specs)
    two.fields[0].present(band())
    two.fields[1].present(band(uid=OTHER))
    _arrived(taken)

    with pytest.raises(ReaderBusy):
        _arrived(opened(two.specs[0], SystemClock()))

    assert _proved_uid(free, _arrived(free)) == OTHER
    taken.close()
    free.close()
