"""The parts put together: what a reader is given when this device's files do not answer."""

from pathlib import Path

from drivers.credential.layout import band_id_of_uid
from kiosk.assembly import CacheKeys
from sync.edge.leases import BandLease, LeasedKey, Leases
from tests.support import edge, shop

GROUP = b"g" * 16
UID = bytes.fromhex("04a1b2c3d4e5f6")


def test_a_reader_is_given_the_leased_key_of_a_band(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    lease = BandLease(band_id_of_uid(GROUP, UID), LeasedKey(b"k" * 16, 2, shop.NOON * 2))
    Leases(store).replace((lease,), group=LeasedKey(GROUP, 1))

    key = CacheKeys(store).band_key(UID)

    store.close()
    assert key is not None
    assert (key.value, key.version) == (b"k" * 16, 2)


def test_files_that_do_not_answer_give_no_key_and_do_not_end_the_reader(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    Leases(store).replace((), group=LeasedKey(GROUP, 1))
    keys = CacheKeys(store)
    store.close()

    assert keys.group_key() is None
    assert keys.band_key(UID) is None
