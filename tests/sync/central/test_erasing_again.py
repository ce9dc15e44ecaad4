"""A copy of the database is put back that is older than an erasure: who was forgotten stays forgotten."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock, SystemClock
from hardware.disk import FolderLock, SystemDisk
from hardware.entropy import SeededEntropy
from hardware.errors import DiskFault, DiskFull, FolderInUse
from hardware.moments import moment_of
from sync.central import erasing_again, erasure, erasure_notes, forgetting, joining
from sync.central.erasure_ledger import FILE, TRIES_MAX, TRY_MS, Ledger
from sync.central.store import Store
from sync.model import answers, wire
from sync.model.errors import StoreError
from sync.model.records import Customer, Order
from sync.model.row import Row
from tests.support.centre import PlainDevice, new_device, open_centre
from tests.support.channels import (
    CHAT,
    DAY,
    all_rows,
    bought,
    delivery,
    event,
    intake_of,
    mail,
    who,
    wrote,
)
from tests.support.postgres import Server
from tests.support.shop import LENA, NOON, lenas_rows, row, said

DATABASES = ("sqlite",)

MAYA = who("17", "Maya", "Chen", mail("maya@example.org"))


class Site:
    """A centre in a folder, of which a copy can be kept and put back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder.with_name("kept")
        self.clock = FixedClock(moment_of(NOON))
        self.centre = open_centre(folder, clock=self.clock)

    def closed(self, work: Callable[[], object]) -> None:
        """Do something while the centre is down."""
        self.centre.close()
        work()
        self.clock.sleep_ms(1_000)
        self.centre = open_centre(self.folder, clock=self.clock)

    def keep(self) -> None:
        self.closed(lambda: shutil.copytree(self.folder, self.kept))

    def put_database_back(self) -> None:
        self.closed(lambda: shutil.copy(self.kept / "centre.db", self.folder / "centre.db"))

    def put_folder_back(self) -> None:
        def work() -> None:
            shutil.rmtree(self.folder)
            shutil.copytree(self.kept, self.folder)

        self.closed(work)

    def notes(self) -> dict[str, str]:
        with self.centre._store.reading() as snapshot:
            return erasure_notes.texts(snapshot.sql)

    def known(self, *owners: str) -> list[str]:
        """Those of these customers of whom there is a row."""
        return [owner for owner in owners if self.centre.rows_of(owner)]

    def joined(self, kept: str, folded: str) -> str:
        return self.centre._parts.write(
            lambda it: joining.join(it, kept, folded, why="", risk_ppm=1, by="ana")
        )

    def apart(self, joined: str) -> None:
        self.centre._parts.write(lambda it: joining.unjoin(it, joined, "ana", at=1))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "centre")
    made.centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    made.centre.put_rows(person("tom"), interest=[("harbour", "tom")])
    yield made
    made.centre.close()


def person(name: str) -> tuple[Row, ...]:
    order = Order(id=f"W-{name}", at=NOON, channel="web", state="paid", lines=(), total_minor=1)
    return row(Customer(id=name, given_name=name), owner=name), row(order, owner=name)


def http_to(site: Site) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=site.centre.asgi_app))


async def bring(device: PlainDevice, *notes: str) -> int:
    body, request_id = await device.answered("/v1/erased", wire.ErasedRequest(notes))
    answer = answers.erased_of(body, session_key=device.session_key, request_id=request_id)
    return answer.erased


# By the file beside the database


def test_who_was_erased_after_the_copy_is_gone_before_the_centre_answers_anybody(
    site: Site,
) -> None:
    site.keep()
    site.centre.erase(LENA)

    site.put_database_back()

    assert site.known(LENA, "tom") == ["tom"]
    assert len(site.notes()) == 1
    found = site.centre.erasure(LENA)
    assert found is not None


def test_it_holds_too_where_nobody_of_the_centre_ran_when_they_were_erased(site: Site) -> None:
    site.keep()
    site.centre.close()
    store = Store(site.folder / "centre.db", fresh_epoch="")

    def write(change: Callable[..., int], *, keys: object = ()) -> int:
        with store.writing() as transaction:
            n_rows = change(transaction)
            transaction.take_heads(NOON)
        return n_rows

    erasure.erase(store, write, LENA, now=NOON)
    store.close()

    site.put_database_back()

    assert site.known(LENA, "tom") == ["tom"]


