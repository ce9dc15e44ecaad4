"""Judges of what our drivers write: libfreefare opens bands we issued, nfcpy and libfreefare read messages we wrote."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from drivers.chips.desfire import Desfire
from drivers.chips.type2 import Type2
from drivers.chips.type4 import Type4
from drivers.chips.witness import read_witness, record_use
from drivers.credential.layout import (
    AID,
    CAPSULE_FILE,
    REFERENCE_FILE,
    USES_FILE,
    USES_MAX,
    WITNESS_FILE,
    KeySlot,
)
from drivers.credential.witness import Kind, Use, record_of
from drivers.issuing.plan import Plan
from drivers.ndef import records_of, text_of, uri_message, uri_of
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.bands import ChipConnection
from tests.support.issuing import GROUP, UID, TestStationKeys, fresh, issued
from tests.support.referees import (
    asked,
    asked_libnfc,
    in_slot,
    nfcpy_frontend,
    nfcpy_tag,
    program,
)
from tests.support.virtual_reader import VirtualReader

REFERENCE = b"R" * 16
BAND_KEY = TestStationKeys().band_key(UID).value
ADDRESS = "https://tapthread.example/b/7F3K9QX2"
OUR_AID = AID[::-1].hex()
NDEF = import_module("ndef")  # nfcpy's own encoder of messages; it has no types

USE = Use(b"operatio", 1_780_000_000, b"s1", Kind.REDEEMED, 0, b"m" * 16)


def issued_band(ev: int, *, is_random: bool = False) -> VirtualDesfire:
    band = fresh(ev=ev)
    issued(band, plan=Plan(generation_min=1, has_random_uid=is_random), reference=REFERENCE)
    return band


def opened(band: VirtualDesfire, slot: KeySlot, key: bytes) -> Desfire:
    """Our driver on the band, authenticated the way its generation does."""
    chip = Desfire(ChipConnection(band.power_up()), SeededEntropy("ours"))
    chip.select_application(AID)
    if not chip.authenticate_ev2_first(slot.value, key):
        chip.authenticate_aes(slot.value, key)
    return chip


@pytest.mark.parametrize(("ev", "is_random"), [(1, False), (2, False), (3, True)])
def test_libfreefare_opens_a_band_we_issued_and_reads_its_reference(
    virtual_reader: VirtualReader, libfreefare_judge: Path, ev: int, *, is_random: bool
) -> None:
    virtual_reader.field.present(issued_band(ev, is_random=is_random))
    place = (OUR_AID, str(KeySlot.UID.value), GROUP.hex(), str(REFERENCE_FILE.number), "16")

    said = asked_libnfc(virtual_reader.path, str(libfreefare_judge), "read", *place)

    assert said.split() == [REFERENCE.hex()]


def test_libfreefare_is_refused_with_another_key(
    virtual_reader: VirtualReader, libfreefare_judge: Path
) -> None:
    virtual_reader.field.present(issued_band(1))
    place = (OUR_AID, str(KeySlot.UID.value), bytes(16).hex(), str(REFERENCE_FILE.number), "16")

    said = asked_libnfc(
        virtual_reader.path, str(libfreefare_judge), "read", *place, is_good=False
    )

    assert "chip says ae" in said


def test_libfreefare_notices_one_turned_bit_of_an_answer(
    virtual_reader: VirtualReader, libfreefare_judge: Path
) -> None:
    fourth = Fault(FaultKind.WRONG_MAC, 4)  # select, two of the authentication, then the read
    faulty = FaultyBand(issued_band(1), fourth, field=virtual_reader.field, clock=SystemClock())
    virtual_reader.field.present(faulty)
    place = (OUR_AID, str(KeySlot.UID.value), GROUP.hex(), str(REFERENCE_FILE.number), "16")

    said = asked_libnfc(
        virtual_reader.path, str(libfreefare_judge), "read", *place, is_good=False
    )

    assert REFERENCE.hex() not in said
    assert "library says 01" in said


@pytest.mark.parametrize("ev", [1, 2])
def test_libfreefare_reads_the_use_our_driver_witnessed(
    virtual_reader: VirtualReader, libfreefare_judge: Path, ev: int
) -> None:
    band = issued_band(ev)
    chip = opened(band, KeySlot.BAND, BAND_KEY)
    record_use(chip, USE, before=read_witness(chip))
    virtual_reader.field.present(band)
    place = OUR_AID, str(KeySlot.BAND.value), BAND_KEY.hex()

    told = [
        asked_libnfc(virtual_reader.path, str(libfreefare_judge), *command).strip()
        for command in (
            ("value", *place, str(USES_FILE.number), "0"),
            ("records", *place, str(WITNESS_FILE.number), "0"),
        )
    ]

    assert told == [str(USES_MAX - 1), record_of(USE).hex()]


def test_our_driver_reads_what_libfreefare_wrote(
    virtual_reader: VirtualReader, libfreefare_judge: Path
) -> None:
    band = issued_band(2)
    content = bytes(range(200)) + bytes(56)
    virtual_reader.field.present(band)
    place = OUR_AID, str(KeySlot.BAND.value), BAND_KEY.hex(), str(CAPSULE_FILE.number)

    said = asked_libnfc(
        virtual_reader.path, str(libfreefare_judge), "write", *place, content.hex()
    )

    assert said.split() == ["256"]
    assert opened(band, KeySlot.UID, GROUP).read(CAPSULE_FILE) == content


def formatted(virtual_reader: VirtualReader) -> VirtualDesfire:
    """A DESFire that libfreefare made a Type 4 tag of."""
    band = VirtualDesfire.fresh(uid=UID, ev=1, entropy=SeededEntropy("type 4"))
    virtual_reader.field.present(band)
    asked_libnfc(virtual_reader.path, "mifare-desfire-create-ndef", "-y")
    return band


def read_by_nfcpy(virtual_reader: VirtualReader, *, tag_type: str) -> str:
    """The address nfcpy's own tag class reads."""
    with nfcpy_frontend(virtual_reader.path) as frontend:
        tag = nfcpy_tag(frontend)
        assert tag.type == tag_type
        assert tag.ndef is not None
        (record,) = tag.ndef.records
    return str(record.uri)


