"""The two files of a device: damage, wrong keys, newer programs, other processes, threads, full disks, power cuts."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlcipher3 import dbapi2

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from hardware.errors import DiskFault, FolderInUse
from sync.edge.feed import Feed
from sync.edge.leases import BandLease, LeasedKey, Leases
from sync.edge.lookup import Lookup
from sync.edge.outbox import KEEP_DAYS, OP_SIZE_MAX, Outbox
from sync.edge.store import (
    _CACHE_SCHEMA,
    _OUTBOX_SCHEMA,
    BULK_CIPHER,
    EdgeStore,
    StoreFile,
    Transaction,
)
from sync.model import forms
from sync.model.errors import Malformed, StoreCorrupt, StoreError, StoreFull, StoreTooNew
from sync.model.operation import Operation, OperationState
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.row import raw_of
from sync.model.wire import Checkpoint, Cursor, OpResult, Page
from tests.support import edge, shop


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def numbered(n: int, **fields: object) -> Operation:
    return shop.said(f"text {n}", op_id=f"0190a1b2-0000-7000-8000-{n:012d}", **fields)


def raw_connection(path: Path) -> dbapi2.Connection:
    connection = dbapi2.connect(str(path), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{edge.KEY.hex()}'\"")
    for setting in BULK_CIPHER if path.name == "cache.db" else ():
        connection.execute(f"PRAGMA {setting}")
    return connection


def test_nothing_personal_is_readable_in_the_files(store: EdgeStore, tmp_path: Path) -> None:
    edge.filled(store, shop.lenas_rows())
    Outbox(store).record(shop.said("a canary sentence"))
    store.close()

    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"canary" not in everything
    assert b"W-1077" not in everything
    assert edge.KEY not in everything


def test_what_was_recorded_is_there_after_reopening(store: EdgeStore, tmp_path: Path) -> None:
    ops = [numbered(n) for n in range(5)]
    for op in ops:
        Outbox(store).record(op)
    lineage = store.lineage
    store.close()

    store = edge.opened(tmp_path)

    assert [one.op for one in Outbox(store).unsettled()] == [op.id for op in ops]
    assert store.lineage == lineage
    assert store.notices == ()
    store.close()


def test_an_operation_survives_kill_9_right_after_it_was_recorded(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from sync.edge.outbox import Outbox
from tests.support import edge, shop
store = edge.opened(Path(sys.argv[1]))
edge.filled(store, shop.lenas_rows())
Outbox(store).record(shop.hand_over())
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path.cwd(), check=False, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL

    store = edge.opened(tmp_path)

    (waiting,) = Outbox(store).unsettled()
    assert (waiting.op, waiting.state) == (shop.hand_over().id, OperationState.RECORDED)
    shown = {row.key: row for row in Lookup(store).profile(shop.LENA).rows}
    assert shown["pickup/pk-1077"].is_unsettled
    store.close()


def test_two_processes_never_share_a_folder(store: EdgeStore, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.errors import DiskFault, FolderInUse
from sync.edge.feed import Feed
from tests.support import edge
try:
    edge.opened(Path(sys.argv[1]))
except FolderInUse:
    sys.exit(7)
"""
    other = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path.cwd(), check=False, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip

    assert other.returncode == 7


def test_a_folder_is_given_back_when_opening_failed(tmp_path: Path) -> None:
    edge.opened(tmp_path).close()
    with pytest.raises(StoreCorrupt):
        edge.opened(tmp_path, key=b"w" * 32)

    edge.opened(tmp_path).close()


def test_who_reads_beside_the_owner_sees_what_was_just_recorded_and_can_write_nothing(
    store: EdgeStore, tmp_path: Path
) -> None:
    beside = EdgeStore.beside(
        tmp_path,
        edge.KEY,
        disk=SystemDisk(),
        clock=FixedClock(edge.START),
        entropy=SeededEntropy("beside"),
    )
    Outbox(store).record(numbered(1))

    with pytest.raises(StoreError):
        Outbox(beside).record(numbered(2))
    found = beside.outbox.glance("SELECT count(*) FROM op")
    beside.close()

    assert found == [(1,)]
    Outbox(store).record(numbered(2))
    assert store.notices == ()


def test_a_folder_that_is_in_use_is_not_opened_again(store: EdgeStore, tmp_path: Path) -> None:
    with pytest.raises(FolderInUse):
        edge.opened(tmp_path)


