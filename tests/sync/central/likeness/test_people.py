"""A centre's customers are compared, and what was found waits for a clerk."""

from sync.central.centre import Centre
from sync.central.likeness.model import Likely, likely_pairs
from sync.central.likeness.people import people_of, suggest
from sync.central.suggestions import decline
from sync.model.records import ContactPoint, Customer, Record
from sync.model.row import row_of

NOW = 1_800_000_000_000_000


def put(centre: Centre, owner: str, *bodies: Record) -> None:
    centre.put_rows(row_of(body, owner=owner, as_of=NOW, source="web") for body in bodies)


def two_mayas(centre: Centre) -> None:
    for name, family in (("m1", "Lindqvist"), ("m2", "Lindqist")):
        put(
            centre,
            name,
            Customer(id=name, given_name="Maya", family_name=family),
            ContactPoint(id=f"{name}:e", channel="email", value="Maya@Mail.example"),
            ContactPoint(id=f"{name}:p", channel="phone", value="+44 7700 900101"),
            ContactPoint(id=f"{name}:x", channel="x", value="maya_l"),
        )
        with centre._store.writing() as transaction:
            transaction.direct().many(
                "INSERT INTO said (owner, field, value, at, stamp) VALUES (:owner, :field, :value, :at, :stamp)",
                [
                    {"owner": name, "field": "birth_date", "value": "1991-04-03", "at": NOW, "stamp": "s"},
                    {"owner": name, "field": "address", "value": '["3 Quay Side","12004","Harbour"]', "at": NOW, "stamp": "s"},
                ],
            )  # fmt: skip


def found(centre: Centre) -> tuple[Likely, ...]:
    with centre._store.reading() as snapshot:
        return likely_pairs([it for it in people_of(snapshot) if it.id.startswith("m")])


def suggestions(centre: Centre) -> list[tuple[object, ...]]:
    with centre._store.reading() as snapshot:
        return snapshot.sql.all("SELECT one, other, state, by_whom FROM likeness")


def test_what_channels_told_of_a_customer_is_compared(centre: Centre) -> None:
    two_mayas(centre)

    with centre._store.reading() as snapshot:
        maya = next(it for it in people_of(snapshot) if it.id == "m1")

    assert (maya.given_name, maya.family_name, maya.birth_date) == (
        "Maya", "Lindqvist", "1991-04-03",
    )  # fmt: skip
    assert maya.phones == ("+447700900101",)
    assert maya.emails == ("maya@mail.example",)
    assert (maya.street, maya.postcode) == ("3 Quay Side", "12004")


def test_two_who_are_probably_one_are_suggested_once_and_nobody_is_joined(
    centre: Centre,
) -> None:
    two_mayas(centre)
    pairs = found(centre)

    first, again = (suggest(centre._store, pairs, now=NOW) for _ in range(2))

    assert (first, again) == (1, 0)
    assert suggestions(centre) == [("m1", "m2", "open", "likeness")]
    assert centre.count("folded") == 0


def test_whom_a_clerk_said_no_to_is_not_suggested_again(centre: Centre) -> None:
    two_mayas(centre)
    with centre._store.writing() as transaction:
        decline(transaction, "m1", "m2", by="ben", at=NOW)

    assert suggest(centre._store, found(centre), now=NOW) == 0

    assert [it[2] for it in suggestions(centre)] == ["declined"]


def test_who_was_erased_meanwhile_is_not_suggested(centre: Centre) -> None:
    two_mayas(centre)
    pairs = found(centre)
    centre.erase("m2")

    assert suggest(centre._store, pairs, now=NOW) == 0

    assert suggestions(centre) == []


def test_a_suggestion_reaches_the_stores_that_hold_the_customer(centre: Centre) -> None:
    two_mayas(centre)
    centre.put_rows((), interest=[("harbour", "m1")])

    suggest(centre._store, found(centre), now=NOW)

    with centre._store.reading() as snapshot:
        held = snapshot.sql.all(
            "SELECT key FROM ptr WHERE scope = :scope AND key LIKE 'likeness/%' AND is_gone = 0",
            scope="s:harbour",
        )
    assert held == [("likeness/m1~m2",)]
