"""What is gone leaves no byte, looked for in the files as they are and in their decrypted pages."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import DiskFault, FolderInUse
from sync.central.enrolment import State
from sync.edge.client import CentreClient
from sync.edge.drafts import Drafts
from sync.edge.erase import Eraser, is_wipe_due, note_shut, wipe
from sync.edge.feed import Feed
from sync.edge.find import Finder
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.snapshot import ROWS_MIN, SnapshotLoader
from sync.edge.store import EdgeStore
from sync.edge.upkeep import Upkeep
from sync.model.records import ContactPoint, Customer, Interaction, Join
from sync.model.row import Row
from sync.model.snapshot import StoredRow, packed
from sync.model.sums import SUM_MASK, bucket_of, pointer_hash
from sync.model.wire import (
    Checkpoint,
    DiffAnswer,
    OpResult,
    Page,
    SnapshotAnswer,
    SnapshotPart,
    WireRow,
)
from tests.support import centre as real
from tests.support import edge, shop
from tests.support.transport import AsgiTransport

NAME = "Zwentibold"
PHONE = "491719988776"
TEXT = "about a kanarienvogel"
CANARIES = (NAME, NAME.lower(), PHONE, PHONE[::-1], "kanarienvogel", "zwenti-id")

LAYOUTS = {"cache": (8_192, 48), "outbox": (4_096, 80)}
"""Bytes of a page, and of them at its end IV and MAC."""


def rows_of_canary() -> list[Row]:
    owner = "zwenti-id"
    return [
        shop.row(Customer(id=owner, given_name=NAME, family_name="Vogel"), owner=owner),
        shop.row(ContactPoint(id="zw-p", channel="phone", value=f"+{PHONE}"), owner=owner),
        shop.row(
            Interaction(
                id="zw-i", at=shop.NOON, channel="phone", direction="in", by=NAME,
                text=TEXT * 300,
            ),
            owner=owner,
        ),
    ]  # fmt: skip


def gone(keys: list[str], *, since: int) -> Page:
    lines = tuple(edge.gone_row(key, since + n) for n, key in enumerate(keys, start=1))
    return Page(lines, (Checkpoint(edge.SCOPE, lines[-1].seq, is_head=True),))


def keep_up(store: EdgeStore) -> None:
    upkeep = Upkeep(store, feed=Feed(store))
    while upkeep.turn():
        pass


def canaries_in(folder: Path) -> set[str]:
    """Those that stand in a decrypted page of a database or its log, used or not, or in a file as it is."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            layout = LAYOUTS.get(path.name.partition(".")[0])
            if layout is not None and path.name.endswith(".db"):
                content += in_clear(content, layout, head=0, frame=0)
            elif layout is not None and path.name.endswith("-wal"):
                content += in_clear(content, layout, head=32, frame=24)
            found |= {one for one in CANARIES if one.encode() in content}
    return found


def in_clear(content: bytes, layout: tuple[int, int], *, head: int, frame: int) -> bytes:
    """Every page of an encrypted file or log, by the format: AES-256-CBC, then 16 bytes of IV and the MAC."""
    size, reserve = layout
    pages = []
    for at in range(head, len(content), size + frame):
        page = content[at + frame : at + frame + size]
        number = int.from_bytes(content[at : at + 4], "big") if frame else at // size + 1
        salt, end = 16 if number == 1 else 0, size - reserve
        cipher = Cipher(algorithms.AES(edge.KEY), modes.CBC(page[end : end + 16])).decryptor()
        pages.append(cipher.update(page[salt:end]) + cipher.finalize())
    return b"".join(pages)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    edge.filled(store, [*shop.lenas_rows(), *rows_of_canary()])
    keep_up(store)
    yield store
    store.close()


def erased(store: EdgeStore) -> None:
    feed = Feed(store)
    keys = [row.key for row in rows_of_canary()]
    feed.apply_page(gone(keys, since=feed.cursors()[0].seq), asked=feed.cursors())