def test_a_wrong_key_is_said_and_nothing_is_touched(store: EdgeStore, tmp_path: Path) -> None:
    Outbox(store).record(shop.said())
    store.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(StoreCorrupt):
        edge.opened(tmp_path, key=b"w" * 32)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    store = edge.opened(tmp_path)
    assert Outbox(store).counts().n_waiting == 1
    store.close()


@pytest.mark.parametrize("name", ["cache.db", "outbox.db"])
def test_a_file_of_a_newer_program_is_left_alone(
    store: EdgeStore, tmp_path: Path, name: str
) -> None:
    Outbox(store).record(shop.said())
    store.close()
    connection = raw_connection(tmp_path / name)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StoreTooNew):
        edge.opened(tmp_path)

    assert raw_connection(tmp_path / name).execute("PRAGMA user_version").fetchone() == (99,)
    assert not list(tmp_path.glob("*damaged*"))


@pytest.mark.parametrize("damage", [b"", b"not a database", b"\0" * 9_000])
def test_a_damaged_cache_is_made_anew_and_the_outbox_stays(
    store: EdgeStore, tmp_path: Path, damage: bytes
) -> None:
    edge.filled(store, shop.lenas_rows())
    Outbox(store).record(shop.said())
    store.close()
    (tmp_path / "cache.db").write_bytes(damage)

    store = edge.opened(tmp_path)

    assert Lookup(store).by_band(shop.BAND) is None
    assert Outbox(store).counts().n_waiting == 1
    assert [notice.code for notice in store.notices] == (["cache_damaged"] if damage else [])
    edge.filled(store, shop.lenas_rows())
    assert Lookup(store).by_band(shop.BAND) is not None
    store.close()


def test_a_page_that_breaks_while_the_shop_is_open_costs_the_cache_and_not_the_tap(
    store: EdgeStore, tmp_path: Path
) -> None:
    edge.filled(store, shop.lenas_rows())
    store.close()
    store = edge.opened(tmp_path)
    damage_pages(tmp_path / "cache.db", first=4_096)

    sighting = Lookup(store).by_band(shop.BAND)

    assert sighting is None
    assert [notice.code for notice in store.notices] == ["cache_damaged"]
    assert len(Lookup(store).profile(shop.LENA).rows) == 0
    store.close()


def damage_pages(path: Path, *, first: int) -> None:
    """One flipped bit in every page from that offset on."""
    raw = bytearray(path.read_bytes())
    for offset in range(first + 100, len(raw), 4_096):
        raw[offset] ^= 0x10
    path.write_bytes(raw)


def test_a_damaged_outbox_is_kept_aside_and_said_and_a_new_life_begins(
    store: EdgeStore, tmp_path: Path
) -> None:
    Outbox(store).record(shop.said())
    lineage = store.lineage
    store.close()
    damaged = b"\xff" * 8_192
    (tmp_path / "outbox.db").write_bytes(damaged)

    store = edge.opened(tmp_path)

    assert (tmp_path / "outbox.db.damaged-1").read_bytes() == damaged
    (notice,) = store.notices
    assert notice.code == "outbox_damaged"
    assert "outbox.db.damaged-1" in notice.detail
    assert store.lineage not in ("", lineage)
    Outbox(store).record(shop.noted())
    store.close()
    store = edge.opened(tmp_path)
    assert [notice.code for notice in store.notices] == ["outbox_damaged"], "said until seen to"
    assert Outbox(store).counts().n_waiting == 1
    store.close()


