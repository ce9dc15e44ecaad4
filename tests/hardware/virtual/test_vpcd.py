"""A virtual band through a real PC/SC daemon, seen by the real client library."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from smartcard import scard

from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Anticollision, PoweredChip
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.felica import VirtualFelica, ndef_blocks
from hardware.virtual.field import Field
from hardware.virtual.iso_dep import crc_a
from hardware.virtual.ntag424 import VirtualNtag424, delivered_files
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.sdm import COUNTED, FREE, NONE, TEXT, UID_SHOWN, Sdm
from hardware.virtual.uid_bands import VirtualClassic, VirtualNtag213, VirtualPhone
from hardware.virtual.vpcd import VirtualVpcd, VpcdAbsent, answer_of, atr_of
from tests.hardware.virtual.chips import AID, UID, desfire

NTAG_UID = bytes.fromhex("04445566778899")


@pytest.fixture
def field(private_pcscd: PrivatePcscd) -> Iterator[Field]:
    """A field whose first band lies on the daemon's virtual slot."""
    field = Field()
    slot = VirtualVpcd(field=field, host="127.0.0.1", port=private_pcscd.port)
    slot.start()
    yield field
    field.remove()
    slot.close()
    if private_pcscd.pid is None:
        private_pcscd.start()
    with closing(Client()) as client:  # or whoever comes next finds a band that is gone
        client.wait(scard.SCARD_STATE_EMPTY)


class Client:
    """A PC/SC client with one context."""

    def __init__(self) -> None:
        result, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        assert result == scard.SCARD_S_SUCCESS
        result, readers = scard.SCardListReaders(self.context, [])
        assert result == scard.SCARD_S_SUCCESS
        self.reader = readers[0]

    def close(self) -> None:
        scard.SCardReleaseContext(self.context)

    def wait(self, wanted: int) -> bytes:
        """Wait until the slot's state has `wanted`; the ATR then."""
        state = scard.SCARD_STATE_UNAWARE
        for _ in range(20):
            result, states = scard.SCardGetStatusChange(
                self.context, 5_000, [(self.reader, state)]
            )
            assert result == scard.SCARD_S_SUCCESS
            _, state, atr = states[0]
            if state & wanted:
                return bytes(atr)
        raise AssertionError("the slot flaps")

    def connect(self) -> Any:
        """A card handle."""
        self.wait(scard.SCARD_STATE_PRESENT)
        result, card, _ = scard.SCardConnect(
            self.context, self.reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_ANY
        )
        assert result == scard.SCARD_S_SUCCESS
        return card


def transmitted(card: Any, apdu: str) -> tuple[int, str]:
    """Result code and answer."""
    result, answer = scard.SCardTransmit(card, scard.SCARD_PCI_T1, list(bytes.fromhex(apdu)))
    return result & 0xFFFFFFFF, bytes(answer).hex()


def test_a_desfire_is_seen_with_its_atr_and_uid_and_answers(field: Field) -> None:
    with closing(Client()) as client:
        field.present(desfire())

        card = client.connect()
        atr = client.wait(scard.SCARD_STATE_PRESENT)
        answers = [
            transmitted(card, apdu)
            for apdu in ("FFCA000000", f"905A000003{AID.hex()}00", "9060000000")
        ]

    assert atr == bytes.fromhex("3B8180018080")
    assert answers == [
        (0, UID.hex() + "9000"),
        (0, "9100"),
        (0, "04010112001a0591af"),
    ]


def test_a_band_taken_away_leaves_an_empty_slot(field: Field) -> None:
    with closing(Client()) as client:
        field.present(desfire())
        card = client.connect()

        field.remove()
        result, answer = transmitted(card, "9060000000")
        client.wait(scard.SCARD_STATE_EMPTY)

    assert answer == ""
    assert result in {0, 0x80100016, 0x80100069}


