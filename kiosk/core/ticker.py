"""What the demo's ticker says: the newest contacts and orders of all customers in all channels; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kiosk.core.entries import name_of
from kiosk.core.staff_words import StaffWords
from sync.model.records import Customer, Interaction, Order, way_of
from sync.model.row import Row

LINES_MAX: Final = 40
"""Lines kept; more than any terminal has rows for."""


@dataclass(frozen=True, slots=True)
class TickerLine:
    """One contact or order, newest first.

    Attributes:
        key: Key of its row; tells whether a line is new.
        head: When and in which channel.
        text: Who, and what was said; safe to show.
        is_late: We owe an answer that is overdue.
    """

    key: str
    head: str
    text: str
    is_late: bool


def ticker_of(rows: Iterable[Row], *, words: StaffWords, now: int) -> tuple[TickerLine, ...]:
    """The newest lines, newest first.

    Args:
        rows: Rows of every customer; kinds without a place here are passed over.
        words: What sentences are made with.
        now: Wall time, microseconds since 1970.
    """
    names: dict[str, str] = {}
    heard: list[tuple[int, Row]] = []
    for row in rows:
        match row.body:
            case Customer() as customer:
                names[customer.id] = name_of(customer, words)
            case Interaction(at=at, sensitivity="normal", taken_back_at=0) if at <= now:
                heard.append((at, row))
            case Order(at=at, sensitivity="normal") if at <= now:
                heard.append((at, row))
            case _:
                pass
    heard.sort(key=lambda pair: (-pair[0], pair[1].key))
    return tuple(
        _line(row, names.get(row.owner) or words.name(row.owner), words, now)
        for _, row in heard[:LINES_MAX]
    )


def _line(row: Row, name: str, words: StaffWords, now: int) -> TickerLine:
    body = row.body
    assert isinstance(body, Interaction | Order)
    way = body.channel if isinstance(body, Order) else way_of(body)
    head = words.say(
        "ticker.head", at=words.clock(body.at, now=now), channel=words.channel(way)
    )
    if isinstance(body, Order):
        state = words.either(f"order.{body.state}", "order.other")
        text = words.say("ticker.order", name=name, order=words.name(body.id), state=state)
        return TickerLine(row.key, head, text, is_late=False)
    form = f"ticker.{body.direction if body.direction in ('in', 'out') else 'note'}"
    text = words.say(form, name=name, text=words.text(body.text))
    is_late = body.direction == "in" and 0 < body.due_at < now and not body.answered_at
    return TickerLine(row.key, head, text, is_late=is_late)