def test_what_can_still_be_read_of_a_damaged_outbox_is_sent_under_its_old_id(
    store: EdgeStore, tmp_path: Path
) -> None:
    ops = [numbered(n) for n in range(60)]
    for op in ops:
        Outbox(store).record(op)
    store.close()
    sound = (tmp_path / "outbox.db").read_bytes()
    counts: list[int] = []

    for page in range(1, len(sound) // 4_096):
        folder = tmp_path / f"page-{page}"
        folder.mkdir()
        raw = bytearray(sound)
        raw[page * 4_096 + 50] ^= 1
        (folder / "outbox.db").write_bytes(raw)
        (folder / "store.json").write_bytes((tmp_path / "store.json").read_bytes())
        reopened = edge.opened(folder)
        kept = [one.op for one in Outbox(reopened).unsettled()]
        (notice,) = reopened.notices
        reopened.close()
        assert notice.code == "outbox_damaged"
        assert notice.detail.endswith(f"{len(kept)} taken over")
        assert set(kept) <= {op.id for op in ops}
        assert kept == sorted(kept), "oldest first, as before"
        counts.append(len(kept))

    assert max(counts) == len(ops), "a page of an index costs nothing"
    assert all(count >= len(ops) - 12 for count in counts[1:]), (
        "a page costs its own, no others"
    )


def test_an_operation_recorded_just_when_the_outbox_breaks_is_kept(
    store: EdgeStore, tmp_path: Path
) -> None:
    for n in range(60):
        Outbox(store).record(numbered(n))
    store.close()
    store = edge.opened(tmp_path)
    damage_pages(tmp_path / "outbox.db", first=0)

    with ThreadPoolExecutor(1) as fresh:
        fresh.submit(Outbox(store).record, shop.noted()).result()

    assert shop.noted().id in {one.op for one in Outbox(store).unsettled()}
    assert [notice.code for notice in store.notices] == ["outbox_damaged"]
    store.close()


def test_operations_are_forced_to_the_disk_and_deleted_text_is_overwritten(
    store: EdgeStore,
) -> None:
    def setting(name: str) -> list[object]:
        files = (store.outbox, store.cache)
        return [file.look(lambda it: it.read(f"PRAGMA {name}"))[0][0] for file in files]

    assert setting("synchronous") == [2, 1], (
        "FULL for operations, NORMAL for what can be pulled"
    )
    assert setting("journal_mode") == ["wal", "wal"]
    assert setting("secure_delete") == [1, 1]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_bit_of_the_log_takes_an_operation_with_it_unsaid(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("device")
    store = edge.opened(folder)
    ops = [numbered(n) for n in range(3)]
    for op in ops:
        Outbox(store).record(op)
    killed = Path(shutil.copytree(folder, folder / "killed"))
    store.close()
    raw = bytearray((killed / "outbox.db-wal").read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (killed / "outbox.db-wal").write_bytes(raw)

    store = edge.opened(killed)

    kept = {one.op for one in Outbox(store).unsettled()}
    said = [notice for notice in store.notices if notice.code == "outbox_damaged"]
    store.close()
    assert kept == {op.id for op in ops} or said
    for notice in said:
        assert (killed / notice.detail.partition(":")[0]).read_bytes()


@pytest.mark.parametrize("at", [5, 17, 35, 40, 48, 700, 4_200, -2_000, -100, -70, -10])
def test_operations_behind_a_damaged_place_of_the_log_are_brought_back(
    at: int, store: EdgeStore, tmp_path: Path
) -> None:
    ops = [numbered(n) for n in range(20)]
    for op in ops:
        Outbox(store).record(op)
    lineage = store.lineage
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    raw = bytearray((killed / "outbox.db-wal").read_bytes())
    raw[at] ^= 4
    (killed / "outbox.db-wal").write_bytes(raw)

    store = edge.opened(killed)

    assert {one.op for one in Outbox(store).unsettled()} == {op.id for op in ops}
    assert [notice.code for notice in store.notices] == ["outbox_damaged"]
    assert store.lineage != lineage
    assert not [path.name for path in killed.iterdir() if "mended" in path.name]
    store.close()


def test_a_description_that_is_damaged_does_not_lock_the_device_out(
    store: EdgeStore, tmp_path: Path
) -> None:
    Outbox(store).record(numbered(1))
    store.close()
    said = (tmp_path / "store.json").read_bytes()
    (tmp_path / "store.json").write_bytes(said.replace(b'"check":"', b'"check":"0', 1))

    store = edge.opened(tmp_path)

    assert [one.op for one in Outbox(store).unsettled()] == [numbered(1).id]
    assert (tmp_path / "store.json").read_bytes() == said
    store.close()


def test_a_log_that_a_power_cut_left_as_it_should_be_is_not_called_damaged(
    store: EdgeStore, tmp_path: Path
) -> None:
    for n in range(300):
        Outbox(store).record(numbered(n))
        Outbox(store).settle([OpResult(numbered(n).id, "applied", "", "", ())])
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    cut = (killed / "outbox.db-wal").read_bytes()
    (killed / "outbox.db-wal").write_bytes(cut[: -len(cut) // 3])

    store = edge.opened(killed)

    assert store.notices == ()
    store.close()


@pytest.mark.parametrize("what", ["missing", "older", "of the cache"])
def test_a_log_that_is_not_the_outboxs_own_last_one_is_noticed(
    store: EdgeStore, tmp_path: Path, what: str
) -> None:
    Outbox(store).record(numbered(1))
    older = (tmp_path / "outbox.db-wal").read_bytes()
    for n in range(2, 5):
        Outbox(store).record(numbered(n))
    edge.filled(store, shop.lenas_rows())
    lineage = store.lineage
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    match what:
        case "missing":
            (killed / "outbox.db-wal").unlink()
        case "older":
            (killed / "outbox.db-wal").write_bytes(older)
        case _:
            shutil.copy(killed / "cache.db-wal", killed / "outbox.db-wal")

    store = edge.opened(killed)

    assert [notice.code for notice in store.notices][:1] in (
        ["outbox_damaged"],
        ["outbox_missing"],
    )
    assert store.lineage not in ("", lineage)
    Outbox(store).record(numbered(9))
    store.close()
    again = edge.opened(killed)
    assert numbered(9).id in {one.op for one in Outbox(again).unsettled()}
    assert len(again.notices) == 1, "said once"
    again.close()


def test_an_older_copy_of_the_outbox_is_noticed(store: EdgeStore, tmp_path: Path) -> None:
    Outbox(store).record(numbered(1))
    store.close()
    copy = (tmp_path / "outbox.db").read_bytes()
    store = edge.opened(tmp_path)
    Outbox(store).record(numbered(2))
    store.close()
    (tmp_path / "outbox.db").write_bytes(copy)

    store = edge.opened(tmp_path)

    assert [notice.code for notice in store.notices] == ["outbox_damaged"]
    store.close()


def test_a_cache_that_an_older_program_made_is_taken_over_with_its_rows(tmp_path: Path) -> None:
    edge.opened(tmp_path).close()
    for path in tmp_path.glob("cache.db*"):
        path.unlink()
    old = StoreFile(
        tmp_path / "cache.db", edge.KEY, schema=_CACHE_SCHEMA[:1], synchronous="NORMAL",
        heal=lambda _: None,
    )  # fmt: skip
    old.prepare()
    with old.write() as file:
        file.execute("INSERT INTO cursor VALUES (?, 8, 'e1', 1, 0, 77)", (edge.SCOPE,))
        for seq, row in enumerate(shop.lenas_rows(), start=1):
            file.execute(
                "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (
                    row.owner,
                    row.kind,
                    row.key,
                    row.version,
                    row.as_of,
                    row.source,
                    raw_of(row.body),
                ),
            )
            file.execute("INSERT INTO held VALUES (?, ?, ?)", (edge.SCOPE, row.key, seq))
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    old.close()

    store = edge.opened(killed)

    assert store.notices == ()
    assert Lookup(store).by_band(shop.BAND) is not None
    assert Feed(store).cursors() == (Cursor(edge.SCOPE, 8),)
    sums = Checkpoint(edge.SCOPE, 8, is_head=True, count=8, sum=edge.sum_of(shop.lenas_rows()))
    applied = Feed(store).apply_page(Page((), (sums,)), asked=(Cursor(edge.SCOPE, 8),))
    assert applied.differing == (), "rows that came over sum to the same"
    store.close()


def test_a_row_only_a_newer_program_reads_is_read_by_that_program_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = edge.opened(tmp_path)
    newer = msgspec.structs.replace(edge.wire_row(shop.lenas_rows()[0], 1), form=2)
    edge.granted(store).apply_page(
        Page((newer,), (Checkpoint(edge.SCOPE, 1, is_head=True),)),
        asked=(Cursor(edge.SCOPE, 0),),
    )
    assert Feed(store).state().n_unread == 1
    store.close()

    second = forms.Form(2, {2: lambda body: body})
    monkeypatch.setattr(forms, "FORMS", {newer.kind: second})
    store = edge.opened(tmp_path)

    assert Feed(store).state().n_unread == 0
    store.close()

    monkeypatch.setattr(forms, "FORMS", {})
    store = edge.opened(tmp_path)

    assert Feed(store).state().n_unread == 1, "the program before reads what it did"
    store.close()


def test_nothing_temporary_is_written_beside_the_files(store: EdgeStore) -> None:
    for file in (store.cache, store.outbox):
        assert file.look(lambda it: it.read("PRAGMA temp_store")) == [(2,)], (
            "in memory, not in /tmp"
        )


class PlugPulled(SystemDisk):
    """The power goes when the n-th file of an outbox is put somewhere else."""

    def __init__(self, n_left: int) -> None:
        self._n_left = n_left

    def _one(self) -> None:
        self._n_left -= 1
        if self._n_left == 0:
            raise DiskFault("the plug was pulled")

    def move_aside(self, path: Path, *, label: str) -> Path | None:
        self._one()
        return super().move_aside(path, label=label)

    def rename(self, path: Path, target: Path) -> None:
        self._one()
        super().rename(path, target)


@pytest.mark.parametrize("n_left", [1, 2, 3, 4])
def test_a_plug_pulled_while_a_damaged_outbox_is_replaced_loses_nothing(
    store: EdgeStore, tmp_path: Path, n_left: int
) -> None:
    ops = [numbered(n) for n in range(60)]
    for op in ops:
        Outbox(store).record(op)
    store.close()
    raw = bytearray((tmp_path / "outbox.db").read_bytes())
    raw[len(raw) - 3_000] ^= 1
    (tmp_path / "outbox.db").write_bytes(raw)

    with pytest.raises(StoreError):
        edge.opened(tmp_path, disk=PlugPulled(n_left))
    store = edge.opened(tmp_path)

    assert len(Outbox(store).unsettled()) >= len(ops) - 12
    assert {notice.code for notice in store.notices} == {"outbox_damaged"}
    assert list(tmp_path.glob("outbox.db.damaged-*"))
    store.close()


def test_an_upgrade_that_ends_at_any_statement_leaves_every_operation_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, ops = tmp_path / "old", [numbered(n) for n in range(30)]
    old.mkdir()
    first = StoreFile(
        old / "outbox.db",
        edge.KEY,
        schema=_OUTBOX_SCHEMA[:1],
        synchronous="FULL",
        heal=_unhealed,
    )
    first.prepare()
    raws = {op.id: msgspec.json.encode(op) + b" " * n for n, op in enumerate(ops)}
    with first.write() as file:
        file.execute("INSERT INTO meta VALUES ('lineage', 'first')")
        file.many(
            "INSERT INTO op(id, raw, owner, kind, at, state) VALUES (?, ?, ?, ?, ?, 'recorded')",
            [(op.id, raws[op.id], op.owner, op.kind, op.at) for op in ops],
        )
    first.close()
    images: list[Path] = []
    true_execute = Transaction.execute

    def imaged(self: Transaction, statement: str, parameters: Sequence[object] = ()) -> int:
        images.append(shutil.copytree(tmp_path / "kiosk", tmp_path / f"image-{len(images)}"))
        return true_execute(self, statement, parameters)

    shutil.copytree(old, tmp_path / "kiosk")
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "execute", imaged)
        edge.opened(tmp_path / "kiosk").close()

    assert len(images) > len(_OUTBOX_SCHEMA)
    for image in (*images[:16], tmp_path / "kiosk"):
        store = edge.opened(image)
        assert dict(Outbox(store).raws(list(raws))) == raws, image.name
        assert Outbox(store).counts().n_waiting == len(ops)
        assert store.notices == ()
        store.close()


def _unhealed(file: StoreFile) -> None:
    raise AssertionError(f"{file.path.name} is whole")


class Imaged(SystemDisk):
    """Keeps an image of the folder before each file of an outbox is put somewhere else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.images: list[Path] = []

    def _one(self, name: str) -> None:
        image = self._folder.with_name(f"image-{len(self.images)}-{name}")
        self.images.append(shutil.copytree(self._folder, image))

    def move_aside(self, path: Path, *, label: str) -> Path | None:
        self._one(path.name)
        return super().move_aside(path, label=label)

    def remove(self, path: Path) -> None:
        if path.name == "outbox.commits":
            self._one(path.name)
        super().remove(path)

    def rename(self, path: Path, target: Path) -> None:
        self._one(path.name)
        super().rename(path, target)


def test_a_machine_that_ends_while_a_used_outbox_is_replaced_loses_nothing(
    tmp_path: Path,
) -> None:
    disk = Imaged(tmp_path / "kiosk")
    store = edge.opened(tmp_path / "kiosk", disk=disk)
    outbox = Outbox(store)
    for n in range(60):
        outbox.record(numbered(n))
    with ThreadPoolExecutor(1) as screen:
        screen.submit(outbox.counts).result(timeout=20)  # keeps the log from going with us
        for n in range(60, 80):
            outbox.record(numbered(n))

        store.outbox.heal(store.outbox.life)

    assert len(outbox.unsettled()) == 80
    store.close()
    assert len(disk.images) == 5
    for image in disk.images:
        again = edge.opened(image)
        assert len(Outbox(again).unsettled()) == 80, image.name
        assert len(again.notices) <= 1, image.name
        again.close()


class Slow(SystemDisk):
    """Lets another thread read just while files are taken away."""

    def __init__(self) -> None:
        self.reading: Callable[[], object] = lambda: None
        self.threads = ThreadPoolExecutor(1)
        self.found: list[Future[object]] = []

    def remove(self, path: Path) -> None:
        if path.name == "cache.db-wal" and not self.found:
            self.found.append(self.threads.submit(self.reading))
            wait(self.found, timeout=0.2)
        super().remove(path)


def test_a_thread_that_reads_for_the_first_time_while_the_cache_is_replaced_sees_the_new_one(
    tmp_path: Path,
) -> None:
    disk = Slow()
    store = edge.opened(tmp_path, disk=disk)
    edge.filled(store, shop.lenas_rows())
    disk.reading = lambda: Feed(store).cursors()

    store.cache.heal(store.cache.life)
    edge.filled(store, shop.lenas_rows())

    (found,) = disk.found
    found.result(timeout=20)
    again = disk.threads.submit(Lookup(store).by_band, shop.BAND).result(timeout=20)
    disk.threads.shutdown()
    assert again is not None
    store.close()


def test_threads_that_ended_hold_no_file_open(store: EdgeStore) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()

    for _ in range(20):
        thread = threading.Thread(target=Lookup(store).by_band, args=(shop.BAND,))
        thread.start()
        thread.join()

    assert descriptors() <= before + 3


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from sync.edge.leases import BandLease, LeasedKey, Leases
from sync.edge.lookup import Lookup
from sync.model.errors import StoreError
from tests.support import edge, shop

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
store = edge.opened(folder)
edge.filled(store, shop.lenas_rows())
"""


def on_a_full_disk(program: str, folder: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK + program, str(folder)],
        cwd=Path.cwd(), timeout=60, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_full_disk_with_leases_that_are_over_still_opens_and_answers_taps(
    tmp_path: Path,
) -> None:
    said = on_a_full_disk(
        """
Leases(store).replace(
    (BandLease(f"{n:032x}", LeasedKey(b"k" * 16, 1, 1)) for n in range(4_000)), group=None
)
store.close()
room(40_000)
store = edge.opened(folder)
print(Lookup(store).by_band(shop.BAND).owner)
""",
        tmp_path,
    )

    assert said == shop.LENA


def test_a_cache_that_could_not_be_made_anew_on_a_full_disk_is_made_when_there_is_room(
    tmp_path: Path,
) -> None:
    said = on_a_full_disk(
        """
room(0)
for _ in range(2):
    try:
        store.cache.heal(store.cache.life)
        Lookup(store).by_band(shop.BAND)
    except StoreError as error:
        print("failed", end=" ")
room(resource.RLIM_INFINITY)
print(Lookup(store).by_band(shop.BAND))
edge.filled(store, shop.lenas_rows())
print(Lookup(store).by_band(shop.BAND).owner)
""",
        tmp_path,
    )

    assert said.split() == ["failed", "failed", "None", shop.LENA]


def test_an_outbox_that_vanished_is_said(store: EdgeStore, tmp_path: Path) -> None:
    Outbox(store).record(shop.said())
    store.close()
    for path in tmp_path.glob("outbox.db*"):
        path.unlink()

    store = edge.opened(tmp_path)

    assert [notice.code for notice in store.notices] == ["outbox_missing"]
    store.close()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(["cache.db", "outbox.db", "store.json"]), data=st.data())
def test_any_flipped_bit_is_noticed_or_harmless_and_no_operation_vanishes_unsaid(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("device")
    store = edge.opened(folder)
    edge.filled(store, shop.lenas_rows())
    ops = [numbered(n) for n in range(3)]
    for op in ops:
        Outbox(store).record(op)
    store.close()
    raw = bytearray((folder / name).read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / name).write_bytes(raw)

    try:
        store = edge.opened(folder)
    except StoreCorrupt:
        assert name == "store.json"  # the check of the key itself was hit
        return
    kept = {one.op for one in Outbox(store).unsettled()}
    said = {notice.code for notice in store.notices}
    held = Lookup(store).profile(shop.LENA).rows

    assert kept == {op.id for op in ops} or "outbox_damaged" in said
    assert {row.key for row in held} >= {row.key for row in shop.lenas_rows()} or (
        "cache_damaged" in {notice.code for notice in store.notices}
    )
    store.close()


def test_a_full_disk_is_said_and_what_was_recorded_stays(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from sync.edge.outbox import Outbox
from sync.model.errors import StoreError
from tests.support import edge, shop
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = edge.opened(Path(sys.argv[1]))
outbox = Outbox(store)
outbox.record(shop.said("first"))
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))
kept = 1
try:
    for n in range(1_000):
        outbox.record(shop.said("x" * 900, op_id=f"op-{n:04d}"))
        kept += 1
except StoreError as error:
    print(type(error).__name__, kept, outbox.counts().n_waiting)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path.cwd(), check=True, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True,
    )  # fmt: skip
    name, kept, counted = ended.stdout.split()

    store = edge.opened(tmp_path)

    assert name in (StoreFull.__name__, StoreError.__name__)
    assert kept == counted
    assert Outbox(store).counts().n_waiting == int(kept)
    assert store.notices == ()
    Outbox(store).record(shop.noted())
    store.close()


def test_a_failed_write_leaves_nothing_behind(store: EdgeStore) -> None:
    def write() -> None:
        with store.outbox.write() as file:
            file.execute("INSERT INTO meta VALUES ('a', 'b')")
            file.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreError):
        write()

    assert (
        store.outbox.look(lambda file: file.read("SELECT 1 FROM meta WHERE name = 'a'")) == []
    )


