"""What must hold at every moment, and what must hold once everything is healed.

The oracle is the centre's own store, asked by other statements than those that feed the kiosks.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import msgspec

from sync.central import device_rows
from sync.central.centre import Centre
from sync.central.enrolment import State, scopes_of
from sync.central.moment import Snapshot
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.store import EdgeStore, Transaction
from sync.model.forms import KEPT
from sync.model.ledger import allowance_key, allowance_of
from sync.model.operation import Operation
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.redeem import Redeem
from sync.model.promises import made
from sync.model.records import (
    Account,
    Allowance,
    Case,
    Entitlement,
    Interaction,
    Join,
    LedgerEntry,
    Peer,
    Record,
    Stock,
)
from sync.model.row import Row
from sync.model.wire import WireRow
from sync.simulate import skew
from sync.simulate.nodes import CentreNode, KioskNode
from sync.simulate.shop import PIECES, POINTS, USES

ROWS_MAX: Final = 1_000_000
LEAVING: Final = -1
"""In the place of its seq: a row that left, kept until the operations that need it are answered."""

NOWHERE: Final = (0, 0, 0, 0)

FALSE_ALARMS: Final = ("device_forked", "device_cloned")

UNANSWERED: Final = ("recorded", "sending")

COUNTED: Final = ("account", "entitlement", "stock", "allowance", "ledger")
"""Kinds of rows that are balances, or entries of one."""

_OWNERS_WAITING: Final = "SELECT DISTINCT owner FROM op WHERE state = 'recorded' AND kind LIKE '%redeem' ORDER BY owner"


class Broken(Exception):
    """Something that must hold does not; the sentence says what."""


Place = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What one device holds of one scope: the cursor; and seq, version, CRC-32 and form of the body of each row."""

    seq: int
    is_renewing: bool
    rows: Mapping[str, Place]


def reading(centre: Centre) -> AbstractContextManager[Snapshot]:
    """One moment of the centre's store."""
    return centre._store.reading()  # noqa: SLF001  # the oracle looks where no device may


def held_by(store: EdgeStore) -> dict[str, Held]:
    """By scope, what is in the cache."""

    def found(file: Transaction) -> dict[str, Held]:
        cursors = file.read("SELECT scope, seq, is_renewing FROM cursor ORDER BY scope")
        rows: dict[str, dict[str, Place]] = {scope: {} for scope, _, _ in cursors}
        for scope, key, seq, version, body, form in file.read(
            "SELECT scope, key, seq, version, body, form FROM row"
        ):
            rows.setdefault(scope, {})[key] = (seq, version, crc32(body), form)
        return {scope: Held(seq, bool(new), rows[scope]) for scope, seq, new in cursors}

    return store.cache.look(found)


def loading(store: EdgeStore) -> tuple[str, ...]:
    """Scopes whose snapshot has begun to come, and is not here whole."""
    found = store.cache.look(
        lambda file: file.read(
            "SELECT name FROM meta WHERE name LIKE 'loading/%' ORDER BY name"
        )
    )
    return tuple(name.removeprefix("loading/") for (name,) in found)


def nothing_is_left_of_snapshots(kiosk: KioskNode) -> None:
    """Once all scopes are held to their heads, no part of one lies about. Raises Broken."""
    folder = kiosk.folder / "snap"
    parts = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if parts or loading(kiosk.up):
        raise Broken(
            f"{kiosk.name} keeps {len(parts)} parts of snapshots, loading {loading(kiosk.up)}"
        )


def held_at_the_centre(centre: Centre, scope: str) -> dict[str, WireRow]:
    """Every row the scope ever pointed at, by key; also those that left."""
    with reading(centre) as snapshot:
        return {row.key: row for row in snapshot.rows_since(scope, 0, limit=ROWS_MAX)}


def words_of(rows: Mapping[str, WireRow]) -> str:
    """What there is, for the events of a run."""
    return str([
        (key, row.seq, row.version, crc32(row.body), row.is_gone)
        for key, row in sorted(rows.items())
    ])  # fmt: skip


