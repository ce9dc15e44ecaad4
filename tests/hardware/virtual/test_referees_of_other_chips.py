"""Judges of the virtual chips that are no DESFire: libnfc lists and dumps them, nfcpy's tag classes read them."""

from pathlib import Path

import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual.felica import VirtualFelica
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.hardware.virtual.chips import UID
from tests.support.referees import asked_libnfc, nfcpy_frontend, nfcpy_tag, uids_listed
from tests.support.virtual_reader import VirtualReader

IDM = bytes.fromhex("0112233445566778")
MESSAGE = bytes.fromhex("D1010F5402656E48656C6C6F2C207468657265")


def type_3_blocks(message: bytes) -> bytes:
    """Attribute block and message. Source: NFC Forum Type 3 Tag 1.0, 6.1."""
    head = bytes([0x10, 4, 1, 0, 13, 0, 0, 0, 0, 0x00, 0x01]) + len(message).to_bytes(3, "big")
    return head + sum(head).to_bytes(2, "big") + message


def test_libnfc_and_nfcpy_find_a_felica_and_nfcpy_reads_its_message(
    virtual_reader: VirtualReader,
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM, user_blocks=type_3_blocks(MESSAGE)))

    listed = asked_libnfc(virtual_reader.path, "nfc-list")
    with nfcpy_frontend(virtual_reader.path) as frontend:
        tag = nfcpy_tag(frontend, at="212F")
        read = tag.ndef.octets

    assert f"ID (NFCID2): {IDM.hex(' ').replace(' ', '  ')}" in listed
    assert (tag.type, bytes(tag.identifier), read) == ("Type3Tag", IDM, MESSAGE)


@pytest.mark.parametrize(
    ("model", "name", "n_pages"),
    [
        (Ntag21xModel.NTAG213, "NTAG213", 45),
        (Ntag21xModel.NTAG215, "NTAG215", 135),
        (Ntag21xModel.NTAG216, "NTAG216", 231),
    ],
)
def test_libnfc_recognises_and_dumps_every_page_of_an_ntag(
    virtual_reader: VirtualReader, tmp_path: Path, model: Ntag21xModel, name: str, n_pages: int
) -> None:
    band = VirtualNtag21x(uid=UID, model=model, user_pages=b"\x03\x01x\xfe" + bytes(range(80)))
    virtual_reader.field.present(band)
    dump = tmp_path / "dump"

    said = asked_libnfc(virtual_reader.path, "nfc-mfultralight", "r", str(dump))
    with nfcpy_frontend(virtual_reader.path) as frontend:
        product = nfcpy_tag(frontend).product

    assert f"NTAG Type: {name}" in said
    assert f"{n_pages} of {n_pages} pages read" in said
    # The last two pages are password and its answer, which nobody reads.
    assert dump.read_bytes()[: 4 * (n_pages - 2)] == band.memory[: 4 * (n_pages - 2)]
    assert product == f"NXP {name}"


def test_nfcpy_authenticates_an_ultralight_c_and_refuses_a_wrong_key(
    virtual_reader: VirtualReader,
) -> None:
    virtual_reader.field.present(VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc")))

    with nfcpy_frontend(virtual_reader.path) as frontend:
        first = nfcpy_tag(frontend)
        is_open = first.authenticate(b"")  # with the key the maker delivers it with
        is_refused = not nfcpy_tag(frontend).authenticate(bytes(16))

    assert first.product == "Mifare Ultralight C (MF01CU2)"
    assert (is_open, is_refused) == (True, True)


def test_libnfc_lists_whatever_lies_there(virtual_reader: VirtualReader) -> None:
    entropy = SeededEntropy("listed")
    bands = (
        VirtualNtag424(uid=UID, entropy=entropy),
        VirtualUltralightAes(uid=UID, entropy=entropy),
        VirtualUltralightC(uid=UID, entropy=entropy),
    )
    seen = []

    for band in bands:
        virtual_reader.field.present(band)
        seen += uids_listed(asked_libnfc(virtual_reader.path, "nfc-list"))

    assert seen == [UID.hex()] * 3