def test_the_search_for_canaries_finds_what_is_there(store: EdgeStore) -> None:
    Finder(store).find(NAME)

    store.cache.empty_log()
    store.close()

    assert canaries_in(store.folder) >= {
        NAME,
        NAME.lower(),
        PHONE,
        PHONE[::-1],
        "kanarienvogel",
    }


def test_an_erased_customer_leaves_no_byte_of_rows_terms_and_answers(store: EdgeStore) -> None:
    answered = edge.wire_row(rows_of_canary()[0], 99)
    Feed(store).keep_answers([OpResult("x", "applied", "", "", (answered,))])

    erased(store)
    keep_up(store)

    assert Finder(store).find(NAME) == ()
    assert canaries_in(store.folder) == set()


def test_operations_about_an_erased_customer_that_the_centre_has_go_and_others_stay(
    store: EdgeStore,
) -> None:
    outbox = Outbox(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    others = msgspec.structs.replace(shop.noted("of lena"), id=sent.id[:-1] + "f")
    for op in (sent, others):
        outbox.record(op)
    outbox.settle([OpResult(op.id, "applied", "", "", ()) for op in (sent, others)])

    erased(store)
    keep_up(store)

    assert outbox.state_of(sent.id) is None
    assert outbox.state_of(others.id) is not None
    assert canaries_in(store.folder) == set()


def test_what_was_being_written_about_an_erased_customer_goes_and_the_rest_stays(
    store: EdgeStore,
) -> None:
    drafts = Drafts(store)
    drafts.keep("zwenti-id", "note", TEXT.encode())
    drafts.keep("zwenti-id", "answer", TEXT.encode())
    drafts.keep("zwenti-id2", "note", b"somebody else")
    drafts.keep("lena", "note", b"of lena")

    erased(store)
    keep_up(store)

    assert drafts.kept() == (b"of lena", b"somebody else")
    assert not canaries_in(store.folder) - {"zwenti-id"}  # of the other id it is the beginning


def test_a_draft_that_was_recorded_leaves_no_byte(store: EdgeStore) -> None:
    drafts = Drafts(store)
    drafts.keep("lena", "note", TEXT.encode())
    drafts.keep("lena", "note", b"")
    erased(store)

    keep_up(store)

    assert (drafts.kept(), canaries_in(store.folder)) == ((), set())


def test_an_operation_the_centre_does_not_have_outlives_its_customer_here(
    store: EdgeStore,
) -> None:
    outbox = Outbox(store)
    waiting = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(waiting)

    erased(store)
    keep_up(store)

    assert [one.op for one in outbox.unsettled()] == [waiting.id]


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_is_answered_after_its_customer_left_goes_once_nothing_about_them_waits(
    store: EdgeStore, comes_back: bool
) -> None:
    outbox, feed = Outbox(store), Feed(store)
    first, last = shop.noted(TEXT, owner="zwenti-id"), shop.noted(TEXT, owner="zwenti-id")
    last = msgspec.structs.replace(last, id=first.id[:-1] + "f")
    outbox.record(first)
    outbox.record(last)
    erased(store)
    keep_up(store)
    if comes_back:
        since = feed.cursors()[0].seq
        feed.apply_page(edge.page_of(rows_of_canary(), since=since), asked=feed.cursors())
    seen = []

    for answer in (
        OpResult(first.id, "held", "cannot_judge", "", ()),
        OpResult(last.id, "applied", "", "", ()),
        OpResult(first.id, "applied", "", "", ()),
    ):
        outbox.settle([answer])
        keep_up(store)
        assert not Eraser(store, feed=feed).sweep()  # nothing is written while it waits
        seen.append([outbox.state_of(op.id) is not None for op in (first, last)])

    both = [True, True]
    assert seen == [both, both, both if comes_back else [False, False]]
    assert comes_back or canaries_in(store.folder) == set()


def test_a_plug_pulled_before_the_sweep_only_delays_it(store: EdgeStore) -> None:
    outbox = Outbox(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    erased(store)
    store.close()

    again = edge.opened(store.folder)
    keep_up(again)
    left = canaries_in(again.folder)
    again.close()

    assert left == set()


def test_somebody_who_is_here_again_keeps_their_operations(store: EdgeStore) -> None:
    outbox, feed = Outbox(store), Feed(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    erased(store)
    since = feed.cursors()[0].seq
    feed.apply_page(edge.page_of(rows_of_canary(), since=since), asked=feed.cursors())

    keep_up(store)

    assert outbox.state_of(sent.id) is not None
    assert Finder(store).find(NAME)


def joined_into_lena(is_named: bool = True) -> Row:
    records = ("zwenti-id", shop.LENA) if is_named else ()
    body = Join("j1", "Zwenti", "Lena", "an ID seen", 1, "ben", shop.NOON, records)
    return shop.row(body, owner=shop.LENA)


def told(store: EdgeStore, *lines: WireRow, is_head: bool = True) -> None:
    feed = Feed(store)
    page = Page(lines, (Checkpoint(edge.SCOPE, lines[-1].seq, is_head=is_head),))
    feed.apply_page(page, asked=feed.cursors())
    feed.flush()


def test_who_was_joined_into_somebody_who_is_here_left_nothing_until_that_join_goes(
    store: EdgeStore,
) -> None:
    outbox, drafts = Outbox(store), Drafts(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    drafts.keep("zwenti-id", "note", b"half a sentence")
    since = Feed(store).cursors()[0].seq
    keys = [row.key for row in rows_of_canary()]
    lines = [edge.gone_row(key, since + n) for n, key in enumerate(keys, start=1)]
    seen = []

    for told_next, is_head in (
        (lines, False),  # the row that says why comes by the next page
        ([edge.wire_row(joined_into_lena(), since + 11)], True),
        ([edge.gone_row("join/j1", since + 12)], True),
    ):
        told(store, *told_next, is_head=is_head)
        keep_up(store)
        seen.append((outbox.state_of(sent.id) is not None, drafts.kept()))

    assert seen == [(True, (b"half a sentence",))] * 2 + [(False, ())]
    assert canaries_in(store.folder) == set()


def by_page(store: EdgeStore, row: WireRow) -> None:
    told(store, row)


def by_repair(store: EdgeStore, row: WireRow) -> None:
    Feed(store).apply_diff(DiffAnswer(edge.SCOPE, (bucket_of(row.key),), (row,), 0))


def by_snapshot(store: EdgeStore, row: WireRow) -> None:
    """With many others, and with the customer who is here."""
    many = [
        shop.row(Customer(id=f"p{n:06}", given_name="Ann"), owner=f"p{n:06}")
        for n in range(ROWS_MIN)
    ]
    here = [edge.wire_row(one, n) for n, one in enumerate([*many, *shop.lenas_rows()], start=1)]
    row = msgspec.structs.replace(row, seq=len(here) + 1)
    rows: list[StoredRow] = [
        (one.key, one.scope, one.seq, one.owner, one.kind, one.version, one.as_of, one.source,
         one.form, one.body)
        for one in (*here, row)
    ]  # fmt: skip
    part, content = packed(rows, key=edge.KEY, scope=edge.SCOPE, seq=row.seq, number=0)
    total = sum(pointer_hash(one[0], one[2], one[5]) for one in rows) & SUM_MASK
    answer = SnapshotAnswer(edge.SCOPE, row.seq, "e1", None, len(rows), total, "", (part,))

    class Shelf:
        async def snapshot(self, scope: str) -> tuple[SnapshotAnswer, bytes]:
            return answer, edge.KEY

        async def part(self, part: SnapshotPart) -> bytes:
            return content

    feed = Feed(store)
    feed.part_ways(edge.SCOPE, 0)
    assert asyncio.run(SnapshotLoader(store).load(Shelf(), edge.SCOPE))
    feed.apply_page(
        Page((), (Checkpoint(edge.SCOPE, row.seq, is_head=True),)), asked=feed.cursors()
    )


@pytest.mark.parametrize("comes", [by_page, by_repair, by_snapshot])
@pytest.mark.parametrize("is_newer", [False, True])
def test_who_is_no_longer_named_by_a_join_that_changed_left(
    store: EdgeStore, comes: Callable[[EdgeStore, WireRow], None], is_newer: bool
) -> None:
    outbox = Outbox(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    since = Feed(store).cursors()[0].seq
    keys = [row.key for row in rows_of_canary()]
    told(
        store,
        edge.wire_row(joined_into_lena(), since + 1),
        *(edge.gone_row(key, since + n) for n, key in enumerate(keys, start=2)),
    )
    keep_up(store)
    before = outbox.state_of(sent.id)
    # A newer form says it in words this program does not read; they count no more than none.
    changed = edge.wire_row(joined_into_lena(is_named=is_newer), since + 12)
    form = 99 if is_newer else changed.form

    comes(store, msgspec.structs.replace(changed, version=1, form=form))
    keep_up(store)

    assert (before is not None, outbox.state_of(sent.id)) == (True, None)


def test_who_was_joined_leaves_also_where_a_newer_program_read_the_join(
    store: EdgeStore,
) -> None:
    drafts = Drafts(store)
    drafts.keep("zwenti-id", "note", b"half a sentence")
    since = Feed(store).cursors()[0].seq
    keys = [row.key for row in rows_of_canary()]
    told(
        store,
        edge.wire_row(joined_into_lena(), since + 1),
        *(edge.gone_row(key, since + n) for n, key in enumerate(keys, start=2)),
    )
    keep_up(store)
    before = drafts.kept()
    with store.cache.write() as file:  # as `reading.read_again` of an older program
        file.execute("UPDATE row SET is_read = 0, form = 99 WHERE key = 'join/j1'")

    told(store, edge.gone_row("join/j1", since + 12))
    keep_up(store)

    assert (before, drafts.kept()) == ((b"half a sentence",), ())


@pytest.mark.parametrize("name", ["cache", "outbox"])
def test_what_goes_at_the_head_goes_from_the_log_too_though_somebody_reads_it_just_then(
    store: EdgeStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts, outbox = Drafts(store), Outbox(store)
    since = Feed(store).cursors()[0].seq
    keys = [row.key for row in rows_of_canary()]
    lines = [edge.gone_row(key, since + n) for n, key in enumerate(keys, start=1)]
    told(store, *lines, is_head=False)
    keep_up(store)  # the log is emptied, and who left is judged later
    is_more = Eraser(store, feed=Feed(store)).sweep()
    drafts.keep("zwenti-id", "note", TEXT.encode())
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    told(store, edge.wire_row(shop.lenas_rows()[0], since + 12))
    with monkeypatch.context() as reader:
        reader.setattr(getattr(store, name), "empty_log", lambda: False)  # as while it is read
        keep_up(store)
    meanwhile = canaries_in(store.folder)

    keep_up(store)

    assert not is_more
    assert (drafts.kept(), outbox.state_of(sent.id)) == ((), None)
    assert meanwhile >= {"kanarienvogel", "zwenti-id"}
    assert canaries_in(store.folder) == set()


@pytest.mark.parametrize("body", [b"{", b'{"id":"\xff"}', b'{"records":[1]}', b"[]"])
def test_a_join_that_nobody_can_read_keeps_nobody_and_goes_as_any_row(
    store: EdgeStore, body: bytes
) -> None:
    drafts = Drafts(store)
    drafts.keep("zwenti-id", "note", b"half a sentence")
    since = Feed(store).cursors()[0].seq
    join = msgspec.structs.replace(edge.wire_row(joined_into_lena(), since + 1), body=body)

    told(store, join, edge.gone_row("customer/zwenti-id", since + 2))
    keep_up(store)
    told(store, edge.gone_row("join/j1", since + 3))

    assert drafts.kept() == ()
    assert Lookup(store).row("join/j1") is None


def test_a_join_that_somebody_takes_apart_here_keeps_them_until_that_is_answered(
    store: EdgeStore,
) -> None:
    drafts, feed = Drafts(store), Feed(store)
    drafts.keep("zwenti-id", "note", b"half a sentence")
    since = feed.cursors()[0].seq
    told(
        store,
        edge.wire_row(joined_into_lena(), since + 1),
        edge.gone_row("customer/zwenti-id", since + 2),
    )
    keep_up(store)
    left = gone(["join/j1"], since=since + 2)
    feed.apply_page(left, asked=feed.cursors(), pinned=frozenset({"join/j1"}))
    keep_up(store)
    meanwhile = drafts.kept()

    feed.purge(frozenset)
    keep_up(store)

    assert (meanwhile, drafts.kept()) == ((b"half a sentence",), ())


def test_a_join_that_does_not_say_of_whom_keeps_nothing_back(store: EdgeStore) -> None:
    outbox = Outbox(store)
    sent = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(sent)
    outbox.settle([OpResult(sent.id, "applied", "", "", ())])
    since = Feed(store).cursors()[0].seq

    told(
        store,
        edge.wire_row(joined_into_lena(is_named=False), since + 1),
        edge.gone_row("customer/zwenti-id", since + 2),
    )
    keep_up(store)

    assert outbox.state_of(sent.id) is None


@pytest.mark.parametrize(("number", "said"), [(1, PHONE), (2, "kanarienvogel")])
def test_one_row_that_left_is_gone_from_search_and_files_too(
    store: EdgeStore, number: int, said: str
) -> None:
    feed, row = Feed(store), rows_of_canary()[number]
    again = edge.page_of([row], since=feed.cursors()[0].seq)
    feed.apply_page(again, asked=feed.cursors())  # so that the log has it
    feed.apply_page(gone([row.key], since=feed.cursors()[0].seq), asked=feed.cursors())
    before = canaries_in(store.folder)

    keep_up(store)

    assert said in before
    assert canaries_in(store.folder) & {said, said[::-1]} == set()


def test_a_wiped_device_has_no_file_left_and_lost_its_keys_first(store: EdgeStore) -> None:
    class Watching(SystemDisk):
        def __init__(self) -> None:
            self.removed: list[str] = []

        def remove(self, path: Path) -> None:
            self.removed.append(path.name)
            super().remove(path)

    for name in ("store.key", "device.key", "device.json", "snap/part-1"):
        (store.folder / name).parent.mkdir(exist_ok=True)
        (store.folder / name).write_bytes(b"x" * 32)
    store.close()
    disk = Watching()

    wipe(store.folder, disk=disk)

    assert disk.removed[:2] == ["store.key", "device.key"]
    assert [path.name for path in store.folder.rglob("*") if path.is_file()] == ["lock"]


def test_a_wipe_that_was_cut_off_is_finished_by_the_next_and_a_third_does_nothing(
    store: EdgeStore,
) -> None:
    class Cut(SystemDisk):
        def remove(self, path: Path) -> None:
            if path.name == "outbox.db":
                raise DiskFault("the plug")
            super().remove(path)

    store.close()
    with pytest.raises(DiskFault):
        wipe(store.folder, disk=Cut())

    n_second = wipe(store.folder, disk=SystemDisk())

    assert n_second > 0
    assert wipe(store.folder, disk=SystemDisk()) == 0


def test_a_device_that_runs_is_not_wiped(store: EdgeStore) -> None:
    with pytest.raises(FolderInUse):
        wipe(store.folder, disk=SystemDisk())

    assert Finder(store).find(NAME)


DAYS_US = 86_400_000_000


def test_a_revoked_device_says_what_it_has_to_say_before_it_forgets(store: EdgeStore) -> None:
    outbox = Outbox(store)
    waiting = shop.noted(TEXT, owner="zwenti-id")
    outbox.record(waiting)
    note_shut(store, is_shut=True, server_time=shop.NOON)
    Feed(store).grant([])
    keep_up(store)
    before = (is_wipe_due(store), outbox.counts().n_waiting)

    outbox.settle([OpResult(waiting.id, "held", "device_ended", "", ())])
    keep_up(store)

    assert before == (False, 1)
    assert is_wipe_due(store)
    assert canaries_in(store.folder) == set()


def test_after_thirty_days_by_the_centres_time_a_revoked_device_waits_no_longer(
    store: EdgeStore,
) -> None:
    Outbox(store).record(shop.noted())
    note_shut(store, is_shut=True, server_time=shop.NOON)

    note_shut(store, is_shut=True, server_time=shop.NOON + 29 * DAYS_US)
    store.clock.sleep_ms(3_650 * 86_400_000)
    on_day_29 = is_wipe_due(store)
    note_shut(store, is_shut=True, server_time=shop.NOON + 30 * DAYS_US)

    assert not on_day_29
    assert is_wipe_due(store)


def test_a_device_that_may_hold_rows_again_is_not_wiped(store: EdgeStore) -> None:
    note_shut(store, is_shut=True, server_time=shop.NOON)

    note_shut(store, is_shut=False, server_time=shop.NOON + 1)

    assert not is_wipe_due(store)


class Whole:
    """A real centre and a real device of it, in one process."""

    def __init__(self, folder: Path) -> None:
        self.centre = real.open_centre(folder / "centre")
        self.device = real.new_device(self.centre)
        self.centre.put_rows(
            [*shop.lenas_rows(), *rows_of_canary()],
            interest=[("harbour", shop.LENA), ("harbour", "zwenti-id")],
        )
        self.store = edge.opened(folder / "device")

    def sync(self) -> None:
        client = CentreClient(
            AsgiTransport(self.centre.asgi_app), identity=self.device, clock=SystemClock(),
            entropy=SystemEntropy(),
        )  # fmt: skip
        SyncRunner(client, self.store, clock=SystemClock(), entropy=SystemEntropy()).sync_once()

    def close(self) -> None:
        self.store.close()
        self.centre.close()


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    whole = Whole(tmp_path)
    yield whole
    whole.close()


def test_who_is_erased_at_the_centre_leaves_no_byte_at_the_next_sync(whole: Whole) -> None:
    op = msgspec.structs.replace(
        shop.noted(TEXT, owner="zwenti-id"), device=whole.device.device_id
    )
    Outbox(whole.store).record(op)
    whole.sync()
    before = canaries_in(whole.store.folder)

    whole.centre.erase("zwenti-id")
    whole.sync()

    assert before >= set(CANARIES)
    assert canaries_in(whole.store.folder) == set()
    assert Finder(whole.store).find("lena")
    passed = whole.centre.erasure("zwenti-id")
    assert passed is not None


def test_a_revoked_device_loses_its_rows_at_once_and_is_wiped_once_it_was_heard(
    whole: Whole,
) -> None:
    whole.sync()
    op = msgspec.structs.replace(
        shop.noted(TEXT, owner="zwenti-id"), device=whole.device.device_id
    )
    Outbox(whole.store).record(op)
    whole.centre.set_device_state(whole.device.device_id, State.REVOKED)

    whole.sync()

    assert canaries_in(whole.store.folder) == set()
    assert Lookup(whole.store).everything() == ()
    assert is_wipe_due(whole.store)
    assert whole.centre.operation(op.id) is not None