def is_known(kiosk: KioskNode, centre: Centre) -> bool:
    """Whether the centre knows this device."""
    with reading(centre) as snapshot:
        return device_rows.device(snapshot.sql, kiosk.identity.device_id) is not None


def cursor_is_earned(kiosk: KioskNode, centre: Centre) -> None:
    """No cursor is ahead of the rows that justify it. Only where both have the same history. Raises Broken."""
    for scope, held in held_by(kiosk.up).items():
        if held.is_renewing:
            continue
        there = held_at_the_centre(centre, scope)
        for key, row in there.items():
            seq, is_gone = row.seq, row.is_gone
            if seq > held.seq:
                continue
            if is_gone and held.rows.get(key, NOWHERE)[0] == LEAVING:
                continue
            if is_gone == (key in held.rows):
                raise Broken(f"{kiosk.name} passed {scope} {seq} without {key}")
            if not is_gone and held.rows[key][0] != seq:
                raise Broken(f"{kiosk.name} holds {key} of another moment than {scope} {seq}")


def left_of(kiosk: KioskNode, key: str, owner: str) -> int | None:
    """How many uses of an entitlement this kiosk shows, with those lent to its store; None where it does not know."""
    lent = allowance_key(kiosk.identity.store, key)
    cells = kiosk.within(lambda: Lookup(kiosk.up).cells((key, lent), owner=owner))
    cell, loan = cells[key], allowance_of(cells[lent])
    body = cell.body if isinstance(cell, Row) else None
    if not isinstance(body, Entitlement) or body.n_left is None:
        return None
    return body.n_left + (0 if loan is None else loan.n_left)


def is_alone(op: Operation) -> bool:
    """Whether a redeem was done under a right to act alone."""
    return bool(msgspec.json.decode(op.args, type=Redeem).alone)


def shows_what_happened(one: KioskNode, two: KioskNode) -> None:
    """What waits for the centre at one kiosk is folded in at the other, which trusts it. Both are at the relay. Raises Broken."""
    assert two.peers is not None
    if two.up.outbox.glance("SELECT 1 FROM meta WHERE name = 'shut_at'"):
        return  # it heard first that it may hold nothing any more
    peer = two.within(lambda: Lookup(two.up).row(f"peer/{one.identity.device_id}"))
    if (
        peer is not None
        and isinstance(peer.body, Peer)
        and peer.body.state != State.ACTIVE.value
    ):
        return  # it heard first that the other is quarantined or revoked
    theirs = {op.id for op in two.peers.ops.theirs()}
    known = {op for op, state in ops_in(one.up).items() if state in UNANSWERED}
    outbox = Outbox(one.up)

    def readable() -> set[str]:
        return {op for op in known if outbox.operation(op) is not None}

    lacking = sorted(one.within(readable) - theirs)
    if lacking:
        raise Broken(
            f"{two.name} does not show {len(lacking)} of {one.name}, first {lacking[0]}"
        )


def ops_in(store: EdgeStore) -> dict[str, str]:
    """Id to state of all operations in an outbox."""
    return dict(
        store.outbox.look(lambda file: file.read("SELECT id, state FROM op ORDER BY n"))
    )


def ops_at(centre: Centre, ids: Iterable[str]) -> dict[str, str]:
    """Id to status of those the centre knows."""
    with reading(centre) as snapshot:
        found = ((op, snapshot.op(op)) for op in ids)
        return {op: record.status for op, record in found if record is not None}


