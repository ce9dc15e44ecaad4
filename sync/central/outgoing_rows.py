"""The queue of messages to customers as rows: filled with the operation that wrote one, taken by one node at a time.

    queued -> sending -> sent -> delivered -> read
       ^         |-> failed       a final reason, or tried too often; a person sends it again or drops it
       '---------'                a passing reason: waits longer each time
    sending -> unsure             nobody knows whether it arrived, and its vendor cannot be asked: a person sends it again, gives it
                                  up, or says that it arrived; so does a report of the vendor
    queued, failed, unsure -> dropped     taken back, or given up by a person

A claim (`sending`) has an end: where its node died, another one goes on, and says to the sender that nobody knows. What the
vendor tells later only moves a message forward, in whatever order it comes; what it tells of a message whose name we have not
heard yet is kept until we have. Each change is told to the kiosks in the message's own row.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sync.central import threads
from sync.central.moment import Snapshot
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model import forms
from sync.model.operation import Operation
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.notify_customer import AT_ONCE, NotifyCustomer
from sync.model.operations.take_back_answer import TakeBackAnswer
from sync.model.records import Interaction, key_of
from sync.model.row import Row
from sync.model.rules import UNDO_WITHIN_US
from sync.model.watch import WINDOW_US

QUEUED: Final = "queued"
SENDING: Final = "sending"
SENT: Final = "sent"
DELIVERED: Final = "delivered"
READ: Final = "read"
FAILED: Final = "failed"
UNSURE: Final = "unsure"
DROPPED: Final = "dropped"

ANSWER: Final = "answer"
"""Kind of what answers a contact; what the shop says by itself is called after its notice."""

NOTE: Final = "note"
"""Kind of what is not for a customer: a note for those who work in another system."""

RANK: Final = {
    QUEUED: 0,
    SENDING: 1,
    UNSURE: 1,
    FAILED: 2,
    SENT: 2,
    DELIVERED: 3,
    READ: 4,
    DROPPED: 5,
}
"""How far a message has come; what is told later never takes it back. It may fail after it was sent, not after it arrived."""

WINDOWED: Final = "whatsapp"
"""The channel that takes free text only for WINDOW_US after the customer's last message."""

WINDOW_LEFT_US: Final = 60 * 1_000_000
"""How long before its end an answer goes out even if it could still be taken back."""

DAY_US: Final = 86_400 * 1_000_000

EARLY_US: Final = DAY_US
"""How long it is kept what was told of a message that has no name yet."""

KEPT_US: Final = 90 * 86_400 * 1_000_000
"""How long the queue remembers what went out: vendors tell of a message for weeks. Its row stays as long as the customer's do."""

REASON_MAX: Final = 300
"""Characters of a reason: a few lines of a screen."""

_COLUMNS: Final = "id, owner, channel, via, kind, state, body, due_at, n_tries, reason, ref, node, at, changed_at"


