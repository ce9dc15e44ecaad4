"""`tapthread inbox`: what waits for a person at the centre, of one store or of all, and settling it.

    tapthread inbox                                   the list, in words; --store for one store
    tapthread inbox --replay ID --by sue --reason ..  try it again as it was
    tapthread inbox --edit ID --args JSON ...         try it again with these arguments in place of its own
    tapthread inbox --void ID --reason ...            nothing more is to be done about it

It works beside a running centre, on its database: the file in the data folder, or the one `--database` names. Nothing leaves
the list by itself; who decided, when and why is kept for ever, and goes to the store the operation came from.
"""

import json
from typing import Annotated, Any, Final

import msgspec
import typer

from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from kiosk.core.staff_words import StaffWords
from sync.central import op_rows
from sync.model.errors import Malformed, StoreError
from sync.model.wire import INBOX_MAX, DecideRequest, InboxEntry

EXIT_USAGE: Final = 2
EXIT_NOT_DONE: Final = 3


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    data: Data = None,
    database: Database = "",
    store: Annotated[str, typer.Option("--store", help="List one store's alone.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    replay: Annotated[
        str, typer.Option("--replay", help="Try this operation again as it was.")
    ] = "",
    edit: Annotated[
        str, typer.Option("--edit", help="Try this operation again with --args.")
    ] = "",
    void: Annotated[
        str, typer.Option("--void", help="Nothing more is to be done about this one.")
    ] = "",
    args: Annotated[
        str, typer.Option("--args", help="With --edit: JSON of its arguments.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; kept for ever.")] = "",
    by: Annotated[str, typer.Option("--by", help="Id of who decides.")] = "centre",
) -> None:
    """List what waits for a person at the centre, or settle one of them."""
    given = {
        name: op for name, op in (("replay", replay), ("edit", edit), ("void", void)) if op
    }
    if len(given) > 1:
        fail("usage", "inbox: one decision at a time.", exit_code=EXIT_USAGE, as_json=as_json)
    if void and not reason.strip():
        fail("reason", "Say why, with --reason.", exit_code=EXIT_USAGE, as_json=as_json)
    address = database_of(data, database, as_json=as_json)
    try:
        if given:
            ((decision, op),) = given.items()
            values = {"op": op, "decision": decision, "by": by, "reason": reason}
            _settle(address, values, args, as_json=as_json)
        else:
            _list(address, store, as_json=as_json)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)


def _list(address: str, store: str, *, as_json: bool) -> None:
    from sync.central.moment import Snapshot
    from sync.central.store import Store

    def waiting(snapshot: Snapshot) -> list[InboxEntry]:
        found: list[InboxEntry] = []
        while True:
            after = found[-1].op if found else ""
            page = op_rows.inbox(snapshot.sql, store, after=after, limit=INBOX_MAX)
            found += page
            if len(page) < INBOX_MAX:
                return found

    opened = Store(address, fresh_epoch="")
    try:
        with opened.reading() as snapshot:
            entries = [_told(snapshot, entry) for entry in waiting(snapshot)]
    finally:
        opened.close()
    if as_json:
        print(json.dumps({"inbox": entries}))
        return
    for one in entries:
        print(f"{one['op']}  {one['store']}  {one['at']}  {one['lead']}\n    {one['text']}")
    if not entries:
        print("Nothing waits for a person.")


def _told(snapshot: Any, entry: InboxEntry) -> dict[str, Any]:
    """One of them in words, with its arguments where they can be read."""
    from hardware.clock import SystemClock
    from hardware.moments import micros_of
    from kiosk.assembly.device import local_zone
    from kiosk.core.entries import name_of, why
    from sync.model.operation import Operation
    from sync.model.records import Customer

    clock = SystemClock()
    words = StaffWords(local_zone(clock))
    name = words.name(entry.owner) or words.say("unsettled.nobody")
    try:
        row = snapshot.row(f"customer/{entry.owner}") if entry.owner else None
        if row is not None and isinstance(row.body, Customer):
            name = name_of(row.body, words)
    except Malformed:
        pass  # a newer version wrote it; the id says who it is
    held = f"unsettled.held.{entry.code}"
    text = (
        words.say(held)
        if words.has(held)
        else words.say(
            "unsettled.refused", why=why(entry.code, words), way=words.say("unsettled.way")
        )
    )
    try:
        args = json.loads(bytes(msgspec.json.decode(entry.raw, type=Operation).args))
    except (msgspec.DecodeError, ValueError, RecursionError):
        args = None
    return {
        "op": entry.op,
        "kind": entry.kind,
        "code": entry.code,
        "owner": entry.owner,
        "store": entry.store,
        "device": entry.device,
        "at": words.moment(entry.at, now=micros_of(clock.now())),
        "lead": words.say(
            "unsettled.line", name=name, what=words.either(f"kind.{entry.kind}", "kind.other")
        ),
        "text": text,
        "args": args,
    }


def _settle(address: str, values: dict[str, Any], args: str, *, as_json: bool) -> None:
    from hardware.clock import SystemClock
    from hardware.moments import micros_of
    from sync.central.apply import decide_operation
    from sync.central.batch import Batch
    from sync.central.op_rows import OpRecord
    from sync.central.store import Store
    from sync.central.transaction import Transaction

    try:
        asked = msgspec.convert(values, DecideRequest)
    except msgspec.ValidationError as error:
        fail("usage", f"inbox: {error}.", exit_code=EXIT_USAGE, as_json=as_json)
    opened = Store(address, fresh_epoch="")
    now = micros_of(SystemClock().now())
    was: dict[str, str] = {}

    def work(transaction: Transaction) -> Any:
        known = transaction.read.op(asked.op)
        if known is None:
            return lambda: None
        was["status"] = known.status
        changed = asked
        if asked.decision == "edit":
            changed = _edited(asked, op_rows.raw_of(transaction.read.sql, asked.op), args)
        record = decide_operation(transaction, changed, known, now=now)
        return lambda: record

    try:
        record: OpRecord | None = Batch(opened, on_commit=lambda _scopes: None).run(work)
    except Malformed as error:
        fail("args", f"--args is not what this operation takes: {error}.",
             exit_code=EXIT_USAGE, as_json=as_json)  # fmt: skip
    finally:
        opened.close()
    if record is None or was["status"] != "held":
        message = f"Nothing with the id {asked.op[:60]} waits for a person."
        fail("gone", message, exit_code=EXIT_NOT_DONE, as_json=as_json)
    assert record is not None
    if as_json:
        print(json.dumps({"op": record.id, "status": record.status, "code": record.code}))
    elif record.status == "held":
        print(f"It still waits: {record.code}.")
    else:
        print(f"Settled: {record.status}{f' ({record.code})' if record.code else ''}.")


def _edited(asked: DecideRequest, raw: bytes, args: str) -> DecideRequest:
    """The decision with the operation's arguments, those of --args in their place. Raises Malformed."""
    from sync.model.operation import Operation
    from sync.model.registry import Readable, raw_args, read

    try:
        op = msgspec.json.decode(raw, type=Operation)
        readable = read(op)
        if not isinstance(readable, Readable):
            raise Malformed("this version cannot read it")
        given = msgspec.json.decode(args.encode(), type=dict[str, Any])
        names = readable.args.__struct_fields__
        if not given or given.keys() - set(names):
            raise Malformed(f"there are {', '.join(names)}")
        changed = msgspec.convert(
            {**msgspec.to_builtins(readable.args), **given}, type=type(readable.args)
        )
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Malformed(str(error)) from error
    return msgspec.structs.replace(asked, args=raw_args(changed))