@pytest.mark.parametrize("n_rows", [0, 1, 9, 10, 999, 2_345])
def test_many_rows_by_few_statements_are_the_same_rows(store: EdgeStore, n_rows: int) -> None:
    rows = [(f"n{n}", bytes([n % 256]) * 3) for n in range(n_rows)]
    new = "INSERT OR FAIL INTO meta(name, value) VALUES (?, ?) ON CONFLICT(name) DO NOTHING"

    with store.cache.write() as file:
        n_first = file.insert(new, rows)
        n_again = file.insert(new, [*rows, ("one more", b"x")])

    assert (n_first, n_again) == (n_rows, 1)
    found = store.cache.glance(
        "SELECT name, value FROM meta WHERE name LIKE 'n%' OR name = ?", ("one more",)
    )
    assert sorted(found) == sorted([*rows, ("one more", b"x")])


def test_two_threads_record_and_read_at_the_same_time(store: EdgeStore) -> None:
    edge.filled(store, shop.lenas_rows())

    def record(start: int) -> int:
        for n in range(start, start + 25):
            Outbox(store).record(numbered(n))
            assert Lookup(store).by_band(shop.BAND) is not None
        return 25

    with ThreadPoolExecutor(3) as threads:
        recorded = sum(threads.map(record, (0, 100, 200)))

    assert Outbox(store).counts().n_waiting == recorded == 75


