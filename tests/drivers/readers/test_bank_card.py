"""A bank card at every reader and on every way of ours to ask a band: it is never asked for its payment applications.

The card keeps every name it was selected by. That it was selected by one at all is held too, so that no test is passed by
asking nothing.
"""

from collections.abc import Callable, Iterator

import pytest

from drivers.chips.identify import identify
from drivers.chips.reading import read_band
from drivers.chips.type4 import Type4
from drivers.errors import BandCollision
from drivers.lines import GroupKey, Key, KeyWanted, Left, Proved, Said
from drivers.proof import ChipFamily, ProofKind
from drivers.pump import Hearing, Means, Pump
from drivers.readers.base import Reader
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import sample_band
from hardware.virtual.field import Field
from hardware.virtual.phone import PAYMENT_DIRECTORY, VirtualBankCard
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.vpcd import VirtualVpcd
from tests.support.bands import GROUP_KEY, UID, ChipConnection, Keys, band, band_key, target_of
from tests.support.virtual_reader import VirtualReader

RANDOM = bytes.fromhex("08AABBCC")
NDEF_NAME = bytes.fromhex("D2760000850101")

every_uid = pytest.mark.parametrize("uid", [UID, RANDOM], ids=["leased", "random"])
every_lease = pytest.mark.parametrize(
    "keys", [Keys(), Keys(UID), Keys(group=None)], ids=["group", "lease", "nothing"]
)


@every_uid
@every_lease
def test_reading_a_bank_card_asks_for_no_payment_and_proves_nothing(
    uid: bytes, keys: Keys
) -> None:
    card = VirtualBankCard(uid=uid)
    chip = card.power_up()

    proof = read_band(ChipConnection(chip), target_of(chip), keys, SeededEntropy("reader"))

    assert (proof.kind, proof.band, proof.capsule) == (ProofKind.NONE, None, None)
    assert card.asked == [NDEF_NAME]


@every_uid
def test_naming_a_bank_card_asks_for_no_payment(uid: bytes) -> None:
    card = VirtualBankCard(uid=uid)
    chip = card.power_up()

    chip_said = identify(ChipConnection(chip), target_of(chip))

    assert chip_said.family is ChipFamily.TYPE4
    assert card.asked == [NDEF_NAME]


def test_looking_for_a_message_on_a_bank_card_asks_for_no_payment() -> None:
    card = VirtualBankCard(uid=RANDOM)

    has_message = Type4(ChipConnection(card.power_up())).select()

    assert not has_message
    assert card.asked == [NDEF_NAME]


def test_a_bank_card_does_remember_who_asks_it_for_payment() -> None:
    card = VirtualBankCard(uid=RANDOM)

    ChipConnection(card.power_up()).transmit(
        b"\x00\xa4\x04\x00\x0e" + PAYMENT_DIRECTORY + b"\x00"
    )

    assert card.payment_asked == (PAYMENT_DIRECTORY,)


@pytest.fixture
def slot(private_pcscd: PrivatePcscd) -> Iterator[Field]:
    """The field of the daemon's first slot."""
    field = Field()
    virtual = VirtualVpcd(field=field, host="127.0.0.1", port=private_pcscd.port)
    virtual.start()
    yield field
    field.remove()
    virtual.close()
    reader = PcscReader.opened("", SystemClock())
    assert any(reader.wait_for_removal(500) for _ in range(10))
    reader.close()


def _tapped(open_reader: Callable[[], Reader], field: Field, card: VirtualBankCard) -> Proved:
    """What the pump says of a bank card, from its arrival until it was taken away."""
    hearing = Hearing()
    hearing.tell(GroupKey(GROUP_KEY.hex()))
    said: list[Said] = []

    def say(value: Said) -> None:
        said.append(value)
        match value:
            case KeyWanted():
                hearing.tell(Key(value.tap, band_key(bytes.fromhex(value.uid)).hex()))
            case Proved():
                field.remove()
            case Left():
                hearing.end()
            case _:
                pass

    field.present(card)
    means = Means(SystemClock(), SeededEntropy("reader"), key_wait_ms=100)
    Pump("reader", open_reader, say=say, hearing=hearing, means=means).run()
    (proved,) = [each for each in said if isinstance(each, Proved)]
    return proved


@every_uid
def test_a_bank_card_on_a_pn532_is_never_asked_for_payment(
    virtual_reader: VirtualReader, uid: bytes
) -> None:
    card = VirtualBankCard(uid=uid)

    proved = _tapped(
        lambda: Pn532Reader.opened(str(virtual_reader.path), SystemClock()),
        virtual_reader.field,
        card,
    )

    assert (proved.kind, proved.band) == (ProofKind.NONE.value, None)
    assert card.asked
    assert card.payment_asked == ()


def test_a_bank_card_on_a_pcsc_reader_is_never_asked_for_payment(slot: Field) -> None:
    card = VirtualBankCard(uid=RANDOM)

    proved = _tapped(lambda: PcscReader.opened("", SystemClock()), slot, card)

    assert (proved.kind, proved.band) == (ProofKind.NONE.value, None)
    assert card.asked
    assert card.payment_asked == ()


def test_a_band_in_a_purse_with_a_bank_card_is_a_collision_and_the_card_is_asked_nothing(
    virtual_reader: VirtualReader,
) -> None:
    card, mine = VirtualBankCard(uid=RANDOM), band()
    before = mine.contents, mine.values, mine.records
    virtual_reader.field.present(mine, card)
    reader = Pn532Reader.opened(str(virtual_reader.path), SystemClock())

    with pytest.raises(BandCollision):
        reader.wait_for_target(500)
    reader.close()

    assert card.asked == []
    assert (mine.contents, mine.values, mine.records) == before


def test_the_bank_card_of_the_catalogue_is_one_that_remembers() -> None:
    assert isinstance(sample_band("bank-card", entropy=SeededEntropy("card")), VirtualBankCard)
