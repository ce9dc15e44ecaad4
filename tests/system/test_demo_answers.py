"""What a clerk of the demo answers goes out through the real senders, once it can no longer be taken back, and is seen to arrive."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.assembly.device import World
from kiosk.core.counter_answer import delivery_text
from kiosk.demo.stage import Stage
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.take_back_answer import TakeBackAnswer
from sync.model.records import Interaction, key_of
from sync.model.rules import UNDO_WITHIN_US

AT = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
UNDO_MS = UNDO_WITHIN_US // 1_000
TEXT = "Sorry. Please come by; it is on us."


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(AT)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, clock: FixedClock) -> Iterator[Stage]:
    world = World(clock=clock, entropy=SeededEntropy("answers"), disk=SystemDisk())
    with Stage.opened(tmp_path_factory.mktemp("answers"), world=world) as made:
        yield made


def answered(stage: Stage, owner: str, asked_in: str, channel: str) -> str:
    """Answer the newest contact of a customer in a channel, in the same or another one; the id of the answer."""
    asked = [
        it
        for _, it in stage.profile(owner).of(Interaction)
        if (it.channel, it.direction) == (asked_in, "in")
    ]
    answer = AnswerInteraction(
        answers=max(asked, key=lambda it: it.at).id, by="Mira", text=TEXT, channel=channel
    )
    return stage.act("answer_interaction", answer, owner=owner)


def became(stage: Stage, owner: str, answer: str) -> str:
    """What the counter says has become of it."""
    row = next(
        row for row in stage.profile(owner).rows if row.key == key_of("interaction", answer)
    )
    assert isinstance(row.body, Interaction)
    return delivery_text(row, row.body, stage.telling, stage.profile(owner))


def out(stage: Stage) -> list[str]:
    """By which vendors this answer went out, as often as it did; they forget it."""
    went = [it.by for it in stage.vendors.messages if TEXT in it.text]
    stage.vendors.messages.clear()
    return went


@pytest.mark.parametrize(
    ("owner", "asked_in", "channel", "vendor", "last"),
    [
        ("priya", "whatsapp", "", "meta", "read"),
        ("andre", "chat", "", "chatwoot", "read"),
        ("tom", "x", "", "chatwoot", "read"),
        ("tom", "phone", "phone", "twilio", "delivered"),
        ("jonas", "web", "email", "mail", "sent"),
    ],
    ids=["WhatsApp", "chat", "X", "SMS", "e-mail"],
)
def test_an_answer_waits_five_minutes_then_goes_out_and_is_seen_to_arrive(  # noqa: PLR0917  # a case
    stage: Stage,
    clock: FixedClock,
    owner: str,
    asked_in: str,
    channel: str,
    vendor: str,
    last: str,
) -> None:
    answer = answered(stage, owner, asked_in, channel)

    clock.sleep_ms(UNDO_MS - 1)
    stage.settle()
    waiting, before = became(stage, owner, answer), out(stage)
    clock.sleep_ms(2)
    stage.settle()

    assert "can be taken back" in waiting
    assert ("template" in waiting) == (vendor == "meta")
    assert not before
    assert out(stage) == [vendor]
    assert became(stage, owner, answer) == last


def test_a_mail_of_the_demo_is_signed_by_its_shop(stage: Stage, clock: FixedClock) -> None:
    answered(stage, "jonas", "web", "email")
    clock.sleep_ms(UNDO_MS + 1)
    stage.settle()

    (mail,) = stage.vendors.messages
    stage.vendors.messages.clear()
    assert mail.to == "jonas@example.com"
    assert mail.text.splitlines()[-2:] == ["Your Tidemark team", "tidemark.example"]


def test_an_answer_in_a_channel_that_only_receives_says_which_other_way_there_is(
    stage: Stage, clock: FixedClock
) -> None:
    answer = answered(stage, "jonas", "tiktok", "")
    clock.sleep_ms(UNDO_MS + 1)
    stage.settle()

    assert not out(stage)
    assert became(stage, "jonas", answer) == (
        "NOT SENT: no way out is set up for tiktok; the customer can be reached by email"
    )


def test_an_answer_that_is_taken_back_in_time_goes_nowhere(
    stage: Stage, clock: FixedClock
) -> None:
    answer = answered(stage, "ruth", "phone", "email")

    stage.act("take_back_answer", TakeBackAnswer(answer=answer, answers=""), owner="ruth")
    clock.sleep_ms(UNDO_MS + 1)
    stage.settle()

    assert not out(stage)


def test_whoever_waits_in_the_demo_can_be_answered_where_they_wrote(
    stage: Stage, clock: FixedClock
) -> None:
    """Nobody who tries the list of who waits meets a channel that was not set up."""
    waiting = [
        (row.owner, it)
        for row in stage.rows()
        if isinstance(it := row.body, Interaction) and it.due_at and not it.answered_at
    ]

    answers = [
        (owner, it.channel, stage.act("answer_interaction", AnswerInteraction(answers=it.id, by="Mira", text=TEXT), owner=owner))
        for owner, it in waiting
    ]  # fmt: skip
    clock.sleep_ms(UNDO_MS + 1)
    stage.settle()

    assert len(answers) > 5
    assert {channel for _, channel, _ in answers} == {"chat", "web", "x"}
    assert {became(stage, owner, answer) for owner, _, answer in answers} == {"read"}
