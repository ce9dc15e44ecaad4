"""A saying in a language: the one place where dates, money and local time become words."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from kiosk.core.wording.catalogue import column_of, sentence_of
from kiosk.core.wording.filling import filled
from kiosk.core.wording.saying import DayForm, Moment, Money, Saying, Value, Word

LOCALES: Final = ("en_GB", "de_DE")
"""Babel's locale for each language of the catalogue: British English has the 24-hour clock and "3 May"."""

WEEKDAY_DAYS_MAX: Final = 6
"""Up to six days away a day has its weekday's name; the seventh would be ambiguous."""

SECONDS_MAX: Final = 250_000_000_000
"""A time later than the year 9892 is a mistake from outside; it is said as that year, and the page still opens."""

NO_CURRENCY: Final = "XXX"
"""For an amount whose currency is not one. Source: ISO 4217, 'no currency is involved'."""

YEARLESS_DAYS_MAX: Final = 300
"""A date nearer than this is said without its year."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who speaks one language, at one time, in one place.

    Attributes:
        language: BCP 47.
        now_us: Wall time, microseconds since 1970.
        timezone: Of the shop.
    """

    language: str
    now_us: int
    timezone: tzinfo = UTC

    def text_of(self, saying: Saying) -> str:
        """The finished sentence."""
        sentence = sentence_of(saying.id, self.language)
        if not saying.values:
            return sentence
        return filled(sentence, {name: self._word_of(value) for name, value in saying.values})

    def texts_of(self, sayings: tuple[Saying, ...]) -> tuple[str, ...]:
        """The finished sentences."""
        return tuple(self.text_of(saying) for saying in sayings)

    @property
    def _locale(self) -> str:
        return LOCALES[column_of(self.language)]

    def _word_of(self, value: Value) -> str:
        match value:
            case str():
                return value
            case int():
                return self._number(value)
            case Money():
                return self._money(value)
            case Word():
                return sentence_of(value.id, self.language)
            case Moment():
                return self._moment(value)
            case Saying():
                return self.text_of(value)

    def _number(self, number: int) -> str:
        if 0 <= number < 1_000:
            return str(number)
        # Costs about 25 ms of import the first time.
        from babel.numbers import format_decimal

        return format_decimal(number, locale=self._locale)

    def _money(self, money: Money) -> str:
        from decimal import Decimal

        from babel.numbers import format_currency, get_currency_precision

        currency = money.currency
        if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            currency = NO_CURRENCY  # it came from outside
        digits = get_currency_precision(currency)
        amount = Decimal(money.amount_minor).scaleb(-digits)
        return format_currency(amount, currency, locale=self._locale)

    def _moment(self, moment: Moment) -> str:
        local = self._local(moment.at)
        today = self._local(self.now_us).date()
        clock_time = f"{local:%H:%M}"
        match moment.form:
            case DayForm.DAY:
                return self._day(local.date(), today)
            case DayForm.ON_DAY:
                day = self._day(local.date(), today)
                is_near = abs((local.date() - today).days) <= 1
                return day if is_near else sentence_of("day.on", self.language).format(day=day)
            case DayForm.WHEN:
                if local.date() == today:
                    return clock_time
                return f"{self._day(local.date(), today)}, {clock_time}"
            case DayForm.SHORT:
                return clock_time if local.date() == today else self._short(local.date(), today)
            case DayForm.UNTIL:
                return self._until(moment, today)

    def _until(self, moment: Moment, today: date) -> str:
        """An end: on the hour with its time, else its day; midnight is the end of the day before."""
        local = self._local(moment.at)
        if local.hour and not local.minute:
            return self._moment(Moment(moment.at, DayForm.WHEN))
        return self._day(self._local(moment.at - 1).date(), today)

    def _day(self, day: date, today: date) -> str:
        distance = (day - today).days
        near = {0: "day.today", -1: "day.yesterday", 1: "day.tomorrow"}.get(distance)
        if near is not None:
            return sentence_of(near, self.language)
        return _named(day, distance, weekday="EEEE", locale=self._locale)

    def _short(self, day: date, today: date) -> str:
        return _named(day, (day - today).days, weekday="EEE", locale=self._locale)

    def _local(self, micros: int) -> datetime:
        seconds = min(max(micros // 1_000_000, 0), SECONDS_MAX)
        return datetime.fromtimestamp(seconds, UTC).astimezone(self.timezone)


@lru_cache(maxsize=256)
def _named(day: date, distance: int, *, weekday: str, locale: str) -> str:
    """A day by the name of its weekday when that is clear, else by its date."""
    # Costs about 60 ms of import the first time.
    from babel.dates import format_date, format_skeleton

    if abs(distance) <= WEEKDAY_DAYS_MAX:
        return format_date(day, weekday, locale=locale)
    is_near = abs(distance) < YEARLESS_DAYS_MAX
    return format_skeleton("MMMd" if is_near else "yMMMd", day, locale=locale)


def warm(now_us: int) -> None:
    """Load what the first page would otherwise wait for; about 150 ms, once, after the first picture is on screen."""
    from kiosk.core.wording.saying import say

    last_month = now_us - int(timedelta(days=40) / timedelta(microseconds=1))
    for locale_language in ("en", "de"):
        voice = Voice(locale_language, now_us)
        voice.text_of(say("offer.price", price=Money(100, "EUR"), when=Moment(last_month)))
        voice.text_of(say("points.balance", count=1_000))
        voice.text_of(say("owed.promised", by="", due=Moment(last_month, DayForm.SHORT)))
        earlier = now_us - int(timedelta(days=3) / timedelta(microseconds=1))
        voice.text_of(say("owed.case", day=Moment(earlier), channel=Word("channel.phone")))
