"""A virtual band through a real PC/SC daemon, seen by the real client library."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from smartcard import scard

from hardware.virtual.band import Anticollision
from hardware.virtual.field import Field
from hardware.virtual.private_pcscd import PrivatePcscd
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
    slot.close()


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
