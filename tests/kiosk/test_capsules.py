"""A kiosk that never saw a customer greets them offline by their band; and bands that are proved are brought younger capsules."""

import asyncio
import dataclasses
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from drivers.credential.capsule import Capsule
from drivers.lines import Left, Proved, Refresh, Refreshed, Seen, Told
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.identity import create, new_private_key, public_hex, save
from hardware.moments import micros_of
from kiosk.assembly.device import Device, World
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.capsules import RENEW_US, CapsuleRefresher, checked
from kiosk.core.page import PageKind
from kiosk.core.policy import Assurance
from sync.edge.capsules import CapsuleSeen, CapsulesSeen
from sync.edge.deny import deny_of
from sync.edge.leases import LeasedKey, Leases
from sync.model.deny import DenyList, mark_of
from sync.model.errors import CentreUnreachable
from sync.model.records import Band
from tests.support import edge, shop
from tests.support.bands import REFERENCE, UID
from tests.support.capsules import DAY, FACTS, LENA, LENA_BEFORE, OTHER, PUBLIC, SECOND, made

GROUP = bytes(range(16))
CENTRE = new_private_key(SystemEntropy())
NOW = micros_of(edge.START)
YOUNG = dataclasses.replace(LENA, issued_at=NOW - 5 * DAY)
BAND = REFERENCE.hex()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(edge.START)


@pytest.fixture
def device(tmp_path: Path, clock: FixedClock) -> Iterator[Device]:
    """A kiosk that synced and holds nobody: the group key, the key for capsules, the deny list."""
    save(
        create(
            store="harbour", role="kiosk", centre_url="http://nowhere.test",
            centre_key=public_hex(CENTRE.public_key()), entropy=SystemEntropy(),
        ),
        tmp_path,
        disk=SystemDisk(),
    )  # fmt: skip
    opened = Device.open(tmp_path, world=World(clock, SystemEntropy(), SystemDisk()))
    edge.filled(opened.store, ())
    Leases(opened.store).replace((), group=LeasedKey(GROUP, 1), capsule_keys=(PUBLIC,))
    denies(opened)
    yield opened
    opened.close()


def denies(device: Device, *bands: str) -> None:
    marks = (mark_of(GROUP, band) for band in bands)
    made_at = micros_of(device.world.clock.now())
    listed = DenyList.of(marks, made_at=made_at, key_version=1)
    deny_of(device.store).keep(
        listed.signed(CENTRE), centre_key=public_hex(CENTRE.public_key())
    )


def proved(
    raw: bytes | None, *, kind: str = "none", uid: bytes = UID, tap: int = 1, band: str = BAND
) -> Proved:
    return Proved(
        tap=tap, kind=kind, family="desfire", generation=2, uid=uid.hex(), band=band,
        capsule=None if raw is None else raw.hex(),
    )  # fmt: skip


def lines_of(device: Device, said: Proved) -> tuple[str, str, list[str]]:
    """Assurance, reason, and everything on the page."""
    recogniser = LocalRecogniser(device)
    found = recogniser.recognise(recogniser.evidence(said))
    lines = [line for block in found.page.blocks for line in (*block.lines, *block.details)]
    return found.assurance.value, found.reason, [*lines, found.page.spoken]


# Offline, never seen here


def test_a_kiosk_that_never_saw_a_customer_greets_them_by_their_band(device: Device) -> None:
    recogniser = LocalRecogniser(device)

    found = recogniser.recognise(recogniser.evidence(proved(made(YOUNG))))

    lines = [line for block in found.page.blocks for line in block.lines]
    assert (found.assurance, found.owner, found.reason) == (Assurance.A1, "", "carried")
    assert found.page.kind is PageKind.FIRST_NAME
    assert found.evidence.proof == "capsule"
    assert lines[0] == "Hello, Lena."
    assert "Something is waiting for you" in lines
    assert "We owe you an answer" in lines
    assert found.page.as_of == YOUNG.issued_at
    assert found.carried is not None
    assert found.carried.parts == FACTS


def test_a_band_that_carries_words_of_before_is_read_as_well(device: Device) -> None:
    recogniser = LocalRecogniser(device)
    before = dataclasses.replace(LENA_BEFORE, issued_at=YOUNG.issued_at)

    found = recogniser.recognise(recogniser.evidence(proved(made(before))))

    assert found.carried is not None
    assert (found.carried.line, found.carried.parts) == (LENA_BEFORE.line, ())


def test_the_line_of_the_thread_is_on_no_customers_page_and_in_no_printed_value(
    device: Device,
) -> None:
    recogniser = LocalRecogniser(device)

    found = recogniser.recognise(recogniser.evidence(proved(made(YOUNG))))

    assert "4711" not in repr(found)
    assert "4711" not in str(found.page)


