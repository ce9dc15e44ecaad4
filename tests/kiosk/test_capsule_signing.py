"""The brand's key for capsules: drawn once, kept private, and of its capsules no word too many."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.credential.capsule import verified
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import EnrolmentError
from kiosk.capsule_signing import KEY_FILE, CapsuleKeyFile
from sync.central.ports import CapsuleSigner, CapsuleWords
from sync.model.thread_parts import Part, PartKind, packed, parts_of
from tests.support.bands import REFERENCE, UID
from tests.support.capsules import ISSUED

WORDS = CapsuleWords(
    issued_at=ISSUED, days=90, seq=3, is_waiting=True, is_owed=False, language="en" * 20,
    name="Näme" * 30, parts=packed([Part(PartKind.CASE, "phone", "C-1")] * 20),
)  # fmt: skip


def opened(folder: Path) -> CapsuleKeyFile:
    return CapsuleKeyFile.open(folder, disk=SystemDisk(), entropy=SystemEntropy())


def test_the_key_is_drawn_once_and_is_the_same_after_a_restart(tmp_path: Path) -> None:
    first: CapsuleSigner = opened(tmp_path)

    assert opened(tmp_path).public_keys() == first.public_keys()
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"short")

    with pytest.raises(EnrolmentError):
        opened(tmp_path)

    assert (tmp_path / KEY_FILE).read_bytes() == b"short"


@pytest.mark.parametrize("size", [96, 112, 128, 256])
def test_words_without_end_are_cut_to_the_place(tmp_path: Path, size: int) -> None:
    signer = opened(tmp_path)

    raw = signer.signed(WORDS, uid=UID, band=REFERENCE, size=size)

    capsule = verified(raw, keys=signer.public_keys(), uid=UID, band=REFERENCE, now=ISSUED)
    assert len(raw) <= size
    assert (capsule.seq, capsule.is_waiting, capsule.is_owed) == (3, True, False)
    assert WORDS.name.startswith(capsule.name)


def test_an_older_key_of_the_brand_still_counts(tmp_path: Path) -> None:
    old = opened(tmp_path / "old")
    raw = old.signed(WORDS, uid=UID, band=REFERENCE, size=256)
    new = CapsuleKeyFile(opened(tmp_path / "new").private_key, older=old.public_keys())

    assert verified(raw, keys=new.public_keys(), uid=UID, band=REFERENCE, now=ISSUED).seq == 3
    assert len(new.public_keys()) == 2


def test_it_shows_nothing_of_the_key_when_printed(tmp_path: Path) -> None:
    assert repr(opened(tmp_path)) == "CapsuleKeyFile(older=())"


@pytest.mark.parametrize(
    ("size", "name", "number"),
    [
        (256, "Maximiliana", "C-4711"),
        (128, "Maximiliana", "C-4711"),
        (112, "Lena", "C-4711"),
        (112, "Maximiliana", ""),
    ],
    ids=["DESFire", "Ultralight", "NTAG 424", "NTAG 424, long name"],
)
def test_a_case_goes_without_its_number_rather_than_not_at_all(
    tmp_path: Path, size: int, name: str, number: str
) -> None:
    signer = opened(tmp_path)
    case, pickup = (
        Part(PartKind.CASE, "phone", "C-4711", day=20_784),
        Part(PartKind.PICKUPS, count=1),
    )
    words = replace(WORDS, language="en", name=name, parts=packed((case, pickup)))

    raw = signer.signed(words, uid=UID, band=REFERENCE, size=size)

    capsule = verified(raw, keys=signer.public_keys(), uid=UID, band=REFERENCE, now=ISSUED)
    assert len(raw) <= size
    assert capsule.name == name
    assert parts_of(capsule.parts) == (replace(case, number=number), pickup)