def same_rows(kiosk: KioskNode, centre: Centre) -> None:
    """The kiosk holds exactly the rows of its scopes, as they are at the centre. Raises Broken."""
    with reading(centre) as snapshot:
        device = device_rows.device(snapshot.sql, kiosk.identity.device_id)
        assert device is not None
    held = held_by(kiosk.up)
    if set(held) != set(scopes_of(device)):
        raise Broken(f"{kiosk.name} holds {sorted(held)}")
    for scope, mine in held.items():
        rows = held_at_the_centre(centre, scope)
        there = {
            key: _as_held(row, mine.rows.get(key, NOWHERE)[3])
            for key, row in rows.items()
            if not row.is_gone
        }
        if mine.rows != there:
            wrong = sorted(
                key
                for key in mine.rows.keys() | there.keys()
                if mine.rows.get(key) != there.get(key)
            )
            first = wrong[0]
            raise Broken(
                f"{kiosk.name} {scope}: {len(wrong)} rows differ, first {first}:"
                f" {mine.rows.get(first)} here, {there.get(first)} at the centre"
            )
    loose = kiosk.up.cache.look(
        lambda file: file.read(
            "SELECT scope, key, seq FROM row WHERE scope NOT IN (SELECT scope FROM cursor)"
        )
    )
    if loose:
        raise Broken(f"{kiosk.name} keeps {len(loose)} rows of no scope, first {loose[0]}")


def _as_held(row: WireRow, form: int) -> Place:
    """A row of the centre as a device holds it that has it in this form."""
    body = skew.in_form(row.body, row.form, form) if 0 < form < row.form else row.body
    return row.seq, row.version, crc32(body), form or row.form


def reads_what_it_can(kiosk: KioskNode, centre: CentreNode) -> None:
    """Rows in a form its program knows are read, others kept raw; and what could be sent in such a form was. Raises Broken."""
    known = skew.BOOKS[kiosk.program]
    found = kiosk.up.cache.look(
        lambda file: file.read("SELECT scope, key, kind, form, is_read FROM row ORDER BY n")
    )
    is_same = kiosk.programs == {kiosk.program} and not centre.was_older
    for scope, key, kind, form, is_read in found:
        newest = known[kind].newest if kind in known else 1
        if bool(is_read) != (form <= newest):
            raise Broken(f"{kiosk.name} knows form {newest}: {key} in {form}, read {is_read}")
        if form <= newest or not is_same:
            continue
        there = held_at_the_centre(centre.up, scope)[key]
        if there.form - newest <= KEPT and centre.program - newest <= KEPT:
            raise Broken(f"{kiosk.name} reads {newest} and was given {key} in form {form}")


def effect_is_there(op: Operation, centre: Centre) -> None:
    """What an applied operation did can be seen at the centre, once. Raises Broken."""
    own = {
        "record_interaction": f"interaction/{op.id}",
        "note_case": f"interaction/{op.id}",
        "open_case": f"case/{op.id}",
    }.get(op.kind)
    if own is not None and centre.row(own) is None:
        raise Broken(f"{op.kind} {op.id} is applied and its row is not there")
    if op.kind == "hand_over_pickup":
        _handed_over(op, centre)
    if op.kind == "redeem":
        _redeemed(op, centre)
    if op.kind == "promise_answer":
        _promised(op, centre)


def _promised(op: Operation, centre: Centre) -> None:
    record = centre.operation(op.id)
    row = centre.row(f"case/{msgspec.json.decode(op.args, type=PromiseAnswer).case}")
    if record is None or record.clash or row is None or not isinstance(row.body, Case):
        return
    n = sum(promise.op == op.id for promise in made(row.body))
    if n != 1:
        raise Broken(f"promise_answer {op.id} is applied, and stands on its case {n} times")


def _redeemed(op: Operation, centre: Centre) -> None:
    if centre.row(f"ledger/{op.id}") is None and centre.row(f"case/{op.id}") is None:
        raise Broken(f"redeem {op.id} is applied, and neither its entry nor a case is there")


def money_is_all_there(centre: Centre, *, without: Container[str]) -> None:
    """Every balance is what there was at first and what its own entries sum to. Raises Broken."""
    rows = [row for row in _rows_of_kinds(centre, COUNTED) if row.owner not in without]
    moved: dict[str, int] = {}
    for row in rows:
        if isinstance(row.body, LedgerEntry):
            moved[row.body.of] = moved.get(row.body.of, 0) + row.body.delta
    for row in rows:
        balance = _balance_of(row.body)
        if balance is not None and balance[0] != balance[1] + moved.get(row.key, 0):
            raise Broken(
                f"{row.key}: now and at first {balance}, moved {moved.get(row.key, 0)}"
            )


