"""Asterisk, a telephone exchange: who called, was answered, was dropped, from its call records as `cdr_csv` writes them.

Each record is one line of `Master.csv`, brought as it is written by any small program that posts new lines, several at once if
it likes: nothing of Asterisk's own posts them. It sends our secret in `Authorization: Bearer ...`. A record is known by its
`uniqueid` and the channel it went to; times in it are UTC when `usegmtime=yes` is set in cdr.conf, which is needed here.

    secrets     bearer: what the program that posts sends, bearer_old...
    options     country: ISO 3166 code national numbers are read with
                queues: "700=Support": names of extensions and queues for what is said about a call
                inside_digits: numbers of up to so many digits are our own extensions, "5" when not told

Source: https://docs.asterisk.org/Configuration/Reporting/Call-Detail-Records-CDR/ (fields and their order, dispositions).
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Called, Point, Who
from sync.central.channels.parts import (
    check_shared,
    clean,
    header,
    instant,
    number_of,
    pairs_of,
    secrets_of,
)

FIELDS: Final = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer",
    "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
)  # fmt: skip
"""In the order of the file; `uniqueid` and `userfield` are there when `loguniqueid` and `loguserfield` are set, as is needed."""

RECORDS_MAX: Final = 1_000
"""Of one delivery."""

DROPPED_S: Final = 10
"""A caller whom nobody answered and who waited at least this long was dropped; one who left sooner missed us."""

STATES: Final = {
    "ANSWERED": "answered",
    "NO ANSWER": "missed",
    "BUSY": "missed",
    "FAILED": "dropped",
    "CONGESTION": "dropped",
}


class Asterisk:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "asterisk"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """It has our secret."""
        scheme, _, given = header(delivery, "authorization").partition(" ")
        check_shared(given if scheme == "Bearer" else "", secrets_of(settings, "bearer"))

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a record."""
        text = clean(delivery.body.decode("utf-8", "replace"))
        try:
            lines = list(csv.reader(io.StringIO(text), strict=True))
        except csv.Error as error:
            raise Unmapped(f"not a call record: {error}") from None
        if len(lines) > RECORDS_MAX:
            raise Unmapped(f"more than {RECORDS_MAX} records at once")
        return tuple(_event(line) for line in lines if line)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """One call."""
        return tuple(_call(event.body, settings, event.at))


ADAPTER: Final = Asterisk()


def _event(line: list[str]) -> Event:
    if len(line) < len(FIELDS) - 1:
        raise Unmapped(f"a call record of {len(line)} fields; set loguniqueid and loguserfield")
    record = dict(zip(FIELDS, line, strict=False))
    if not record["uniqueid"]:
        raise Unmapped("uniqueid is empty")
    return Event(
        f"{record['uniqueid']}:{record['dstchannel']}"[:200],
        "call",
        instant(record["end"], "end"),
        record,
    )


def _call(record: dict[str, str], settings: Settings, at: int) -> Iterator[AnyFact]:
    state = STATES.get(record["disposition"])
    if state is None:
        raise Unmapped(f"no mapping for the disposition {record['disposition']!r}")
    inside = number_of(settings, "inside_digits", 5)
    is_out = 0 < len(record["src"]) <= inside and len(record["dst"]) > inside
    number = record["dst"] if is_out else record["src"]
    if len(number) <= inside:
        return  # among ourselves, or a hidden number
    waited_s = _seconds(record, "duration") - _seconds(record, "billsec")
    if state == "missed" and not is_out and waited_s >= DROPPED_S:
        state = "dropped"
    other = record["src"] if is_out else record["dst"]
    # A number shown on a telephone can be forged by who calls: it proves nothing.
    point = Point("phone", number, country=settings.options.get("country", ""))
    yield Called(
        ref=record["uniqueid"],
        at=at,
        who=Who(points=(point,)),
        state=state,
        direction="out" if is_out else "in",
        by=pairs_of(settings.options.get("queues", "")).get(other, other),
        lasted_s=_seconds(record, "billsec"),
        note=record.get("userfield", ""),
    )


def _seconds(record: dict[str, str], field: str) -> int:
    text = record[field]
    if not text.isdecimal() or len(text) > 9:
        raise Unmapped(f"{field} is not a number of seconds")
    return int(text)
