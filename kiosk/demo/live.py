"""What goes on in the other channels while the demo runs: a few events a minute, each told to the centre as its vendor tells it.

Every event is a letter of `letters`, carried over HTTP to the channel's address and taken in like any other; nothing is written
to the centre's files. `PastDay` is yesterday's worth of it, for `--day`: told in twelve minutes, each event with the time it had.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import count
from typing import Final

from hardware.clock import Clock
from hardware.moments import micros_of, moment_of
from kiosk.core.entries import is_unanswered
from kiosk.demo import letters
from kiosk.demo.catalogue import HOME_STORE, STORES, said_by, title_of
from kiosk.demo.crowd import STORE_OF, crowd_rows
from kiosk.demo.letters import Letter, Person
from kiosk.demo.people import line, order
from kiosk.demo.telling import person_of
from kiosk.demo.threads import number, pick
from sync.central.channels.facts import Said, Who
from sync.edge.transport import HttpTransport
from sync.model.errors import CentreError
from sync.model.ports import Request, Transport
from sync.model.records import Interaction
from sync.model.row import Row

PAUSE_MS: Final = 14_000
"""Between two events: about four a minute, enough to see that something comes in and not so many that nobody can read them."""

DAY_SPEED: Final = 60
DAY_EVENT_S: Final = 360
"""One event in six minutes of a day: 120 between opening and closing."""

DAY_OPENS: Final = 8
"""Hour of the day."""

DAY_EVENTS: Final = 120
"""From eight to eight."""

DAY_LASTS_US: Final = DAY_EVENTS * DAY_EVENT_S * 1_000_000

ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)

CARRY_MS: Final = 5_000
ANSWER_MAX: Final = 65_536

_ASKS: Final = (
    ("chat", "Is the {title} in Harbour today?", "Yes, two are left."),
    ("web", "How long does a delivery take now?", "Two days."),
    ("chat", "May I bring the {title} back without the box?", "You may."),
    ("app", "Do you gift-wrap the {title}?", "We do, at the counter."),
    ("chat", "Which size runs small?", "The jumpers. Take one more."),
    ("app", "Is Harbour open on Sunday?", "From eleven to five."),
    ("web", "The {title} I ordered: can I still add a candle?", "Done, in the same parcel."),
)  # fmt: skip
"""Channel, what somebody asks, what is answered."""

_BOUGHT: Final = (
    "mug",
    "notebook",
    "blue-scarf",
    "candle",
    "kite",
    "umbrella",
    "bath-towel",
    "board-game",
)


@dataclass(frozen=True, slots=True)
class PastDay:
    """Yesterday in the shop, from eight to eight, played at DAY_SPEED.

    Attributes:
        opens_at: When it began, microseconds since 1970.
        clock: Plays it.
        began_ms: Its ticks when the first event was due.
    """

    opens_at: int
    clock: Clock
    began_ms: int

    @classmethod
    def begun(cls, clock: Clock, zone: tzinfo) -> "PastDay":
        """It is eight in the morning of yesterday."""
        today = (
            clock.now()
            .astimezone(zone)
            .replace(hour=DAY_OPENS, minute=0, second=0, microsecond=0)
        )
        return cls(micros_of(today - timedelta(days=1)), clock, clock.ticks_ms())

    @property
    def at(self) -> int:
        """What time it is in it, microseconds since 1970; 0 when it is over."""
        passed = (self.clock.ticks_ms() - self.began_ms) * 1_000 * DAY_SPEED
        return self.opens_at + passed if passed <= DAY_LASTS_US else 0


def live_letter(index: int, *, at: datetime | None = None, now: datetime, run: str) -> Letter:
    """The event with this number.

    Args:
        index: From 0; two out of five are answers of staff to the event before.
        at: When it happened; `now` when None.
        now: When it is told.
        run: Names this run of the demo, so that a second one tells other events.
    """
    people = _people()
    asked = index - 1 if _is_answer(index) else index
    person = people[number(f"live {run} {asked}", 0, len(people) - 1)]
    told = micros_of(at or now), micros_of(now)
    if asked % 5 == 2:
        return _bought(f"{run}{index}", person, *told)
    return _talk(
        f"{run}-{index}", _ASKS[asked % len(_ASKS)], person, *told, is_ours=asked != index
    )


def _is_answer(index: int) -> bool:
    """Whether the event with this number answers the one before."""
    return index % 5 in (1, 4)


@cache
def _people() -> tuple[Person, ...]:
    """Whoever of the crowd this store holds and nobody keeps waiting: others are not in its ticker, and those wait on."""
    by_owner: dict[str, list[Row]] = {}
    for row in crowd_rows(ANY_TIME):
        if STORE_OF[row.owner] == HOME_STORE:
            by_owner.setdefault(row.owner, []).append(row)
    return tuple(
        person_of(owner, rows)
        for owner, rows in by_owner.items()
        if not any(is_unanswered(row.body) for row in rows if isinstance(row.body, Interaction))
    )


def _bought(name: str, person: Person, at: int, now: int) -> Letter:
    """An order in the web shop, or a receipt of a till."""
    product = pick(f"live {name}", _BOUGHT)
    tail = number(f"live order {name}", 3_000, 9_999)
    if number(f"live till {name}", 0, 1):
        bought = order(f"S-{tail}", line(product), at=at, channel="store", state="collected")
        store = next(it.name for it in STORES if it.id == HOME_STORE)
        return letters.receipt(bought, member=person.key, store=store, now=now)
    bought = order(f"W-{tail}", line(product), at=at, channel="web", state="paid")
    return letters.web_order(bought, person, now=now)


def _talk(
    name: str, what: tuple[str, str, str], person: Person, at: int, now: int, *, is_ours: bool
) -> Letter:
    """A question, or its answer."""
    channel, asked, answered = what
    title = title_of(pick(f"live {name} title", _BOUGHT)).lower()
    text = answered if is_ours else asked.format(title=title)
    by = said_by("noor") if is_ours else person.given_name
    direction = "out" if is_ours else "in"
    if channel == "app":
        said = Said(
            ref=f"live-{name}", at=at, who=Who(person.key), channel="app", direction=direction, by=by, text=text,
            thread=f"app-{person.key}",
        )  # fmt: skip
        return letters.own("app", [(f"live-{name}", (said,))], at=at, now=now)
    ref = number(f"live message {name}", 10**8, 10**9)
    return letters.talk(ref, person, channel, text, at=at, now=now, direction=direction, by=by)


class Wire:
    """Carries letters to the running centre, as vendors would: over HTTP, to the address of the channel. Close it."""

    def __init__(self, centre_url: str, *, transport: Transport | None = None) -> None:
        self._url = centre_url
        self._transport = transport or HttpTransport()
        self._waiting: asyncio.Queue[Letter] = asyncio.Queue()
        self.n_told = 0
        self.n_refused = 0

    def put(self, letter: Letter) -> None:
        """Have it carried; on the wire's own loop."""
        self._waiting.put_nowait(letter)

    async def run(self) -> None:
        """Carry what is put, one after the other, until this is cancelled."""
        while True:
            await self.carry(await self._waiting.get())

    async def carry(self, letter: Letter) -> bool:
        """Carry one; whether the centre took it. A vendor would come again; the demo does not."""
        headers = tuple(letter.delivery.headers.items())
        request = Request(
            "POST", f"{self._url}/in/{letter.channel}", headers, letter.delivery.body
        )
        try:
            answer = await self._transport.send(
                request, deadline_ms=CARRY_MS, size_max=ANSWER_MAX
            )
        except CentreError:
            self.n_refused += 1
            return False
        is_taken = answer.status == 200
        self.n_told += is_taken
        self.n_refused += not is_taken
        return is_taken

    async def close(self) -> None:
        """Let go of the connection."""
        await self._transport.close()


async def tell_live(wire: Wire, *, clock: Clock, run: str, day: PastDay | None = None) -> None:
    """Let things happen until this is cancelled; with a day those of the day, and then those of now."""
    step = timedelta(seconds=DAY_EVENT_S)
    for index in range(DAY_EVENTS if day else 0):
        await clock.pause_ms(DAY_EVENT_S * 1_000 // DAY_SPEED)
        at = moment_of(day.at) if day and day.at else None
        if at is None or _is_answer(index):
            continue
        wire.put(live_letter(index, at=at, now=clock.now(), run=run))
        if _is_answer(index + 1):  # what was answered yesterday keeps nobody waiting today
            wire.put(live_letter(index + 1, at=at + step, now=clock.now(), run=run))
    for index in count(DAY_EVENTS if day else 0):
        await clock.pause_ms(PAUSE_MS)
        wire.put(live_letter(index, now=clock.now(), run=run))
