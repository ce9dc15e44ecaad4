"""A till's export as CSV, one row a line of a receipt: what was bought in a store, and what came back.

No two tills write the same columns, so a channel names them: "columns" maps the till's names to ours.

    receipt         number of the receipt; its rows follow each other
    at              when: "2026-09-12 10:15", or `date` and `time`
    store           where
    product title variant count       the article; a count below zero came back
    price           of one piece, before any discount; discount: off the whole line; total: of the line, after it
    currency        or the option
    code            a discount code
    who email phone the customer, where the till knows one; a receipt of nobody tells nothing
    returned        number of the receipt or order that goods came back of

    secrets     signing: for what comes by HTTP, as for `app`
    options     columns: "Bon=receipt, Datum=date, Zeit=time, Filiale=store, Artikel=product, Menge=count, Preis=price"
                currency, delimiter, encoding, decimal: "EUR", ";", "cp1252", ","
                dates: how a time is written, where not as in ISO 8601: "%d.%m.%Y %H:%M"
                zone: of the till's clock: "Europe/Berlin"; UTC when not told
                stores: "Filiale 3=harbour": our names of their stores
                numbers: "W-": how numbers of orders of the web shop begin, when such goods come back

An order of a till is numbered by its store and its receipt: "harbour-10017".

Source: none; tills have no common form. This file.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Became, Bought, Point, Who
from sync.central.channels.files import Piece, is_called_json, number_of, pieces_of, records_of
from sync.central.channels.parts import (
    REF_MAX,
    Json,
    amount,
    check_ours,
    digest_of,
    encoded,
    instant,
    number_in,
    pairs_of,
    rounded,
)
from sync.model.records import Back, OrderLine

LINES_MAX: Final = 500
"""Rows of one receipt."""


class Pos:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "pos"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The time and the body are signed, unless it is a file of ours."""
        check_ours(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def pieces(
        self, lines: Iterable[bytes], settings: Settings, *, line: int, header: bytes
    ) -> Iterator[Piece]:
        """The rows of one receipt together."""
        kept: list[Piece] = []
        last = ""
        for piece in pieces_of(lines, line=line, header=header):
            (row,) = tuple(records_of(piece.body, settings))[:1] or ({},)
            receipt = row.get("receipt", "")
            if kept and (receipt != last or not receipt or len(kept) >= LINES_MAX):
                yield _joined(kept)
                kept = []
            kept.append(piece)
            last = receipt
        if kept:
            yield _joined(kept)

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:
        """One a receipt, by its store and number."""
        found: list[list[dict[str, Any]]] = []
        for row in records_of(delivery.body, settings, is_json=is_called_json(delivery)):
            receipt = row.get("receipt")
            if (
                found
                and receipt
                and found[-1][0].get("receipt") == receipt
                and len(found[-1]) < LINES_MAX
            ):
                found[-1].append(row)
            else:
                found.append([row])
        if not found:
            raise Unmapped("no record")
        return tuple(Event(_id(rows), "receipt", 0, rows) for rows in found)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """What was bought, and what came back."""
        return tuple(_receipt([one.value for one in Json(event.body).each("")], settings))


ADAPTER: Final = Pos()


def _joined(pieces: list[Piece]) -> Piece:
    """Pieces that follow each other as one, with one header."""
    first = pieces[0]
    header, _, _ = first.body.partition(b"\n")
    rows = [one.body[len(header) + 1 :] for one in pieces]
    rows = [one if one.endswith(b"\n") else one + b"\n" for one in rows]
    size = sum(one.size for one in pieces)
    return Piece(first.line, pieces[-1].end, size, header + b"\n" + b"".join(rows))


def _id(rows: list[dict[str, Any]]) -> str:
    told = f"{rows[0].get('store', '')} {rows[0].get('receipt', '')}".strip()
    has_number = isinstance(rows[0].get("receipt"), str) and rows[0]["receipt"]
    return told if has_number and len(told) <= REF_MAX else digest_of(encoded(rows))


def _receipt(rows: list[Any], settings: Settings) -> Iterator[AnyFact]:
    for row in rows:
        if not isinstance(row, dict) or any(not isinstance(one, str) for one in row.values()):
            raise Unmapped("a row is not text in columns")
        if "wrong" in row:
            raise Unmapped(row["wrong"])
    head: dict[str, str] = {}
    for row in reversed(rows):
        head |= {name: value for name, value in row.items() if value}
    receipt = head.get("receipt", "")
    if not receipt:
        raise Unmapped("a row without a number of its receipt")
    at, currency = (
        _at(head, settings),
        head.get("currency") or settings.options.get("currency", ""),
    )
    if not currency:
        raise Unmapped("neither the row nor the channel says the currency")
    lines = [
        _line(row, currency, settings) for row in rows if row.get("product") or row.get("title")
    ]
    bought = tuple(line for line in lines if line.count > 0)
    who = _who(head)
    if bought and who:
        yield Bought(
            ref=_number(receipt, head, settings),
            at=at,
            who=who,
            channel="store",
            state="collected",
            ordered_at=at,
            lines=bought,
            total_minor=sum(line.paid_minor * line.count for line in bought),
            currency=currency,
            code=head.get("code", ""),
        )
    if head.get("returned") and any(line.count < 0 for line in lines):
        returned = number_in(head["returned"], settings) or _number(
            head["returned"], head, settings
        )
        gone = [line for line in lines if line.count < 0]
        back = tuple(Back(line.product, -line.count) for line in gone if line.product)
        # A row without an article says only that something came back: then it is the order.
        is_told = len(back) == len(gone)
        yield Became(
            ref=returned, at=at, who=who, state="returned", back=back if is_told else ()
        )


def _number(receipt: str, head: dict[str, str], settings: Settings) -> str:
    """Number of a receipt among all stores: tills count for themselves."""
    store = head.get("store", "")
    told = "-".join(
        one
        for one in (pairs_of(settings.options.get("stores", "")).get(store, store), receipt)
        if one
    )
    if len(told) > REF_MAX:
        raise Unmapped("the number of the receipt is too long")
    return told


def _line(row: dict[str, str], currency: str, settings: Settings) -> OrderLine:
    count = amount(number_of(row.get("count") or "1", settings), "count")
    if count != int(count) or count == 0:
        count = Decimal(1)  # weighed: 0.412 kg are one thing
    price = amount(number_of(row.get("price") or "0", settings), "price")
    if row.get("total"):
        paid = amount(number_of(row["total"], settings), "total") / count
    else:
        paid = (
            price - amount(number_of(row.get("discount") or "0", settings), "discount") / count
        )
    return OrderLine(
        product=row.get("product", ""),
        title=row.get("title", ""),
        count=int(count),
        variant=row.get("variant", ""),
        paid_minor=rounded(paid, currency),
        list_minor=rounded(price or paid, currency),
    )


def _who(head: dict[str, str]) -> Who | None:
    points = tuple(Point(kind, head[kind]) for kind in ("email", "phone") if head.get(kind))
    ref = head.get("who", "")
    return Who(ref=ref, points=points) if ref or points else None


def _at(head: dict[str, str], settings: Settings) -> int:
    told = head.get("at") or f"{head.get('date', '')} {head.get('time', '')}".strip()
    form = settings.options.get("dates", "")
    try:
        when = datetime.strptime(told, form) if form else datetime.fromisoformat(told)  # noqa: DTZ007  # the zone is the till's
        if when.tzinfo is None:
            when = when.replace(tzinfo=ZoneInfo(settings.options.get("zone", "UTC")))
    except (ValueError, ZoneInfoNotFoundError):
        raise Unmapped("the time is none, or not as the channel says") from None
    return instant(when.isoformat())
