"""Every sentence is there in every language, short, polite and used."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from string import Formatter

import pytest

from hardware.moments import micros_of
from kiosk.core.staff_words import StaffWords
from kiosk.core.visit import Face
from kiosk.core.wording import customer, fault_lines, spoken, staff_en
from kiosk.core.wording.catalogue import (
    LANGUAGE_NAMES,
    LANGUAGES,
    SENTENCES,
    column_of,
    next_language,
    spoken_here,
)
from kiosk.core.wording.saying import DayForm, Moment, Money, Word, say
from kiosk.core.wording.voice import LOCALES, Voice
from sync.model.records import CHANNELS

NOW = datetime(2026, 5, 8, 14, 2, tzinfo=UTC)
CODE = (
    "\n".join(
        path.read_text()
        for path in Path("kiosk").rglob("*.py")
        if path.parent.name != "wording"
    )
    + Path("kiosk/core/wording/voice.py").read_text()
)
BUILT_IDS = re.compile(
    r"^(attract\.where-|button\.(ring-counter|ask-team|ask-about|find|exchange|tickets|prove-handle|forget-me)|channel\.|fault\.|rang\.)"
)
"""Ids whose second part comes from a value; their values are tested where they come from."""


def placeholders_of(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("sentence_id", SENTENCES)
def test_every_sentence_is_there_in_every_language_with_the_same_placeholders(
    sentence_id: str,
) -> None:
    sentences = SENTENCES[sentence_id]

    assert len(sentences) == len(LANGUAGES) == len(LOCALES) == len(LANGUAGE_NAMES)
    assert all(sentence.strip() == sentence != "" for sentence in sentences)
    assert len({frozenset(placeholders_of(sentence)) for sentence in sentences}) == 1


@pytest.mark.parametrize("sentence_id", [*customer.SENTENCES, *spoken.SENTENCES])
def test_customers_are_not_blamed_not_shouted_at_and_told_no_codes(sentence_id: str) -> None:
    for sentence in SENTENCES[sentence_id]:
        assert not re.search(r"invalid|error|failed|ungültig|fehler|!", sentence, re.IGNORECASE)
        assert len(sentence.split()) <= (8 if sentence_id in customer.SENTENCES else 16) + 8


@pytest.mark.parametrize("sentence_id", SENTENCES)
def test_every_sentence_is_used(sentence_id: str) -> None:
    assert f'"{sentence_id}"' in CODE or BUILT_IDS.match(sentence_id)


def test_no_id_is_in_two_areas() -> None:
    areas = (customer.SENTENCES, spoken.SENTENCES, fault_lines.SENTENCES)

    assert len(SENTENCES) == sum(len(area) for area in areas)


def test_every_channel_has_a_name_and_every_face_but_the_page_a_spoken_sentence() -> None:
    assert all(f"channel.{channel}" in SENTENCES for channel in CHANNELS)
    said = {sentence_id.removeprefix("spoken.") for sentence_id in spoken.SENTENCES}

    assert {
        face.value for face in Face if face not in {Face.PAGE, Face.READING, Face.MOMENT}
    } - said == {"one-band"} - said


@pytest.mark.parametrize(
    ("days", "form", "english", "german"),
    [
        (0, DayForm.DAY, "today", "heute"),
        (-1, DayForm.ON_DAY, "yesterday", "gestern"),
        (-3, DayForm.DAY, "Tuesday", "Dienstag"),
        (-3, DayForm.ON_DAY, "on Tuesday", "am Dienstag"),
        (-6, DayForm.WHEN, "Saturday, 14:02", "Samstag, 14:02"),
        (-7, DayForm.DAY, "1 May", "1. Mai"),
        (-400, DayForm.DAY, "3 Apr 2025", "3. Apr. 2025"),
        (0, DayForm.WHEN, "14:02", "14:02"),
        (0, DayForm.SHORT, "14:02", "14:02"),
        (-3, DayForm.SHORT, "Tue", "Di."),
    ],
)
def test_a_moment_is_said_as_people_say_it(
    days: int, form: DayForm, english: str, german: str
) -> None:
    moment = Moment(micros_of(NOW + timedelta(days=days)), form)

    said = [
        Voice(language, micros_of(NOW)).text_of(say("page.as-of", when=moment))
        for language in LANGUAGES
    ]

    assert said == [f"As of {english}", f"Stand {german}"]


@pytest.mark.parametrize("sentence_id", SENTENCES)
def test_a_value_that_ends_with_a_full_stop_brings_no_second_one(sentence_id: str) -> None:
    for language in LANGUAGES:
        names = placeholders_of(SENTENCES[sentence_id][LANGUAGES.index(language)])

        said = Voice(language, 0).text_of(say(sentence_id, **dict.fromkeys(names, "12. Dez.")))

        assert ".." not in said
        assert said.count("12. Dez.") >= len(names)


@pytest.mark.parametrize("sentence_id", staff_en.SENTENCES)
def test_what_staff_read_has_no_two_full_stops_either(sentence_id: str) -> None:
    names = placeholders_of(staff_en.SENTENCES[sentence_id])

    said = StaffWords(UTC).say(sentence_id, **dict.fromkeys(names, "Beck jr."))

    assert ".." not in said


def test_a_date_at_the_end_of_a_sentence_ends_it_with_one_full_stop() -> None:
    winter = Moment(micros_of(datetime(2026, 12, 12, tzinfo=UTC)))
    said = [
        Voice(language, micros_of(NOW)).text_of(say(sentence_id, **{name: winter}))
        for sentence_id, name in (("offer.until", "until"), ("fact.as-of", "when"))
        for language in LANGUAGES
    ]

    assert said == [
        "For you until 12 Dec.",
        "Für Sie bis 12. Dez.",
        "As of 12 Dec.",
        "Stand 12. Dez.",
    ]


def test_money_and_numbers_follow_the_language() -> None:
    english, german = (Voice(language, micros_of(NOW)) for language in LANGUAGES)
    price = say("items.line-paid", count=1_120, title="x", price=Money(119_050, "EUR"))

    assert english.text_of(price) == "1,120 x x, €1,190.50"
    assert german.text_of(price) == "1.120 x x, 1.190,50\xa0€"


def test_a_currency_that_is_none_does_not_reach_the_screen() -> None:
    voice = Voice("en", micros_of(NOW))

    said = voice.text_of(
        say("items.line-paid", count=1, title="x", price=Money(100, "\x1b[2J"))
    )

    assert "\x1b" not in said
    assert "1.00" in said


@pytest.mark.parametrize("at", [-(10**20), -1, 0, 10**20])
def test_an_impossible_time_from_outside_is_said_somehow_and_breaks_nothing(at: int) -> None:
    voice = Voice("de", micros_of(NOW), timezone(timedelta(hours=14)))

    for form in DayForm:
        assert voice.text_of(say("page.as-of", when=Moment(at, form))).startswith("Stand ")


def test_local_time_is_the_shops() -> None:
    voice = Voice("en", micros_of(NOW), timezone(timedelta(hours=10)))

    said = voice.text_of(say("page.as-of", when=Moment(micros_of(NOW), DayForm.WHEN)))

    assert said == "As of 00:02"


def test_a_value_that_looks_like_a_placeholder_is_only_text() -> None:
    voice = Voice("en", micros_of(NOW))

    assert voice.text_of(say("greeting.hello", name="{name} {0}")) == "Hello, {name} {0}."
    assert voice.text_of(say("owed.case", day="x", channel=Word("channel.phone"))).endswith(
        "(phone)"
    )


def test_a_language_we_do_not_speak_falls_back_and_the_button_offers_the_other_one() -> None:
    assert spoken_here("de-AT")
    assert not spoken_here("fr")
    assert column_of("fr") == 0
    assert next_language("en") == "de"
    assert next_language("de") == "en"
