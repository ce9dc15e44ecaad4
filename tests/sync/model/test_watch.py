"""Who waits for us, and how each channel does."""

import msgspec
import pytest

from sync.model import promises
from sync.model.records import Case, Interaction, Promise, Record
from sync.model.row import Row, row_of
from sync.model.watch import (
    DAY_US,
    HOUR_US,
    ChannelReport,
    Contact,
    PromiseReport,
    by_channel,
    contacts_of,
    due_promises,
    promises_of,
    report_of,
    waiting_of,
)

NOW_US = 1_800_000_000_000_000


def of(body: Record, owner: str = "priya") -> Row:
    return row_of(body, owner=owner, as_of=NOW_US, source="web")


def said(name: str, hours_ago: float, channel: str = "whatsapp", **changes: object) -> Row:
    owner = str(changes.pop("owner", "priya"))
    at = NOW_US - round(hours_ago * HOUR_US)
    wrote = Interaction(
        id=name, at=at, channel=channel, direction="in", by="Priya", text="?", due_at=at + DAY_US
    )  # fmt: skip
    return of(msgspec.structs.replace(wrote, **changes), owner)


def answer(name: str, hours_ago: float, channel: str = "whatsapp", **changes: object) -> Row:
    return said(name, hours_ago, channel, direction="out", due_at=0, **changes)


def test_three_messages_in_a_row_are_one_contact_that_waits_since_the_first() -> None:
    (contact,) = contacts_of([said("b", 70), said("a", 71), said("c", 2)])

    assert (contact.n, contact.key, contact.last_key) == (3, "interaction/a", "interaction/c")
    assert contact.is_waiting
    assert contact.is_late(NOW_US)
    assert contact.due_at == NOW_US - 71 * HOUR_US + DAY_US


def test_a_persons_answer_ends_a_contact_and_what_comes_after_is_another() -> None:
    first, second = contacts_of([said("a", 50), answer("b", 49), said("c", 1)])

    assert first.answered_at == NOW_US - 49 * HOUR_US
    assert not first.is_waiting
    assert second.is_waiting
    assert not second.is_late(NOW_US)


def test_an_answer_that_did_not_arrive_is_none() -> None:
    (failed,) = contacts_of([said("a", 50), answer("b", 49, delivery="failed")])
    queued = contacts_of([said("a", 50), answer("b", 49, delivery="queued")])

    assert failed.is_waiting
    assert not queued[0].is_waiting


def test_an_automatic_reply_answers_nothing() -> None:
    (contact,) = contacts_of([said("a", 50), answer("b", 49, is_automatic=True)])

    assert contact.is_late(NOW_US)


def test_an_answer_in_another_channel_that_was_noted_ends_the_waiting() -> None:
    (contact,) = contacts_of([said("a", 50, answered_at=NOW_US - HOUR_US)])

    assert not contact.is_waiting


def test_a_note_among_ourselves_answers_nothing_and_is_no_contact() -> None:
    note = said("n", 40, direction="note", due_at=0)

    assert contacts_of([note]) == ()
    assert contacts_of([said("a", 50), note])[0].is_late(NOW_US)


def test_what_was_taken_back_was_never_said() -> None:
    rows = [said("a", 50), answer("b", 49, taken_back_at=NOW_US)]

    assert contacts_of(rows)[0].is_late(NOW_US)
    assert contacts_of([said("a", 50, taken_back_at=NOW_US)]) == ()


def test_two_channels_and_two_customers_are_never_one_contact() -> None:
    rows = [said("a", 3), said("b", 2, "email"), said("c", 1, owner="tom")]

    assert len(contacts_of(rows)) == 3


def test_whoever_has_the_earliest_promise_is_first() -> None:
    rows = [said("a", 2), said("b", 30, "email"), said("c", 80, "x", due_at=0)]

    waiting = waiting_of(contacts_of(rows))

    assert [it.channel for it in waiting] == ["email", "whatsapp"]


@pytest.mark.parametrize(
    ("hours_ago", "channel", "is_closing"),
    [
        (19.9, "whatsapp", False),
        (20, "whatsapp", True),
        (23.9, "whatsapp", True),
        (24, "whatsapp", False),
        (21, "email", False),
    ],
)
def test_the_alarm_rings_while_free_text_is_still_allowed_for_some_hours(
    hours_ago: float, channel: str, is_closing: bool
) -> None:
    (contact,) = contacts_of([said("a", hours_ago, channel)])

    assert contact.is_window_closing(NOW_US) == is_closing
    assert contact.window_ends_at == (contact.last_at + DAY_US if channel == "whatsapp" else 0)


def test_the_window_counts_from_the_newest_message_and_ends_with_an_answer() -> None:
    newer, answered = said("a", 30), said("b", 21)

    assert contacts_of([newer, said("c", 1)])[0].is_window_closing(NOW_US) is False
    assert contacts_of([answered, answer("d", 1)])[0].is_window_closing(NOW_US) is False


def test_each_channel_says_who_waits_and_since_when() -> None:
    rows = [
        said("a", 71),
        said("b", 3, owner="tom"),
        said("c", 2, "email", owner="tom"),
        said("d", 21, owner="lena"),
    ]

    whatsapp, email = by_channel(contacts_of(rows), now=NOW_US)

    assert (whatsapp.n_waiting, whatsapp.n_late, whatsapp.n_window_closing) == (3, 1, 1)
    assert whatsapp.oldest_at == NOW_US - 71 * HOUR_US
    assert (email.channel, email.n_waiting, email.n_late) == ("email", 1, 0)


