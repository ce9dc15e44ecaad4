"""The deny list a centre gives: of its own rows, for everybody, and to devices with their leases."""

from pathlib import Path

import httpx

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from kiosk.band_keys import BandKeyFiles
from sync.central.centre import Centre
from sync.central.denials import MADE_MS
from sync.edge.deny import deny_of
from sync.model.deny import DenyList, deny_list_of, mark_of
from sync.model.records import Band
from sync.model.row import row_of
from sync.model.wire import deny_of as answer_of
from tests.support import edge
from tests.support.centre import LOCAL_URL, PlainDevice, code_of, new_device
from tests.support.shop import BAND, LENA


def put(centre: Centre, band: str, state: str, *, owner: str = LENA) -> None:
    centre.put_rows([row_of(Band(id=band, state=state), owner=owner, as_of=1, source="desk")])


def mark(centre: Centre, band: str) -> bytes:
    keys = centre._band_keys
    assert isinstance(keys, BandKeyFiles)
    return mark_of(keys.group, band)


async def listed(device: PlainDevice) -> DenyList:
    request = device.request("/v1/deny", b"{}")
    got = await device.send(device.signed(request))
    assert got.status == 200, got.body
    answer = answer_of(
        got.body, session_key=device.session_key, request_id=request.header("x-req")
    )
    return deny_list_of(answer.deny, centre_key=device.identity.centre_key)


async def test_bands_out_of_use_are_listed_wherever_their_owner_is_held(
    centre: Centre, kiosk: PlainDevice
) -> None:
    for number, state in enumerate(("active", "blocked", "unlinked", "retired")):
        put(centre, f"b{number}", state, owner="tom")  # of whom this store holds nothing

    found = await listed(kiosk)

    on = [found.has(mark(centre, f"b{number}")) for number in range(4)]
    assert on == [False, True, False, True]
    assert not found.has(mark(centre, BAND))


async def test_a_band_whose_wearer_was_erased_is_listed_for_its_capsule_may_say_a_name(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.erase(LENA)

    assert (await listed(kiosk)).has(mark(centre, BAND))


async def test_leases_come_with_the_list_of_the_same_moment(
    centre: Centre, kiosk: PlainDevice
) -> None:
    put(centre, BAND, "blocked")

    answer = await kiosk.leases()

    found = deny_list_of(answer.deny, centre_key=kiosk.identity.centre_key)
    assert found.has(mark(centre, BAND))
    assert answer.leases == ()


def opened(folder: Path, clock: FixedClock) -> Centre:
    disk, entropy = SystemDisk(), SystemEntropy()
    keys = BandKeyFiles.open(folder, disk=disk, entropy=entropy)
    return Centre.open(folder, disk=disk, clock=clock, entropy=entropy, band_keys=keys)


def test_a_list_is_made_anew_after_a_minute(tmp_path: Path) -> None:
    clock = FixedClock(edge.START)
    centre = opened(tmp_path, clock)
    first = centre._denials.newest()
    put(centre, "b1", "blocked")

    same = centre._denials.newest()
    clock.sleep_ms(MADE_MS)
    fresh = deny_list_of(centre._denials.newest(), centre_key=centre.public_key_hex)
    had = mark(centre, "b1")
    centre.close()

    assert same == first
    assert fresh.has(had)


async def test_a_centre_without_band_keys_has_no_list(tmp_path: Path) -> None:
    centre = Centre.open(
        tmp_path, disk=SystemDisk(), clock=FixedClock(edge.START), entropy=SystemEntropy()
    )
    transport = httpx.ASGITransport(app=centre.asgi_app)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL_URL) as http:
        device = PlainDevice(new_device(centre), http, clock=FixedClock(edge.START))
        await device.hello()
        got = await device.send(device.signed(device.request("/v1/deny", b"{}")))
    centre.close()

    assert code_of(got) == "busy"


async def test_an_older_list_never_replaces_a_newer_one(tmp_path: Path) -> None:
    clock = FixedClock(edge.START)
    centre = opened(tmp_path / "centre", clock)
    key = centre.public_key_hex
    old = centre._denials.newest()
    put(centre, "b1", "blocked")
    clock.sleep_ms(MADE_MS)
    new = centre._denials.newest()
    had = mark(centre, "b1")
    centre.close()
    store = edge.opened(tmp_path / "kiosk")

    for raw in (old, new, old):
        deny_of(store).keep(raw, centre_key=key)
    found = deny_of(store).newest(centre_key=key)
    store.close()

    assert found is not None
    assert found.has(had)