def shows_what_was(kiosk: KioskNode, centre: Centre) -> None:
    """What a kiosk shows is a balance the centre had at some moment, but for what waits to be sent. Raises Broken."""
    owners = kiosk.up.outbox.look(lambda file: file.read(_OWNERS_WAITING))
    if not owners:
        return
    had = _balances_had(centre)
    lookup = Lookup(kiosk.up)
    for (owner,) in owners:
        rows = kiosk.within(lambda: lookup.profile(owner).rows)  # noqa: B023  # done within
        waits: dict[str, int] = {}
        for row in rows:
            if isinstance(row.body, LedgerEntry) and row.is_unsettled:
                waits[row.body.of] = waits.get(row.body.of, 0) + row.body.delta
        for row in rows:
            balance = _balance_of(row.body)
            if balance is None or row.key not in had:
                continue
            if balance[0] - waits.get(row.key, 0) not in had[row.key]:
                raise Broken(
                    f"{kiosk.name} shows {balance[0]} of {row.key}, of which {waits.get(row.key, 0)}"
                    f" waits; the centre had {sorted(had[row.key])}"
                )


def _balances_had(centre: Centre) -> dict[str, set[int]]:
    """By key, each balance it had after one of its entries, and at first."""
    rows = _rows_of_kinds(centre, COUNTED)
    now = {
        row.key: balance[1] for row in rows if (balance := _balance_of(row.body)) is not None
    }
    had = {key: {at_first} for key, at_first in now.items()}
    for row in rows:
        if isinstance(row.body, LedgerEntry) and row.body.of in now:
            now[row.body.of] += row.body.delta
            had[row.body.of].add(now[row.body.of])
    return had


def customers_held(kiosk: KioskNode) -> set[str]:
    """Whom this kiosk holds, by id, be it as somebody they were joined into."""
    held = set[str]()
    for kind, key, body in kiosk.up.cache.look(
        lambda file: file.read(
            "SELECT kind, key, body FROM row WHERE kind = 'customer' OR kind = 'join' AND is_read = 1"
        )
    ):
        if kind == "customer":
            held.add(key.partition("/")[2])
        else:
            held.update(msgspec.json.decode(body, type=Join).records)
    return held


def owners_of(store: EdgeStore) -> dict[str, str]:
    """Id to customer of all operations in an outbox."""
    return dict(store.outbox.look(lambda file: file.read("SELECT id, owner FROM op")))


def who_left_took_along(kiosk: KioskNode, ops: Iterable[str]) -> None:
    """Of these, which were recorded of somebody before they left, none that is answered is kept; but of who is here again. Raises Broken."""
    states, owners, here = ops_in(kiosk.up), owners_of(kiosk.up), customers_held(kiosk)
    for op in sorted(ops):
        if states.get(op) == "applied" and owners[op] not in here:
            raise Broken(f"{kiosk.name} keeps {op} of {owners[op]}, who left")


def nobody_is_alarmed(centre: Centre, kiosks: Iterable[KioskNode], but: Container[str]) -> None:
    """No device is called a copy that is none; `but` are the ids of those that may be. Raises Broken."""
    called = {alert.device for alert in centre.alerts() if alert.code in FALSE_ALARMS}
    for kiosk in kiosks:
        if any(notice.code in FALSE_ALARMS for notice in kiosk.up.notices):
            called.add(kiosk.identity.device_id)
    for device in sorted(called):
        if device not in but:
            raise Broken(f"{device} is called a copy, and is none")


