"""The centre's tables, by numbered migrations that run once, on either database, when a program opens it.

    scope         a part of the data a device may hold ("g", "s:<store>", "r:<region>"): head, floor, epoch, and the count and
                  sum of its live pointers; `hour` of its last kept mark
    ptr           where a row stands in a scope; a change moves it to the head; `h` what it adds to the sum; `at` when it moved
    doc           each row once; `scope` for a row that goes to one scope alone; `term` to find it by; `form` of its body
    interest      which scopes hold a customer, until when (0 for ever) and why
    mark          random names of moments in the history of a scope
    op            every operation ever, with its result, its own bytes, and what a person decided about it
    lineage       lives of the outboxes of devices, with the token each presents next
    device        devices
    nonce         hellos already answered
    band_chip     which chip is in which band; nowhere but here
    capsule       how many capsules a band was given, and what the last was made of
    snapshot      what a scope can be had whole as; snap_part its parts as they are served
    device_cursor how far each device said it holds a scope
    alert         what happened to a device that a person should know
    erasure       customers that were erased, and when; whether that is noted in rows `erasure/...`, for after a copy is put back
    channel       whether another system's channel is paused, and how far it was read
    event         what other systems sent, with its own bytes and what became of it; event_of whom it is about; `goes_at` when
                  the bytes of one that waits for a person go, once that was told
    told_at       how new what a channel said of a row is, so that an older event changes nothing
    alias         which customer another system's id means; named which row; point how a customer can be reached, in one form
    said          what was told of a customer, field by field, by each record of them that was joined
    joined        two customers made one, and why; joined_row what it replaced; folded who is whom now
    origin        which of the joined customers a row came from, where it is not the one that was kept
    forgotten     keyed digests of the records, ids and contact points of who was erased, so that nothing old brings them back
    likeness      two customers who may be one, for a person to say
    outgoing      messages to customers, and what became of them; outgoing_early what was said of one before it had a name
    change        what other systems may need to know; subscriber who they are; change_due which of them still must hear it
    suppression   what a customer must not be advertised; suppression_due whose are to be made anew; suppressed the same by
                  digests of how they are reached, suppressed_of whose digests they are
    agent         people who sign in to the centre; sign_in their browsers; looked who of them looked at whom, found how
    draft         what one of them was typing about a customer and has not sent
    tried         when somebody tried to sign in, in the last minute, at any node
    touch         the highest counter a band showed to a telephone, and when it was last a new one
    meta          the centre's own: schema, epoch, what digests are keyed with, the key of notes of erasures

A released migration never changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sync.central.sql import Connection, Engine
from sync.model.contacts import term_of
from sync.model.errors import Malformed, StoreTooNew
from sync.model.row import body_of
from sync.model.sums import SUM_MASK, pointer_hash

MIGRATIONS: Final = (
    """
    CREATE TABLE scope (id TEXT PRIMARY KEY, head BIGINT NOT NULL, floor BIGINT NOT NULL, epoch TEXT NOT NULL);
    CREATE TABLE ptr (
      scope TEXT NOT NULL, key TEXT NOT NULL, seq BIGINT NOT NULL, is_gone BIGINT NOT NULL,
      PRIMARY KEY (scope, key)
    );
    CREATE UNIQUE INDEX ptr_seq ON ptr (scope, seq);
    CREATE INDEX ptr_key ON ptr (key);
    CREATE TABLE doc (
      key TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, version BIGINT NOT NULL, as_of BIGINT NOT NULL,
      source TEXT NOT NULL, body TEXT NOT NULL
    );
    CREATE INDEX doc_owner ON doc (owner, kind);
    CREATE TABLE interest (scope TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (scope, owner));
    CREATE INDEX interest_owner ON interest (owner);
    CREATE TABLE op (
      id TEXT PRIMARY KEY, device TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
      clash TEXT NOT NULL, keys TEXT NOT NULL, at BIGINT NOT NULL, raw TEXT NOT NULL
    );
    CREATE TABLE device (
      id TEXT PRIMARY KEY, public_key TEXT NOT NULL, store TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL,
      lineage TEXT NOT NULL, seen_at BIGINT NOT NULL
    );
    CREATE TABLE nonce (device TEXT NOT NULL, nonce TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (device, nonce));
    CREATE INDEX nonce_at ON nonce (at);
    CREATE TABLE band_chip (band TEXT PRIMARY KEY, uid TEXT NOT NULL);
    """,
    """
    ALTER TABLE scope ADD COLUMN cnt BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE scope ADD COLUMN sum BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE scope ADD COLUMN hour BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE ptr ADD COLUMN h BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE ptr ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX ptr_gone ON ptr (at) WHERE is_gone = 1;
    ALTER TABLE doc ADD COLUMN scope TEXT NOT NULL DEFAULT '';
    ALTER TABLE doc ADD COLUMN term TEXT NOT NULL DEFAULT '';
    ALTER TABLE doc ADD COLUMN form BIGINT NOT NULL DEFAULT 1;
    CREATE INDEX doc_term ON doc (term) WHERE term <> '';
    ALTER TABLE interest ADD COLUMN until BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE interest ADD COLUMN why TEXT NOT NULL DEFAULT '';
    CREATE INDEX interest_until ON interest (until) WHERE until > 0;
    CREATE TABLE mark (
      scope TEXT NOT NULL, seq BIGINT NOT NULL, token TEXT NOT NULL, is_kept BIGINT NOT NULL, at BIGINT NOT NULL,
      PRIMARY KEY (scope, seq)
    );
    CREATE INDEX mark_fine ON mark (at) WHERE is_kept = 0;
    ALTER TABLE op RENAME COLUMN raw TO text;
    ALTER TABLE op ADD COLUMN raw BLOB;
    ALTER TABLE op ADD COLUMN store TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN lineage TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN decision TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    ALTER TABLE op ADD COLUMN decided_at BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX op_held ON op (store, id) WHERE status = 'held';
    CREATE INDEX op_owner ON op (owner) WHERE owner <> '';
    ALTER TABLE device ADD COLUMN region TEXT NOT NULL DEFAULT '';
    ALTER TABLE device ADD COLUMN is_cloned BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE device ADD COLUMN state_at BIGINT NOT NULL DEFAULT 0;
    CREATE TABLE lineage (
      device TEXT NOT NULL, lineage TEXT NOT NULL, token TEXT NOT NULL, previous TEXT NOT NULL, last_op TEXT NOT NULL,
      state TEXT NOT NULL, seen_at BIGINT NOT NULL, PRIMARY KEY (device, lineage)
    );
    CREATE TABLE snapshot (
      scope TEXT NOT NULL, format BIGINT NOT NULL, seq BIGINT NOT NULL, epoch TEXT NOT NULL, mark_seq BIGINT NOT NULL,
      mark_token TEXT NOT NULL, mark_kept BIGINT NOT NULL, cnt BIGINT NOT NULL, sum BIGINT NOT NULL, key TEXT NOT NULL,
      made_at BIGINT NOT NULL, PRIMARY KEY (scope, format, seq)
    );
    CREATE TABLE snap_part (
      hash TEXT PRIMARY KEY, scope TEXT NOT NULL, format BIGINT NOT NULL, seq BIGINT NOT NULL, n BIGINT NOT NULL,
      rows BIGINT NOT NULL, size BIGINT NOT NULL, content BLOB NOT NULL
    );
    CREATE INDEX snap_part_of ON snap_part (scope, format, seq, n);
    CREATE TABLE device_cursor (
      device TEXT NOT NULL, scope TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (device, scope)
    );
    CREATE INDEX device_cursor_scope ON device_cursor (scope);
    CREATE TABLE alert (
      code TEXT NOT NULL, device TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (code, device, at)
    );
    CREATE TABLE erasure (owner TEXT PRIMARY KEY, at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE capsule (
      band TEXT PRIMARY KEY, seq BIGINT NOT NULL, issued_at BIGINT NOT NULL, digest TEXT NOT NULL
    )
    """,
    """
    CREATE INDEX doc_said ON doc (as_of) WHERE kind = 'interaction';
    CREATE INDEX doc_case ON doc (as_of) WHERE kind = 'case';
    CREATE INDEX doc_waits ON doc (as_of) WHERE kind = 'interaction' AND body LIKE '%"due_at":%'
      AND body NOT LIKE '%"answered_at":%';
    CREATE TABLE channel (
      name TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, changed_at BIGINT NOT NULL,
      position TEXT NOT NULL DEFAULT '', promise_s BIGINT NOT NULL DEFAULT 86400
    );
    CREATE TABLE event (
      channel TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
      at BIGINT NOT NULL, came_at BIGINT NOT NULL, n_tries BIGINT NOT NULL, next_at BIGINT NOT NULL,
      n_more BIGINT NOT NULL DEFAULT 0, form TEXT NOT NULL, head TEXT NOT NULL, raw BLOB, PRIMARY KEY (channel, id)
    );
    CREATE TABLE event_of (channel TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (channel, id, owner));
    CREATE INDEX event_of_owner ON event_of (owner);
    CREATE INDEX event_awaits ON event (channel, reason) WHERE state = 'waiting';
    CREATE INDEX event_due ON event (next_at) WHERE state = 'waiting';
    CREATE INDEX event_stuck ON event (came_at) WHERE state IN ('held', 'forged');
    CREATE INDEX event_raw ON event (came_at) WHERE raw IS NOT NULL AND state IN ('done', 'ignored');
    CREATE TABLE told_at (key TEXT PRIMARY KEY, at BIGINT NOT NULL, channel TEXT NOT NULL, event TEXT NOT NULL);
    CREATE TABLE alias (
      channel TEXT NOT NULL, ref TEXT NOT NULL, owner TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (channel, ref)
    );
    CREATE INDEX alias_owner ON alias (owner);
    CREATE TABLE named (
      channel TEXT NOT NULL, ref TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (channel, ref)
    );
    CREATE INDEX named_key ON named (key);
    CREATE TABLE said (
      owner TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, at BIGINT NOT NULL, stamp TEXT NOT NULL,
      PRIMARY KEY (owner, field)
    );
    CREATE TABLE point (
      term TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, is_verified BIGINT NOT NULL, channel TEXT NOT NULL,
      at BIGINT NOT NULL, PRIMARY KEY (term, owner)
    );
    CREATE INDEX point_owner ON point (owner);
    CREATE TABLE joined (
      id TEXT PRIMARY KEY, one TEXT NOT NULL, other TEXT NOT NULL, kept TEXT NOT NULL, folded TEXT NOT NULL,
      term TEXT NOT NULL, why TEXT NOT NULL, risk_ppm BIGINT NOT NULL, by_whom TEXT NOT NULL, at BIGINT NOT NULL,
      undone_at BIGINT NOT NULL, undone_by TEXT NOT NULL
    );
    CREATE INDEX joined_one ON joined (one);
    CREATE INDEX joined_other ON joined (other);
    CREATE INDEX joined_term ON joined (term) WHERE term <> '';
    CREATE TABLE joined_row (
      joined TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, before TEXT NOT NULL, PRIMARY KEY (joined, key)
    );
    CREATE TABLE folded (owner TEXT PRIMARY KEY, kept TEXT NOT NULL);
    CREATE INDEX folded_kept ON folded (kept);
    CREATE TABLE origin (key TEXT PRIMARY KEY, owner TEXT NOT NULL);
    CREATE INDEX origin_owner ON origin (owner);
    CREATE TABLE forgotten (mark TEXT PRIMARY KEY, at BIGINT NOT NULL);
    CREATE TABLE likeness (
      one TEXT NOT NULL, other TEXT NOT NULL, state TEXT NOT NULL, risk_ppm BIGINT NOT NULL, why TEXT NOT NULL,
      by_whom TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (one, other)
    );
    CREATE INDEX likeness_other ON likeness (other);
    CREATE INDEX likeness_open ON likeness (at) WHERE state = 'open';
    CREATE TABLE outgoing (
      id TEXT PRIMARY KEY, owner TEXT NOT NULL, channel TEXT NOT NULL, via TEXT NOT NULL, kind TEXT NOT NULL,
      state TEXT NOT NULL, body TEXT NOT NULL, due_at BIGINT NOT NULL, n_tries BIGINT NOT NULL, reason TEXT NOT NULL,
      ref TEXT NOT NULL, node TEXT NOT NULL, at BIGINT NOT NULL, changed_at BIGINT NOT NULL
    );
    CREATE INDEX outgoing_due ON outgoing (due_at) WHERE state IN ('queued', 'sending');
    CREATE INDEX outgoing_ref ON outgoing (ref) WHERE ref <> '';
    CREATE INDEX outgoing_owner ON outgoing (owner, channel);
    CREATE TABLE outgoing_early (ref TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, at BIGINT NOT NULL);
    CREATE TABLE subscriber (
      name TEXT PRIMARY KEY, state TEXT NOT NULL, origin TEXT NOT NULL, wants TEXT NOT NULL, at BIGINT NOT NULL
    );
    CREATE TABLE suppression (owner TEXT PRIMARY KEY, again_at BIGINT NOT NULL, lines TEXT NOT NULL);
    CREATE INDEX suppression_again ON suppression (again_at) WHERE again_at > 0;
    CREATE TABLE suppressed (
      digest TEXT PRIMARY KEY, kind TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, lines TEXT NOT NULL
    );
    CREATE UNIQUE INDEX suppressed_seq ON suppressed (seq);
    CREATE TABLE suppressed_of (digest TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (digest, owner));
    CREATE INDEX suppressed_of_owner ON suppressed_of (owner);
    CREATE TABLE suppression_due (owner TEXT PRIMARY KEY);
    CREATE TABLE change (
      id TEXT PRIMARY KEY, type TEXT NOT NULL, subject TEXT NOT NULL, owner TEXT NOT NULL, origin TEXT NOT NULL,
      seq BIGINT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL
    );
    CREATE INDEX change_owner ON change (owner) WHERE owner <> '';
    CREATE TABLE change_due (
      subscriber TEXT NOT NULL, change TEXT NOT NULL, subject TEXT NOT NULL, seq BIGINT NOT NULL, state TEXT NOT NULL,
      next_at BIGINT NOT NULL, n_tries BIGINT NOT NULL, reason TEXT NOT NULL, node TEXT NOT NULL,
      PRIMARY KEY (subscriber, change)
    );
    CREATE INDEX change_due_next ON change_due (subscriber, next_at) WHERE state IN ('waiting', 'sending');
    CREATE INDEX change_due_subject ON change_due (subscriber, subject, seq);
    CREATE INDEX change_due_of ON change_due (change);
    CREATE TABLE agent (
      name TEXT PRIMARY KEY, shown TEXT NOT NULL, password TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL,
      n_wrong BIGINT NOT NULL, locked_until BIGINT NOT NULL, changed_at BIGINT NOT NULL, channel TEXT NOT NULL
    );
    CREATE TABLE sign_in (
      digest TEXT PRIMARY KEY, agent TEXT NOT NULL, at BIGINT NOT NULL, seen_at BIGINT NOT NULL
    );
    CREATE INDEX sign_in_agent ON sign_in (agent);
    CREATE TABLE looked (
      id TEXT PRIMARY KEY, agent TEXT NOT NULL, sign_in TEXT NOT NULL, owner TEXT NOT NULL, how TEXT NOT NULL,
      at BIGINT NOT NULL, seen_at BIGINT NOT NULL
    );
    CREATE INDEX looked_agent ON looked (agent, at);
    CREATE INDEX looked_owner ON looked (owner, at);
    CREATE INDEX looked_at ON looked (at)
    """,
    """
    CREATE TABLE touch (band TEXT PRIMARY KEY, counter BIGINT NOT NULL, tapped_at BIGINT NOT NULL)
    """,
    """
    ALTER TABLE event ADD COLUMN goes_at BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX event_goes ON event (goes_at) WHERE goes_at > 0;
    CREATE TABLE tried (at BIGINT NOT NULL);
    CREATE INDEX tried_at ON tried (at)
    """,
    """
    CREATE TABLE draft (
      agent TEXT NOT NULL, owner TEXT NOT NULL, form TEXT NOT NULL, fields TEXT NOT NULL, at BIGINT NOT NULL,
      PRIMARY KEY (agent, owner, form)
    );
    CREATE INDEX draft_owner ON draft (owner);
    CREATE INDEX draft_at ON draft (at)
    """,
    """
    ALTER TABLE touch DROP COLUMN tapped_at
    """,
    """
    ALTER TABLE device ADD COLUMN version TEXT NOT NULL DEFAULT '';
    ALTER TABLE device ADD COLUMN free_size BIGINT NOT NULL DEFAULT -1
    """,
    """
    ALTER TABLE erasure ADD COLUMN is_noted BIGINT NOT NULL DEFAULT 0
    """,
)
"""Numbered from 1; a released one never changes."""

TABLES: Final = frozenset({
    "doc", "op", "ptr", "scope", "device", "interest", "band_chip", "nonce", "mark", "lineage", "snapshot", "snap_part",
    "device_cursor", "alert", "erasure", "capsule",
    "channel", "event", "event_of", "told_at", "alias", "named", "said", "point", "joined", "joined_row", "folded", "origin",
    "forgotten", "likeness", "outgoing",
    "outgoing_early", "subscriber", "suppression", "suppressed", "suppressed_of", "suppression_due", "change",
    "change_due", "agent", "sign_in", "looked", "tried", "touch", "draft",
})  # fmt: skip
"""What may be counted by name."""

_SLICE: Final = 2_000
_SCHEMA_LOCK: Final = "schema"


@dataclass(frozen=True, slots=True)
class Life:
    """What a database calls its history, and what follows from it.

    Attributes:
        epoch: The name of the history.
        secret: What the digests of who was erased are keyed with: the first of these names, whatever it is now.
        erasure_key: What notes of erasures are sealed with, in hex; "" until a centre that knows it opened the database.
    """

    epoch: str
    secret: str
    erasure_key: str


def life_of(sql: Connection) -> Life:
    """As a database says it."""
    epoch = _meta(sql, "epoch")
    return Life(epoch, _meta(sql, "secret") or epoch, _meta(sql, "erasure_key"))


def rename(sql: Connection, epoch: str) -> None:
    """Call the history otherwise; the digests of who was erased stay good."""
    set_meta(sql, "secret", life_of(sql).secret)
    set_meta(sql, "epoch", epoch)


def migrate(engine: Engine, *, fresh_epoch: str) -> Life:
    """Bring a database to this version, or make it; the name of its life.

    Raises:
        StoreTooNew: a newer version of this program wrote it.
        StoreError: it cannot be written.
    """
    with engine.writing() as sql:
        sql.lock((_SCHEMA_LOCK,))  # several nodes start at once
        sql.run("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        schema = int(_meta(sql, "schema") or 0)
        if schema > len(MIGRATIONS):
            raise StoreTooNew(
                f"a newer program wrote it (schema {schema}; this one knows {len(MIGRATIONS)})"
            )
        for number, script in enumerate(MIGRATIONS[schema:], schema + 1):
            for statement in script.split(";"):
                if statement.strip():
                    sql.run(statement.strip())
            _STEPS.get(number, _nothing)(sql)
            set_meta(sql, "schema", str(number))
        if not _meta(sql, "epoch"):
            set_meta(sql, "epoch", fresh_epoch)
        return life_of(sql)


def _meta(sql: Connection, name: str) -> str:
    found = sql.all("SELECT value FROM meta WHERE name = :name", name=name)
    return str(found[0][0]) if found else ""


def set_meta(sql: Connection, name: str, value: str) -> None:
    """Write a value of the centre's own."""
    sql.run(
        "INSERT INTO meta (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name=name, value=value,
    )  # fmt: skip


def _nothing(_sql: Connection) -> None:
    """A migration that is its script alone."""


def _fill_second(sql: Connection) -> None:
    """What the second schema computes from the first: hashes, counts and sums, terms, whose operations."""
    totals: dict[str, tuple[int, int]] = {}
    pointers = (
        "SELECT ptr.scope, ptr.key, ptr.seq, doc.version FROM ptr JOIN doc ON doc.key = ptr.key"
        " WHERE ptr.is_gone = 0 AND (ptr.scope, ptr.key) > (:a, :b)"
        " ORDER BY ptr.scope, ptr.key LIMIT :limit"
    )
    for lines in _slices(sql, pointers, 2):
        hashed = [
            {"scope": scope, "key": key, "h": pointer_hash(key, seq, version)}
            for scope, key, seq, version in lines
        ]
        sql.many("UPDATE ptr SET h = :h WHERE scope = :scope AND key = :key", hashed)
        for line in hashed:
            count, total = totals.get(str(line["scope"]), (0, 0))
            totals[str(line["scope"])] = (count + 1, (total + int(line["h"])) & SUM_MASK)
    sql.many(
        "UPDATE scope SET cnt = :n, sum = :sum WHERE id = :id",
        [{"id": scope, "n": n, "sum": total} for scope, (n, total) in totals.items()],
    )
    contacts = "SELECT key, body FROM doc WHERE kind = 'contact' AND key > :a ORDER BY key LIMIT :limit"
    for lines in _slices(sql, contacts, 1):
        sql.many(
            "UPDATE doc SET term = :term WHERE key = :key",
            [{"key": key, "term": _term(body)} for key, body in lines],
        )
    for lines in _slices(
        sql, "SELECT id, text FROM op WHERE id > :a ORDER BY id LIMIT :limit", 1
    ):
        sql.many(
            "UPDATE op SET raw = :raw, store = :store, owner = :owner WHERE id = :id",
            [{"id": op, "raw": text.encode(), **_whose(text)} for op, text in lines],
        )
    sql.run("ALTER TABLE op DROP COLUMN text")


def _slices(sql: Connection, statement: str, n_key: int) -> Iterator[list[tuple[Any, ...]]]:
    """All rows of a statement, some at a time, by the first columns it is ordered by."""
    last: tuple[Any, ...] = ("", "")
    while lines := sql.all(
        statement, **dict(zip("ab", last[:n_key], strict=False)), limit=_SLICE
    ):
        yield lines
        last = lines[-1]


def _term(body: str, kind: str = "contact") -> str:
    try:
        return term_of(body_of(kind, body.encode()))
    except Malformed:
        return ""


class _Whose(msgspec.Struct, frozen=True):
    store: str = ""
    owner: str = ""


def _whose(text: str) -> dict[str, str]:
    try:
        found = msgspec.json.decode(text, type=_Whose)
    except msgspec.DecodeError:
        return {"store": "", "owner": ""}
    return {"store": found.store, "owner": found.owner}


def _fill_fourth(sql: Connection) -> None:
    """What the fourth schema computes: customers are found by their names."""
    customers = "SELECT key, body FROM doc WHERE kind = 'customer' AND key > :a ORDER BY key LIMIT :limit"
    for lines in _slices(sql, customers, 1):
        sql.many(
            "UPDATE doc SET term = :term WHERE key = :key",
            [{"key": key, "term": _term(body, "customer")} for key, body in lines],
        )


_STEPS: Final[dict[int, Callable[[Connection], None]]] = {2: _fill_second, 4: _fill_fourth}