def promised(due_in_h: float, **changes: object) -> Row:
    case = Case(
        id="c", number="C-1", state="open", topic="bill", opened_at=0, channel="phone",
        promise=Promise("Ana", "call you", NOW_US + round(due_in_h * HOUR_US)),
    )  # fmt: skip
    return of(msgspec.structs.replace(case, **changes), "tom")


@pytest.mark.parametrize(("due_in_h", "n"), [(-1, 1), (1.9, 1), (2, 1), (2.1, 0)])
def test_a_promise_is_raised_before_it_runs_out(due_in_h: float, n: int) -> None:
    found = due_promises([promised(due_in_h)], now=NOW_US)

    assert len(found) == n
    assert [it.is_broken(NOW_US) for it in found] == [due_in_h < 0] * n


def test_a_promise_that_was_kept_or_whose_case_is_closed_is_not_raised() -> None:
    kept = promised(-1, promise=Promise("Ana", "call", NOW_US - 1, kept_at=NOW_US))

    assert due_promises([kept, promised(-1, state="solved")], now=NOW_US) == ()


def test_a_broken_promise_is_raised_with_its_own_time_though_somebody_promised_again() -> None:
    row = promised(-5)
    assert isinstance(row.body, Case)
    newer = Promise("Ben", "mail", NOW_US + 9 * HOUR_US, op="b", at=NOW_US - HOUR_US)
    again = msgspec.structs.replace(row, body=promises.with_promise(row.body, newer))

    (found,) = due_promises([again], now=NOW_US)

    assert (found.by, found.due_at) == ("Ana", NOW_US - 5 * HOUR_US)
    assert found.again_at == NOW_US + 9 * HOUR_US
    assert (found.n_promised, found.n_broken, found.broken_at) == (2, 1, NOW_US - 5 * HOUR_US)


def test_what_was_promised_is_counted_with_the_oldest_that_was_broken() -> None:
    row = promised(-5)
    assert isinstance(row.body, Case)
    newer = Promise("Ben", "mail", NOW_US + 9 * HOUR_US, op="b", at=NOW_US - HOUR_US)
    again = msgspec.structs.replace(row, body=promises.with_promise(row.body, newer))
    old = promised(0, promise=Promise("Ana", "call", 2, kept_at=1))

    found = promises_of([again, promised(3), old], now=NOW_US)

    assert found == PromiseReport(
        n_cases=2, n_promised=3, n_broken=1, n_again=1, n_owed=2, broken_at=NOW_US - 5 * HOUR_US
    )
    assert promises_of([old], now=NOW_US) is None


def report(rows: list[Row], channel: str) -> ChannelReport:
    return next(it for it in report_of(contacts_of(rows), now=NOW_US) if it.channel == channel)


def answered(n: int, channel: str, *, after_h: float = 1.0, **changes: object) -> list[Row]:
    return [
        said(
            f"{channel}{index}", 100 - index, channel, owner=f"{channel}{index}",
            answered_at=NOW_US - round((100 - index - after_h) * HOUR_US), **changes,
        )
        for index in range(n)
    ]  # fmt: skip


def unheard(n: int, channel: str) -> list[Row]:
    return [said(f"{channel}u{index}", 90, channel, owner=f"u{index}") for index in range(n)]


def test_a_channel_that_answers_is_kept() -> None:
    found = report(answered(10, "chat", after_h=2), "chat")

    assert (found.verdict, found.reason) == ("keep", "answered")
    assert (found.n_contacts, found.n_customers, found.n_answered) == (10, 10, 10)
    assert found.answer_median_us == 2 * HOUR_US
    assert found.share == 1


def test_a_channel_that_leaves_customers_waiting_is_to_be_staffed() -> None:
    found = report(answered(8, "whatsapp") + unheard(1, "whatsapp"), "whatsapp")

    assert (found.verdict, found.reason) == ("staff_it", "unanswered")
    assert found.n_late == 1


def test_a_channel_that_answers_later_than_promised_is_to_be_staffed() -> None:
    found = report(answered(6, "email", after_h=30), "email")

    assert (found.verdict, found.reason) == ("staff_it", "slow")
    assert found.n_late == 6, "they were answered, and too late"


def test_a_channel_after_which_customers_ask_again_elsewhere_is_to_be_staffed() -> None:
    rows = answered(6, "x", topic="reset")
    again = [
        said(f"p{index}", 50, "phone", owner=f"x{index}", topic="reset", due_at=0)
        for index in range(2)
    ]

    found = report(rows + again, "x")

    assert found.n_asked_elsewhere == 2
    assert (found.verdict, found.reason) == ("staff_it", "asked_elsewhere")


def test_a_channel_hardly_used_where_most_wait_in_vain_is_to_be_closed() -> None:
    found = report(answered(150, "chat") + unheard(2, "tiktok"), "tiktok")

    assert (found.verdict, found.reason) == ("close", "unused_and_unheard")


def test_of_a_few_contacts_nothing_is_concluded() -> None:
    found = report(answered(4, "app") + answered(90, "chat"), "app")

    assert (found.verdict, found.reason) == ("", "too_few")


def test_what_is_older_than_four_weeks_is_not_in_the_report() -> None:
    assert report_of(contacts_of([said("a", 24 * 29)]), now=NOW_US) == ()


def test_contacts_come_the_same_in_any_order() -> None:
    rows = [said("a", 5), answer("b", 4), said("c", 3), said("d", 3), answer("e", 1)]

    found: set[tuple[Contact, ...]] = {
        contacts_of(rows[turn:] + rows[:turn]) for turn in range(len(rows))
    }

    assert len(found) == 1
