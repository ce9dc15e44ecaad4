"""Sentences for staff, and the moments, spans and amounts in them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from hardware.moments import micros_of
from kiosk.core.staff_words import DAY_US, HOUR_US, MINUTE_US, SECOND_US, StaffWords
from kiosk.core.wording.staff_en import SENTENCES
from sync.model.records import CHANNELS
from tests.support.demo_side import NOW_US, WORDS

KIOSK = Path(__file__).parents[3] / "kiosk"
SAYS_IT = (
    "core/counter.py",
    "core/counter_answer.py",
    "core/counter_card.py",
    "core/counter_now.py",
    "core/counter_open.py",
    "core/promising.py",
    "core/counter_thread.py",
    "core/entries.py",
    "core/settling.py",
    "core/staff_words.py",
    "core/strip.py",
    "core/ticker.py",
    "core/trap.py",
    "ui/screens/alike.py",
    "ui/screens/choice.py",
    "ui/screens/remedy.py",
    "ui/screens/set_pin.py",
    "ui/screens/settle.py",
    "ui/views/counter.py",
    "ui/views/counter_acts.py",
    "ui/views/counter_base.py",
    "ui/views/counter_find.py",
    "ui/views/counter_settling.py",
    "ui/views/counter_waiting.py",
    "ui/views/counter_writing.py",
    "ui/widgets/note.py",
    "ui/demo_shell/app.py",
    "ui/demo_shell/ticker.py",
    "ui/demo_shell/trap.py",
)
_PART = r"(?:[a-z0-9_-]|\{[^}\"]*\})+"
_NAMED = re.compile(rf"[\"']({_PART}(?:\.{_PART})+)[\"']")


@pytest.mark.parametrize(
    ("passed_us", "said"),
    [
        (0, "today 14:02"),
        (-HOUR_US, "today 15:02"),
        (DAY_US, "yesterday 14:02"),
        (-DAY_US, "tomorrow 14:02"),
        (6 * DAY_US, "Sun 14:02"),
        (7 * DAY_US, "14 Nov 14:02"),
        (400 * DAY_US, "17 Oct 2025"),
    ],
)
def test_a_moment_says_as_much_of_its_date_as_is_needed(passed_us: int, said: str) -> None:
    assert WORDS.moment(NOW_US - passed_us, now=NOW_US) == said


def test_midnight_of_the_shop_decides_what_is_today() -> None:
    berlin = StaffWords(ZoneInfo("Europe/Berlin"))
    late = micros_of(datetime(2026, 5, 8, 22, 30, tzinfo=UTC))
    later = micros_of(datetime(2026, 5, 9, 8, 0, tzinfo=UTC))

    assert berlin.moment(late, now=later) == "today 00:30"
    assert WORDS.moment(late, now=later) == "yesterday 22:30"


@pytest.mark.parametrize(
    ("span_us", "said"),
    [
        (-1, "0 s"),
        (MINUTE_US - SECOND_US, "59 s"),
        (MINUTE_US, "1 min"),
        (90 * MINUTE_US - 1, "89 min"),
        (90 * MINUTE_US, "1 h"),
        (48 * HOUR_US - 1, "47 h"),
        (48 * HOUR_US, "2 days"),
    ],
)
def test_a_span_is_said_in_its_natural_unit(span_us: int, said: str) -> None:
    assert WORDS.span(span_us) == said


@pytest.mark.parametrize(
    ("amount_minor", "said"),
    [(0, "0.00 EUR"), (5, "0.05 EUR"), (3192, "31.92 EUR"), (-3192, "-31.92 EUR"), (123456789, "1,234,567.89 EUR")],
)  # fmt: skip
def test_an_amount_has_its_currency(amount_minor: int, said: str) -> None:
    assert WORDS.money(amount_minor, "EUR") == said


def test_every_channel_has_a_name_for_people() -> None:
    assert not [channel for channel in CHANNELS if not WORDS.has(f"channel.{channel}")]


def _named_in_code() -> set[str]:
    """Every id that stands in the code of the counter and the demo, with * for a part made at run time."""
    files = [KIOSK / name for name in SAYS_IT]
    found = {name for file in files for name in _NAMED.findall(file.read_text("utf-8"))}
    return {re.sub(r"\{[^}]*\}", "*", name) for name in found}


def _fits(pattern: str, sentence: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".+"), sentence) is not None


def test_every_sentence_is_said_somewhere() -> None:
    named = _named_in_code()

    unsaid = [
        sentence for sentence in SENTENCES if not any(_fits(name, sentence) for name in named)
    ]

    assert unsaid == []


def test_no_sentence_is_missing() -> None:
    areas = {sentence.partition(".")[0] for sentence in SENTENCES}
    wanted = {
        name for name in _named_in_code() if name.partition(".")[0] in areas and "*" not in name
    }

    missing = [name for name in wanted if name not in SENTENCES and not name.endswith(".tcss")]

    assert missing == []


def test_staff_are_spoken_to_in_words_not_in_ours() -> None:
    banned = re.compile(
        r"\b(outbox|capsule|parked|refused|A[0-3]|invalid|error)\b|!", re.IGNORECASE
    )

    assert [text for text in SENTENCES.values() if banned.search(text)] == []


def test_placeholders_have_names() -> None:
    fields = [
        field for text in SENTENCES.values() for _, field, _, _ in Formatter().parse(text)
    ]

    assert [field for field in fields if field is not None and not field.isidentifier()] == []
