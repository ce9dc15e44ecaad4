"""The loop of the reader process, with a fake reader, virtual chips and a clock that moves only when told to."""

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from drivers.errors import ReaderAbsent, ReaderFault, ServiceDown
from drivers.lines import (
    Challenge,
    Failed,
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Refresh,
    Refreshed,
    Response,
    Said,
    Seen,
    Stop,
    Use,
    Used,
    line_of,
)
from drivers.ports import LeasedKey
from drivers.proof import Proof
from drivers.pump import (
    ATTENTIVE_LOOK_MS,
    ATTENTIVE_MS,
    SAME_TAP_MS,
    STILL_MS,
    TORN_MAX,
    Hearing,
    Means,
    PipeKeys,
    Pump,
)
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.signals import Signal
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.uid_bands import VirtualNtag213, VirtualPhone
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band, band_key
from tests.support.readers import FakeReader, Script, Step

pytestmark = pytest.mark.timeout(20)

OTHER_UID = bytes.fromhex("04999999999999")
OTHER_REFERENCE = b"\x02" * 16


class Scene:
    """A pump, what it lives on, and whoever listens to it."""

    def __init__(self, *steps: Step, leased: tuple[bytes, ...] = (UID, OTHER_UID)) -> None:
        self.clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
        self.field = Field()
        self.hearing = Hearing()
        self.script = Script(*steps, at_end=self.hearing.end)
        self.reader = FakeReader(self.field, self.clock, self.script)
        self.said: list[Said] = []
        self.answer: Callable[[KeyWanted], None] = self._lend
        self.openings: list[Callable[[], Reader]] = []
        self._leased = leased
        self.order_wait_ms = 5
        self.remote_ms = 400
        self.hearing.tell(GroupKey(GROUP_KEY.hex()))

    def play(self, *steps: Step) -> list[Said]:
        """Run the pump until the script is over; what it said."""
        self.script._steps.extend(steps)
        means = Means(
            self.clock,
            SeededEntropy("reader"),
            reopen_ms=(1,),
            key_wait_ms=20,
            stuck_pause_ms=1,
            order_wait_ms=self.order_wait_ms,
            remote_ms=self.remote_ms,
        )
        Pump("fake", self._opened, say=self._say, hearing=self.hearing, means=means).run()
        return self.said

    def names(self) -> list[str]:
        """What was said, one word each."""
        words = []
        for value in self.said:
            match value:
                case ReaderState():
                    words.append(f"reader {value.code or 'ok'}")
                case Failed():
                    words.append(f"failed {value.tap} {value.code}")
                case Proved():
                    words.append(f"proved {value.tap} {value.kind}")
                case KeyWanted():
                    words.append(f"key_wanted {value.tap}")
                case Seen():
                    words.append(f"seen {value.tap}")
                case Left():
                    words.append(f"left {value.tap}")
                case Challenge() | Refreshed() | Used():
                    words.append(f"{type(value).__name__.lower()} {value.tap}")
        return words

    def proofs(self) -> list[Proved]:
        return [value for value in self.said if isinstance(value, Proved)]

    def present(self, *bands: Any) -> Step:
        return lambda: self.field.present(*bands)

    def remove(self) -> Step:
        return self.field.remove

    def wait(self, duration_ms: int) -> Step:
        return lambda: self.clock.sleep_ms(duration_ms)

    def reopened(self) -> Reader:
        """The same reader anew: to it whatever lies there has just come."""
        self.reader = FakeReader(self.field, self.clock, self.script)
        return self.reader

    def _opened(self) -> Reader:
        if self.openings:
            return self.openings.pop(0)()
        return self.reader

    def _say(self, value: Said) -> None:
        self.said.append(value)
        if isinstance(value, KeyWanted):
            self.answer(value)

    def _lend(self, wanted: KeyWanted) -> None:
        uid = bytes.fromhex(wanted.uid)
        key = band_key(uid).hex() if uid in self._leased else None
        self.hearing.tell(Key(wanted.tap, key))