def test_an_answer_without_a_byte_hangs_nobody(field: Field) -> None:
    """The driver would wait for the rest of it for ever, and the whole reader with it."""
    with closing(Client()) as client:
        fault = Fault(FaultKind.EMPTY, 1)
        field.present(FaultyBand(desfire(), fault, field=field, clock=SystemClock()))
        card = client.connect()

        result, answer = transmitted(card, "9060000000")
        client.wait(scard.SCARD_STATE_EMPTY)
        field.present(desfire())
        _, after = transmitted(client.connect(), "9060000000")

    assert answer == ""
    assert result in {0, 0x80100016, 0x80100069}
    assert after == "04010112001a0591af"


def test_an_ntag_is_a_storage_card_that_reads_by_the_readers_own_commands(field: Field) -> None:
    with closing(Client()) as client:
        field.present(VirtualNtag213(uid=NTAG_UID, user_pages=b"0123456789ABCDEF"))

        card = client.connect()
        atr = client.wait(scard.SCARD_STATE_PRESENT)
        uid = transmitted(card, "FFCA000000")
        pages = transmitted(card, "FFB0000410")

    assert atr == bytes.fromhex("3B8F8001804F0CA0000003060300030000000068")
    assert uid == (0, NTAG_UID.hex() + "9000")
    assert pages == (0, b"0123456789ABCDEF".hex() + "9000")


def test_the_band_is_seen_again_after_the_daemon_crashed(
    field: Field, private_pcscd: PrivatePcscd
) -> None:
    with closing(Client()) as client:
        field.present(desfire())
        client.wait(scard.SCARD_STATE_PRESENT)

    private_pcscd.kill()
    private_pcscd.start()

    with closing(Client()) as client:
        assert transmitted(client.connect(), "FFCA000000") == (0, UID.hex() + "9000")


