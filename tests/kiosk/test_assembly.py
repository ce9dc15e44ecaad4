"""The parts put together: what a reader is given when this device's files do not answer."""

from pathlib import Path

from drivers.credential.layout import band_id_of_uid
from hardware import identity as identities
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from kiosk.assembly import CacheKeys, Device, LocalRecogniser, StoreDesk, World
from kiosk.core.page import PageKind
from kiosk.core.ports import BandEvidence
from sync.edge.lease import lease_of
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


def opened_at(folder: Path, clock: FixedClock) -> Device:
    identity = identities.create(
        store="harbour", role="kiosk", centre_url="http://127.0.0.1:9", centre_key="04" * 65,
        entropy=SystemEntropy(),
    )  # fmt: skip
    identities.save(identity, folder, disk=SystemDisk())
    return Device.open(folder, world=World(clock, SystemEntropy(), SystemDisk()))


def test_three_days_without_the_centre_a_band_opens_nobodys_page_and_staff_are_told_why(
    tmp_path: Path,
) -> None:
    clock = FixedClock(edge.START)
    device = opened_at(tmp_path, clock)
    edge.filled(device.store, shop.lenas_rows())
    lease_of(device.store).heard()
    band = BandEvidence("mutual", "desfire", 3, shop.BAND, is_uid_only=False)
    recogniser, desk = LocalRecogniser(device), StoreDesk(device, None)
    before = recogniser.recognise(band)

    clock.sleep_ms(73 * 3_600_000)
    after = recogniser.recognise(band)
    lease, shown = desk.standing().lease, desk.find("lena")
    device.close()

    assert (before.owner, before.reason) == ("lena", "")
    assert (after.owner, after.reason) == ("", "lease_over")
    assert after.page.kind is PageKind.NOT_POSSIBLE
    assert (lease, shown) == ("over", ())


def test_a_full_disk_is_said_in_the_strip_until_there_is_room_again(tmp_path: Path) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    desk = StoreDesk(device, None)
    assert device.store.ballast is not None

    device.store.ballast.give_up()
    full = desk.standing().store_code
    device.store.ballast.keep()
    again = desk.standing().store_code
    device.close()

    assert (full, again) == ("store_full", "ok")
