"""`tapthread outgoing`: what goes out of the centre, what did not, and why.

    tapthread outgoing                               messages to customers that wait or failed, the newest first
    tapthread outgoing list --state sent             those in one state: queued, sending, unsure, sent, delivered, read, failed, dropped
    tapthread outgoing retry ID                      send one that failed, waits, or may have arrived, at once
    tapthread outgoing arrived ID                    one that was unsure is there: the customer or the vendor said so
    tapthread outgoing drop ID --reason "called her" give one up; staff see the reason
    tapthread outgoing changes                       changes that other systems did not take, and how many wait for each
    tapthread outgoing replay SUBSCRIBER [ID]        tell a subscriber again: one change, or all it did not take
    tapthread outgoing discard SUBSCRIBER [ID]       give up: one change, or all it did not take

No message is shown with its text. It works beside a running centre, on its database: the file in the data folder, or the one
`--database` names. Ends with 2 for a line that makes no sense, 3 where there is no such message or change, 6 where the database
cannot be used.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.moments import micros_of, moment_of
from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from sync.model.errors import StoreError
from sync.model.records import SMS

if TYPE_CHECKING:
    from sync.central.changes import DueRecord
    from sync.central.moment import Snapshot
    from sync.central.outgoing_rows import OutgoingRecord
    from sync.central.store import Store

EXIT_USAGE: Final = 2
EXIT_NONE: Final = 3

WHAT: Final = {
    "list": (0, 0), "retry": (1, 1), "arrived": (1, 1), "drop": (1, 1), "changes": (0, 0), "replay": (1, 2),
    "discard": (1, 2),
}  # fmt: skip
"""What can be asked for, with how many names at least and at most."""

STATES: Final = (
    "queued", "sending", "unsure", "sent", "delivered", "read", "failed", "dropped",
)  # fmt: skip
STUCK: Final = ("queued", "sending", "unsure", "failed")
"""States of a message that is not out."""


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    what: Annotated[str, typer.Argument(help=f"{', '.join(WHAT)}.")] = "list",
    name: Annotated[str, typer.Argument(help="Id of a message, or a subscriber.")] = "",
    change: Annotated[str, typer.Argument(help="Id of one change.")] = "",
    data: Data = None,
    database: Database = "",
    state: Annotated[
        str, typer.Option("--state", help=f"Only messages in this state: {', '.join(STATES)}.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="With drop: why, for staff.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what goes out of the centre and what did not, send it again or give it up."""
    least, most = WHAT.get(what, (1, 0))
    is_told = what != "drop" or bool(reason)
    if state not in ("", *STATES):
        message = (
            f"outgoing: no message is {state[:60]}; --state is one of {', '.join(STATES)}."
        )
        fail("usage", message, exit_code=EXIT_USAGE, as_json=as_json)
    if not least <= bool(name) + bool(change) <= most or not is_told:
        message = f"outgoing: {', '.join(WHAT)}; drop needs --reason."
        fail("usage", message, exit_code=EXIT_USAGE, as_json=as_json)
    address = database_of(data, database, as_json=as_json)
    try:
        said = _Act(what, name, change, state, reason).done(address)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    if said.get("done") == 0:
        message = "There is no such message that failed or waits, or no such change."
        fail("none", message, exit_code=EXIT_NONE, as_json=as_json)
    print(json.dumps(said) if as_json else "\n".join(_in_words(said, is_all=not state)))