def test_a_copy_that_knows_of_the_erasure_leaves_who_came_back_since_alone(site: Site) -> None:
    site.centre.erase(LENA)
    site.centre.put_rows([row(Customer(id=LENA, given_name="Léna again"))])
    site.keep()
    site.centre.put_rows(person("ama"))

    site.put_database_back()

    assert site.known(LENA, "ama") == [LENA]


def test_a_centre_that_only_restarts_erases_nobody_again(site: Site) -> None:
    site.centre.erase(LENA)
    site.centre.put_rows([row(Customer(id=LENA, given_name="Léna again"))])

    site.closed(lambda: None)
    site.centre.tidy(is_all=True)

    assert site.known(LENA) == [LENA]
    assert len(site.notes()) == 1


def test_a_database_put_back_under_a_running_node_is_found_at_the_next_tidying(
    site: Site,
) -> None:
    site.keep()
    site.centre.erase(LENA)
    site.centre.tidy()
    ledger = site.centre._store.ledger
    assert ledger is not None
    notes = ledger.read()
    ledger.write([])
    site.put_database_back()
    assert site.known(LENA) == [LENA], "nobody told it so far"
    ledger = site.centre._store.ledger
    assert ledger is not None
    ledger.write(notes)
    site.centre._again._standing = (1, NOON)  # as of the database that was there before

    done = site.centre.tidy()

    assert done["again"] == 1
    assert site.known(LENA) == []


def test_the_file_says_nothing_of_anybody(site: Site) -> None:
    intake_of(site.centre).deliver("shop", delivery(event("e1", bought("W-1", MAYA))))
    owner = all_rows(site.centre)["order/W-1"][0]

    site.centre.erase(owner)
    site.centre.erase(LENA)

    raw = (site.folder / FILE).read_bytes()
    opened = [
        erasure_notes.opened(it, site.centre._store.erasure_key) for it in raw.decode().split()
    ]
    assert len(opened) == 2
    for text in (owner, LENA, "maya", "example", "müller", "2345678"):
        assert text not in repr(opened).lower()
    assert owner.encode() not in raw
    assert (site.folder / FILE).stat().st_mode & 0o077 == 0


def test_lines_that_are_no_notes_of_this_centre_change_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.keep()
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    other = open_centre(tmp_path / "other", entropy=SeededEntropy("other"))
    other.put_rows(person("tom"))
    other.erase("tom")
    with other._store.reading() as snapshot:
        (foreign,) = erasure_notes.texts(snapshot.sql).values()
    other.close()
    lines = f"{foreign}\nnonsense\n\xff\n{note}\n{note[:-9]}"
    (site.folder / FILE).write_text(lines, "latin-1")

    site.put_database_back()

    assert site.known(LENA, "tom") == ["tom"]


def test_a_file_that_cannot_be_read_keeps_the_centre_from_starting(site: Site) -> None:
    def unreadable() -> None:
        (site.folder / FILE).unlink()
        (site.folder / FILE).mkdir()

    with pytest.raises(DiskFault):
        site.closed(unreadable)

    (site.folder / FILE).rmdir()
    site.centre = open_centre(site.folder, clock=site.clock)