def test_nfcpy_and_libfreefare_read_the_message_we_wrote_on_a_desfire(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    band = formatted(virtual_reader)
    ours = Type4(ChipConnection(band.power_up()))
    target = tmp_path / "message"

    assert ours.select()
    ours.write_ndef(uri_message(ADDRESS))
    asked_libnfc(virtual_reader.path, "mifare-desfire-read-ndef", "-y", "-o", str(target))

    assert read_by_nfcpy(virtual_reader, tag_type="Type4Tag") == ADDRESS
    assert target.read_bytes() == uri_message(ADDRESS)


def test_we_read_the_message_nfcpy_wrote_on_a_desfire(virtual_reader: VirtualReader) -> None:
    band = formatted(virtual_reader)
    with nfcpy_frontend(virtual_reader.path) as frontend:
        nfcpy_tag(frontend).ndef.records = [
            NDEF.UriRecord(ADDRESS),
            NDEF.TextRecord("Grüezi", "de"),
        ]

    ours = Type4(ChipConnection(band.power_up()))
    assert ours.select()
    address, text = ours.ndef()

    assert uri_of(address) == ADDRESS
    assert text_of(text) == ("de", "Grüezi")


@pytest.mark.parametrize(
    "band",
    [
        VirtualNtag21x(uid=UID, model=Ntag21xModel.NTAG213),
        VirtualNtag21x(uid=UID, model=Ntag21xModel.NTAG216),
        VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc")),
        VirtualUltralightAes(uid=UID, entropy=SeededEntropy("ulaes")),
    ],
    ids=["NTAG213", "NTAG216", "Ultralight C", "Ultralight AES"],
)
def test_nfcpy_reads_the_message_we_wrote_on_a_type_2_band(
    virtual_reader: VirtualReader, band: VirtualBand
) -> None:
    message = uri_message(ADDRESS)
    block = b"\x03" + bytes([len(message)]) + message + b"\xfe"
    ours = Type2(ChipConnection(band.power_up()))
    if not any(ours.read(3)[:4]):
        ours.write(3, b"\xe1\x10\x12\x00")

    for page, at in enumerate(range(0, len(block), 4), start=4):
        ours.write(page, block[at : at + 4].ljust(4, b"\x00"))
    virtual_reader.field.present(band)

    assert read_by_nfcpy(virtual_reader, tag_type="Type2Tag") == ADDRESS
    assert uri_of(ours.ndef()[0]) == ADDRESS


def test_nfcpy_reads_the_message_we_wrote_on_an_ntag_424(virtual_reader: VirtualReader) -> None:
    band = VirtualNtag424(uid=UID, entropy=SeededEntropy("ntag424"))
    ours = Type4(ChipConnection(band.power_up()))

    assert ours.select()
    ours.write_ndef(uri_message(ADDRESS))
    virtual_reader.field.present(band)

    assert read_by_nfcpy(virtual_reader, tag_type="Type4Tag") == ADDRESS
    assert records_of(uri_message(ADDRESS)) == ours.ndef()


@pytest.mark.parametrize(
    ("band", "said"),
    [
        (VirtualNtag21x(uid=UID), "is a Mifare UltraLight\n"),
        (
            VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc")),
            "is a Mifare UltraLightC\nAuthentication with default key: success\n",
        ),
    ],
    ids=["NTAG213", "Ultralight C"],
)
def test_libfreefare_recognises_a_type_2_band_and_opens_it(
    virtual_reader: VirtualReader, band: VirtualBand, said: str
) -> None:
    virtual_reader.field.present(band)

    told = asked_libnfc(virtual_reader.path, "mifare-ultralight-info")

    assert told == f"Tag with UID {UID.hex()} {said}"


def test_opensc_reads_the_message_we_wrote_on_an_ntag_424_in_a_pcsc_reader(
    private_pcscd: PrivatePcscd,
) -> None:
    band = VirtualNtag424(uid=UID, entropy=SeededEntropy("ntag424"))
    ours = Type4(ChipConnection(band.power_up()))
    assert ours.select()
    ours.write_ndef(uri_message(ADDRESS))
    apdus = (
        "00:A4:04:00:07:D2:76:00:00:85:01:01:00",
        "00:A4:00:0C:02:E1:04",
        f"00:B0:00:02:{len(uri_message(ADDRESS)):02X}",
    )

    with in_slot(private_pcscd, band):
        sent = [part for apdu in apdus for part in ("-s", apdu)]
        said = asked([program("opensc-tool"), *sent])

    shown = re.findall(r"^((?:[0-9A-F]{2} )+)", said, re.MULTILINE)
    assert bytes.fromhex("".join(shown)) == uri_message(ADDRESS)
