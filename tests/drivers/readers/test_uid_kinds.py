"""Every kind of UID there is, before a chip of ours and before one that is not, at a reader with the pump around it.

Nothing but a UID that stays is ever said to be one; and a chip of ours is who it says it is under its key, whatever it shows.
"""

import pytest

from drivers.lines import Failed, GroupKey, Key, KeyWanted, Left, Proved, Said
from drivers.proof import ProofKind
from drivers.pump import Hearing, Means, Pump
from drivers.readers.pn532 import Pn532Reader
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.classic import VirtualClassic1K
from hardware.virtual.uid_bands import UidBand, UidKind, VirtualNtag213
from tests.support.bands import GROUP_KEY, UID, band, band_key
from tests.support.virtual_reader import VirtualReader

FOUR, SEVEN, TEN = "3b1ca55e", "043b1ca55e4080", "043b1ca55e4080112233"


def _said_of(virtual_reader: VirtualReader, lying: VirtualBand) -> Proved | Failed:
    """What is said of a band that lies there once; every key it asks for is leased."""
    hearing = Hearing()
    hearing.tell(GroupKey(GROUP_KEY.hex()))
    said: list[Proved | Failed] = []

    def say(value: Said) -> None:
        match value:
            case KeyWanted():
                hearing.tell(Key(value.tap, band_key(bytes.fromhex(value.uid)).hex()))
            case Proved() | Failed():
                said.append(value)
                virtual_reader.field.remove()
            case Left():
                hearing.end()
            case _:
                pass

    virtual_reader.field.present(lying)
    Pump(
        "reader",
        lambda: Pn532Reader.opened(str(virtual_reader.path), SystemClock()),
        say=say,
        hearing=hearing,
        means=Means(SystemClock(), SeededEntropy("reader"), key_wait_ms=100),
    ).run()
    (one,) = said
    return one


def _shown(kind: UidKind, behind: VirtualBand) -> VirtualBand:
    return UidBand(kind, entropy=SeededEntropy("band"), behind=behind)


@pytest.mark.parametrize(
    ("kind", "uid"),
    [
        (UidKind.FOUR, FOUR),
        (UidKind.SEVEN, SEVEN),
        (UidKind.TEN, TEN),
        (UidKind.ZERO, None),
        (UidKind.RANDOM, None),
    ],
    ids=lambda each: getattr(each, "value", None),
)
@pytest.mark.parametrize(
    "behind",
    [VirtualNtag213(uid=UID), VirtualClassic1K(uid=UID[:4])],
    ids=["ntag213", "classic"],
)
def test_a_chip_without_a_key_of_ours_is_known_by_a_uid_that_stays_or_not_at_all(
    virtual_reader: VirtualReader, behind: VirtualBand, kind: UidKind, uid: str | None
) -> None:
    said = _said_of(virtual_reader, _shown(kind, behind))

    assert isinstance(said, Proved)
    assert (said.kind, said.uid, said.band) == (ProofKind.NONE.value, uid, None)


def test_a_chip_whose_uid_is_another_at_each_look_is_taken_for_one_that_left(
    virtual_reader: VirtualReader,
) -> None:
    said = _said_of(virtual_reader, _shown(UidKind.CHANGING, VirtualNtag213(uid=UID)))

    assert isinstance(said, Failed)
    assert (said.code, said.delivery) == ("band_left", "unknown")


@pytest.mark.parametrize("kind", [UidKind.FOUR, UidKind.ZERO, UidKind.RANDOM])
def test_a_band_of_ours_whose_uid_says_nothing_is_asked_for_its_true_one(
    virtual_reader: VirtualReader, kind: UidKind
) -> None:
    said = _said_of(virtual_reader, _shown(kind, band()))

    assert isinstance(said, Proved)
    assert (said.kind, said.uid) == (ProofKind.MUTUAL.value, UID.hex())


@pytest.mark.parametrize("kind", [UidKind.SEVEN, UidKind.TEN, UidKind.CHANGING])
def test_a_band_of_ours_that_shows_another_bands_uid_is_not_trusted(
    virtual_reader: VirtualReader, kind: UidKind
) -> None:
    """The key that is leased for the UID it shows is not the key it has."""
    said = _said_of(virtual_reader, _shown(kind, band()))

    assert isinstance(said, Failed)
    assert (said.code, said.delivery) == ("band_untrusted", "refused")


def test_two_chips_with_one_uid_are_one_band_to_nobody_who_holds_its_key(
    virtual_reader: VirtualReader,
) -> None:
    real = _said_of(virtual_reader, band())
    copy = _said_of(virtual_reader, band(key=b"what a copy has!"))
    plain = _said_of(virtual_reader, VirtualNtag213(uid=UID))

    assert isinstance(real, Proved)
    assert (real.kind, real.uid) == (ProofKind.MUTUAL.value, UID.hex())
    assert isinstance(copy, Failed)
    assert copy.code == "band_untrusted"
    assert isinstance(plain, Proved)
    assert (plain.kind, plain.uid, plain.band) == (ProofKind.NONE.value, UID.hex(), None)
