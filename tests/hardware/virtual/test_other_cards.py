"""Bands that are nobody's: Classic, telephones, bank cards, odd UIDs; frame by frame and behind the PN532."""

from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual.classic import FACTORY_KEY, VirtualClassic1K
from hardware.virtual.phone import (
    PAYMENT_DIRECTORY,
    VirtualBankCard,
    VirtualObligingPhone,
    VirtualType4,
)
from hardware.virtual.uid_bands import (
    UidBand,
    UidKind,
    VirtualClassic,
    VirtualNtag213,
    VirtualPhone,
)
from tests.hardware.virtual.chips import AID, ask, desfire
from tests.support.virtual_reader import VirtualReader

UID = bytes.fromhex("04A0B0C0D0E0F0")
MESSAGE = bytes.fromhex("D101035402656E")


def selected(name: bytes) -> bytes:
    return b"\x00\xa4\x04\x00" + bytes([len(name)]) + name + b"\x00"


def listed(reader: VirtualReader) -> bytes:
    """What the PN532 finds now, with its field cycled first."""
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(reader.path)))
    try:
        device.chipset.command(0x32, b"\x01\x00", timeout=1.0)
        return bytes(device.chipset.command(0x4A, b"\x02\x00", timeout=1.0))
    finally:
        device.close()


# --- Classic


def test_a_classic_block_is_read_and_written_behind_its_key() -> None:
    card = VirtualClassic1K(uid=UID)
    chip = card.power_up()
    before = chip.exchange(b"\x30\x04")
    key = b"\x60\x04" + FACTORY_KEY + UID[-4:]

    opened = ask(chip, key)
    answers = [ask(chip, b"\xa0\x04"), ask(chip, b"sixteen bytes!!!")]
    content = ask(chip, b"\x30\x04")
    other_sector = ask(chip, b"\x30\x08")

    assert (before, opened) == (b"\x04", b"\x0a")
    assert answers == [b"\x0a", b"\x0a"]
    assert content == b"sixteen bytes!!!"
    assert other_sector == b"\x04"
    assert chip.exchange(b"\x61\x04" + bytes(6) + UID[-4:]) is None


def test_the_pn532_speaks_the_classics_cipher_for_its_host(
    virtual_reader: VirtualReader,
) -> None:
    card = VirtualClassic1K(uid=UID)
    virtual_reader.field.present(card)
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    chipset: Any = device.chipset
    chipset.command(0x4A, b"\x01\x00", timeout=1.0)

    answers = [
        bytes(chipset.command(0x40, b"\x01" + content, timeout=1.0))
        for content in (
            b"\x60\x08" + FACTORY_KEY + UID[-4:],
            b"\xa0\x08" + b"sixteen bytes!!!",
            b"\x30\x08",
            b"\x60\x08" + bytes(6) + UID[-4:],
        )
    ]
    device.close()

    assert answers == [b"\x00", b"\x00", b"\x00sixteen bytes!!!", b"\x14"]
    assert card.memory[8 * 16 : 9 * 16] == b"sixteen bytes!!!"


def test_a_classic_is_not_made_of_what_does_not_fit() -> None:
    for uid, n_keys in ((UID[:5], 32), (UID, 31)):
        with pytest.raises(ValueError, match="UID"):
            VirtualClassic1K(uid=uid, keys=(FACTORY_KEY,) * n_keys)


def test_a_trailer_holds_both_keys_and_shows_one() -> None:
    keys = tuple(bytes([number]) * 6 for number in range(32))
    card = VirtualClassic1K(uid=UID[:4], keys=keys)
    chip = card.power_up()

    ask(chip, b"\x61\x07" + keys[3] + UID[:4])
    trailer = ask(chip, b"\x30\x07")
    ask(chip, b"\xa0\x07")
    ask(chip, b"newkey" + trailer[6:10] + keys[3])

    assert trailer == bytes(6) + bytes.fromhex("FF078069") + keys[3]
    assert card.key(1, is_b=False) == b"newkey"
    assert ask(chip, b"\x60\x04newkey" + UID[:4]) == b"\x0a"


# --- telephones and bank cards


