"""The brand's band keys in files: drawn once, the same for ever, another key for every band."""

from pathlib import Path

import pytest

from drivers.credential.kdf import diversified
from drivers.credential.layout import band_id_of_uid, diversification_input
from drivers.errors import BandMalformed
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import EnrolmentError
from kiosk.band_keys import GROUP_FILE, MASTER_FILE, BandKeyFiles

UID = bytes.fromhex("04a1b2c3d4e5f6")


def opened(folder: Path) -> BandKeyFiles:
    return BandKeyFiles.open(folder, disk=SystemDisk(), entropy=SystemEntropy())


def test_keys_are_drawn_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)

    assert first == second
    assert first.master != first.group
    for name in (MASTER_FILE, GROUP_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_the_key_of_a_band_is_the_one_its_chip_was_given(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    master = (tmp_path / MASTER_FILE).read_bytes()

    assert keys.band_key(UID)[0] == diversified(master, diversification_input(UID))
    assert keys.band_key(UID) != keys.band_key(UID[::-1])
    assert keys.group_key()[0] == (tmp_path / GROUP_FILE).read_bytes()
    assert keys.uid_hash(UID) == band_id_of_uid(keys.group, UID)


def test_no_repr_shows_a_key(tmp_path: Path) -> None:
    assert repr(opened(tmp_path)) == "BandKeyFiles()"


def test_a_uid_that_is_none_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(BandMalformed):
        opened(tmp_path).band_key(b"123")


def test_a_damaged_key_file_is_said_and_not_replaced(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / MASTER_FILE).write_bytes(b"short")

    with pytest.raises(EnrolmentError, match=MASTER_FILE):
        opened(tmp_path)

    assert (tmp_path / MASTER_FILE).read_bytes() == b"short"
