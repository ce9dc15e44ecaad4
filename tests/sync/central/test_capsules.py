"""The centre says in a signed capsule what a shop that never saw a customer should know, to a store that can write it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from drivers.credential.capsule import Capsule, verified
from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.capsules import LASTS_DAYS
from sync.central.centre import Centre
from sync.model.records import Case, Consent, Promise
from sync.model.thread_parts import DAY_US, Part, PartKind, parts_of
from tests.support.centre import PlainDevice, code_of, new_device, open_centre
from tests.support.shop import BAND, LENA, NOON, lenas_rows, row

UID = bytes.fromhex("04A1B2C3D4E5F6")
DAY_S = 86_400


def believed(raw: bytes, keys: tuple[str, ...], *, now: int, band: str = BAND) -> Capsule:
    """As a kiosk reads it."""
    return verified(
        raw,
        keys=[bytes.fromhex(key) for key in keys],
        uid=UID,
        band=bytes.fromhex(band),
        now=now,
    )


def made_by(centre: Centre, *, size: int = 256) -> Capsule:
    raw = centre.capsule_for(BAND, size=size)
    assert raw is not None
    assert len(raw) <= size
    return believed(raw, centre._capsules.public_keys, now=centre._parts.now)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOON))


@pytest.fixture
def held(tmp_path: Path, clock: FixedClock) -> Iterator[Centre]:
    """A centre whose time stands still, with Lena's band and chip."""
    centre = open_centre(tmp_path / "centre", clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    centre.link_chip(BAND, UID)
    yield centre
    centre.close()


async def test_a_kiosk_of_the_store_is_given_what_a_band_is_to_carry_and_the_key_to_believe_it(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.link_chip(BAND, UID)

    raw = await kiosk.capsule(BAND)

    keys = (await kiosk.leases()).capsule_keys
    capsule = believed(raw, keys, now=centre._parts.now)
    assert len(raw) <= 256
    assert (capsule.name, capsule.language, capsule.seq) == ("Leni", "en", 1)
    assert (capsule.is_waiting, capsule.is_owed) == (True, True)
    first, *_, last = parts_of(capsule.parts)
    assert (first.kind, first.number, first.channel) == (PartKind.CASE, "C-4711", "phone")
    assert moment_of(first.day * DAY_US).strftime("%a %-d %b") == "Wed 7 Jan"
    assert last == Part(PartKind.PICKUPS, count=1)
    assert capsule.days == LASTS_DAYS


async def test_the_same_words_are_the_same_bytes_and_new_words_the_next_in_the_sequence(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.link_chip(BAND, UID)
    first, again = await kiosk.capsule(BAND), await kiosk.capsule(BAND)
    case = centre.row("case/case-1")
    assert case is not None

    solved = msgspec.structs.replace(case.body, state="solved")
    centre.put_rows([msgspec.structs.replace(case, body=solved)])
    after = await kiosk.capsule(BAND)

    keys = (await kiosk.leases()).capsule_keys
    read = [believed(raw, keys, now=centre._parts.now) for raw in (first, after)]
    assert again == first
    assert [one.seq for one in read] == [1, 2]
    assert "C-4711" not in read[1].line


async def test_a_store_that_does_not_hold_the_customer_is_given_nothing(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    centre.link_chip(BAND, UID)
    device = PlainDevice(new_device(centre, store="lakeside"), http)
    await device.hello()

    request = device.request("/v1/capsule", b'{"band":"%s","size":256}' % BAND.encode())
    answer = await device.send(device.signed(request))

    assert code_of(answer) == "not_found"
    assert centre.count("capsule") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"band":"x","size":256}',
        b'{"band":"%s","size":95}',
        b'{"band":"%s","size":257}',
    ],
)
async def test_what_asks_for_no_band_or_no_place_is_refused(
    kiosk: PlainDevice, body: bytes
) -> None:
    asked = body.replace(b"%s", BAND.encode())

    answer = await kiosk.send(kiosk.signed(kiosk.request("/v1/capsule", asked)))

    assert code_of(answer) == "malformed"


def test_a_capsule_is_made_anew_after_a_day_though_its_words_are_the_same(
    held: Centre, clock: FixedClock
) -> None:
    first = made_by(held)
    clock.sleep_ms(DAY_S * 1_000 - 1)
    same = made_by(held)
    clock.sleep_ms(1)
    later = made_by(held)

    assert same == first
    assert (later.seq, later.issued_at) == (2, NOON + DAY_S * 1_000_000)
    assert dataclasses.replace(later, seq=1, issued_at=NOON) == first


def test_a_smaller_place_carries_the_name_and_no_line(held: Centre) -> None:
    small = made_by(held, size=112)

    assert (small.name, small.line) == ("Leni", "")
    assert small.is_owed


def test_a_band_that_is_blocked_unlinked_or_of_nobody_carries_nothing(held: Centre) -> None:
    band = held.row(f"band/{BAND}")
    assert band is not None
    for state in ("blocked", "unlinked", "retired"):
        body = msgspec.structs.replace(band.body, state=state)
        held.put_rows([msgspec.structs.replace(band, body=body)])
        assert held.capsule_for(BAND, size=256) is None
    held.put_rows([msgspec.structs.replace(band, owner="")])

    assert held.capsule_for(BAND, size=256) is None
    assert held.capsule_for("00" * 16, size=256) is None


def test_a_customer_who_does_not_want_it_carries_no_name_and_no_line(held: Centre) -> None:
    consent = Consent(id="c1", purpose="band_words", is_granted=False, at=NOON)
    held.put_rows([row(consent)])

    silent = made_by(held)

    assert (silent.name, silent.line, silent.is_owed) == ("", "", True)


def test_an_erased_customer_leaves_no_words_and_the_sequence_goes_on(held: Centre) -> None:
    made_by(held)
    held.erase(LENA)

    assert held.capsule_for(BAND, size=256) is None
    held.put_rows(
        [one for one in lenas_rows() if one.kind in ("customer", "band")],
        interest=[("harbour", LENA)],
    )
    held.link_chip(BAND, UID)
    assert made_by(held).seq == 2


def test_a_case_in_another_customers_words_never_reaches_the_band(held: Centre) -> None:
    hostile = Case(
        id="case-2", number="[red]; drop\x1b", state="open", topic="secret", opened_at=NOON,
        channel="nowhere", promise=Promise(by="Ana", text="secret", due_at=NOON - 1),
        next_step="secret",
    )  # fmt: skip
    held.put_rows([row(hostile)])

    raw = made_by(held).parts

    first, second = parts_of(raw)[:2]
    assert (first.kind, first.number, first.channel) == (PartKind.CASE, "", "")
    assert second.number == "C-4711"
    assert b"secret" not in raw
    assert b"\x1b" not in raw


def test_a_centre_without_a_key_for_capsules_gives_none(tmp_path: Path) -> None:
    from hardware.disk import SystemDisk
    from hardware.entropy import SystemEntropy

    centre = Centre.open(
        tmp_path / "bare", disk=SystemDisk(), clock=FixedClock(moment_of(NOON)),
        entropy=SystemEntropy(),
    )  # fmt: skip
    try:
        assert centre.capsule_for(BAND, size=256) is None
        assert centre._capsules.public_keys == ()
    finally:
        centre.close()
