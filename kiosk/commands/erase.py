"""`tapthread erase`: customers who asked to be forgotten, and forgetting them at the centre and on every device.

    tapthread erase                      who asked, what is due first; the law gives a month
    tapthread erase CUSTOMER             who that is and what would go; nothing is done. An id, a name, a telephone number, an
                                         e-mail address or an order number; where it fits several, they are listed with their ids
    tapthread erase CUSTOMER --now       erase them, with all records joined into them; it cannot be taken back
    tapthread erase CUSTOMER --status    which devices have not said yet that they hold nothing of them

It works beside a running centre, on its database. A device hears of it with its next exchange; one that never comes back
erases by itself when its lease is over. Ends with 2 for a line that makes no sense, 3 where nobody or several are meant, 6
where the database cannot be used.
"""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.moments import micros_of
from kiosk.commands.counting import counted
from kiosk.commands.naming import full_name, ids_meant, list_several
from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from sync.central.store import Store

EXIT_USAGE: Final = 2
EXIT_NOTHING: Final = 3

_KINDS: Final = {
    "customer": ("record", "records"),
    "contact": ("contact point", "contact points"),
    "interaction": ("contact", "contacts"),
    "serving": ("note of who is with them", "notes of who is with them"),
    "ledger": ("entry of points", "entries of points"),
    "pin": ("PIN", "PINs"),
    "handle_code": ("code for a handle", "codes for a handle"),
    "likeness": ("likeness", "likenesses"),
}
"""What people call rows, where it is not their kind and an s."""


def run(  # one parameter an option
    customer: Annotated[
        str,
        typer.Argument(
            help="Id, name, telephone number, e-mail address or order number; without it, who asked."
        ),
    ] = "",
    data: Data = None,
    database: Database = "",
    now: Annotated[
        bool, typer.Option("--now", help="Erase them; it cannot be taken back.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="How far their erasure has come.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say who asked to be forgotten, or forget a customer."""
    if ((now or status) and not customer) or (now and status):
        fail("usage", "erase: --now and --status need a CUSTOMER, and one goes without the other.",
             exit_code=EXIT_USAGE, as_json=as_json)  # fmt: skip
    from sync.central.store import Store

    address = database_of(data, database, as_json=as_json)
    try:
        opened = Store(address, fresh_epoch="")
        try:
            asked = customer
            if customer:
                customer = _meant(opened, customer, as_json=as_json)
            if not customer:
                said = _asked(opened)
            elif status:
                said = _status(opened, customer)
            else:
                said = _looked(opened, customer)
                if said and now:
                    said = _erased(opened, customer) | {"name": said["name"]}
        finally:
            opened.close()
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    if not said:
        message = f"Nobody with the name or id {customer[:60]} is here."
        if status:
            message = f"Nobody with the id {customer[:60]} was erased; who is erased has no name any more."
            if customer != asked:
                message = f"{asked[:60]} is here with the id {customer}, and was not erased."
        fail("unknown", message, exit_code=EXIT_NOTHING, as_json=as_json)
    print(json.dumps(said) if as_json else "\n".join(_in_words(said)))


def _meant(store: "Store", text: str, *, as_json: bool) -> str:
    """The id of who is meant; the text itself where nobody here is. Ends the command where several are."""
    with store.reading() as snapshot:
        ids = ids_meant(snapshot, text)
        if len(ids) > 1:
            list_several(snapshot, text, ids, as_json=as_json)
    return ids[0] if ids else text


def _asked(store: "Store") -> dict[str, Any]:
    from sync.central import erasure

    with store.reading() as snapshot:
        asked = [
            {
                "customer": one.owner,
                "name": full_name(snapshot.row(f"customer/{one.owner}")),
                "due_at": one.due_at,
            }
            for one in erasure.due(snapshot)
        ]
    return {"asked": asked}


def _looked(store: "Store", customer: str) -> dict[str, Any]:
    """What is here of a customer; nothing for nobody."""
    from sync.central.canonical import canonical_in, members

    with store.reading() as snapshot:
        root = canonical_in(snapshot, customer)
        owners = members(snapshot.sql, root)
        rows = [row for owner in owners for row in snapshot.all_of_owner(owner)]
        if not rows:
            return {}
        kinds = Counter(row.key.partition("/")[0] for row in rows)
        name = full_name(snapshot.row(f"customer/{root}"))
    return {"customer": root, "name": name, "joined": len(owners) - 1, "rows": dict(kinds)}


def _erased(store: "Store", customer: str) -> dict[str, Any]:
    from sync.central import erasure
    from sync.central.batch import Batch
    from sync.central.canonical import canonical_in
    from sync.central.transaction import Transaction

    batch = Batch(store, on_commit=lambda _scopes: None)

    def write(change: Any, *, keys: Any = ()) -> int:
        def work(transaction: Transaction) -> Any:
            n_rows = change(transaction)
            return lambda: n_rows

        count: int = batch.run(work, keys=keys)
        return count

    with store.reading() as snapshot:
        root = canonical_in(snapshot, customer)
    n_rows = erasure.erase(store, write, customer, now=micros_of(SystemClock().now()))
    return {**_status(store, root), "erased_rows": n_rows}


def _status(store: "Store", customer: str) -> dict[str, Any]:
    from sync.central import device_rows, erasure

    with store.reading() as snapshot:
        found = erasure.status(snapshot, customer)
        if found is None:
            return {}
        devices = {
            it.id: f"{it.role} of {it.store}" for it in device_rows.devices(snapshot.sql)
        }
    return {
        "customer": customer,
        "erased_at": found.at,
        "passed": len(found.passed),
        "waiting": [{"device": it, "what": devices[it]} for it in found.waiting],
    }


def _in_words(said: dict[str, Any]) -> list[str]:
    from kiosk.assembly.device import local_zone
    from kiosk.core.staff_words import StaffWords

    clock = SystemClock()
    words, now = StaffWords(local_zone(clock)), micros_of(clock.now())
    if "asked" in said:
        lines = [
            f"{it['customer']}  {it['name']}  {_due(it['due_at'], words.moment(it['due_at'], now=now), now)}"
            for it in said["asked"]
        ]
        return lines or ["Nobody asked to be forgotten."]
    if "rows" in said:
        of_kinds = ", ".join(
            counted(count, *_KINDS.get(kind, (kind, f"{kind}s")))
            for kind, count in sorted(said["rows"].items())
        )
        joined = f", with {said['joined']} joined into it" if said["joined"] else ""
        return [
            f"{said['customer']} ({said['name']}){joined}: {of_kinds}.",
            "Nothing was done. --now erases all of it, on every device; it cannot be taken back.",
        ]
    lines = []
    if "erased_rows" in said:
        lines.append(
            f"Erased: {counted(said['erased_rows'], 'row', 'rows')} of {said['customer']} ({said['name']})."
        )
    passed = counted(said["passed"], "device holds", "devices hold")
    waiting = counted(len(said["waiting"]), "has", "have")
    lines.append(f"{passed} nothing of them, {waiting} not said so yet.")
    return [*lines, *(f"    {it['what']}  {it['device']}" for it in said["waiting"])]


def _due(due_at: int, when: str, now: int) -> str:
    return f"by {when}{', OVER' if due_at < now else ''}"
