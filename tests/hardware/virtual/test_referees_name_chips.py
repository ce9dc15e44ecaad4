"""What libnfc and nfcpy take the virtual chips for that are no DESFire."""

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


def test_libnfc_lists_a_felica_at_both_speeds(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM))

    listed = asked_libnfc(virtual_reader.path, "nfc-list")

    assert listed.count(f"ID (NFCID2): {IDM.hex(' ').replace(' ', '  ')}") == 2


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