def test_a_closed_store_is_not_opened_again_by_a_late_reader(store: EdgeStore) -> None:
    store.close()

    with pytest.raises(StoreError):
        Lookup(store).by_band(shop.BAND)


# The outbox


def test_the_same_operation_recorded_twice_is_once(store: EdgeStore) -> None:
    outbox = Outbox(store)

    outbox.record(shop.said())
    outbox.record(shop.said())

    assert outbox.counts().n_waiting == 1


def test_an_operation_too_large_to_send_is_refused_before_it_is_recorded(
    store: EdgeStore,
) -> None:
    args = RecordInteraction(channel="store", direction="in", by="x", text="y" * OP_SIZE_MAX)

    with pytest.raises(Malformed):
        Outbox(store).record(shop.operation(args))

    assert Outbox(store).counts().n_waiting == 0


def test_a_batch_is_the_oldest_first_and_as_it_was_recorded(store: EdgeStore) -> None:
    outbox = Outbox(store)
    for n in range(5):
        outbox.record(numbered(n, owner="tom" if n == 0 else "lena"))

    batch = outbox.batch(n_max=3)
    other = outbox.batch(n_max=3, without=frozenset({"tom"}))

    assert [one.id for one in batch] == [numbered(n).id for n in range(3)]
    assert [one.id for one in other] == [numbered(n).id for n in range(1, 4)]
    assert outbox.state_of(numbered(0).id) is OperationState.SENDING