def test_a_tap_is_seen_then_proved_then_left() -> None:
    scene = Scene()

    scene.play(scene.present(band()), scene.remove())

    assert scene.names() == [
        "reader ok", "seen 1", "key_wanted 1", "proved 1 mutual", "left 1"
    ]  # fmt: skip
    (proof,) = scene.proofs()
    assert (proof.band, proof.uid) == (REFERENCE.hex(), UID.hex())
    assert (proof.family, proof.generation, proof.n_exchanges) == ("desfire", 2, 4)


def test_a_band_that_stays_on_the_reader_is_one_tap() -> None:
    scene = Scene()

    scene.play(scene.present(band()), *[scene.wait(10_000)] * 6, scene.remove())

    assert scene.names().count("seen 1") == 1
    assert len(scene.proofs()) == 1


@pytest.mark.parametrize("is_random", [False, True])
def test_the_same_band_again_within_two_and_a_half_seconds_is_the_same_tap_and_proved_anew(
    is_random: bool,
) -> None:
    scene = Scene()
    again = band(is_random=is_random)

    scene.play(
        scene.present(again), scene.remove(), scene.wait(SAME_TAP_MS - 1_501), scene.present(again),
        scene.remove(),
    )  # fmt: skip

    assert scene.names()[1:] == [
        "seen 1", "key_wanted 1", "proved 1 mutual", "left 1",
        "key_wanted 2", "proved 1 mutual", "left 1",
    ]  # fmt: skip


def test_nothing_is_said_of_a_band_that_cannot_be_proved_when_it_is_held_there_again() -> None:
    scene = Scene()
    again = VirtualNtag213(uid=OTHER_UID)

    scene.play(
        scene.present(again), scene.remove(), scene.wait(1_000), scene.present(again),
        scene.remove(),
    )  # fmt: skip

    assert scene.names()[1:] == ["seen 1", "key_wanted 1", "proved 1 none", "left 1"]


def test_another_chip_with_the_uid_of_a_band_that_was_proved_a_moment_ago_is_another_tap() -> (
    None
):
    scene = Scene()

    scene.play(
        scene.present(band()), scene.remove(), scene.wait(1_000),
        scene.present(band(key=b"k" * 16)), scene.remove(),
    )  # fmt: skip

    assert scene.names()[1:] == [
        "seen 1", "key_wanted 1", "proved 1 mutual", "left 1",
        "key_wanted 2", "seen 2", "failed 2 band_untrusted", "left 2",
    ]  # fmt: skip


@pytest.mark.parametrize("at", range(1, 5))
def test_a_proved_band_that_slips_when_it_is_held_there_again_keeps_its_page_and_is_read_again(
    at: int,
) -> None:
    scene, again = Scene(), band()
    fault = Fault(FaultKind.TEAR_COMMAND, at)
    slipping = FaultyBand(again, fault, field=scene.field, clock=scene.clock)

    scene.play(
        scene.present(again), scene.remove(), scene.wait(500), scene.present(slipping),
        scene.present(again), scene.remove(),
    )  # fmt: skip

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words[1:] == [
        "seen 1", "proved 1 mutual", "left 1", "proved 1 mutual", "left 1",
    ]  # fmt: skip


def test_a_proved_band_that_falls_silent_when_it_is_held_there_again_is_not_read_for_ever() -> (
    None
):
    scene, again = Scene(), band()
    mute = FaultyBand(again, Fault(FaultKind.MUTE, 2), field=scene.field, clock=scene.clock)

    scene.play(
        scene.present(again), scene.remove(), scene.wait(500), scene.present(mute),
        *[scene.wait(1_000)] * 5, scene.remove(),
    )  # fmt: skip

    words = scene.names()
    assert words.count("proved 1 mutual") == 1
    assert len([word for word in words if word.startswith("key_wanted")]) == 1 + TORN_MAX
    assert words[-1].startswith("key_wanted")


def test_a_reader_that_fails_when_a_proved_band_is_held_there_again_keeps_its_page() -> None:
    scene, again = Scene(), band()
    lend = scene.answer

    def fail_at_the_second(wanted: KeyWanted) -> None:
        lend(wanted)
        if wanted.tap == 2:
            scene.reader.fault = ReaderFault("garbled")

    scene.answer = fail_at_the_second
    scene.openings = [lambda: scene.reader, scene.reopened]

    scene.play(
        scene.present(again), scene.remove(), scene.wait(500), scene.present(again),
        scene.remove(),
    )  # fmt: skip

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words == [
        "reader ok", "seen 1", "proved 1 mutual", "left 1", "proved 1 mutual", "left 1",
    ]  # fmt: skip
    assert not scene.openings, "it was opened anew"