def test_a_note_older_than_two_years_is_not_believed_and_goes(site: Site) -> None:
    site.keep()
    site.centre.erase(LENA)
    site.clock.sleep_ms(erasure_notes.KEPT_US // 1_000 + 60_000)
    assert site.centre.tidy(is_all=True)["notes"] == 1
    assert site.notes() == {}
    (old,) = (site.folder / FILE).read_text().split()
    site.centre.erase("tom")
    assert len((site.folder / FILE).read_text().split()) == 1, "the old line went"

    site.put_database_back()

    assert site.centre._again.take([old]) == 0
    assert site.known(LENA, "tom") == [LENA]


def test_who_is_known_by_very_much_has_several_notes(site: Site) -> None:
    intake = intake_of(site.centre)
    points = [mail(f"maya{n}@example.org", is_verified=False) for n in range(250)]
    many = who("17", "Maya", "Chen", *points)
    intake.deliver("shop", delivery(event("e1", bought("W-1", many))))
    site.keep()
    site.centre.erase(all_rows(site.centre)["order/W-1"][0])
    n_notes = len(site.notes())

    site.put_database_back()

    assert n_notes == 2
    assert "order/W-1" not in all_rows(site.centre)


# Joined


def test_all_who_were_one_when_they_were_erased_go_where_the_copy_has_them_apart(
    site: Site,
) -> None:
    site.keep()
    site.joined(LENA, "tom")
    site.centre.erase("tom")

    site.put_database_back()

    assert site.known(LENA, "tom") == []


def test_whom_the_copy_has_joined_to_somebody_else_goes_without_them(site: Site) -> None:
    joined = site.joined(LENA, "tom")
    site.keep()
    site.apart(joined)
    site.centre.erase(LENA)

    site.put_database_back()

    assert site.known(LENA, "tom") == ["tom"]
    assert {row.key for row in site.centre.rows_of("tom")} == {"customer/tom", "order/W-tom"}


def test_of_three_in_the_copy_only_who_was_erased_goes(site: Site) -> None:
    site.centre.put_rows(person("ama"))
    joined = [site.joined("tom", LENA), site.joined("tom", "ama")]
    site.keep()
    for one in joined:
        site.apart(one)
    site.centre.erase("tom")

    site.put_database_back()

    assert site.known(LENA, "tom", "ama") == [LENA, "ama"]


# A copy from before they were here


async def test_what_a_device_did_for_somebody_the_copy_never_knew_makes_nobody(
    site: Site,
) -> None:
    site.keep()
    site.centre.put_rows(person("ama"), interest=[("harbour", "ama")])
    site.centre.erase("ama")
    site.put_database_back()
    assert all(row.kind == "erasure" for row in site.centre.rows_of(""))
    async with http_to(site) as http:
        device = PlainDevice(new_device(site.centre), http, clock=site.clock)
        await device.hello()

        (result,) = await device.push(said(owner="ama"))

    assert (result.status, result.rows) == ("applied", ())
    assert site.known("ama") == []


def test_what_a_channel_tells_again_of_them_makes_nobody(site: Site) -> None:
    site.keep()
    first = delivery(event("e1", bought("W-1", MAYA)))
    second = delivery(
        event("c1", wrote("m1", who("c9", "M", "", mail("maya@example.org")))), to=CHAT
    )
    for name, one in (("shop", first), ("chat", second)):
        intake_of(site.centre).deliver(name, one)
    site.centre.erase(all_rows(site.centre)["order/W-1"][0])
    before = set(all_rows(site.centre))

    site.put_database_back()
    for name, one in (("shop", first), ("chat", second)):
        intake_of(site.centre).deliver(name, one)
    elsewhere = who("x1", "M", "", mail("maya@example.org"))
    intake_of(site.centre).deliver(
        "chat", delivery(event("c2", wrote("m2", elsewhere)), to=CHAT)
    )

    assert set(all_rows(site.centre)) == before
    later = bought("W-9", who("99", "Maya", "", mail("maya@example.org")), at=NOON + DAY)
    site.clock.sleep_ms(2 * DAY // 1_000)
    intake_of(site.centre).deliver("shop", delivery(event("e9", later), now=NOON + 2 * DAY))
    assert "order/W-9" in all_rows(site.centre), "who comes back to us is somebody again"


def test_what_came_since_of_who_came_back_to_us_is_not_theirs_and_is_taken(site: Site) -> None:
    first = delivery(event("e1", bought("W-1", MAYA)))
    intake_of(site.centre).deliver("shop", first)
    site.keep()
    site.centre.erase(all_rows(site.centre)["order/W-1"][0])
    site.clock.sleep_ms(2 * DAY // 1_000)
    site.put_database_back()

    again = who("99", "Maya", "", mail("maya@example.org"))
    since = bought("W-9", again, at=NOON + DAY)
    intake_of(site.centre).deliver("shop", delivery(event("e9", since), now=NOON + 2 * DAY))

    assert "order/W-1" not in all_rows(site.centre)
    assert "order/W-9" in all_rows(site.centre)


def test_a_history_with_a_new_name_still_knows_whom_it_forgot(site: Site) -> None:
    one = delivery(event("e1", bought("W-1", MAYA)))
    intake_of(site.centre).deliver("shop", one)
    site.centre.erase(all_rows(site.centre)["order/W-1"][0])

    def renamed() -> None:
        for name in ("e8", "e9"):
            store = Store(site.folder / "centre.db", fresh_epoch="")
            store.begin_epoch(name)
            store.close()

    site.closed(renamed)
    elsewhere = who("c9", "M", "", mail("maya@example.org"))
    intake_of(site.centre).deliver(
        "chat", delivery(event("c1", wrote("m1", elsewhere)), to=CHAT)
    )

    assert site.centre._store.epoch == "e9"
    said_by_them = {key for key in all_rows(site.centre) if key.startswith("interaction/")}
    assert said_by_them == {"interaction/in-1"}


def test_what_is_known_of_a_later_erasure_stays(site: Site) -> None:
    write = site.centre._parts.write
    write(lambda it: forgetting.remember(it, ["m"], at=NOON + 1))
    write(lambda it: forgetting.remember(it, ["m"], at=NOON))

    with site.centre._store.reading() as snapshot:
        assert snapshot.sql.all("SELECT mark, at FROM forgotten") == [("m", NOON + 1)]


# By what devices hold


async def test_a_device_brings_the_note_to_a_centre_whose_whole_folder_was_put_back(
    site: Site,
) -> None:
    device = new_device(site.centre)
    site.keep()
    site.centre.erase(LENA)
    async with http_to(site) as http:
        plain = PlainDevice(device, http, clock=site.clock)
        await plain.hello()
        page = await plain.pull({"g": 0})
    (held,) = [row for row in page.rows if row.kind == "erasure"]
    note = msgspec.json.decode(held.body)["note"]
    site.put_folder_back()
    assert site.known(LENA) == [LENA]

    async with http_to(site) as http:
        plain = PlainDevice(device, http, clock=site.clock)
        await plain.hello()
        n_first, n_second = await bring(plain, note, "nonsense"), await bring(plain, note)
        page = await plain.pull({"s:harbour": 0, "g": 0})

    assert (n_first, n_second) == (1, 0)
    assert site.known(LENA, "tom") == ["tom"]
    assert not [row.key for row in page.rows if row.owner == LENA and not row.is_gone]
    assert held.key in {row.key for row in page.rows}
    assert site.centre.counters["erased.again"] == 1
    site.centre.tidy()
    assert (site.folder / FILE).read_text().split() == [note]


async def test_the_deny_list_is_made_anew_for_the_bands_of_who_was_erased_again(
    site: Site,
) -> None:
    device = new_device(site.centre)
    site.keep()
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    site.put_folder_back()
    before = site.centre._denials.newest()

    async with http_to(site) as http:
        plain = PlainDevice(device, http, clock=site.clock)
        await plain.hello()
        await bring(plain, note)

    assert site.centre._denials.newest() != before


async def test_too_many_notes_at_once_are_refused(site: Site) -> None:
    async with http_to(site) as http:
        device = PlainDevice(new_device(site.centre), http, clock=site.clock)
        await device.hello()

        many = await device.post(
            "/v1/erased", wire.ErasedRequest(("x",) * (wire.NOTES_MAX + 1))
        )
        long = await device.post("/v1/erased", wire.ErasedRequest(("x" * 8_193,)))

    assert (many[0].status, long[0].status) == (400, 400)


# Older programs


def test_what_an_older_program_erased_is_noted_when_the_centre_starts(site: Site) -> None:
    one = delivery(event("e1", bought("W-1", MAYA)))
    intake_of(site.centre).deliver("shop", one)
    maya = all_rows(site.centre)["order/W-1"][0]
    site.keep()
    site.centre.erase(maya)
    site.clock.sleep_ms(1)
    site.centre.erase(LENA)
    store = site.centre._store
    with store._engine.writing() as sql:  # as that program left it
        sql.run("UPDATE erasure SET is_noted = 0")
        sql.run("DELETE FROM doc WHERE kind = 'erasure'")
        sql.run("DELETE FROM ptr WHERE key LIKE 'erasure/%'")
        sql.run("DELETE FROM meta WHERE name = 'erasure_key'")
    site.closed((site.folder / FILE).unlink)
    n_notes = len(site.notes())

    site.put_database_back()

    assert n_notes == 2
    assert site.known(maya, LENA, "tom") == ["tom"]


def test_what_a_node_of_an_older_program_erases_beside_us_is_noted_at_the_next_tidying(
    site: Site,
) -> None:
    site.centre.erase("tom")
    site.centre.tidy()
    site.clock.sleep_ms(1)
    site.centre._parts.write(lambda it: erasure.erase_rows(it, LENA, at=site.centre._parts.now))
    before = len(site.notes())

    site.centre.tidy()

    assert (before, len(site.notes())) == (1, 2)


def test_what_was_broken_off_in_the_middle_is_done_by_whoever_brings_the_note_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.keep()
    site.joined(LENA, "tom")
    site.centre.erase("tom")
    (note,) = site.notes().values()
    site.put_folder_back()
    again = erasure.erase_again
    n_left = 1

    def breaking(*parts: object, **how: object) -> int:
        nonlocal n_left
        if not n_left:
            raise StoreError("the power went")
        n_left -= 1
        return again(*parts, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure, "erase_again", breaking)
    with pytest.raises(StoreError):
        site.centre._again.take([note])
    assert len(site.known(LENA, "tom")) == 1
    n_left = 9

    assert site.centre._again.take([note]) == 1

    assert site.known(LENA, "tom") == []
    assert site.centre._again.take([note]) == 0


def test_who_came_back_under_the_same_id_is_not_erased_for_what_was_broken_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.keep()
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    site.put_folder_back()
    put, n_left = erasure_notes.put, 0

    def breaking(*parts: object, **how: object) -> None:
        if not n_left:
            raise StoreError("the power went")
        put(*parts, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure_notes, "put", breaking)
    with pytest.raises(StoreError):
        site.centre._again.take([note])
    assert site.known(LENA) == []
    site.centre.put_rows([row(Customer(id=LENA, given_name="Léna again"))])
    n_left = 9

    n_erased = site.centre._again.take([note])

    assert n_erased == 0
    assert site.known(LENA) == [LENA]
    assert list(site.notes().values()) == [note]


def test_a_note_of_what_was_erased_here_too_leaves_who_came_back_alone(site: Site) -> None:
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    site.centre.put_rows([row(Customer(id=LENA, given_name="Léna again"))])
    site.centre._parts.write(lambda it: erasure_notes.drop_old(it, now=2**60))
    assert site.notes() == {}

    n_erased = site.centre._again.take([note])

    assert n_erased == 0
    assert site.known(LENA) == [LENA]


def test_who_is_joined_to_them_while_they_are_erased_again_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.keep()
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    site.put_folder_back()
    again = erasure.erase_again

    def joined_before(*parts: object, **how: object) -> int:
        site.joined("tom", LENA)  # another node does, in this moment
        return again(*parts, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure, "erase_again", joined_before)

    n_erased = site.centre._again.take([note])

    assert n_erased == 1
    assert site.known(LENA, "tom") == ["tom"]


def test_what_another_process_erases_while_the_file_is_written_comes_into_it_next(
    site: Site,
) -> None:
    ledger = site.centre._store.ledger
    assert ledger is not None

    class Slow(Ledger):
        """While it is written, somebody erases by a command whose file is another one."""

        def write(self, notes: Iterable[str]) -> None:
            if not site.centre.erasure("tom"):
                site.centre._store.ledger = None
                site.centre.erase("tom")
                site.centre._store.ledger = self
            super().write(notes)

    slow = Slow(site.folder, SystemDisk(), site.clock)
    ledger.write([])
    site.centre._store.ledger = None
    site.centre.erase(LENA)
    site.centre._store.ledger = slow
    site.centre.tidy()
    assert len(slow.read()) == 1

    site.centre.tidy()

    assert sorted(slow.read()) == sorted(site.notes().values())


def test_a_command_and_the_service_that_erase_at_once_take_no_line_from_each_other(
    site: Site,
) -> None:
    has_come = threading.Event()

    class Waits(SystemDisk):
        """The command's: it says that it came to a file that is being written."""

        def hold(self, folder: Path) -> FolderLock:
            try:
                return super().hold(folder)
            except FolderInUse:
                has_come.set()
                raise

    def by_command() -> None:
        store = Store(site.folder / "centre.db", fresh_epoch="")
        store.ledger = Ledger(site.folder, Waits(), SystemClock())

        def write(change: Callable[..., int], *, keys: object = ()) -> int:
            with store.writing() as transaction:
                n_rows = change(transaction)
                transaction.take_heads(NOON)
            return n_rows

        erasure.erase(store, write, "tom", now=NOON)
        store.close()
        has_come.set()

    command = threading.Thread(target=by_command)

    class Slow(SystemDisk):
        """The service's: between its reading the file and writing it the command comes."""

        def write(self, path: Path, content: bytes, *, private: bool = False) -> None:
            command.start()
            assert has_come.wait(60)
            super().write(path, content, private=private)

    site.centre._store.ledger = Ledger(site.folder, Slow(), site.clock)

    site.centre.erase(LENA)
    command.join()

    lines = (site.folder / FILE).read_text().split()
    assert sorted(lines) == sorted(site.notes().values())
    assert len(lines) == 2


def test_what_came_into_the_file_while_somebody_waited_for_it_stays_in_it(site: Site) -> None:
    service = site.centre._store.ledger

    class Waits(Ledger):
        """The command's: while it waits, the service erases somebody else."""

        @contextmanager
        def alone(self) -> Iterator[None]:
            site.centre._store.ledger = service
            site.centre.erase(LENA)
            with super().alone():
                yield

    site.centre._store.ledger = Waits(site.folder, SystemDisk(), site.clock)

    site.centre.erase("tom")

    lines = (site.folder / FILE).read_text().split()
    assert sorted(lines) == sorted(site.notes().values())
    assert len(lines) == 2


def test_a_file_somebody_else_writes_for_too_long_keeps_nobody_from_being_erased(
    site: Site,
) -> None:
    held, since_ms = SystemDisk().hold(site.folder), site.clock.ticks_ms()

    site.centre.erase(LENA)

    assert site.clock.ticks_ms() - since_ms == (TRIES_MAX - 1) * TRY_MS
    assert site.known(LENA) == []
    assert (site.folder / FILE).read_text() == ""
    held.close()
    site.centre.tidy()
    assert (site.folder / FILE).read_text().split() == list(site.notes().values())


def test_a_file_that_somebody_took_away_is_made_anew(site: Site) -> None:
    site.centre.erase(LENA)
    site.centre.tidy(is_all=True)
    (site.folder / FILE).unlink()

    site.centre.tidy(is_all=True)

    assert (site.folder / FILE).read_text().split() == list(site.notes().values())


def test_the_file_is_there_before_anybody_was_erased_so_that_it_is_the_services(
    site: Site,
) -> None:
    assert (site.folder / FILE).read_bytes() == b""


def test_a_full_disk_keeps_no_centre_from_starting_and_nobody_from_being_erased_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Ledger, notes: Iterable[str]) -> None:
        raise DiskFull("no room")

    site.centre.erase("tom")
    site.keep()
    site.centre.erase(LENA)
    monkeypatch.setattr(Ledger, "write", full)
    (theirs,) = {*(site.folder / FILE).read_text().split()} - {
        *(site.kept / FILE).read_text().split()
    }

    site.closed(
        lambda: (
            shutil.copy(site.kept / "centre.db", site.folder / "centre.db"),
            (site.folder / FILE).write_text(theirs),
        )
    )

    assert site.known(LENA, "tom") == []
    monkeypatch.undo()
    site.centre.tidy()
    assert len((site.folder / FILE).read_text().split()) == 2


# Whom a note means


WITH_OTHERS = {
    "erasure", "interest", "joined_row", "looked", "origin", "suppressed_of", "suppression",
    "suppression_due",
}  # fmt: skip
"""Tables that name nobody whom no other one names, or only that they are gone."""


def tables_of(site: Site) -> dict[str, dict[str, str]]:
    """Each table that says whom it is about: its columns and their types."""
    with closing(sqlite3.connect(site.folder / "centre.db")) as file:
        names = [
            str(name)
            for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        columns = {
            name: {
                str(one[1]): str(one[2]) for one in file.execute(f"PRAGMA table_info({name})")
            }
            for name in names
        }
    return {name: found for name, found in columns.items() if "owner" in found}


def test_every_table_that_names_somebody_is_looked_into(site: Site) -> None:
    assert set(tables_of(site)) == {*erasing_again._TABLES, *WITH_OTHERS}


@pytest.mark.parametrize("table", erasing_again._TABLES)
def test_who_is_left_in_one_place_only_is_found_there(site: Site, table: str) -> None:
    values: dict[str, object] = {
        name: {"TEXT": "", "BLOB": b""}.get(kind, 0)
        for name, kind in tables_of(site)[table].items()
    }
    values["owner"] = "ghost"
    store = site.centre._store
    mark = forgetting.owner_mark(store.secret, "ghost")
    note = erasure_notes.sealed(
        erasure_notes.Note(site.centre._parts.now, (mark,), ()), store.erasure_key
    )
    with closing(sqlite3.connect(site.folder / "centre.db")) as file, file:
        marks = ", ".join(f":{name}" for name in values)
        file.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", values)

    n_erased = site.centre._again.take([note])

    assert n_erased == 1
    assert site.known(LENA, "tom") == [LENA, "tom"]


def test_nobody_is_looked_for_row_by_row(site: Site) -> None:
    with closing(sqlite3.connect(site.folder / "centre.db")) as file:
        plan = file.execute(
            f"EXPLAIN QUERY PLAN {erasing_again._NEXT}", {"last": "", "n": 5}
        ).fetchall()

    said = [str(step[3]) for step in plan]
    assert [f"SCAN {table}" for table in erasing_again._TABLES if f"SCAN {table}" in said] == []


async def test_a_device_that_comes_while_others_are_erased_again_is_to_come_later(
    site: Site,
) -> None:
    site.keep()
    site.centre.erase(LENA)
    (note,) = site.notes().values()
    site.put_folder_back()
    async with http_to(site) as http:
        device = PlainDevice(new_device(site.centre), http, clock=site.clock)
        await device.hello()
        with site.centre._again._lock:
            busy = await device.post("/v1/erased", wire.ErasedRequest((note,)))
            known = await bring(device)

        n_erased = await bring(device, note)

    assert busy[0].status == 503
    assert (known, n_erased) == (0, 1)


# Several nodes


def test_another_node_has_the_note_too_once_it_tidied(
    tmp_path: Path, postgres: Server, database: str
) -> None:
    schema = database.rpartition("%3D")[2]
    first = open_centre(tmp_path / "one", database=database)
    first.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    (tmp_path / "two").mkdir()
    for name in ("centre.key", "band_master.key", "band_group.key", "capsule.key"):
        if (tmp_path / "one" / name).exists():
            shutil.copy(tmp_path / "one" / name, tmp_path / "two" / name)
    second = open_centre(tmp_path / "two", database=database)
    tables = [
        str(name)
        for (name,) in postgres.run_sql(
            f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"
        )
    ]
    postgres.run_sql(f"CREATE SCHEMA {schema}_kept")
    for table in tables:
        postgres.run_sql(f"CREATE TABLE {schema}_kept.{table} AS TABLE {schema}.{table}")
    first.erase(LENA)
    second.tidy()
    first.close()
    second.close()
    shutil.rmtree(tmp_path / "one")
    for table in tables:
        postgres.run_sql(f"DELETE FROM {schema}.{table}")
        postgres.run_sql(f"INSERT INTO {schema}.{table} SELECT * FROM {schema}_kept.{table}")
    postgres.run_sql(f"DROP SCHEMA {schema}_kept CASCADE")

    second = open_centre(tmp_path / "two", database=database)

    assert second.rows_of(LENA) == ()
    assert second.erasure(LENA) is not None
    second.close()


def test_a_disk_that_fails_does_not_undo_an_erasure_and_the_note_comes_later(
    site: Site,
) -> None:
    ledger = site.centre._store.ledger
    assert ledger is not None
    (site.folder / FILE).unlink()
    (site.folder / FILE).mkdir()

    n_rows = site.centre.erase(LENA)

    assert n_rows > 0
    (site.folder / FILE).rmdir()
    site.centre.erase("tom")
    assert len(ledger.read()) == 2
    assert isinstance(ledger._disk, SystemDisk)
