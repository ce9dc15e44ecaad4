"""Which contacts of a customer wait for an answer, written into their rows by the rules of `sync.model.conversation`.

Looked at again whenever one more is heard of, customers are joined or taken apart, or staff solved what it was about: the rules
are about all contacts of one conversation, so what came first does not matter.
"""

from typing import Final

import msgspec

from sync.central.lines import CHANNEL
from sync.central.transaction import Transaction, owner_lock
from sync.model import conversation, forms
from sync.model.errors import Malformed
from sync.model.records import Case, Interaction
from sync.model.row import Row, body_of, row_of

PROMISE_US: Final = 86_400 * 1_000_000
"""Until when somebody is answered whose channel says nothing else."""

PHONE: Final = "phone"


def promise_us(transaction: Transaction, contact_id: str) -> int:
    """How long the channel a contact came by may take to answer, microseconds."""
    name = contact_id.partition(":")[0]
    found = transaction.lines(CHANNEL, name=name)
    return int(found[0][-1]) * 1_000_000 if found else PROMISE_US


def settle(transaction: Transaction, owner: str, *, channel: str, thread: str) -> None:
    """Look at one conversation of a customer again: `thread` of that channel, or all that have none."""
    rows = [
        row for row, body in _contacts(transaction, owner, channel) if body.thread == thread
    ]
    _settle(transaction, rows)
    if channel == PHONE:
        _settle_calls(transaction, owner)


def settle_owner(transaction: Transaction, owner: str) -> None:
    """Look at all of them again."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row, body in _contacts(transaction, owner):
        groups.setdefault((body.channel, body.thread), []).append(row)
    for rows in groups.values():
        _settle(transaction, rows)
    _settle_calls(transaction, owner)


def close(transaction: Transaction, case: Row, *, at: int) -> None:
    """Staff solved a case: whatever the customer wrote about it, in any channel, waits no more."""
    contacts = _contacts(transaction, case.owner)
    closed = {
        (body.channel, body.thread)
        for _, body in contacts
        if body.about == case.key and body.thread
    }
    for row, body in contacts:
        is_of_it = body.about == case.key or (body.channel, body.thread) in closed
        if is_of_it and body.due_at and not body.answered_at and body.at <= at:
            # As if the operation that solved the case had answered it: later rules leave that as it is.
            op = (
                case.body.ops[-1] if isinstance(case.body, Case) and case.body.ops else "solved"
            )
            _write(
                transaction, row, msgspec.structs.replace(body, answered_at=at, answered_op=op)
            )


def reopen(transaction: Transaction, case: Row, *, op: str) -> None:
    """The operation that solved a case was undone: what `close` closed by it waits again."""
    for row, body in _contacts(transaction, case.owner):
        if body.answered_op == op:
            again = msgspec.structs.replace(body, answered_at=0, answered_op="")
            _write(transaction, row, again)
            settle(transaction, case.owner, channel=body.channel, thread=body.thread)


def _contacts(
    transaction: Transaction, owner: str, channel: str = ""
) -> list[tuple[Row, Interaction]]:
    # Held before they are read: what another node makes of one of them is not to be undone.
    transaction.lock_keys((owner_lock(owner),))
    contacts = []
    for key, doc in transaction.docs_of(owner, "interaction").items():
        if channel and f'"channel":"{channel}"' not in doc.body:
            continue
        try:
            body = doc.record or body_of("interaction", doc.body.encode())
        except Malformed:
            continue
        if isinstance(body, Interaction) and channel in ("", body.channel):
            row = Row(key, "interaction", owner, 0, doc.as_of, doc.source, body)
            contacts.append((row, body))
    return contacts


def _settle(transaction: Transaction, rows: list[Row]) -> None:
    bodies = [row.body for row in rows if isinstance(row.body, Interaction)]
    first = next((body.id for body in bodies if ":" in body.id), "")
    if not first:
        return
    by_key = {row.key: row for row in rows}
    for body in conversation.settled(bodies, promise_us=promise_us(transaction, first)):
        _write(transaction, by_key[f"interaction/{body.id}"], body)


def _write(transaction: Transaction, row: Row, body: Interaction) -> None:
    transaction.put(
        msgspec.structs.replace(row, body=body, as_of=max(row.as_of, body.answered_at)),
        form=forms.newest("interaction"),
    )


def _settle_calls(transaction: Transaction, owner: str) -> None:
    calls = [body for _, body in _contacts(transaction, owner, PHONE)]
    wanted: dict[str, Case] = {}
    if calls:
        promise = promise_us(transaction, calls[0].id)
        wanted = {
            f"case/{it.id}": it for it in conversation.dropped_cases(calls, promise_us=promise)
        }
    made = {
        key
        for key in transaction.docs_of(owner, "case")
        if key.startswith(f"case/{conversation.CASE}")
    }
    for key in sorted(made.union(wanted)):
        known = transaction.read.row(key)
        if known is not None and (not isinstance(known.body, Case) or known.body.ops):
            continue  # somebody works on it
        case = wanted.get(key)
        if case is None:
            transaction.remove(key)
        elif known is None or known.body != case:
            transaction.put(
                row_of(case, owner=owner, as_of=case.opened_at, source=PHONE),
                form=forms.newest("case"),
            )