@pytest.mark.parametrize("is_random", [False, True])
def test_a_proved_band_whose_key_does_not_come_again_is_not_said_to_be_proved_again(
    is_random: bool,
) -> None:
    scene, again = Scene(), band(is_random=is_random)
    lend = scene.answer
    scene.answer = lambda wanted: lend(wanted) if wanted.tap == 1 else None

    scene.play(
        scene.present(again), scene.remove(), scene.wait(500), scene.present(again),
        scene.remove(),
    )  # fmt: skip

    assert scene.names()[1:] == [
        "seen 1", "key_wanted 1", "proved 1 mutual", "left 1", "key_wanted 2",
    ]  # fmt: skip


@pytest.mark.parametrize("is_random", [False, True])
def test_the_same_band_after_that_is_another_tap(is_random: bool) -> None:
    scene = Scene()
    again = band(is_random=is_random)

    scene.play(
        scene.present(again), scene.remove(), scene.wait(SAME_TAP_MS), scene.present(again),
        scene.remove(),
    )  # fmt: skip

    assert [proof.tap for proof in scene.proofs()] == [1, 2]


@pytest.mark.parametrize("is_random", [False, True])
def test_another_band_right_after_the_first_is_another_tap(is_random: bool) -> None:
    scene = Scene()
    first = band(is_random=is_random)
    other = band(uid=OTHER_UID, reference=OTHER_REFERENCE, is_random=is_random)

    scene.play(scene.present(first), scene.remove(), scene.present(other), scene.remove())

    assert [proof.band for proof in scene.proofs()] == [REFERENCE.hex(), OTHER_REFERENCE.hex()]
    words = scene.names()
    assert words.index("seen 2") < words.index("proved 2 mutual") < words.index("left 2")


@pytest.mark.parametrize("is_random", [False, True])
def test_a_band_is_said_to_be_seen_before_it_is_read_unless_it_may_be_the_one_before(
    is_random: bool,
) -> None:
    """Only a random UID cannot say whether it is; it is read first, and said when it is another."""
    scene = Scene()
    other = band(uid=OTHER_UID, reference=OTHER_REFERENCE, is_random=is_random)

    scene.play(
        scene.present(band(is_random=is_random)), scene.remove(), scene.present(other), scene.remove(),
    )  # fmt: skip

    second = ["key_wanted 2", "seen 2"] if is_random else ["seen 2", "key_wanted 2"]
    assert scene.names() == [
        "reader ok", "seen 1", "key_wanted 1", "proved 1 mutual", "left 1",
        *second, "proved 2 mutual", "left 2",
    ]  # fmt: skip


def test_light_and_sound_say_how_the_reading_went_and_that_the_reader_waits() -> None:
    scene = Scene()
    mine = band()

    scene.play(
        scene.present(mine),
        scene.remove(),
        scene.present(band(uid=OTHER_UID, key=bytes(16))),
        scene.remove(),
        scene.present(mine, VirtualNtag213(uid=OTHER_UID)),
        scene.wait(500),
        scene.remove(),
    )

    assert scene.reader.signals == [
        Signal.ACCEPT, Signal.IDLE, Signal.DENY, Signal.IDLE, Signal.DENY,
    ]  # fmt: skip


def test_a_reader_that_fails_in_the_middle_of_a_band_is_not_told_to_show_anything() -> None:
    scene = Scene()
    first = scene.reader

    def unplug(number: int, answer: bytes) -> bytes | None:
        scene.reader = FakeReader(scene.field, scene.clock, scene.script)
        scene.field.remove()
        raise ReaderFault("unplugged in the middle")

    first.spoil = unplug

    scene.play(scene.present(band()))

    assert first.signals == []


def test_a_telephone_is_never_taken_for_the_one_before_it() -> None:
    scene = Scene()
    phone = VirtualPhone(uid=b"\x08\x01\x02\x03")

    scene.play(scene.present(phone), scene.remove(), scene.present(phone), scene.remove())

    assert [(proof.tap, proof.uid) for proof in scene.proofs()] == [(1, None), (2, None)]


