"""Says things to staff: a sentence by its id, moments, spans, money and channels in the words of the shop's language.

The only place where the counter turns UTC into local time. Values from outside are made safe here, so that a sentence
with a name in it can go to the screen as it is.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from hardware.moments import moment_of
from kiosk.core import foreign
from kiosk.core.wording import staff_en
from kiosk.core.wording.filling import filled
from sync.model import spans

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

VALUE_LENGTH_MAX: Final = 200
"""A text from outside inside a staff sentence: four lines of the smallest grid; the rest is cut with a mark."""

NAME_LENGTH_MAX: Final = 40
"""A name of a person, place or topic inside a staff sentence; a full name, where customers' screens show given names."""


@dataclass(frozen=True, slots=True)
class StaffWords:
    """Sentences for staff.

    Attributes:
        zone: Local time of the shop.
    """

    zone: tzinfo

    def say(self, sentence: str, **values: str | int) -> str:
        """The sentence with this id. Values are put in as they are: make foreign ones safe first.

        Raises:
            KeyError: there is no such id, or a value is missing; a mistake of ours.
        """
        return filled(staff_en.SENTENCES[sentence], values)

    def has(self, sentence: str) -> bool:
        """Whether there is a sentence with this id, for ids made of codes that may be newer than we are."""
        return sentence in staff_en.SENTENCES

    def either(self, sentence: str, otherwise: str, **values: str | int) -> str:
        """The sentence with the first id, or the second where the first does not exist."""
        return self.say(sentence if self.has(sentence) else otherwise, **values)

    def alert(self, code: str, whom: str) -> str:
        """What the centre or a device rang for, of which device, agent or channel."""
        return self.either(f"alert.{code}", "alert.other", whom=self.name(whom), code=code)

    def text(self, text: str) -> str:
        """Foreign text, safe to put into a sentence."""
        return foreign.safe(text, limit=VALUE_LENGTH_MAX)

    def name(self, text: str) -> str:
        """A foreign name, safe to put into a sentence."""
        return foreign.safe(text, limit=NAME_LENGTH_MAX)

    def channel(self, code: str) -> str:
        """What people call a channel or a source; an unknown one by its own name, made safe."""
        key = f"channel.{code}"
        return self.say(key) if self.has(key) else self.name(code)

    def moment(self, at: int, *, now: int) -> str:
        """A moment as people say it: "today 14:02", "Tue 14:02", "3 May 14:02", "3 May 2025".

        Args:
            at: Microseconds since 1970.
            now: The same; decides how much of the date is needed.
        """
        then, today = self._local(at), self._local(now)
        values: dict[str, str | int] = {
            "time": f"{then:%H:%M}", "day": then.day, "year": then.year,
            "month": self.say(f"month.{then.month}"), "weekday": self.say(f"weekday.{then.weekday()}"),
        }  # fmt: skip
        return self.say(_moment_form((then.date() - today.date()).days, then, today), **values)

    def day(self, number: int) -> str:
        """A day as people say it, with its weekday and without its year: "Fri 27 Nov". `number` in days since 1970, UTC."""
        date = moment_of(number * DAY_US)
        return self.say(
            "day.named", weekday=self.say(f"weekday.{date.weekday()}"), day=date.day,
            month=self.say(f"month.{date.month}"),
        )  # fmt: skip

    def clock(self, at: int, *, now: int) -> str:
        """The same where room is dear: of today only the time, "14:02"."""
        then = self._local(at)
        is_today = then.date() == self._local(now).date()
        return f"{then:%H:%M}" if is_today else self.moment(at, now=now)

    def span(self, micros: int) -> str:
        """A length of time in its natural unit, rounded down: "40 s", "3 min", "47 h", "2 days"."""
        count, unit = spans.measured(micros)
        return self.say(f"span.{unit}", count=count)

    def late(self, due_at: int, *, now: int) -> str:
        """How late something is that was promised for `due_at`: "47 h late"; on every page the same of the same thing."""
        return spans.late(due_at, now)

    def money(self, amount_minor: int, currency: str) -> str:
        """An amount with its currency: "31.92 EUR"."""
        sign = "-" if amount_minor < 0 else ""
        whole, part = divmod(abs(amount_minor), 100)
        return f"{sign}{whole:,}.{part:02} {self.name(currency)}"

    def times(self, count: int) -> str:
        """How often: "once", "7 times"."""
        return self.say("times.one") if count == 1 else self.say("times.many", count=count)

    def items(self, count: int) -> str:
        """How many things: "1 item", "2 items"."""
        return self.say("items.one") if count == 1 else self.say("items.many", count=count)

    def questions(self, count: int) -> str:
        """How many questions were asked: "1 question, and the answer lost again"."""
        return self.say("trap.sum.one") if count == 1 else self.say("trap.sum", asked=count)

    def _local(self, at: int) -> datetime:
        return moment_of(at).astimezone(self.zone)


def _moment_form(days: int, then: datetime, today: datetime) -> str:
    """Which sentence says a moment `days` calendar days from today."""
    near = {0: "moment.today", -1: "moment.yesterday", 1: "moment.tomorrow"}
    if days in near:
        return near[days]
    if abs(days) < 7:
        return "moment.week"
    return "moment.year" if then.year == today.year else "moment.far"