def test_the_page_speaks_the_language_of_the_band(device: Device) -> None:
    german = made(dataclasses.replace(YOUNG, language="de"))

    assert "Wir schulden Ihnen eine Antwort" in lines_of(device, proved(german))[2]


def test_a_band_that_carries_nothing_to_say_sends_its_wearer_to_the_team(
    device: Device,
) -> None:
    bare = Capsule(NOW, 90, 1)

    assurance, reason, lines = lines_of(device, proved(made(bare)))

    assert (assurance, reason) == ("A1", "carried")
    assert "Please see our team" in " ".join(lines)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"\xd2",
        made(YOUNG, private=OTHER),
        made(YOUNG, uid=UID[:-1] + b"\x00"),
        made(YOUNG, band=bytes(16)),
        made(YOUNG)[:-1] + b"\x00",
        made(dataclasses.replace(YOUNG, issued_at=NOW - 90 * DAY)),
        made(dataclasses.replace(YOUNG, issued_at=NOW + DAY + SECOND)),
    ],
)
def test_a_capsule_that_does_not_hold_opens_nobodys_page(
    device: Device, raw: bytes | None
) -> None:
    assurance, _, lines = lines_of(device, proved(raw))

    assert assurance == "A0"
    assert "Lena" not in " ".join(lines)


def test_a_blocked_band_is_not_greeted_by_what_it_carries(device: Device) -> None:
    denies(device, BAND)

    assert lines_of(device, proved(made(YOUNG)))[0] == "A0"


def test_without_a_fresh_deny_list_no_band_is_greeted_by_what_it_carries(
    device: Device, clock: FixedClock
) -> None:
    clock.sleep_ms(73 * 3_600_000)

    assert lines_of(device, proved(made(YOUNG)))[0] == "A0"


def test_a_kiosk_without_the_key_for_capsules_believes_none(device: Device) -> None:
    Leases(device.store).replace((), group=LeasedKey(GROUP, 1))

    assert lines_of(device, proved(made(YOUNG)))[0] == "A0"


def test_a_reader_process_that_says_capsule_itself_is_not_believed(device: Device) -> None:
    assert lines_of(device, proved(None, kind="capsule"))[0] == "A0"
    assert lines_of(device, proved(made(YOUNG, private=OTHER), kind="capsule"))[0] == "A0"


def test_rows_of_this_device_say_more_than_the_band_does(device: Device) -> None:
    rows = [
        one if one.kind != "band" else shop.row(Band(id=BAND, state="active"))
        for one in shop.lenas_rows()
    ]
    edge.filled(device.store, rows)

    recogniser = LocalRecogniser(device)
    found = recogniser.recognise(recogniser.evidence(proved(made(YOUNG))))

    assert (found.assurance, found.owner, found.carried) == (Assurance.A1, shop.LENA, None)
    assert found.page.blocks[0].lines == ("Hello, Leni.",)


def test_an_older_capsule_than_the_band_had_here_is_a_copy(device: Device) -> None:
    newer = dataclasses.replace(YOUNG, seq=8, issued_at=NOW)
    before = lines_of(device, proved(made(YOUNG)))[0]

    after = lines_of(device, proved(made(newer)))[0]

    assert (before, after) == ("A1", "A1")
    assert lines_of(device, proved(made(YOUNG)))[0] == "A0"
    assert lines_of(device, proved(made(newer)))[0] == "A1"


def test_a_hostile_name_in_a_capsule_is_made_safe(device: Device) -> None:
    hostile = dataclasses.replace(YOUNG, name="\x1b]0;x\x07[@click=app.quit]Sam[/]")

    lines = " ".join(lines_of(device, proved(made(hostile)))[2])

    assert "\x1b" not in lines
    assert "\x07" not in lines


def test_words_that_are_no_hex_are_no_capsule() -> None:
    said = Proved(
        tap=1, kind="none", family="desfire", generation=2, uid="xx", band="yy", capsule="zz"
    )

    assert checked(said, keys=(PUBLIC,), now=NOW) is None


# Younger capsules


