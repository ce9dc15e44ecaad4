"""Whom a text on the command line of a centre means: a customer by id, or whoever it names exactly; several are listed with their ids."""

import json
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from sync.central.moment import Snapshot
    from sync.model.row import Row

EXIT_SEVERAL: Final = 3

LISTED_MAX: Final = 20


def ids_meant(snapshot: "Snapshot", text: str) -> tuple[str, ...]:
    """Ids of the customers who are meant, each by what it is joined into: the one of this id, else all this names exactly."""
    from sync.central.canonical import canonical_in
    from sync.central.pages import finding

    root = canonical_in(snapshot, text)
    if snapshot.row(f"customer/{root}") is not None:
        return (root,)
    found = finding.named(snapshot.sql, text)
    return tuple(sorted({canonical_in(snapshot, owner) for owner in found}))


def full_name(row: "Row | None") -> str:
    """The name on the row of a customer, safe to print; "" for none."""
    from sync.model.card import plain
    from sync.model.records import Customer

    if row is None or not isinstance(row.body, Customer):
        return ""
    return plain(f"{row.body.given_name} {row.body.family_name}".strip(), 60)


def list_several(
    snapshot: "Snapshot", text: str, ids: tuple[str, ...], *, as_json: bool
) -> NoReturn:
    """Say who fits, with the ids to ask by, and end."""
    listed: list[dict[str, Any]] = [
        {"id": one, "name": full_name(snapshot.row(f"customer/{one}"))}
        for one in ids[:LISTED_MAX]
    ]
    message = f"{len(ids)} customers fit {text[:60]}. Ask by an id:"
    if as_json:
        error = {"code": "several", "message": message}
        print(json.dumps({"error": error, "candidates": listed}))
    else:
        print(message, file=sys.stderr)
        print("\n".join(f"{one['id']}  {one['name']}" for one in listed))
    raise typer.Exit(EXIT_SEVERAL)
