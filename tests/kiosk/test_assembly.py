"""The parts put together: what a reader is given when this device's files do not answer."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from drivers.credential.layout import band_id_of_uid
from drivers.lines import Proved
from hardware import identity as identities
from hardware.clock import FixedClock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy, SystemEntropy
from hardware.identity import new_private_key, public_hex
from hardware.moments import micros_of
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, World
from kiosk.assembly.evidence import CacheKeys
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.assembly.syncing import centre_transport
from kiosk.bench.certificate import write_certificate
from kiosk.core.page import PageKind
from kiosk.core.policy import Assurance, BandKey
from kiosk.core.ports import BandEvidence, NoteDraft, Waits
from sync.edge.deny import FILE, deny_of
from sync.edge.erase import Eraser
from sync.edge.lease import lease_of
from sync.edge.leases import BandLease, LeasedKey, Leases
from sync.model.deny import DenyList, mark_of
from sync.model.errors import CentreCertificate
from sync.model.ports import Request
from sync.model.records import Interaction, Referral
from sync.model.row import row_of
from sync.model.wire import Checkpoint, Cursor, Page
from tests.support import edge, shop

GROUP = b"g" * 16
CENTRE = new_private_key(SeededEntropy("centre"))
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
        store="harbour", role="kiosk", centre_url="http://127.0.0.1:9", centre_key=public_hex(CENTRE.public_key()),
        entropy=SystemEntropy(),
    )  # fmt: skip
    identities.save(identity, folder, disk=SystemDisk())
    return Device.open(folder, world=World(clock, SystemEntropy(), SystemDisk()))


def hears_of_denied(device: Device, *denied: str, version: int = 1) -> None:
    """The centre gives the group key, and tells now which bands are blocked."""
    Leases(device.store).replace((), group=LeasedKey(GROUP, 1))
    made_at = micros_of(device.world.clock.now())
    marks = (mark_of(GROUP, band) for band in denied)
    listed = DenyList.of(marks, made_at=made_at, key_version=version)
    deny_of(device.store).keep(
        listed.signed(CENTRE), centre_key=public_hex(CENTRE.public_key())
    )


LEASED = BandEvidence("mutual", "desfire", 3, shop.BAND, is_uid_only=False, key=BandKey.LEASED)


def test_a_band_on_the_deny_list_opens_nobodys_page_though_its_row_here_says_nothing(
    tmp_path: Path,
) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    edge.filled(device.store, shop.lenas_rows())
    recogniser = LocalRecogniser(device)

    unlisted = recogniser.recognise(LEASED)
    hears_of_denied(device, "another")
    clear = recogniser.recognise(LEASED)
    hears_of_denied(device, "another", shop.BAND)
    denied = recogniser.recognise(LEASED)
    device.close()

    assert [one.reason for one in (unlisted, clear, denied)] == ["no_deny_list", "", "denied"]
    assert [one.owner for one in (unlisted, clear, denied)] == ["", "lena", ""]
    assert denied.page.kind is PageKind.NEUTRAL


def test_a_deny_list_is_worth_less_the_older_it_grows(tmp_path: Path) -> None:
    clock = FixedClock(edge.START)
    device = opened_at(tmp_path, clock)
    edge.filled(device.store, shop.lenas_rows())
    hears_of_denied(device)
    recogniser, sure = LocalRecogniser(device), []

    for _ in range(4):
        lease_of(device.store).heard()  # the rows themselves are fresh
        sure.append(recogniser.recognise(LEASED).assurance)
        clock.sleep_ms(24 * 3_600_000 + 1)
    device.close()

    assert sure == [Assurance.A2, Assurance.A2, Assurance.A2, Assurance.A1]


def test_a_list_made_for_another_group_key_says_nothing_about_a_band(tmp_path: Path) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    edge.filled(device.store, shop.lenas_rows())
    hears_of_denied(device, version=2)

    found = LocalRecogniser(device).recognise(LEASED)
    device.close()

    assert found.reason == "no_deny_list"


def test_a_list_outlives_the_program_and_one_that_was_altered_is_not_believed(
    tmp_path: Path,
) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    edge.filled(device.store, shop.lenas_rows())
    hears_of_denied(device, shop.BAND)
    device.close()
    again = Device.open(
        tmp_path, world=World(FixedClock(edge.START), SystemEntropy(), SystemDisk())
    )
    kept = LocalRecogniser(again).recognise(LEASED).reason
    again.close()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(mark_of(GROUP, shop.BAND), bytes(8)))
    altered = Device.open(
        tmp_path, world=World(FixedClock(edge.START), SystemEntropy(), SystemDisk())
    )
    unsure = LocalRecogniser(altered).recognise(LEASED)
    altered.close()

    assert (kept, unsure.reason, unsure.owner) == ("denied", "no_deny_list", "")


def test_a_reader_that_claims_a_proof_nobody_gave_it_a_key_for_is_believed_a_name_at_most(
    tmp_path: Path,
) -> None:
    clock = FixedClock(edge.START)
    device = opened_at(tmp_path, clock)
    edge.filled(device.store, shop.lenas_rows())
    hears_of_denied(device)
    recogniser = LocalRecogniser(device)
    said = Proved(
        tap=1, kind="mutual", family="desfire", generation=2, uid=UID.hex(), band=shop.BAND
    )

    claimed = recogniser.recognise(recogniser.evidence(said))
    device.vouched.note(UID)
    proved = recogniser.recognise(recogniser.evidence(said))
    clock.sleep_ms(5_000)
    later = recogniser.recognise(recogniser.evidence(said))
    device.close()

    assert [one.assurance for one in (claimed, proved, later)] == [
        Assurance.A1, Assurance.A2, Assurance.A1
    ]  # fmt: skip


def test_three_days_without_the_centre_a_band_opens_nobodys_page_and_staff_are_told_why(
    tmp_path: Path,
) -> None:
    clock = FixedClock(edge.START)
    device = opened_at(tmp_path, clock)
    edge.filled(device.store, shop.lenas_rows())
    lease_of(device.store).heard()
    hears_of_denied(device)
    band = LEASED
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


def test_what_a_clerk_began_is_there_after_a_crash_and_hidden_with_the_people(
    tmp_path: Path,
) -> None:
    clock = FixedClock(edge.START)
    device = opened_at(tmp_path, clock)
    edge.filled(device.store, shop.lenas_rows())
    lease_of(device.store).heard()
    note = NoteDraft("lena", "half a th", is_for_customer=True)
    answer = NoteDraft("lena", "Dear", answers="in-1", channel="whatsapp")
    for draft in (note, answer, NoteDraft("tom", "gone"), NoteDraft("tom", " ")):
        StoreDesk(device, None).keep_draft(draft)
    device.close()

    again = Device.open(tmp_path, world=World(clock, SystemEntropy(), SystemDisk()))
    kept = StoreDesk(again, None).drafts()
    clock.sleep_ms(73 * 3_600_000)
    hidden = StoreDesk(again, None).drafts()
    again.close()

    assert set(kept) == {note, answer}
    assert hidden == ()
    assert "half a th" not in repr(kept)


def test_what_a_clerk_types_on_about_somebody_who_was_erased_is_not_kept(
    tmp_path: Path,
) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    feed = edge.filled(device.store, shop.lenas_rows())
    lease_of(device.store).heard()
    desk = StoreDesk(device, None)
    desk.keep_draft(NoteDraft("lena", "half"))
    before = desk.drafts()
    n = len(shop.lenas_rows())
    gone = [edge.gone_row(row.key, n + i) for i, row in enumerate(shop.lenas_rows(), start=1)]
    page = Page(tuple(gone), (Checkpoint(edge.SCOPE, gone[-1].seq, is_head=True),))
    feed.apply_page(page, asked=(Cursor(edge.SCOPE, n),))
    Eraser(device.store, feed=feed).sweep()

    desk.keep_draft(NoteDraft("lena", "half a thought"))

    kept = desk.drafts()
    device.close()
    assert len(before) == 1
    assert kept == ()


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


def test_a_counter_lists_who_waits_from_its_own_files(tmp_path: Path) -> None:
    device = opened_at(tmp_path, FixedClock(edge.START))
    asked = Interaction("email:1", 1, "email", "in", "Lena", "Hello?", due_at=2)
    referral = Referral("r-1", "harbour", "Ana", "show the form", 1)
    rows = (row_of(one, owner="lena", as_of=1, source="email") for one in (asked, referral))
    known = len(shop.lenas_rows())
    news = [
        msgspec.structs.replace(row, version=known + n) for n, row in enumerate(rows, start=1)
    ]
    edge.filled(device.store, (*shop.lenas_rows(), *news))
    desk: object = StoreDesk(device, None)

    assert isinstance(desk, Waits)
    waiting, expected = desk.waiting(), desk.expected()
    device.close()

    assert [profile.owner for profile in waiting] == ["lena"]
    assert [referral.id for _, referral in expected] == ["r-1"]


async def test_a_device_whose_clock_is_at_1970_judges_certificates_by_the_time_the_centre_told(
    tmp_path: Path,
) -> None:
    write_certificate(tmp_path, clock=SystemClock(), entropy=SystemEntropy())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    opened_at(tmp_path / "device", FixedClock(datetime(1970, 1, 1, tzinfo=UTC))).close()
    world = World(FixedClock(datetime(1970, 1, 1, tzinfo=UTC)), SystemEntropy(), SystemDisk())
    device = Device.open(
        tmp_path / "device", world=world, centre_url=url, centre_ca=(tmp_path / "tls.crt",)
    )
    transport, request = centre_transport(device), Request("POST", f"{url}/v1/hello", (), b"")

    with pytest.raises(CentreCertificate):
        await transport.send(request, deadline_ms=5_000, size_max=100)
    Leases(device.store).note_time(micros_of(SystemClock().now()))
    answer = await transport.send(request, deadline_ms=5_000, size_max=100)

    await transport.close()
    server.close()
    await server.wait_closed()
    device.close()
    assert answer.body == b"ok"