def test_a_band_with_nothing_but_a_uid_is_said_with_it() -> None:
    scene = Scene()

    scene.play(scene.present(VirtualNtag213(uid=UID)), scene.remove())

    (proof,) = scene.proofs()
    assert (proof.kind, proof.family, proof.uid, proof.band) == (
        "none",
        "ultralight",
        UID.hex(),
        None,
    )
    assert proof.n_exchanges == 2, "which chip it is, and whether its maker signed it"


def test_a_band_whose_key_is_not_leased_is_named_and_proves_nothing() -> None:
    scene = Scene(leased=())

    scene.play(scene.present(band()), scene.remove())

    (proof,) = scene.proofs()
    assert (proof.kind, proof.band) == ("none", REFERENCE.hex())


def test_a_key_that_comes_too_late_counts_as_not_leased() -> None:
    scene = Scene()
    scene.answer = lambda wanted: None

    scene.play(scene.present(band()), scene.remove())

    assert [proof.kind for proof in scene.proofs()] == ["none"]


def test_a_key_for_an_older_tap_is_not_used_for_this_one() -> None:
    scene = Scene()
    late: list[KeyWanted] = []

    def answer_the_one_before(wanted: KeyWanted) -> None:
        if late:
            scene.hearing.tell(Key(late[0].tap, bytes(16).hex()))
        late.append(wanted)

    scene.answer = answer_the_one_before
    other = band(uid=OTHER_UID, reference=OTHER_REFERENCE)

    scene.play(scene.present(band()), scene.remove(), scene.present(other), scene.remove())

    assert [proof.kind for proof in scene.proofs()] == ["none", "none"]
    assert "failed" not in " ".join(scene.names())


@pytest.mark.parametrize("key", ["", "zz", "00" * 15, "00" * 17])
def test_a_key_that_is_none_counts_as_not_leased(key: str) -> None:
    scene = Scene()
    scene.answer = lambda wanted: scene.hearing.tell(Key(wanted.tap, key))

    scene.play(scene.present(band()), scene.remove())

    assert [proof.kind for proof in scene.proofs()] == ["none"]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_band_taken_away_too_soon_is_failed_and_left_and_can_be_tapped_at_once(
    at: int,
) -> None:
    scene = Scene()

    def taken_away(number: int, answer: bytes) -> bytes | None:
        if number == at:
            scene.field.remove()
            scene.reader.spoil = None
            return None
        return answer

    scene.reader.spoil = taken_away

    scene.play(scene.present(band()), scene.present(band()), scene.remove())

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words == [
        "reader ok", "seen 1", "failed 1 band_left", "left 1", "seen 2", "proved 2 mutual", "left 2"
    ]  # fmt: skip
    failed = next(value for value in scene.said if isinstance(value, Failed))
    assert failed.delivery == "unknown"


def test_a_band_that_slipped_but_is_still_there_is_read_again() -> None:
    scene = Scene()

    def slipped(number: int, answer: bytes) -> bytes | None:
        scene.reader.spoil = None
        return None

    scene.reader.spoil = slipped

    scene.play(scene.present(band()), scene.remove())

    assert [proof.tap for proof in scene.proofs()] == [2]


def test_a_band_that_never_answers_is_not_read_for_ever() -> None:
    scene = Scene()
    scene.reader.spoil = lambda number, answer: None

    scene.play(scene.present(band()), *[scene.wait(1)] * 20, scene.remove())

    failed = [word for word in scene.names() if word.startswith("failed")]
    assert failed == [f"failed {tap} band_left" for tap in range(1, TORN_MAX + 1)]
    assert scene.names()[-1] == f"left {TORN_MAX}"


@pytest.mark.parametrize(
    ("answer_ms", "is_read"), [(600, True), (700, False), (100_000, False)]
)
def test_a_chip_that_is_slow_is_read_for_two_seconds_and_then_held_longer(
    answer_ms: int, *, is_read: bool
) -> None:
    scene = Scene()

    def slowly(number: int, answer: bytes | None) -> bytes | None:
        scene.clock.sleep_ms(answer_ms)
        return answer

    scene.reader.spoil = slowly
    scene.play(scene.present(band()), *[scene.wait(1)] * 20, scene.remove())

    failed = [value for value in scene.said if isinstance(value, Failed)]
    assert len(scene.proofs()) == is_read
    assert {(each.code, each.delivery) for each in failed} == (
        set() if is_read else {("band_left", "not_sent")}
    )
    assert len(failed) == (0 if is_read else TORN_MAX)