def test_a_type_4_message_is_found_the_way_telephones_look_for_it() -> None:
    band = VirtualType4(uid=UID, message=MESSAGE, is_writable=True)
    chip = band.power_up()

    found = [
        ask(chip, command)
        for command in (
            selected(bytes.fromhex("D2760000850101")),
            bytes.fromhex("00A4000C02E103"),
            bytes.fromhex("00B000000F"),
            bytes.fromhex("00A4000C02E104"),
            bytes.fromhex("00B0000002"),
            bytes.fromhex("00B0000207"),
            bytes.fromhex("00D6000003000154"),
        )
    ]

    assert found[0] == found[1] == found[3] == found[6] == b"\x90\x00"
    assert found[2] == bytes.fromhex("000F2000FF00FF0406E10401000000") + b"\x90\x00"
    assert found[4] == b"\x00\x07\x90\x00"
    assert found[5] == MESSAGE + b"\x90\x00"
    assert band.message == b"\x54"


def test_a_type_4_band_has_a_status_for_every_step_out_of_place() -> None:
    chip = VirtualType4(uid=UID, message=MESSAGE, capacity=16, is_writable=True).power_up()
    dialogue = (
        ("00A4000C02E104", "6a82"),  # no application yet
        ("00B0000002", "6986"),
        ("00D600000100", "6986"),
        ("9060000000", "6e00"),
        ("00A404", "6e00"),
        ("0084000008", "6d00"),
        ("00A4040007D276000085010100", "9000"),
        ("00A4000C02E105", "6a82"),
        ("00A4000C02E104", "9000"),
        ("00B0000F05", "009000"),
        ("00B0000E00", "00009000"),
        ("00B0001001", "6b00"),
        ("00D6000F0161", "9000"),
        ("00D6000F026161", "6b00"),
        ("00A4000C02E103", "9000"),
        ("00D600000100", "6986"),
        ("00A4040007D276000085010000", "6a82"),
        ("00A4000C02E104", "6a82"),  # the application was left
    )

    answers = [ask(chip, bytes.fromhex(command)).hex() for command, _ in dialogue]

    assert answers == [answer for _, answer in dialogue]


def test_a_whole_file_is_read_at_once_and_messages_fit_their_files() -> None:
    chip = VirtualType4(uid=UID, message=bytes(254)).power_up()
    ask(chip, selected(bytes.fromhex("D2760000850101")))
    ask(chip, bytes.fromhex("00A4000C02E104"))

    assert len(ask(chip, bytes.fromhex("00B0000000"))) == 256 + 2
    VirtualType4(uid=UID, capacity=0x7FFF)
    for size, capacity in ((255, 256), (0, 0x8000)):
        with pytest.raises(ValueError, match="fit"):
            VirtualType4(uid=UID, message=bytes(size), capacity=capacity)


def test_bands_with_nothing_but_a_uid_answer_as_such() -> None:
    phone = VirtualPhone(uid=bytes.fromhex("08112233")).power_up()
    old, seven = VirtualClassic(uid=UID[:4]).power_up(), VirtualClassic(uid=UID).power_up()
    bare = UidBand(UidKind.SEVEN, entropy=SeededEntropy("bare")).power_up()

    assert [ask(phone, b"\x00\xa4\x04\x00"), ask(phone, b"\x90\x60\x00\x00\x00")] == [
        b"\x6a\x82",
        b"\x6d\x00",
    ]
    assert [old.exchange(b"\x30\x04"), old.exchange(b"\x60")] == [b"\x04", None]
    assert [chip.anticollision.atqa for chip in (old, seven)] == [b"\x00\x04", b"\x00\x44"]
    assert (bare.anticollision.sak, bare.exchange(b"\x30\x00")) == (0x00, None)
    assert VirtualNtag213(uid=UID).memory[16:20] == bytes.fromhex("0300FE00")
    assert VirtualNtag213(uid=UID, user_pages=b"mine").memory[16:20] == b"mine"
    for uid in (UID[:5], b""):
        with pytest.raises(ValueError, match="UID"):
            VirtualClassic(uid=uid)
    for uid in (UID[:4], b"\x08\x01\x02"):
        with pytest.raises(ValueError, match="08"):
            VirtualPhone(uid=uid)