def test_a_batch_is_bounded_in_bytes(store: EdgeStore) -> None:
    outbox = Outbox(store)
    for n in range(20):
        args = RecordInteraction(channel="store", direction="in", by="x", text="y" * 30_000)
        outbox.record(shop.operation(args, op_id=f"op-{n:02d}"))

    assert len(outbox.batch()) == 8


def result(op: Operation, status: str, code: str = "") -> OpResult:
    return OpResult(op=op.id, status=status, code=code, clash="", rows=())


def test_refused_and_held_operations_stay_and_applied_ones_go_after_two_weeks(
    tmp_path: Path,
) -> None:
    clock = FixedClock(edge.START)
    store = edge.opened(tmp_path, clock=clock)
    outbox = Outbox(store)
    for n in range(4):
        outbox.record(numbered(n))
    outbox.settle(
        [
            result(numbered(0), "applied"),
            result(numbered(1), "refused", "too_late"),
            result(numbered(2), "held", "unknown_kind"),
            result(numbered(3), "perhaps"),
            result(numbered(9), "applied"),
        ]
    )
    outbox.note_time(store.now())
    assert outbox.forget_old() == 0

    clock.sleep_ms((KEEP_DAYS * 86_400 + 1) * 1_000)
    jumped = outbox.forget_old()
    outbox.note_time(store.now())
    forgotten = outbox.forget_old()

    assert jumped == 0, "only the centre says how late it is"
    assert forgotten == 1
    assert [(one.op, one.state, one.code) for one in outbox.unsettled()] == [
        (numbered(1).id, OperationState.REFUSED, "too_late"),
        (numbered(2).id, OperationState.HELD, "unknown_kind"),
        (numbered(3).id, OperationState.RECORDED, ""),
    ]
    store.close()