def test_a_slow_chip_that_is_held_there_again_is_the_same_tap_however_long_it_takes() -> None:
    scene = Scene()

    def slowly(number: int, answer: bytes | None) -> bytes | None:
        scene.clock.sleep_ms(600)
        return answer

    def present_slow() -> None:
        scene.reader.spoil = slowly
        scene.field.present(band())

    scene.play(scene.present(band()), scene.remove(), present_slow, scene.remove())

    assert [proof.tap for proof in scene.proofs()] == [1, 1]
    assert [word for word in scene.names() if word.startswith("seen")] == ["seen 1"]


def test_a_proved_band_that_slipped_too_often_is_proved_once_it_is_held_well() -> None:
    scene, again = Scene(), band()
    mute = FaultyBand(again, Fault(FaultKind.MUTE, 2), field=scene.field, clock=scene.clock)

    scene.play(
        scene.present(again), scene.remove(), scene.present(mute), scene.wait(1),
        scene.present(again), scene.remove(),
    )  # fmt: skip

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words[1:] == ["seen 1", "proved 1 mutual", "left 1", "proved 1 mutual", "left 1"]


class SeemsToLeave(FakeReader):
    """A reader that finds a band gone at the second look, as one that does not answer is."""

    def wait_for_removal(self, timeout_ms: int) -> bool:
        super().wait_for_removal(timeout_ms)
        return len(self.looks_ms) % 2 == 0


@pytest.mark.parametrize("looks", [2, 40])
def test_a_band_that_answers_nothing_and_seems_to_leave_is_no_storm_of_taps(looks: int) -> None:
    scene = Scene()
    scene.reader = SeemsToLeave(scene.field, scene.clock, scene.script)
    scene.reader.spoil = lambda number, answer: None

    def mend() -> None:
        scene.reader.spoil = None
        scene.field.present(band())

    scene.play(
        scene.present(band()), *[scene.wait(1)] * looks, scene.remove(), scene.wait(STILL_MS),
        mend, scene.remove(),
    )  # fmt: skip

    failed = [word for word in scene.names() if word.startswith("failed")]
    assert failed == [f"failed {tap} band_left" for tap in range(1, TORN_MAX + 1)]
    (proof,) = scene.proofs()
    assert proof.tap > TORN_MAX


def test_a_good_band_that_takes_the_place_of_a_silent_one_at_once_is_read() -> None:
    scene = Scene()
    scene.reader = SeemsToLeave(scene.field, scene.clock, scene.script)
    silent = FaultyBand(band(), Fault(FaultKind.MUTE), field=scene.field, clock=scene.clock)
    good = band(uid=OTHER_UID, reference=OTHER_REFERENCE)

    scene.play(
        scene.present(silent), *[scene.wait(1)] * 10, scene.present(good),
        *[scene.wait(1)] * 10, scene.remove(),
    )  # fmt: skip

    assert {proof.band for proof in scene.proofs()} == {OTHER_REFERENCE.hex()}
    words = [word for word in scene.names() if word.startswith(("seen", "failed"))]
    assert len(words) == 2 * TORN_MAX + 1


def test_a_band_that_breaks_the_reader_each_time_is_not_read_for_ever() -> None:
    scene = Scene()

    def break_off(number: int, answer: bytes | None) -> bytes | None:
        scene.reader = FakeReader(scene.field, scene.clock, scene.script)
        scene.reader.spoil = break_off
        raise ReaderFault("it hangs")

    def mend() -> None:
        scene.reader.spoil = None
        scene.field.present(band(uid=OTHER_UID, reference=OTHER_REFERENCE))

    scene.reader.spoil = break_off
    scene.play(
        scene.present(band()), *[scene.wait(600)] * 5, scene.remove(), mend, scene.remove()
    )

    failed = [name for name in scene.names() if name.startswith("failed")]
    assert failed == [f"failed {tap} reader_fault" for tap in range(1, TORN_MAX + 1)]
    assert [proof.band for proof in scene.proofs()] == [OTHER_REFERENCE.hex()]