def test_what_lies_behind_an_odd_uid_answers_and_forgets_as_always() -> None:
    band = UidBand(UidKind.FOUR, entropy=SeededEntropy("x"), behind=VirtualClassic1K(uid=UID))
    chip = band.power_up()
    ask(chip, b"\x60\x04" + FACTORY_KEY + UID[-4:])
    opened = chip.exchange(b"\x30\x04")

    chip.reselected()

    assert opened == bytes(16)
    assert chip.exchange(b"\x30\x04") == b"\x04"
    assert chip.anticollision.sak == 0x08


def test_a_read_only_message_is_not_written() -> None:
    chip = VirtualType4(uid=UID, message=MESSAGE).power_up()
    ask(chip, selected(bytes.fromhex("D2760000850101")))
    ask(chip, bytes.fromhex("00A4000C02E104"))

    assert ask(chip, bytes.fromhex("00D6000003000154")) == b"\x69\x86"


def test_nfcpy_reads_a_message_from_the_type_4_tag(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(VirtualType4(uid=UID, message=MESSAGE))
    found: list[Any] = []
    clf: Any = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    clf.connect(rdwr={"on-connect": keep})

    assert found[0].type == "Type4Tag"
    assert bytes(found[0].ndef.octets) == MESSAGE
    clf.close()


def test_the_obliging_phone_says_yes_to_everything() -> None:
    phone = VirtualObligingPhone(entropy=SeededEntropy("phone"))
    chip, again = phone.power_up(), phone.power_up()

    answers = {
        ask(chip, command)
        for command in (
            b"\x90\x5a\x00\x00\x03" + AID + b"\x00",
            b"\x90\x71\x00\x00\x02\x02\x00\x00",
        )
    }

    assert answers == {b"\x90\x00"}
    assert chip.anticollision.uid[0] == 0x08
    assert chip.anticollision.uid != again.anticollision.uid


def test_a_bank_card_remembers_who_asked_it_for_payment() -> None:
    card = VirtualBankCard(uid=UID)
    chip = card.power_up()

    ask(chip, selected(bytes.fromhex("D2760000850101")))
    asked_before = card.payment_asked
    directory = ask(chip, selected(PAYMENT_DIRECTORY))
    ask(card.power_up(), selected(bytes.fromhex("A0000000041010")))

    assert asked_before == ()
    assert card.payment_asked == (PAYMENT_DIRECTORY, bytes.fromhex("A0000000041010"))
    assert directory[:-2].hex() == (
        "6f20840e" + PAYMENT_DIRECTORY.hex() + "a50ebf0c0b61094f07a0000000031010"
    )
    assert directory[-2:] == b"\x90\x00"


# --- odd UIDs


@pytest.mark.parametrize(
    ("kind", "size", "first"),
    [
        (UidKind.FOUR, 4, 0x3B),
        (UidKind.SEVEN, 7, 0x04),
        (UidKind.TEN, 10, 0x04),
        (UidKind.ZERO, 7, 0x00),
        (UidKind.RANDOM, 4, 0x08),
        (UidKind.CHANGING, 7, 0x04),
    ],
)
def test_each_odd_uid_is_shown_as_it_says(
    virtual_reader: VirtualReader, kind: UidKind, size: int, first: int
) -> None:
    virtual_reader.field.present(
        UidBand(kind, entropy=SeededEntropy(kind.value), behind=desfire())
    )

    answers = [listed(virtual_reader) for _ in range(2)]

    uids = [answer[6 : 6 + size] for answer in answers]
    assert [(answer[0], answer[5], answer[6]) for answer in answers] == [(1, size, first)] * 2
    assert {answer[4] for answer in answers} == {0x20}, "the chip behind it shows"
    is_steady = uids[0] == uids[1]
    assert is_steady == (kind not in {UidKind.RANDOM, UidKind.CHANGING})


def test_a_uid_that_changes_does_so_at_every_selection() -> None:
    from hardware.virtual.iso_dep import Picc

    picc = Picc(UidBand(UidKind.CHANGING, entropy=SeededEntropy("poll")).power_up())
    seen = set()

    for _ in range(5):
        picc.request()
        picc.select()
        seen.add(picc.anticollision.uid)

    assert len(seen) == 5


def test_two_chips_with_one_uid_are_two(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID), VirtualNtag213(uid=UID))

    answer = listed(virtual_reader)

    assert answer[0] == 2
    assert answer.count(UID) == 2
