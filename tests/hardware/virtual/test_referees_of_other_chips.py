"""Programs by others read, write and protect our virtual chips: libnfc's and libfreefare's tools, nfcpy's tag classes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import PASSWORD, sample_band, uri_message
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.virtual_reader import VirtualReader

UID = bytes.fromhex("04112233445566")


def band(name: str) -> Any:
    return sample_band(name, entropy=SeededEntropy(name))


def run(reader: VirtualReader, *words: str | Path) -> str:
    """What a program says that ends well."""
    more = {
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{reader.path}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }
    done = subprocess.run(
        [str(word) for word in words],
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- libnfc and libfreefare


def test_libnfc_dumps_every_page_of_an_ntag213(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    tag = band("ntag213")
    virtual_reader.field.present(tag)

    told = run(virtual_reader, "nfc-mfultralight", "r", tmp_path / "dump", "--full")

    assert "NTAG213 (144 user bytes)" in told
    assert "45 of 45 pages read" in told
    dump = (tmp_path / "dump").read_bytes()
    assert dump[: 43 * 4] == tag.memory[: 43 * 4], "all but password and PACK"


def test_libnfc_reads_and_writes_every_sector_of_a_classic(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    card = band("mifare-classic")
    virtual_reader.field.present(card)
    dump = tmp_path / "dump"
    read = run(virtual_reader, "nfc-mfclassic", "r", "a", "u", dump)
    changed = bytearray(dump.read_bytes())
    changed[16 * 4 : 16 * 5] = b"sixteen bytes!!!"
    (tmp_path / "changed").write_bytes(changed)

    written = run(virtual_reader, "nfc-mfclassic", "w", "a", "u", tmp_path / "changed", dump)

    assert "64 of 64 blocks read" in read
    assert "Done" in written
    assert card.block(4) == b"sixteen bytes!!!"


def test_libfreefare_makes_a_classic_an_ndef_card_and_reads_its_message(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    virtual_reader.field.present(band("mifare-classic"))
    message = tmp_path / "message"
    message.write_bytes(uri_message("classic"))

    run(virtual_reader, "mifare-classic-format", "-y", "-f")
    run(virtual_reader, "mifare-classic-write-ndef", "-y", "-i", message)
    run(virtual_reader, "mifare-classic-read-ndef", "-y", "-o", tmp_path / "read")

    assert (tmp_path / "read").read_bytes() == message.read_bytes()


def test_libnfc_reads_the_message_of_the_felica(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    virtual_reader.field.present(band("felica"))

    told = run(virtual_reader, "nfc-read-forum-tag3", "-o", tmp_path / "message")

    assert "Checksum: ok" in told
    assert (tmp_path / "message").read_bytes() == uri_message("felica")


# --- nfcpy


@pytest.fixture
def frontend(virtual_reader: VirtualReader) -> Iterator[Any]:
    """nfcpy, opened on the virtual terminal."""
    clf = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    yield clf
    clf.close()


def connected(frontend: Any, *technologies: str) -> Any:
    """The tag nfcpy activates."""
    found: list[Any] = []

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    targets = list(technologies) or ["106A"]
    frontend.connect(rdwr={"targets": targets, "on-connect": keep})
    return found[0]


def test_nfcpy_reads_the_signature_of_an_ntag(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    tag = band("ntag215")
    virtual_reader.field.present(tag)

    seen = connected(frontend)

    assert seen.product == "NXP NTAG215"
    assert bytes(seen.signature) == tag.signature


def test_nfcpy_protects_an_ntag_and_is_let_in_by_its_password_alone(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    tag = VirtualNtag21x(uid=UID)
    virtual_reader.field.present(tag)
    assert connected(frontend).protect(PASSWORD + b"OK", read_protect=True, protect_from=5)
    virtual_reader.field.remove()
    virtual_reader.field.present(tag)

    answers = [
        connected(frontend).authenticate(password) for password in (b"wrong!", PASSWORD + b"OK")
    ]

    assert answers == [False, True]
    assert tag.power_up().exchange(b"\x30\x05") == b"\x00"


def test_nfcpy_authenticates_to_an_ultralight_c_and_changes_its_key(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    tag = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc"))
    virtual_reader.field.present(tag)
    key = bytes(range(16))
    seen = connected(frontend)

    by_factory_key = seen.authenticate(tag.key)
    changed = seen.protect(key, read_protect=True, protect_from=8)
    virtual_reader.field.remove()
    virtual_reader.field.present(tag)
    answers = [connected(frontend).authenticate(each) for each in (bytes(16), key)]

    assert seen.product == "Mifare Ultralight C (MF01CU2)"
    assert (by_factory_key, changed) == (True, True)
    assert tag.key == key
    assert answers == [False, True]


def test_nfcpy_takes_the_felica_for_a_lite_s(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    virtual_reader.field.present(band("felica"))

    tag = connected(frontend, "212F")

    assert "FeliCa Lite-S" in tag.product
    assert bytes(tag.read_without_mac(0x82))[:8] == band("felica").idm