class Centre:
    """Gives out what it is told to; remembers who asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def ask(self, band: str, size: int) -> "Future[bytes]":
        self.asked.append((band, size))
        future: Future[bytes] = Future()
        answer = self._answers.pop(0) if self._answers else CentreUnreachable("nobody")
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future


FRESH = dataclasses.replace(YOUNG, seq=9, issued_at=NOW)


async def tapped(
    device: Device, centre: Centre, *, kind: str = "mutual", outcome: str = "written"
) -> list[Told]:
    """One tap with a reader process that does as it is told; what it was told."""
    told: list[Told] = []
    refresher = CapsuleRefresher(device.store, ask=centre.ask, tell=told.append)
    refresher.heard(Seen(tap=1, technology="iso_dep", at_ticks_us=0))
    refresher.heard(proved(None, kind=kind))
    await refresher.wait()
    if told:
        refresher.heard(Refreshed(tap=1, outcome=outcome))
    return told


async def test_a_proved_band_is_brought_the_capsule_the_centre_has_for_it(
    device: Device,
) -> None:
    centre = Centre(made(FRESH))

    told = await tapped(device, centre)

    assert told == [Refresh(1, made(FRESH).hex())]
    assert centre.asked == [(BAND, 256)]
    assert CapsulesSeen(device.store).of(BAND) == CapsuleSeen(seq=9, asked_at=NOW)


@pytest.mark.parametrize(
    ("outcome", "n_asked"), [("written", 1), ("kept", 1), ("torn", 2), ("refused", 2)]
)
async def test_the_centre_is_asked_again_only_when_the_band_did_not_take_it(
    device: Device, outcome: str, n_asked: int
) -> None:
    centre = Centre(made(FRESH), made(FRESH))

    await tapped(device, centre, outcome=outcome)
    await tapped(device, centre)

    assert len(centre.asked) == n_asked


async def test_a_capsule_grows_old_within_a_day(device: Device, clock: FixedClock) -> None:
    centre = Centre(made(FRESH), made(FRESH), made(FRESH))
    await tapped(device, centre)

    clock.sleep_ms(RENEW_US // 1_000 - 1)
    await tapped(device, centre)
    n_before = len(centre.asked)
    clock.sleep_ms(1)
    await tapped(device, centre)

    assert (n_before, len(centre.asked)) == (1, 2)


@pytest.mark.parametrize("kind", ["none", "capsule", "cryptogram", "originality"])
async def test_a_band_that_is_not_mutually_proved_is_written_nothing(
    device: Device, kind: str
) -> None:
    centre = Centre(made(FRESH))

    assert await tapped(device, centre, kind=kind) == []
    assert centre.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        CentreUnreachable("cut"),
        b"",
        made(FRESH, private=OTHER),
        made(FRESH, uid=UID[:-1] + b"\x00"),
        made(dataclasses.replace(FRESH, issued_at=NOW - 91 * DAY)),
    ],
)
async def test_an_answer_that_does_not_hold_is_not_written_to_a_band(
    device: Device, answer: bytes | Exception
) -> None:
    assert await tapped(device, Centre(answer)) == []


async def test_an_answer_for_a_band_that_left_is_written_to_no_other(device: Device) -> None:
    told: list[Told] = []
    waiting: Future[bytes] = Future()
    refresher = CapsuleRefresher(device.store, ask=lambda band, size: waiting, tell=told.append)
    refresher.heard(Seen(tap=1, technology="iso_dep", at_ticks_us=0))
    refresher.heard(proved(None, kind="mutual"))
    await asyncio.sleep(0)

    refresher.heard(Left(tap=1))
    refresher.heard(Seen(tap=2, technology="iso_dep", at_ticks_us=0))
    waiting.set_result(made(FRESH))
    await refresher.wait()

    assert told == []


async def test_a_band_that_is_proved_when_it_is_held_there_again_is_brought_its_capsule(
    device: Device,
) -> None:
    told: list[Told] = []
    refresher = CapsuleRefresher(device.store, ask=Centre(made(FRESH)).ask, tell=told.append)
    for said in (Seen(tap=1, technology="iso_dep", at_ticks_us=0), proved(None), Left(tap=1)):
        refresher.heard(said)

    refresher.heard(proved(None, kind="mutual"))
    await refresher.wait()

    assert told == [Refresh(1, made(FRESH).hex())]


async def test_what_is_said_of_another_tap_settles_nothing(device: Device) -> None:
    refresher = CapsuleRefresher(
        device.store, ask=Centre(made(FRESH)).ask, tell=lambda told: None
    )
    refresher.heard(Seen(tap=1, technology="iso_dep", at_ticks_us=0))
    refresher.heard(proved(None, kind="mutual"))
    await refresher.wait()

    refresher.heard(Refreshed(tap=7, outcome="written"))

    assert CapsulesSeen(device.store).of(BAND) == CapsuleSeen()


def test_what_is_known_of_a_capsule_never_goes_back_and_names_no_band(device: Device) -> None:
    seen = CapsulesSeen(device.store)
    seen.note(BAND, seq=9, until=NOW + DAY, asked_at=NOW)

    seen.note(BAND, seq=8, until=NOW + DAY)

    kept = device.store.cache.look(lambda file: file.read("SELECT * FROM capsule"))
    assert seen.of(BAND) == CapsuleSeen(seq=9, asked_at=NOW)
    assert len(kept) == 1
    assert BAND not in str(kept)