class Draft(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a message its row does not say: kept until it is out.

    Attributes:
        answers: Id of the contact it answers, "" for none; of a card, the contact whose writer it is about.
        params: What a template has places for.
        text, thread: Of a note, which has no row; without a text it is a card.
        replies_to: The vendor's own name of what it answers, "" for none.
        unknown_at: When an attempt was made of which nobody knows whether it arrived, microseconds since 1970; 0 for none.
    """

    answers: str = ""
    params: tuple[str, ...] = ()
    text: str = ""
    thread: str = ""
    replies_to: str = ""
    unknown_at: int = 0


class OutgoingRecord(msgspec.Struct, frozen=True):
    """One message in the queue.

    Attributes:
        via: Name of the channel it goes or went through, "" while nobody chose.
        kind: answer, one of the notices, or note.
        due_at: When it may be sent; of one that is being sent, when its claim ends.
        ref: The vendor's own name of it.
        node: Who claimed it last.
    """

    id: str
    owner: str
    channel: str
    via: str
    kind: str
    state: str
    body: str
    due_at: int
    n_tries: int
    reason: str
    ref: str
    node: str
    at: int
    changed_at: int

    @property
    def draft(self) -> Draft:
        """What its row does not say."""
        return msgspec.json.decode(self.body or "{}", type=Draft)

    @property
    def unknown_at(self) -> int:
        """When an attempt was made of which nobody knows: its answer was lost, or its node died. Microseconds since 1970, 0 for none."""
        return self.draft.unknown_at or (self.changed_at if self.state == SENDING else 0)


# Filling it


def follow(transaction: Transaction, op: Operation, args: object, now: int) -> None:
    """Queue the message an operation wrote, or drop the one it took back; in the transaction that applies it.

    Args:
        transaction: The operation's rows are written in it.
        op: Applied just now.
        args: Its decoded arguments.
        now: Microseconds since 1970.
    """
    match args:
        case AnswerInteraction():
            draft = Draft(answers=args.answers)
            _queue(transaction, op, draft, kind=ANSWER, is_now=args.is_now, now=now)
        case NotifyCustomer():
            is_now = args.is_now or args.notice in AT_ONCE
            _queue(
                transaction,
                op,
                Draft(params=args.params),
                kind=args.notice,
                is_now=is_now,
                now=now,
            )
        case TakeBackAnswer():  # where it came too late there is nothing left to drop
            transaction.later(_drop, {"id": args.answer, "now": now})
        case _:
            pass


def _queue(
    transaction: Transaction,
    op: Operation,
    draft: Draft,
    *,
    kind: str,
    is_now: bool,
    now: int,
) -> None:
    row = transaction.read.row(key_of("interaction", op.id))
    if row is None or not isinstance(row.body, Interaction) or row.body.delivery != QUEUED:
        return
    at = row.body.at
    due_at = at if is_now else _due_at(transaction, row.body, draft)
    record = OutgoingRecord(
        id=op.id, owner=row.owner, channel=row.body.channel, via="", kind=kind, state=QUEUED,
        body=msgspec.json.encode(draft).decode(), due_at=due_at,
        n_tries=0, reason="", ref="", node="", at=at, changed_at=now,
    )  # fmt: skip
    transaction.later(_insert, msgspec.structs.asdict(record))


def _due_at(transaction: Transaction, said: Interaction, draft: Draft) -> int:
    """When it can no longer be taken back; sooner where WhatsApp would take no free text any more by then."""
    due_at = said.at + UNDO_WITHIN_US
    asked = (
        transaction.read.row(key_of("interaction", draft.answers)) if draft.answers else None
    )
    if asked is None or not isinstance(asked.body, Interaction) or said.channel != WINDOWED:
        return due_at
    last = asked.body.at + WINDOW_US - WINDOW_LEFT_US
    return max(said.at, min(due_at, last)) if last > said.at - WINDOW_LEFT_US else due_at


def queue_note(  # noqa: PLR0913  # what a note is
    transaction: Transaction,
    *,
    note_id: str,
    owner: str,
    via: str,
    channel: str,
    thread: str,
    text: str,
    now: int,
) -> None:
    """Queue a note for those who work in another system: the hand-over card beside the conversation it belongs to.

    Args:
        transaction: Where it is written; the caller commits.
        note_id: The same id is the same note.
        owner: Whom it is about.
        via: Name of the channel whose system it goes to.
        channel: Which of `records.CHANNELS` the conversation is in.
        thread: That system's own name of the conversation.
        text: What it says.
        now: Microseconds since 1970.
    """
    _queue_note(
        transaction, Draft(text=text, thread=thread), note_id=note_id, owner=owner, via=via,
        channel=channel, now=now,
    )  # fmt: skip


def queue_card(
    transaction: Transaction, *, said: str, via: str, channel: str, thread: str, now: int
) -> None:
    """Queue the hand-over card of whoever said something, once a conversation and day; it is built when it is sent.

    Args:
        transaction: Where it is written; the caller commits.
        said: Id of the interaction; whose it is then is whose card it is.
        via: Name of the channel it came by.
        channel: Which of `records.CHANNELS`.
        thread: That system's own name of the conversation.
        now: Microseconds since 1970.
    """
    _queue_note(
        transaction, Draft(answers=said, thread=thread), via=via, channel=channel, owner="", now=now,
        note_id=f"card:{via}:{thread}:{now // DAY_US}",
    )  # fmt: skip


def _queue_note(  # noqa: PLR0913  # what a note is
    transaction: Transaction,
    draft: Draft,
    *,
    note_id: str,
    owner: str,
    via: str,
    channel: str,
    now: int,
) -> None:
    record = OutgoingRecord(
        id=note_id, owner=owner, channel=channel, via=via, kind=NOTE, state=QUEUED,
        body=msgspec.json.encode(draft).decode(), due_at=now, n_tries=0, reason="", ref="", node="", at=now,
        changed_at=now,
    )  # fmt: skip
    transaction.later(_insert, msgspec.structs.asdict(record))


def _insert(sql: Connection, values: list[Any]) -> None:
    sql.many(
        f"INSERT INTO outgoing ({_COLUMNS}) VALUES (:id, :owner, :channel, :via, :kind, :state, :body, :due_at,"  # noqa: S608  # a constant
        " :n_tries, :reason, :ref, :node, :at, :changed_at) ON CONFLICT (id) DO NOTHING",
        values,
    )


def _drop(sql: Connection, values: list[Any]) -> None:
    sql.many(
        "UPDATE outgoing SET state = 'dropped', body = '', reason = '', changed_at = :now"
        " WHERE id = :id AND state IN ('queued', 'failed', 'unsure')",
        values,
    )


# Taking from it


def due(snapshot: Snapshot, *, now: int, limit: int) -> list[OutgoingRecord]:
    """What may be sent now, the oldest first; nothing that would overtake one of the same customer and channel on its way."""
    found = snapshot.sql.all(
        f"SELECT {_COLUMNS} FROM outgoing AS it"  # noqa: S608  # a constant
        " WHERE state IN ('queued', 'sending') AND due_at <= :now AND (it.owner = '' OR NOT EXISTS ("
        "  SELECT 1 FROM outgoing AS before WHERE before.owner = it.owner AND before.channel = it.channel"
        "  AND before.state IN ('queued', 'sending') AND before.n_tries > 0 AND before.id <> it.id"
        "  AND (before.at < it.at OR (before.at = it.at AND before.id < it.id))))"
        " ORDER BY at, id LIMIT :limit",
        now=now, limit=limit,
    )  # fmt: skip
    return [OutgoingRecord(*line) for line in found]


def is_due(record: OutgoingRecord, *, now: int) -> bool:
    """Whether a message may be sent now, and no node has it."""
    return record.state in (QUEUED, SENDING) and record.due_at <= now


def next_due(snapshot: Snapshot) -> int:
    """When the next message may be sent; 0 when none waits."""
    found = snapshot.sql.all(
        "SELECT MIN(due_at) FROM outgoing WHERE state IN ('queued', 'sending')"
    )
    return int(found[0][0] or 0)


def find(snapshot: Snapshot, message_id: str) -> OutgoingRecord | None:
    """One message."""
    found = snapshot.sql.all(
        f"SELECT {_COLUMNS} FROM outgoing WHERE id = :id",  # noqa: S608  # a constant
        id=message_id,
    )
    return OutgoingRecord(*found[0]) if found else None


def every(
    snapshot: Snapshot, *, states: Sequence[str] = (), limit: int = 200
) -> list[OutgoingRecord]:
    """Messages in these states, or in any, the newest first."""
    which = "WHERE state IN [:states]" if states else ""
    found = snapshot.sql.all(
        f"SELECT {_COLUMNS} FROM outgoing {which} ORDER BY at DESC, id LIMIT :limit",  # noqa: S608  # constants
        limit=limit, **({"states": list(states)} if states else {}),
    )  # fmt: skip
    return [OutgoingRecord(*line) for line in found]


def counts(snapshot: Snapshot) -> dict[str, int]:
    """How many messages stand in each state."""
    found = snapshot.sql.all("SELECT state, COUNT(*) FROM outgoing GROUP BY state")
    return {str(state): int(n) for state, n in found}


def lock_of(message_id: str) -> tuple[str, ...]:
    """The names to lock for one message: its own row in the queue, and the one kiosks see."""
    return (f"outgoing/{message_id}", key_of("interaction", message_id))


def claim(
    transaction: Transaction, message_id: str, *, via: str, node: str, now: int, until: int
) -> OutgoingRecord | None:
    """Take a message to send it, until then; as it was before, or None where another node was quicker."""
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or not is_due(record, now=now):
        return None
    _update(
        transaction, record, state=SENDING, via=via, node=node, due_at=until,
        n_tries=record.n_tries + 1, reason="", changed_at=now,
    )  # fmt: skip
    _tell(transaction, record.id, SENDING, "", now)
    return record


def note_sent(transaction: Transaction, message_id: str, *, ref: str, now: int) -> None:
    """The vendor has it, and calls it `ref`; with what it said of it before we knew."""
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or RANK[record.state] >= RANK[DELIVERED]:
        return
    body = (
        "" if record.kind == NOTE else record.body
    )  # a message may still fail and be sent again
    _update(
        transaction,
        record,
        state=SENT,
        ref=ref or record.ref,
        body=body,
        reason="",
        changed_at=now,
    )
    _tell(transaction, record.id, SENT, "", now)
    _answered(transaction, record)
    if not ref:
        return
    sql = transaction.direct()
    for state, reason in sql.all(
        "SELECT state, reason FROM outgoing_early WHERE ref = :ref", ref=ref
    ):
        sql.run("DELETE FROM outgoing_early WHERE ref = :ref", ref=ref)
        told(transaction, ref, state, reason, now=now)


def note_waiting(  # noqa: PLR0913  # what it waits for
    transaction: Transaction,
    message_id: str,
    *,
    node: str,
    reason: str,
    due_at: int,
    now: int,
    unknown_at: int = 0,
) -> None:
    """It could not be sent now, and is tried again then; `unknown_at` where nobody knows whether it arrived all the same."""
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or record.state not in (QUEUED, SENDING):
        return
    if _is_another_nodes(record, node, now):
        return  # our claim ended, and another node has it
    reason = reason[:REASON_MAX]
    _update(
        transaction, record, state=QUEUED, due_at=due_at, reason=reason, changed_at=now,
        body=_with_unknown(record, unknown_at),
    )  # fmt: skip
    _tell(transaction, record.id, QUEUED, reason, now)


def _with_unknown(record: OutgoingRecord, unknown_at: int) -> str:
    draft = record.draft
    if draft.unknown_at == unknown_at:
        return record.body
    return msgspec.json.encode(msgspec.structs.replace(draft, unknown_at=unknown_at)).decode()


def note_unsure(
    transaction: Transaction, message_id: str, *, node: str, reason: str, now: int
) -> None:
    """Nobody knows whether it arrived: it waits for a person, and so does who asked."""
    _end(transaction, message_id, UNSURE, node=node, reason=reason, now=now)


def note_failed(
    transaction: Transaction, message_id: str, *, node: str, reason: str, now: int
) -> None:
    """It cannot be sent; a person sees why."""
    _end(transaction, message_id, FAILED, node=node, reason=reason, now=now)


def _end(  # what ended it
    transaction: Transaction, message_id: str, state: str, *, node: str, reason: str, now: int
) -> None:
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or record.state not in (QUEUED, SENDING):
        return
    if _is_another_nodes(record, node, now):
        return
    reason = reason[:REASON_MAX]
    _update(transaction, record, state=state, reason=reason, changed_at=now)
    _tell(transaction, record.id, state, reason, now)
    _waits_again(transaction, record)


def _is_another_nodes(record: OutgoingRecord, node: str, now: int) -> bool:
    """Whether another node is sending it; one that is gone is not, once its claim has ended."""
    return record.state == SENDING and record.node != node and record.due_at > now


def told(transaction: Transaction, ref: str, state: str, reason: str = "", *, now: int) -> str:
    """Write down what a vendor tells of a message: by the vendor's name of it, or ours.

    Args:
        transaction: Where it is written; the caller commits.
        ref: The vendor's name of it, or our own id where the vendor repeats that.
        state: sent | delivered | read | failed.
        reason: Why it failed, in the vendor's words.
        now: Microseconds since 1970.

    Returns:
        The customer it is to; "" for a message nobody knows (yet): it is kept for a day.
    """
    sql = transaction.direct()
    found = sql.all(
        "SELECT id FROM outgoing WHERE ref = :ref AND ref <> '' UNION SELECT id FROM outgoing WHERE id = :ref",
        ref=ref,
    )
    if not found:
        _keep_early(sql, ref, state, reason, now)
        return ""
    message_id = str(found[0][0])
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or state not in RANK:
        return ""
    if not _is_news(record.state, state):
        return record.owner
    reason = reason[:REASON_MAX] if state == FAILED else ""
    _update(transaction, record, state=state, reason=reason, changed_at=now)
    _tell(transaction, record.id, state, reason, now)
    (_waits_again if state == FAILED else _answered)(transaction, record)
    return record.owner


def _is_news(before: str, state: str) -> bool:
    """Whether what is told moves a message forward."""
    if before == DROPPED or state in (QUEUED, SENDING, DROPPED):
        return False
    if state == FAILED:
        return before in (QUEUED, SENDING, UNSURE, SENT)
    return RANK[state] > RANK[before] and not (before == FAILED and state == SENT)


def _keep_early(sql: Connection, ref: str, state: str, reason: str, now: int) -> None:
    if not ref or state not in RANK:
        return
    sql.run("DELETE FROM outgoing_early WHERE at < :before", before=now - EARLY_US)
    known = sql.all("SELECT state FROM outgoing_early WHERE ref = :ref", ref=ref)
    if known and not _is_news(str(known[0][0]), state):
        return
    sql.run(
        "INSERT INTO outgoing_early (ref, state, reason, at) VALUES (:ref, :state, :reason, :at)"
        " ON CONFLICT (ref) DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at",
        ref=ref, state=state, reason=reason[:REASON_MAX], at=now,
    )  # fmt: skip


# What a person does


def retry(transaction: Transaction, message_id: str, *, now: int) -> bool:
    """Try one that failed, waits, or may have arrived, again at once; whether there is one.

    Of one that waits its vendor is still asked where nobody knows: only of one that is over a person has decided that it goes again.
    """
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or record.state not in (FAILED, UNSURE, QUEUED):
        return False
    unknown_at = record.draft.unknown_at if record.state == QUEUED else 0
    _update(
        transaction, record, state=QUEUED, due_at=now, n_tries=0, reason="", changed_at=now,
        body=_with_unknown(record, unknown_at),
    )  # fmt: skip
    _tell(transaction, record.id, QUEUED, "", now)
    return True


def arrived(transaction: Transaction, message_id: str, *, now: int) -> bool:
    """A person says that one arrived of which nobody knew; whether there is such a one."""
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or record.state != UNSURE:
        return False
    note_sent(transaction, message_id, ref="", now=now)
    return True


def drop(transaction: Transaction, message_id: str, *, reason: str, now: int) -> bool:
    """Give one up that failed, waits, or may have arrived; whether there is one. Staff go on seeing that it failed."""
    transaction.load(lock_of(message_id))
    record = find(transaction.read, message_id)
    if record is None or record.state not in (FAILED, UNSURE, QUEUED):
        return False
    _update(
        transaction, record, state=DROPPED, reason=reason[:REASON_MAX], body="", changed_at=now
    )
    _tell(transaction, record.id, FAILED, reason[:REASON_MAX], now)
    _waits_again(transaction, record)
    return True


def forget(transaction: Transaction, owner: str) -> int:
    """Leave nothing of a customer in the queue; how many messages went.

    Whose a message is, its row says: it may have been written while two customers were one.
    """
    return transaction.direct().run(
        "DELETE FROM outgoing WHERE id IN (SELECT substr(key, 13) FROM doc WHERE owner = :owner AND kind = 'interaction')"
        " OR (owner = :owner AND NOT EXISTS ("
        "SELECT 1 FROM doc WHERE doc.key = 'interaction/' || outgoing.id AND doc.owner <> :owner))",
        owner=owner,
    )


def tidy(transaction: Transaction, *, now: int) -> int:
    """Forget messages that are long out, after KEPT_US, and what was told of ones nobody knows; how many messages."""
    sql = transaction.direct()
    sql.run("DELETE FROM outgoing_early WHERE at < :before", before=now - EARLY_US)
    return sql.run(
        "DELETE FROM outgoing WHERE changed_at < :before AND state IN ('sent', 'delivered', 'read', 'dropped')",
        before=now - KEPT_US,
    )


def _update(transaction: Transaction, record: OutgoingRecord, **changed: object) -> None:
    transaction.direct().run(
        "UPDATE outgoing SET state = :state, via = :via, node = :node, due_at = :due_at, n_tries = :n_tries,"
        " reason = :reason, ref = :ref, body = :body, changed_at = :changed_at WHERE id = :id",
        **(msgspec.structs.asdict(record) | changed),
    )


def _tell(transaction: Transaction, message_id: str, state: str, reason: str, now: int) -> None:
    """Let everybody who sees the customer see how far the message is."""
    row = transaction.read.row(key_of("interaction", message_id))
    if row is None or not isinstance(row.body, Interaction):
        return  # a note, or the customer was erased
    body = msgspec.structs.replace(row.body, delivery=state, delivery_reason=reason)
    if body != row.body:
        _put(transaction, msgspec.structs.replace(row, body=body, as_of=max(row.as_of, now)))


def _waits_again(transaction: Transaction, record: OutgoingRecord) -> None:
    """An answer that did not arrive is none: what it answered waits again."""
    row = _asked(transaction, record)
    if row is not None and row[1].answered_op == record.id:
        _put_asked(transaction, row[0], msgspec.structs.replace(row[1], answered_at=0, answered_op=""))  # fmt: skip


def _answered(transaction: Transaction, record: OutgoingRecord) -> None:
    """One that arrived after all, or was sent again, answers it."""
    row, said = (
        _asked(transaction, record),
        transaction.read.row(key_of("interaction", record.id)),
    )
    if (
        row is None
        or row[1].answered_at
        or said is None
        or not isinstance(said.body, Interaction)
    ):
        return
    at = said.body.at
    _put_asked(transaction, row[0], msgspec.structs.replace(row[1], answered_at=at, answered_op=record.id))  # fmt: skip


def _asked(transaction: Transaction, record: OutgoingRecord) -> tuple[Row, Interaction] | None:
    """What a message answers, where it is still the same customer's."""
    answers = record.draft.answers if record.kind == ANSWER else ""
    row = transaction.read.row(key_of("interaction", answers)) if answers else None
    own = transaction.read.row(key_of("interaction", record.id))
    if (
        row is None
        or own is None
        or row.owner != own.owner
        or not isinstance(row.body, Interaction)
    ):
        return None
    return row, row.body


def _put_asked(transaction: Transaction, row: Row, body: Interaction) -> None:
    _put(transaction, msgspec.structs.replace(row, body=body))
    threads.settle(transaction, row.owner, channel=body.channel, thread=body.thread)


def _put(transaction: Transaction, row: Row) -> None:
    transaction.put(row, form=forms.newest(row.kind))