def test_a_band_tapped_again_after_another_one_failed_is_another_tap() -> None:
    scene = Scene()
    torn = band(uid=OTHER_UID, reference=OTHER_REFERENCE)

    def taken_away(number: int, answer: bytes) -> bytes | None:
        scene.field.remove()
        scene.reader.spoil = None
        return None

    def present_torn() -> None:
        scene.reader.spoil = taken_away
        scene.field.present(torn)

    scene.play(
        scene.present(band()),
        scene.remove(),
        present_torn,
        scene.present(band()),
        scene.remove(),
    )

    assert [proof.tap for proof in scene.proofs()] == [1, 3]
    assert "failed 2 band_left" in scene.names()


def test_a_copy_that_does_not_hold_its_key_fails_once_while_it_lies_there() -> None:
    scene = Scene()

    scene.play(scene.present(band(key=bytes(16))), *[scene.wait(5_000)] * 5, scene.remove())

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words == ["reader ok", "seen 1", "failed 1 band_untrusted", "left 1"]


def test_two_bands_are_said_once_and_the_one_that_stays_is_read() -> None:
    scene = Scene()
    mine, other = band(), VirtualNtag213(uid=OTHER_UID)

    scene.play(
        scene.present(mine, other), *[scene.wait(500)] * 5, scene.present(mine), scene.remove()
    )

    words = [word for word in scene.names() if not word.startswith("key_wanted")]
    assert words == [
        "reader ok", "seen 1", "failed 1 band_collision", "left 1", "seen 2", "proved 2 mutual", "left 2"
    ]  # fmt: skip


def test_a_band_that_lies_there_is_looked_at_often_for_a_while_and_then_seldom() -> None:
    """An order that comes while somebody stands there is followed at once."""
    scene = Scene()
    n_often = ATTENTIVE_MS // ATTENTIVE_LOOK_MS
    nothing: list[Step] = [lambda: None] * n_often
    order = Use(1, str(UUID(int=7)), "entitlement/coffee", 1, 1, 1, 1_700_000_000, "berlin")

    scene.play(
        scene.present(band()),
        *nothing,
        lambda: None,
        lambda: scene.hearing.tell(order),
        lambda: None,
        scene.remove(),
    )

    often, seldom = [ATTENTIVE_LOOK_MS] * n_often, [WAIT_MS_MAX] * 2
    assert scene.reader.looks_ms[: n_often + 4] == [
        *often, *seldom, ATTENTIVE_LOOK_MS, ATTENTIVE_LOOK_MS,
    ]  # fmt: skip


def test_a_key_that_came_for_one_uid_is_not_given_for_another_in_the_same_tap() -> None:
    hearing = Hearing()
    said: list[Said] = []
    keys = PipeKeys(1, said.append, hearing, wait_ms=1)
    keys.ask(UID)
    hearing.tell(Key(1, band_key(UID).hex()))

    lent, other = keys.band_key(UID), keys.band_key(OTHER_UID)

    assert said == [KeyWanted(1, UID.hex())]
    assert lent is not None
    assert lent.value == band_key(UID)
    assert other is None


def test_the_key_of_a_tap_is_waited_for_until_it_comes_and_not_longer() -> None:
    hearing = Hearing()
    hearing.tell(Key(1, band_key(OTHER_UID).hex()))
    told = threading.Timer(0.01, hearing.tell, [Key(2, band_key(UID).hex())])
    told.start()

    key = hearing.key_of(2, 600_000)  # the test's own time is over long before

    told.join()
    assert key is not None
    assert key.value == band_key(UID)


def test_the_group_key_is_waited_for_until_it_comes_and_not_longer() -> None:
    hearing = Hearing()
    told = threading.Timer(0.01, hearing.tell, [GroupKey(GROUP_KEY.hex())])
    told.start()

    key = hearing.group_key(600_000)  # the test's own time is over long before

    told.join()
    assert key is not None
    assert key.value == GROUP_KEY