@pytest.fixture
def reader_side() -> Iterator[socket.socket]:
    """The reader's half of a slot: where a card joins."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def _asked_for_atr(listening: socket.socket) -> bytes:
    """What the next card that joined answers to GET ATR; nothing when it left."""
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(10)
        connection.sendall(b"\x00\x01\x04")
        return connection.recv(64)


@pytest.mark.parametrize("is_there_before", [True, False])
def test_the_first_connection_to_a_slot_is_the_bands(
    reader_side: socket.socket, is_there_before: bool
) -> None:
    field = Field()
    slot = VirtualVpcd(field=field, host="127.0.0.1", port=reader_side.getsockname()[1])
    if is_there_before:
        field.present(desfire())

    slot.start()
    if not is_there_before:
        field.present(desfire())
    answer = _asked_for_atr(reader_side)
    slot.close()

    assert answer == bytes.fromhex("00063B8180018080")


def test_a_slot_without_a_band_is_left_when_it_is_looked_at_and_joined_again(
    reader_side: socket.socket,
) -> None:
    field = Field()
    slot = VirtualVpcd(field=field, host="127.0.0.1", port=reader_side.getsockname()[1])

    slot.start()
    empty = _asked_for_atr(reader_side)
    field.present(desfire())
    answer = _asked_for_atr(reader_side)
    slot.close()

    assert (empty, answer) == (b"", bytes.fromhex("00063B8180018080"))


def test_nobody_there_to_join_is_said() -> None:
    with pytest.raises(VpcdAbsent, match=r"127\.0\.0\.1:1"):
        VirtualVpcd(field=Field(), host="127.0.0.1", port=1).start()


@pytest.mark.parametrize(
    ("seen", "atr"),
    [
        (VirtualClassic(uid=NTAG_UID[:4]).power_up().anticollision, "0001"),
        (VirtualNtag213(uid=NTAG_UID).power_up().anticollision, "0003"),
    ],
)
def test_a_storage_card_is_named_in_its_atr(seen: Anticollision, atr: str) -> None:
    assert atr_of(seen).hex()[26:30] == atr


def test_a_telephone_answers_as_iso_7816_without_our_application() -> None:
    chip = VirtualPhone(uid=bytes.fromhex("08112233")).power_up()

    answers = [
        answer_of(chip, bytes.fromhex(apdu))
        for apdu in ("FFCA000000", "00A4040007D276000085010100", "9060000000")
    ]

    assert answers == [bytes.fromhex(each) for each in ("081122339000", "6A82", "6D00")]


# --- chips without ISO 14443-4, in each of the ways readers let their frames through

IDM = bytes.fromhex("01010A1B2C3D4E5F")


def through(chip: PoweredChip, apdu: str) -> str:
    return (answer_of(chip, bytes.fromhex(apdu.replace(" ", ""))) or b"").hex()


def test_frames_go_through_as_they_are() -> None:
    chip = VirtualNtag213(uid=NTAG_UID).power_up()

    assert through(chip, "FF00000001 60") == "0004040201000f039000"
    assert through(chip, "FF00000006 A204 6B657074") == "0a9000"
    assert through(chip, "FF00000002 3004")[:8] == "6b657074"
    assert through(chip, "FF00000001 99") == "6300"


def test_frames_go_through_a_pn53x_with_the_crc_left_to_the_host() -> None:
    chip = VirtualNtag213(uid=NTAG_UID).power_up()
    version = bytes.fromhex("0004040201000F03")

    assert through(chip, "FF00000008 D408630280630300") == "d5099000"
    assert through(chip, "FF00000003 D442 60") == "d54300" + (
        version + crc_a(version)
    ).hex() + ("9000")
    assert through(chip, "FF00000008 D442 A2046B657074") == "d543000a9000"
    assert through(chip, "FF00000003 D442 99") == "d543019000"


def test_frames_go_through_a_transparent_exchange() -> None:
    chip = VirtualNtag213(uid=NTAG_UID).power_up()

    assert through(chip, "FFC2000103 95 01 60 00") == "c00300900097080004040201000f039000"
    assert through(chip, "FFC2000105 95 03 3A0027 00")[:16] == "c0030090009781a0"
    assert through(chip, "FFC2000103 95 01 99 00") == "c0030164019000"


def test_pages_are_read_and_written_in_the_readers_own_words() -> None:
    chip = VirtualNtag213(uid=NTAG_UID).power_up()

    assert through(chip, "FFD6000404 6B657074") == "9000"
    assert through(chip, "FFB0000410")[:8] == "6b657074"
    assert through(chip, "FFD6000004 00000000") == "6300"


def test_a_felica_is_named_and_polled() -> None:
    chip = VirtualFelica(idm=IDM, user_blocks=ndef_blocks(b"")).power_up()

    assert atr_of(chip.anticollision).hex()[22:30] == "0611003b"
    assert through(chip, "FFCA000000") == IDM.hex() + "9000"
    assert through(chip, "FF00000006 0600FFFF0000").startswith("1201" + IDM.hex())
    assert through(chip, "FFB0000010") == "6a81"


def test_a_damaged_answer_is_none_or_a_failed_exchange() -> None:
    clock, field = SystemClock(), Field()
    damage = Fault(FaultKind.CRC_ERROR)
    storage = FaultyBand(VirtualNtag213(uid=NTAG_UID), damage, field=field, clock=clock)
    iso_dep = FaultyBand(desfire(), damage, field=field, clock=clock)

    assert through(storage.power_up(), "FF00000001 60") == "6300"
    assert answer_of(iso_dep.power_up(), bytes.fromhex("9060000000")) is None


def test_a_telephones_way_to_the_message_works_through_the_daemon(field: Field) -> None:
    """NTAG 424 with a message that changes at every tap, over the PC/SC daemon."""
    tag = VirtualNtag424(
        uid=NTAG_UID,
        entropy=SeededEntropy("vpcd"),
        files=delivered_files(
            b"\x00\x18" + b"0" * 32,
            Sdm(
                options=UID_SHOWN | COUNTED | TEXT,
                meta=FREE,
                file=NONE,
                counter=NONE,
                uid_at=2,
                counter_at=18,
            ),
        ),
    )
    messages = []
    for _ in range(2):
        with closing(Client()) as client:
            client.wait(scard.SCARD_STATE_EMPTY)  # what lay there before is forgotten
            field.present(tag)
            card = client.connect()
            for command in ("00A4040C07D276000085010100", "00A4000C02E104"):
                assert transmitted(card, command) == (0, "9000")
            messages.append(transmitted(card, "00B0000020"))
            field.remove()

    texts = [bytes.fromhex(answer)[2:24].decode() for _, answer in messages]
    assert texts == [f"{NTAG_UID.hex().upper()}00{count:06d}" for count in (1, 2)]