@dataclass(frozen=True, slots=True)
class _Act:
    """One act on the database of a centre."""

    what: str
    name: str
    change: str
    state: str
    reason: str

    def done(self, address: str) -> dict[str, Any]:
        """What it says. Raises StoreError."""
        from sync.central.store import Store

        opened = Store(address, fresh_epoch="")
        try:
            if self.what == "list":
                return self._messages(opened)
            if self.what == "changes":
                return self._changes(opened)
            return {"what": self.what, "name": self.name, "done": self._acted(opened)}
        finally:
            opened.close()

    def _messages(self, store: "Store") -> dict[str, Any]:
        from sync.central import outgoing_rows

        states = (self.state,) if self.state else STUCK
        with store.reading() as snapshot:
            found = outgoing_rows.every(snapshot, states=states)
            counts = outgoing_rows.counts(snapshot)
            told = [
                _message(record) | {"waits_for": _waits_for(snapshot, record)}
                for record in found
            ]
        return {"counts": counts, "messages": told}

    def _changes(self, store: "Store") -> dict[str, Any]:
        from sync.central import changes

        with store.reading() as snapshot:
            found = changes.queue(snapshot)
            counts = changes.counts(snapshot)
        waiting: dict[str, dict[str, int]] = {}
        for (subscriber, state), n in sorted(counts.items()):
            waiting.setdefault(subscriber, {})[state] = n
        return {"subscribers": waiting, "dead": [_dead(due, type_) for due, type_ in found]}

    def _acted(self, store: "Store") -> int:
        from sync.central import changes, outgoing_rows

        now = micros_of(SystemClock().now())
        with store.writing() as it:
            match self.what:
                case "retry":
                    n_done = int(outgoing_rows.retry(it, self.name, now=now))
                case "arrived":
                    n_done = int(outgoing_rows.arrived(it, self.name, now=now))
                case "drop":
                    n_done = int(outgoing_rows.drop(it, self.name, reason=self.reason, now=now))
                case "replay":
                    n_done = changes.replay(it, self.name, change=self.change)
                case _:
                    n_done = changes.drop(it, self.name, change=self.change)
            it.take_heads(now)
        return n_done


def _message(record: "OutgoingRecord") -> dict[str, Any]:
    return {
        "id": record.id, "customer": record.owner, "channel": record.channel, "via": record.via, "kind": record.kind,
        "state": record.state, "reason": record.reason, "attempts": record.n_tries,
        "at": moment_of(record.at).isoformat(), "due_at": moment_of(record.due_at).isoformat(),
    }  # fmt: skip


def _waits_for(snapshot: "Snapshot", record: "OutgoingRecord") -> str:
    """What one in the queue waits for, as the counter says it; "" for one that is not in it, or says why itself."""
    from sync.central.composing import WINDOWED, window_ends_at

    if record.state != "queued" or record.reason:
        return ""
    ends_at = window_ends_at(snapshot.all_of_owner(record.owner), record.channel)
    is_over = record.channel in WINDOWED and ends_at <= record.due_at
    how = ": as the template, or waits till they write" if is_over else ""
    return f"goes at {moment_of(record.due_at).isoformat()[11:16]} UTC{how}"


def _dead(due: "DueRecord", type_: str) -> dict[str, Any]:
    return {
        "subscriber": due.subscriber, "change": due.change, "type": type_, "subject": due.subject,
        "attempts": due.n_tries, "reason": due.reason,
    }  # fmt: skip


def _in_words(said: dict[str, Any], *, is_all: bool) -> list[str]:
    if "done" in said:
        return [f"{said['what']}: {said['done']}"]
    if "messages" in said:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(said["counts"].items()))
        lines = [f"Messages: {counts or 'none'}"]
        for one in said["messages"]:
            why = one["reason"] or one["waits_for"]
            why = f"  {why}" if why else ""
            way = SMS if one["channel"] == "phone" else one["channel"]
            lines.append(
                f"{one['id']}  {one['state']:9} {way:9} {one['kind']:12} {one['at'][:16]}{why}"
            )
        if is_all:
            lines += [
                f"Of the {state}: --state {state}"
                for state in STATES
                if state not in STUCK and said["counts"].get(state)
            ]
        return lines
    lines = []
    for name, states in said["subscribers"].items():
        lines.append(f"{name}: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    lines += [
        f"{one['subscriber']}  {one['type']}  {one['change']}  {one['reason']}"
        for one in said["dead"]
    ]
    return lines or ["Every subscriber has heard of every change."]
