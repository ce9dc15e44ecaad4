"""Who waits for us, as a clerk's list."""

from kiosk.core.counter_open import Open, channels_line, n_late_of, open_of
from kiosk.core.entries import Telling
from kiosk.core.staff_words import DAY_US, HOUR_US
from sync.model import promises
from sync.model.profile import Profile
from sync.model.records import (
    Case,
    ChannelWatch,
    Customer,
    Interaction,
    Likeness,
    Promise,
    Record,
    Referral,
)
from sync.model.row import row_of
from tests.support.demo_side import NOW_US, POST, WORDS

TELL = Telling(WORDS, POST, NOW_US)


def of(owner: str, *bodies: Record) -> Profile:
    person = Customer(id=owner, given_name=owner.title())
    return Profile(
        owner,
        tuple(
            row_of(one, owner=owner, as_of=NOW_US, source="web") for one in (person, *bodies)
        ),
    )


def wrote(channel: str, *, hours_ago: int, due_in_h: int) -> Interaction:
    at, due = NOW_US - hours_ago * HOUR_US, NOW_US + due_in_h * HOUR_US
    return Interaction(f"{channel}:{hours_ago}", at, channel, "in", "she", "Hello?", due_at=due)


def promised(due_in_h: int, *, state: str = "open") -> Case:
    promise = Promise("Ana", "an answer", NOW_US + due_in_h * HOUR_US)
    return Case("c-1", "C-1", state, "bill", NOW_US - HOUR_US, "phone", promise=promise)


def lines(*profiles: Profile) -> list[str]:
    return [f"{one.name}: {one.lead}" for one in open_of(profiles, TELL)]


def test_what_is_late_stands_first_and_what_only_may_be_last() -> None:
    alike = Likeness("maya~x", "x", "M. Lind", "same phone", 1_000, NOW_US)
    referral = Referral(
        "r-1", "harbour", "Ana", "show the form", NOW_US, due_at=NOW_US + HOUR_US
    )

    found = lines(
        of("maya", alike),
        of("una", wrote("email", hours_ago=2, due_in_h=22)),
        of("lena", referral),
        of("sam", promised(1)),
        of("ruth", wrote("whatsapp", hours_ago=21, due_in_h=3)),
        of("tom", promised(-48)),
        of("priya", wrote("whatsapp", hours_ago=71, due_in_h=-47)),
    )

    assert found == [
        "Tom: Promise, 2 days late",
        "Priya: WhatsApp, 47 h late",
        "Ruth: WhatsApp: free text ends in 3 h",
        "Sam: Promise, 60 min left",
        "Lena: Sent to us for today 15:02",
        "Una: E-mail, by tomorrow 12:02",
        "Maya: One person with M. Lind?",
    ]


def test_a_broken_promise_stays_on_the_list_when_somebody_promises_again() -> None:
    newer = Promise("Ben", "a mail", NOW_US + 5 * HOUR_US, op="b", at=NOW_US)

    (found,) = open_of([of("tom", promises.with_promise(promised(-48), newer))], TELL)

    assert (found.kind, found.lead) == ("broken", "Promise, 2 days late")
    assert found.text == (
        "again for today 19:02, after Thu 14:02 by Ana: an answer (promised 2 times, 1 broken)"
    )


def test_one_that_is_late_says_that_whatsapp_closes_as_well() -> None:
    profile = of("priya", wrote("whatsapp", hours_ago=22, due_in_h=-1))

    assert lines(profile) == ["Priya: WhatsApp, 60 min late, free text ends in 2 h"]


def test_a_promise_says_who_made_it_for_when() -> None:
    (one,) = open_of((of("tom", promised(-48)),), TELL)

    assert one.text == "promised by Ana for Thu 14:02: an answer"


def test_what_was_answered_kept_or_sent_elsewhere_is_not_open() -> None:
    answered = wrote("email", hours_ago=71, due_in_h=-47)
    reply = Interaction("re", NOW_US, "email", "out", "Mira", "Yes.")
    elsewhere = Referral("r-1", "station", "Ana", "show the form", NOW_US)
    done = Referral("r-2", "harbour", "Ana", "show the form", NOW_US, state="done")

    assert lines(of("priya", answered, reply), of("tom", promised(-48, state="solved"))) == []
    assert lines(of("lena", elsewhere, done)) == []


def test_three_messages_in_a_row_are_one_line() -> None:
    first = wrote("whatsapp", hours_ago=3, due_in_h=21)
    second = Interaction("w:2", NOW_US - HOUR_US, "whatsapp", "in", "she", "Are you there?")

    found: tuple[Open, ...] = open_of((of("priya", first, second),), TELL)

    assert [one.text for one in found] == ['"Are you there?"']


def test_the_numbers_of_all_stores_name_the_channel_with_most_late_ones_first() -> None:
    watches = (
        ChannelWatch("email", 5, 0, oldest_at=NOW_US - 3 * HOUR_US),
        ChannelWatch(
            "whatsapp",
            12,
            3,
            oldest_at=NOW_US - 71 * HOUR_US,
            next_due_at=NOW_US - 47 * HOUR_US,
        ),
        ChannelWatch("phone", 2, 1, next_due_at=NOW_US - HOUR_US),
        ChannelWatch("chat", 2, 2, next_due_at=NOW_US - 8 * DAY_US),
        ChannelWatch("web", 1, 1, next_due_at=NOW_US - HOUR_US),
        ChannelWatch("x", 0, 0),
    )

    assert (
        channels_line(watches, TELL)
        == "All stores, 7 unanswered: WhatsApp 12 (3 late, the longest 47 h late), Chat 2 (the longest 8 days late),"
        " Phone 2 (1 is 60 min late), Web 1 (60 min late), E-mail 5 (oldest waits 3 h)"
    )
    assert n_late_of(watches) == 7


def test_no_age_is_said_of_a_channel_whose_oldest_nobody_knows() -> None:
    watches = (ChannelWatch("email", 5, 0), ChannelWatch("whatsapp", 12, 3))

    assert (
        channels_line(watches, TELL)
        == "All stores, 3 unanswered: WhatsApp 12 (3 late), E-mail 5"
    )