def test_a_reader_that_is_gone_is_said_once_and_found_again() -> None:
    scene = Scene()

    def absent() -> Reader:
        raise ReaderAbsent("unplugged")

    def down() -> Reader:
        raise ServiceDown("no daemon")

    scene.openings = [absent, absent, absent, down, down]

    scene.play(scene.present(band()), scene.remove())

    assert scene.names() == [
        "reader reader_absent", "reader service_down", "reader ok",
        "seen 1", "key_wanted 1", "proved 1 mutual", "left 1",
    ]  # fmt: skip


def test_a_reader_that_dies_while_a_band_is_read_fails_the_tap_and_is_opened_again() -> None:
    scene = Scene()
    first = scene.reader

    def unplug(number: int, answer: bytes) -> bytes | None:
        scene.reader = FakeReader(scene.field, scene.clock, scene.script)
        scene.field.remove()
        raise ReaderFault("unplugged in the middle")

    first.spoil = unplug

    scene.play(scene.present(band()), scene.present(band()), scene.remove())

    assert scene.names() == [
        "reader ok", "seen 1", "key_wanted 1", "failed 1 reader_fault", "left 1",
        "seen 2", "key_wanted 2", "proved 2 mutual", "left 2",
    ]  # fmt: skip
    assert not first.is_open


def test_a_reader_that_dies_while_a_band_lies_on_it_says_that_the_band_left() -> None:
    scene = Scene()

    def unplug() -> None:
        scene.field.remove()
        scene.reader.fault = ReaderAbsent("unplugged")
        scene.reader = FakeReader(scene.field, scene.clock, scene.script)

    scene.play(scene.present(band()), unplug)

    assert scene.names() == [
        "reader ok", "seen 1", "key_wanted 1", "proved 1 mutual", "left 1",
        "reader reader_absent", "reader ok",
    ]  # fmt: skip


def test_told_to_stop_it_closes_the_reader_and_says_that_the_band_left() -> None:
    scene = Scene()

    scene.play(scene.present(band()), lambda: scene.hearing.tell(Stop()))

    assert scene.names()[-1] == "left 1"
    assert not scene.reader.is_open


def test_told_to_stop_while_the_reader_is_away_it_ends() -> None:
    scene = Scene()

    def absent() -> Reader:
        scene.hearing.end()
        raise ReaderAbsent("unplugged")

    scene.openings = [absent]

    assert [type(value) for value in scene.play()] == [ReaderState]


def test_nothing_is_kept_of_a_band_that_left_nor_what_was_told_of_it_too_late() -> None:
    scene = Scene()
    late = (
        Key(1, band_key(UID).hex()),
        Response(1, 1, data=band_key(UID).hex()),
        Refresh(1, capsule="aa"),
    )
    kept: list[tuple[bool, ...]] = []
    keys: list[LeasedKey] = []
    gc.collect()
    earlier = [it for it in gc.get_objects() if isinstance(it, Proof | LeasedKey)]
    known = {id(it) for it in earlier}

    def tell_late() -> None:
        for told in late:
            scene.hearing.tell(told)

    def look() -> None:
        gc.collect()
        alive = [it for it in gc.get_objects() if id(it) not in known]
        proofs = any(isinstance(it, Proof) for it in alive)
        kept.append((proofs, *(any(_holds(scene.hearing, told)) for told in late)))
        keys.extend(it for it in alive if isinstance(it, LeasedKey))

    scene.play(
        scene.present(band()), scene.remove(), tell_late, look, scene.wait(SAME_TAP_MS), look
    )  # fmt: skip

    assert kept == [(True, True, True, True), (False, False, False, False)]
    assert band_key(UID) not in [key.value for key in keys], "it is proved anew or not at all"


def _holds(hearing: Hearing, told: object) -> Iterator[bool]:
    for held in vars(hearing).values():
        yield held is told or (isinstance(held, deque) and told in held)


def test_no_key_is_ever_said() -> None:
    scene = Scene()

    scene.play(
        scene.present(band()), scene.remove(), scene.wait(9_000),
        scene.present(band(key=bytes(16))), scene.remove(),
    )  # fmt: skip

    lines = b"".join(line_of(value) for value in scene.said).decode()
    assert band_key(UID).hex() not in lines
    assert GROUP_KEY.hex() not in lines
    assert band_key(UID).hex() not in repr(Key(1, band_key(UID).hex()))