def test_what_was_settled_under_a_clock_years_ahead_goes_after_two_weeks_all_the_same(
    tmp_path: Path,
) -> None:
    clock = edge.SetClock()
    store = edge.opened(tmp_path, clock=clock)
    outbox, right = Outbox(store), store.now()
    clock.error = timedelta(days=3_650)
    outbox.record(numbered(0))
    outbox.settle([result(numbered(0), "applied")])

    outbox.note_time(right)
    at_once = outbox.forget_old()
    outbox.note_time(right + (KEEP_DAYS * 86_400 + 1) * 1_000_000)

    assert (at_once, outbox.forget_old()) == (0, 1)
    store.close()


def test_a_settled_operation_does_not_change_again(store: EdgeStore) -> None:
    outbox = Outbox(store)
    outbox.record(numbered(1))
    outbox.settle([result(numbered(1), "applied")])

    outbox.settle([result(numbered(1), "refused", "late")])

    assert outbox.state_of(numbered(1).id) is OperationState.APPLIED


# Leases


def test_a_lease_ends_and_a_clock_set_back_does_not_revive_it(tmp_path: Path) -> None:
    clock = FixedClock(edge.START)
    store = edge.opened(tmp_path, clock=clock)
    end = store.now() + 60_000_000
    Leases(store).replace([BandLease("aa", LeasedKey(b"k" * 16, 1, end))], group=None)
    assert Leases(store).key_of("aa") is not None

    clock.sleep_ms(60_000)
    assert Leases(store).key_of("aa") is None
    Leases(store).note_time(store.now())
    store.close()
    store = edge.opened(tmp_path, clock=FixedClock(edge.START))

    assert Leases(store).key_of("aa") is None
    assert Leases(store).group_key() is None
    store.close()


def test_new_leases_replace_the_old_ones(store: EdgeStore) -> None:
    far = store.now() * 2
    leases = Leases(store)
    leases.replace(
        [BandLease("aa", LeasedKey(b"a" * 16, 1, far))], group=LeasedKey(b"g" * 16, 1)
    )

    leases.replace(
        [BandLease("bb", LeasedKey(b"b" * 16, 2, far))], group=LeasedKey(b"h" * 16, 2)
    )

    assert leases.key_of("aa") is None
    assert leases.key_of("bb") == LeasedKey(b"b" * 16, 2, far)
    assert leases.group_key() == LeasedKey(b"h" * 16, 2)
    assert "b" * 16 not in repr(leases.key_of("bb"))
