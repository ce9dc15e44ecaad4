"""Judges who know nothing of us: libnfc, libfreefare and nfcpy on the virtual PN532, opensc and pcsc-tools on vpcd."""

import re
import subprocess
from pathlib import Path

import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.desfire_memory import KeyType
from hardware.virtual.private_pcscd import PrivatePcscd
from tests.hardware.virtual.chips import UID
from tests.support import referees
from tests.support.referees import asked_libnfc, nfcpy_frontend, nfcpy_tag
from tests.support.virtual_reader import VirtualReader

N_STEPS = 196
"""Steps the libfreefare judge takes with one kind of key."""

NEW_KEYS = {
    "des": bytes.fromhex("1021324354657687"),
    "3des": bytes.fromhex("102132435465768798a9bacbdcedfe0f"),
    "3k3des": bytes.fromhex("102132435465768798a9bacbdcedfe0f1e2d3c4b5a69788d"),
    "aes": bytes.fromhex("102132435465768798a9bacbdcedfe0f"),
}

MESSAGE = bytes.fromhex("D1010F5402656E48656C6C6F2C207468657265")
"""An NDEF text record in English."""


def fresh(ev: int = 1) -> VirtualDesfire:
    return VirtualDesfire.fresh(uid=UID, ev=ev, entropy=SeededEntropy("referee"))


@pytest.mark.parametrize(
    ("kind", "ev", "key_type"),
    [
        ("des", 1, KeyType.DES),
        ("3des", 1, KeyType.DES),
        ("3des-iso", 1, KeyType.DES),
        ("3k3des", 1, KeyType.TDES3),
        ("aes", 1, KeyType.AES),
        ("aes", 3, KeyType.AES),
    ],
)
def test_libfreefare_authenticates_creates_writes_reads_and_deletes(
    virtual_reader: VirtualReader,
    libfreefare_judge: Path,
    kind: str,
    ev: int,
    key_type: KeyType,
) -> None:
    band = fresh(ev)
    virtual_reader.field.present(band)

    said = asked_libnfc(virtual_reader.path, str(libfreefare_judge), kind).splitlines()
    seen = asked_libnfc(virtual_reader.path, "nfc-list")

    assert [line for line in said if not line.startswith("ok ")] == [f"uid {UID.hex()}"]
    assert len(said) == N_STEPS + 1
    assert band.picc.key_type is key_type
    assert not band.applications
    assert "75  77  81  02  54  54" in seen
    (random,) = referees.uids_listed(seen)
    assert (len(random), random[:2]) == (8, "08")


def test_libfreefare_tells_the_chip_as_it_is(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(fresh())

    said = asked_libnfc(virtual_reader.path, "mifare-desfire-info")
    accessed = asked_libnfc(virtual_reader.path, "mifare-desfire-access")

    assert f"UID:                      0x{UID.hex()}" in said
    assert "Master Key settings (0x0f)" in said
    assert "Free memory: 8192 bytes" in said
    assert "Use random UID: no" in said
    assert "rror" not in accessed


def test_what_libfreefare_formats_and_writes_nfcpy_reads(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    band = fresh()
    virtual_reader.field.present(band)
    source = tmp_path / "message"
    source.write_bytes(MESSAGE)

    asked_libnfc(virtual_reader.path, "mifare-desfire-create-ndef", "-y")
    asked_libnfc(virtual_reader.path, "mifare-desfire-write-ndef", "-y", "-i", str(source))
    with nfcpy_frontend(virtual_reader.path) as frontend:
        tag = nfcpy_tag(frontend)
        read = tag.ndef.octets

    assert (tag.type, read) == ("Type4Tag", MESSAGE)
    assert tag.ndef.records[0].text == "Hello, there"


def test_what_nfcpy_writes_libfreefare_reads_until_it_formats_the_chip(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    band = fresh()
    virtual_reader.field.present(band)
    target = tmp_path / "message"

    asked_libnfc(virtual_reader.path, "mifare-desfire-create-ndef", "-y")
    with nfcpy_frontend(virtual_reader.path) as frontend:
        nfcpy_tag(frontend).ndef.octets = MESSAGE
    asked_libnfc(virtual_reader.path, "mifare-desfire-read-ndef", "-y", "-o", str(target))
    n_before = len(band.applications)
    asked_libnfc(virtual_reader.path, "mifare-desfire-format", "-y")

    assert target.read_bytes() == MESSAGE
    assert (n_before, len(band.applications)) == (1, 0)


def test_libnfc_recognises_the_chip_by_its_answers(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(fresh(2))

    said = asked_libnfc(virtual_reader.path, "nfc-list", "-v")

    assert referees.uids_listed(said) == [UID.hex()]
    assert "MIFARE DESFire EV1 2K/4K/8K" in said
    assert "Max Frame Size accepted by PICC: 64 bytes" in said


def test_opensc_reads_the_atr_and_asks_the_chip_for_its_version(
    private_pcscd: PrivatePcscd,
) -> None:
    band = fresh(2)
    sent = [part for apdu in ("60", "AF", "AF") for part in ("-s", f"90:{apdu}:00:00:00")]

    with referees.in_slot(private_pcscd, band):
        said = referees.asked([referees.program("opensc-tool"), "--atr", *sent])

    assert "3b:81:80:01:80:80" in said
    assert "04 01 01 12 00 1A 05" in said
    assert band.uid.hex(" ").upper() in said
    statuses = re.findall(r"SW1=0x(..), SW2=0x(..)", said)
    assert statuses == [("91", "AF"), ("91", "AF"), ("91", "00")]


def test_pcsc_scan_sees_the_band(private_pcscd: PrivatePcscd) -> None:
    seen = []
    with referees.in_slot(private_pcscd, fresh(3)):
        scan = subprocess.Popen(
            [referees.program("pcsc_scan"), "-n"], stdout=subprocess.PIPE, text=True
        )
        assert scan.stdout is not None
        for line in scan.stdout:
            seen.append(line)
            if "ATR:" in line:
                break
        scan.terminate()
        scan.communicate()

    assert "3B 81 80 01 80 80" in seen[-1]
    assert any("Card inserted" in line for line in seen)