def words_are_there_once(
    centre: Centre, words: Mapping[str, str], without: Container[str]
) -> int:
    """What customers said elsewhere is there once; how many customers are joined now. Raises Broken.

    Args:
        centre: The healed centre.
        words: By the name that stands in what was said: who said it.
        without: Customers who were forgotten.
    """
    rows = _all_rows(centre)
    texts = [row.body.text for row in rows if isinstance(row.body, Interaction)]
    for name, who in words.items():
        n = sum(text == f"words of {name}." for text in texts)
        if n != 1 and (n or who not in without):
            raise Broken(f"words of {name} by {who} are there {n} times")
    return sum(isinstance(row.body, Join) for row in rows)


def _all_rows(centre: Centre) -> list[Row]:
    return _rows_where(centre, "1 = 1 ORDER BY key")


def _rows_of_kinds(centre: Centre, kinds: Sequence[str]) -> list[Row]:
    """Rows of these kinds, in the order they were first written."""
    named = ", ".join(f"'{kind}'" for kind in kinds)
    return _rows_where(centre, f"kind IN ({named}) ORDER BY rowid")


def _rows_where(centre: Centre, condition: str) -> list[Row]:
    with reading(centre) as snapshot:
        keys = snapshot._sql.all(f"SELECT key FROM doc WHERE {condition}")  # noqa: S608, SLF001  # of this module
        found = [snapshot.row(key) for (key,) in keys]
    return [row for row in found if row is not None]


def _balance_of(body: Record) -> tuple[int, int] | None:
    """How much there is, and how much there was at first."""
    match body:
        case Account(points=has):
            return has, POINTS
        case Entitlement(n_left=int(has)):
            return has, USES
        case Stock(product="p0", count=int(has)):
            return has, PIECES
        case Allowance(n_left=has):
            return has, 0
        case _:
            return None


def _handed_over(op: Operation, centre: Centre) -> None:
    args = msgspec.json.decode(op.args, type=HandOverPickup)
    pickup, case = centre.row(f"pickup/{args.pickup}"), centre.row(f"case/{op.id}")
    is_first = pickup is not None and getattr(pickup.body, "handed_over_op", "") == op.id
    if not is_first and case is None:
        raise Broken(
            f"hand_over_pickup {op.id} is applied, and neither parcel nor case says so"
        )


def same_states(kiosk: KioskNode, status: Mapping[str, str]) -> None:
    """What a kiosk says of its operations is what the centre says. Raises Broken."""
    for op, state in ops_in(kiosk.up).items():
        is_settled_here = state == "void" and status.get(op) == "refused"
        if op in status and state != status[op] and not is_settled_here:
            raise Broken(f"{kiosk.name} says {op} is {state}, the centre {status[op]}")


def is_quiet(kiosk: KioskNode, centre: Centre) -> bool:
    """Nothing waits here, nothing that left is kept any more, and every scope is held up to its head."""
    if any(state in UNANSWERED for state in ops_in(kiosk.up).values()):
        return False
    if kiosk.up.cache.look(lambda file: file.read("SELECT 1 FROM row WHERE seq = -1 LIMIT 1")):
        return False
    held = held_by(kiosk.up)
    with reading(centre) as snapshot:
        device = device_rows.device(snapshot.sql, kiosk.identity.device_id)
        assert device is not None
        return set(held) == set(scopes_of(device)) and all(
            not one.is_renewing and snapshot.head(scope) == one.seq
            for scope, one in held.items()
        )


def standing(kiosk: KioskNode, centre: Centre) -> str:
    """Why it is not quiet."""
    waiting = [op for op, state in ops_in(kiosk.up).items() if state in UNANSWERED]
    with reading(centre) as snapshot:
        scopes = {
            scope: (
                one.seq,
                snapshot.head(scope),
                one.is_renewing,
                sum(seq == LEAVING for seq, *_ in one.rows.values()),
            )
            for scope, one in held_by(kiosk.up).items()
        }
    peers = kiosk.peers
    relay = "" if peers is None else f", relay {peers.status().code} {peers.ops.n_theirs()}"
    return f"{kiosk.name} {len(waiting)} wait {waiting[:2]}, cursor, head, renewing, leaving: {scopes}{relay}"
