"""What `drivers.readers.base` promises, asked of every reader: the fake, a PN532 through nfcpy, PC/SC through a daemon."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from drivers.chips.reading import read_band
from drivers.errors import BandLeft, Delivery, ReaderError
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from drivers.target import Target, Technology
from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.field import Field
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.uid_bands import VirtualClassic, VirtualNtag213, VirtualPhone
from hardware.virtual.vpcd import VirtualVpcd
from tests.support.bands import REFERENCE, UID, Keys, band
from tests.support.readers import FakeReader
from tests.support.virtual_reader import VirtualReader

Plugged = tuple[Field, Reader]


@pytest.fixture(params=["fake", "pn532", "pcsc"])
def plugged(request: pytest.FixtureRequest) -> Iterator[Plugged]:
    """A field and an open reader on it."""
    if request.param == "fake":
        field = Field()
        fake = FakeReader(field, FixedClock(datetime(2026, 5, 4, tzinfo=UTC)))
        yield field, fake
    elif request.param == "pn532":
        virtual: VirtualReader = request.getfixturevalue("virtual_reader")
        pn532 = Pn532Reader.opened(str(virtual.path), SystemClock())
        yield virtual.field, pn532
        pn532.close()
    else:
        daemon: PrivatePcscd = request.getfixturevalue("private_pcscd")
        field = Field()
        slot = VirtualVpcd(field=field, host="127.0.0.1", port=daemon.port)
        slot.start()
        pcsc = PcscReader.opened("", SystemClock())
        yield field, pcsc
        pcsc.close()
        field.remove()
        slot.close()
        after = PcscReader.opened("", SystemClock())
        _until(lambda: after.wait_for_removal(WAIT_MS_MAX))
        after.close()


def _until(look: Callable[[], bool]) -> None:
    """A daemon looks at a virtual slot every 400 ms; ten waits are far more than it needs."""
    assert any(look() for _ in range(10))


def _arrived(reader: Reader) -> Target:
    for _ in range(10):
        target = reader.wait_for_target(WAIT_MS_MAX)
        if target is not None:
            return target
    raise AssertionError("the band was not seen")


def test_an_empty_field_has_no_target(plugged: Plugged) -> None:
    _, reader = plugged

    assert reader.wait_for_target(20) is None


@pytest.mark.parametrize(
    ("plugged", "ev", "is_random"),
    [
        *(
            (kind, ev, is_random)
            for kind in ("fake", "pn532")
            for ev in (1, 2)
            for is_random in (False, True)
        ),
        ("pcsc", 1, False),
        ("pcsc", 2, True),
    ],
    indirect=["plugged"],
)
def test_a_band_of_ours_is_found_and_proves_itself(
    plugged: Plugged, ev: int, is_random: bool
) -> None:
    field, reader = plugged
    field.present(band(ev=ev, is_random=is_random))

    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert target.technology is Technology.ISO_DEP
    assert (len(target.uid), target.uid[0]) == ((4, 0x08) if is_random else (7, 0x04))
    assert proof == Proof(ProofKind.MUTUAL, ChipFamily.DESFIRE, ev, UID, REFERENCE)


@pytest.mark.parametrize(
    ("virtual", "technology", "family"),
    [
        (VirtualNtag213(uid=UID), Technology.TYPE_2, ChipFamily.ULTRALIGHT),
        (VirtualClassic(uid=UID), Technology.OTHER, ChipFamily.CLASSIC),
    ],
    ids=["ntag", "classic"],
)
def test_a_band_with_nothing_but_a_uid_is_found_with_it(
    plugged: Plugged,
    virtual: VirtualNtag213 | VirtualClassic,
    technology: Technology,
    family: ChipFamily,
) -> None:
    field, reader = plugged
    field.present(virtual)

    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert (target.technology, target.uid) == (technology, UID)
    assert (proof.kind, proof.family, proof.uid) == (ProofKind.NONE, family, UID)


def test_a_telephone_is_found_and_known_by_nothing(plugged: Plugged) -> None:
    field, reader = plugged
    field.present(VirtualPhone(uid=b"\x08\x01\x02\x03"))

    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert (proof.family, proof.uid) == (ChipFamily.UNKNOWN, None)


LYING: dict[str, VirtualBand] = {
    "fixed": band(),
    "random": band(is_random=True),
    "ntag": VirtualNtag213(uid=UID),
    "classic": VirtualClassic(uid=UID),
    "phone": VirtualPhone(uid=b"\x08\x01\x02\x03"),
}


def test_a_band_that_lies_there_can_be_spoken_to_again(plugged: Plugged) -> None:
    field, reader = plugged
    field.present(band())
    target = _arrived(reader)
    connection = reader.connect(target)
    before = read_band(connection, target, Keys(UID), SeededEntropy("before"))

    is_gone = reader.wait_for_removal(WAIT_MS_MAX)
    after = read_band(connection, target, Keys(UID), SeededEntropy("after"))

    assert not is_gone
    assert before == after
    assert after.kind is ProofKind.MUTUAL


@pytest.mark.parametrize(
    ("plugged", "name"),
    [("fake", "random"), *(("pn532", name) for name in LYING), ("pcsc", "random")],
    indirect=["plugged"],
)
def test_a_band_that_lies_there_is_there_until_it_is_taken_away(
    plugged: Plugged, name: str
) -> None:
    field, reader = plugged
    field.present(LYING[name])
    target = _arrived(reader)
    read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert not reader.wait_for_removal(WAIT_MS_MAX)
    field.remove()

    _until(lambda: reader.wait_for_removal(WAIT_MS_MAX))
    assert reader.wait_for_target(20) is None


def test_the_same_band_again_is_another_activation_and_the_old_connection_is_dead(
    plugged: Plugged,
) -> None:
    field, reader = plugged
    field.present(band())
    first = _arrived(reader)
    old = reader.connect(first)
    field.remove()
    _until(lambda: reader.wait_for_removal(WAIT_MS_MAX))
    field.present(band())

    second = _arrived(reader)

    assert second.generation > first.generation
    assert second.uid == first.uid
    with pytest.raises(BandLeft):
        old.transmit(bytes.fromhex("9060000000"))
    with pytest.raises(BandLeft) as dead:
        reader.connect(first)
    assert dead.value.delivery is Delivery.NOT_SENT
    proof = read_band(reader.connect(second), second, Keys(UID), SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL


def test_a_band_that_is_there_already_is_found_again_at_once(plugged: Plugged) -> None:
    field, reader = plugged
    field.present(band())
    first = _arrived(reader)

    second = reader.wait_for_target(WAIT_MS_MAX)

    assert second is not None
    assert second.generation > first.generation
    proof = read_band(reader.connect(second), second, Keys(UID), SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL


def test_a_band_taken_away_before_it_is_asked_has_left(plugged: Plugged) -> None:
    field, reader = plugged
    field.present(band())
    target = _arrived(reader)
    connection = reader.connect(target)
    field.remove()

    with pytest.raises(BandLeft) as left:
        read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    assert left.value.delivery is Delivery.UNKNOWN


def test_a_closed_reader_can_be_closed_again_and_does_nothing_more(plugged: Plugged) -> None:
    _, reader = plugged

    reader.close()
    reader.close()

    with pytest.raises(ReaderError):
        reader.wait_for_target(20)


def test_a_reader_is_closed_where_its_block_ends_and_what_ended_it_is_heard(
    plugged: Plugged,
) -> None:
    field, reader = plugged
    field.present(band())

    def work() -> None:
        with reader as same:
            assert same is reader
            _arrived(same)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    with pytest.raises(ReaderError):
        reader.wait_for_target(20)


def test_the_reader_tells_when_it_saw_the_band(plugged: Plugged) -> None:
    field, reader = plugged
    before = reader.reported_at_us
    field.present(band())

    _arrived(reader)

    assert reader.reported_at_us >= before
    assert reader.name
