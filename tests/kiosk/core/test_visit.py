"""What a visit does next: examples of each rule, and properties over any order of events."""

import dataclasses
from typing import assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core import visit
from kiosk.core.page import Block, BlockKind, Page, PageKind, neutral_page, not_possible_page
from kiosk.core.ports import BandEvidence
from kiosk.core.visit import CueKind, Face, VisitId
from kiosk.core.wording.saying import say

A, B = VisitId("a"), VisitId("b")
BAND = BandEvidence("mutual", "desfire", 2, "b1", is_uid_only=False)


def page_of(owner: str, *, household: str = "", kind: PageKind = PageKind.PERSONAL) -> Page:
    block = Block(
        BlockKind.GREETING, (say("greeting.hello", name=owner),), (f"Hello, {owner}.",)
    )
    return Page(kind, "en", (block,), household=household, owner=owner, names=(owner,))


MAYA, TOM = page_of("maya"), page_of("tom")
SAM = page_of("sam", household="okafor")
AMA = page_of("ama", household="okafor", kind=PageKind.CHILD)


def test_a_tap_gives_light_and_sound_at_once_and_no_words() -> None:
    state, effects = visit.step(visit.Attract(), visit.Tapped(A), 1_000)

    assert effects == (visit.Cue(CueKind.SEEN), visit.Show(Face.READING))
    assert state == visit.Reading(A, 1_000 + visit.READING_MS, 1_000 + visit.WORDS_MS)


def test_the_words_come_after_a_quarter_of_a_second_and_not_before() -> None:
    reading, _ = visit.step(visit.Attract(), visit.Tapped(A), 0)

    early, nothing = visit.step(reading, visit.Ticked(), 249)
    late, words = visit.step(reading, visit.Ticked(), 250)

    assert (early, nothing) == (reading, ())
    assert words == (visit.Show(Face.MOMENT),)
    assert visit.deadline_of(late) == visit.READING_MS


def test_what_was_proved_is_looked_up_and_the_page_opens() -> None:
    reading, _ = visit.step(visit.Attract(), visit.Tapped(A), 0)

    reading, asked = visit.step(reading, visit.Proved(A, BAND), 60)
    opened, shown = visit.step(reading, visit.Recognised(A, MAYA), 61)

    assert asked == (visit.Recognise(A, BAND),)
    assert shown == (visit.Cue(CueKind.WELCOME), visit.ShowPage(A, MAYA))
    assert opened == visit.Open(A, MAYA, 61 + visit.IDLE_MS)


def first_name_of(page: Page) -> Page:
    return dataclasses.replace(page, kind=PageKind.FIRST_NAME)


def test_a_band_that_proves_more_while_it_is_there_opens_more_of_its_wearers_page() -> None:
    opened = visit.Open(A, first_name_of(MAYA), 30_000)

    waiting, asked = visit.step(opened, visit.Proved(A, BAND), 300)
    refined, shown = visit.step(waiting, visit.Recognised(A, MAYA), 301)

    assert (waiting, asked) == (opened, (visit.Recognise(A, BAND),))
    assert (refined, shown) == (visit.Open(A, MAYA, 30_000), (visit.ShowPage(A, MAYA),))


def test_a_page_made_of_the_bands_own_words_becomes_its_wearers_once_the_band_is_proved() -> (
    None
):
    carried = dataclasses.replace(first_name_of(MAYA), owner="")
    opened = visit.Open(A, carried, 30_000)

    refined, shown = visit.step(opened, visit.Recognised(A, MAYA), 300)

    assert (refined, shown) == (visit.Open(A, MAYA, 30_000), (visit.ShowPage(A, MAYA),))
    assert visit.step(opened, visit.Recognised(A, neutral_page("en"), "unknown"), 300) == (
        opened,
        (),
    )


def test_what_is_recognised_later_never_takes_away_nor_shows_another_person() -> None:
    opened = visit.Open(A, MAYA, 30_000)
    less, other = first_name_of(MAYA), visit.Open(A, first_name_of(TOM), 30_000)

    assert visit.step(opened, visit.Recognised(A, less), 300) == (opened, ())
    assert visit.step(opened, visit.Recognised(A, neutral_page("en"), "denied"), 300) == (
        opened,
        (),
    )
    assert visit.step(opened, visit.Unavailable(A, "store"), 300) == (opened, ())
    assert visit.step(other, visit.Recognised(A, MAYA), 300) == (other, ())
    assert visit.step(other, visit.Recognised(B, TOM), 300) == (other, ())


def test_a_hidden_page_stays_hidden_when_more_is_known() -> None:
    masked = visit.Masked(A, first_name_of(MAYA), 30_000)

    after, shown = visit.step(masked, visit.Recognised(A, MAYA), 300)

    assert (after, shown) == (visit.Masked(A, MAYA, 30_000), ())


def test_who_was_nobody_is_welcomed_once_the_band_is_proved() -> None:
    neutral = visit.Neutral(A, 12_000)

    after, shown = visit.step(neutral, visit.Recognised(A, MAYA), 300)

    assert shown == (visit.Cue(CueKind.WELCOME), visit.ShowPage(A, MAYA))
    assert isinstance(after, visit.Open)


def test_second_tap_wipes_the_first_customer_before_anything_is_shown() -> None:
    state: visit.State = visit.Open(A, MAYA, until_ms=30_000)

    state, effects = visit.step(state, visit.Tapped(B), 5_000)

    assert effects == (visit.Wipe(A), visit.Cue(CueKind.SEEN), visit.Show(Face.READING))
    assert isinstance(state, visit.Reading)


def test_a_stranger_who_taps_next_sees_nothing_of_the_one_before() -> None:
    reading, _ = visit.step(visit.Open(A, MAYA, 30_000), visit.Tapped(B), 5_000)

    state, effects = visit.step(reading, visit.Recognised(B, TOM), 5_060)

    assert isinstance(state, visit.Open)
    assert state.page is TOM
    assert visit.ShowPage(B, TOM) in effects
    assert not any(isinstance(effect, visit.Join) for effect in effects)


def test_a_band_of_the_same_household_joins_the_visit() -> None:
    reading, _ = visit.step(visit.Open(A, SAM, 30_000), visit.Tapped(B), 5_000)

    waiting, asked = visit.step(reading, visit.Recognised(B, AMA), 5_060)
    family = page_of("sam and ama", household="okafor")
    joined, shown = visit.step(waiting, visit.Joined(B, family), 5_060)

    assert asked == (visit.Join(B, SAM, AMA),)
    assert shown == (visit.Cue(CueKind.WELCOME), visit.ShowPage(B, family))
    assert isinstance(joined, visit.Open)


def test_the_same_person_again_opens_a_fresh_page_and_joins_nobody() -> None:
    reading, _ = visit.step(visit.Open(A, SAM, 30_000), visit.Tapped(B), 5_000)

    _, effects = visit.step(reading, visit.Recognised(B, SAM), 5_060)

    assert visit.ShowPage(B, SAM) in effects


def test_people_of_two_households_never_join() -> None:
    other = page_of("lee", household="lee")
    reading, _ = visit.step(visit.Open(A, SAM, 30_000), visit.Tapped(B), 5_000)

    _, effects = visit.step(reading, visit.Recognised(B, other), 5_060)

    assert effects == (visit.Cue(CueKind.WELCOME), visit.ShowPage(B, other))


def test_people_without_a_household_never_join() -> None:
    reading, _ = visit.step(visit.Open(A, MAYA, 30_000), visit.Tapped(B), 5_000)

    _, effects = visit.step(reading, visit.Recognised(B, TOM), 5_060)

    assert not any(isinstance(effect, visit.Join) for effect in effects)


def test_the_wrist_leaving_starts_nothing() -> None:
    opened = visit.Open(A, MAYA, 30_000)

    assert visit.step(opened, visit.Left(), 500) == (opened, ())


def test_thirty_seconds_without_input_mask_and_ask_and_twenty_more_wipe() -> None:
    opened = visit.Open(A, MAYA, 30_000)

    masked, asked = visit.step(opened, visit.Ticked(), 30_000)
    home, wiped = visit.step(masked, visit.Ticked(), 50_000)

    assert asked == (visit.Cue(CueKind.ATTENTION), visit.Show(Face.MASKED))
    assert masked == visit.Masked(A, MAYA, 50_000)
    assert wiped[0] == visit.Wipe(A)
    assert home == visit.Attract()


def test_every_touch_restarts_the_clock_and_opens_a_masked_page_again() -> None:
    opened, _ = visit.step(visit.Open(A, MAYA, 30_000), visit.Touched(), 20_000)
    again, shown = visit.step(visit.Masked(A, MAYA, 50_000), visit.Touched(), 40_000)

    assert visit.deadline_of(opened) == 50_000
    assert shown == (visit.ShowPage(A, MAYA),)
    assert visit.deadline_of(again) == 70_000


def test_done_wipes_and_goes_home() -> None:
    home, effects = visit.step(visit.Open(A, MAYA, 30_000), visit.Done(), 1)

    assert home == visit.Attract()
    assert effects[0] == visit.Wipe(A)


@pytest.mark.parametrize(
    "late",
    [visit.Recognised(A, MAYA), visit.Joined(A, MAYA), visit.Failed(A, "band_left"),
     visit.Proved(A, BAND), visit.Unavailable(A, "store"), visit.Translated(A, MAYA),
     visit.Changed(A, MAYA)],
)  # fmt: skip
def test_an_answer_for_a_visit_that_has_ended_is_dropped(late: visit.Event) -> None:
    for state in (visit.Attract(), visit.Reading(B, 3_000, 250), visit.Open(B, TOM, 30_000)):
        assert visit.step(state, late, 100) == (state, ())


def test_a_band_that_opens_nobodys_page_gets_the_neutral_one_and_only_staff_hear_why() -> None:
    reading = visit.Reading(A, 3_000, 250)

    for reason in ("unknown_band", "unlinked", "blocked"):
        state, effects = visit.step(
            reading, visit.Recognised(A, neutral_page("en"), reason), 60
        )

        assert isinstance(state, visit.Neutral)
        assert effects == (
            visit.Cue(CueKind.ATTENTION), visit.Show(Face.NEUTRAL), visit.TellStaff(reason),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "face"),
    [
        ("band_left", Face.AGAIN),
        ("band_collision", Face.ONE_BAND),
        ("band_untrusted", Face.NEUTRAL),
        ("band_unsupported", Face.NEUTRAL),
        ("band_malformed", Face.NEUTRAL),
        ("reader_fault", Face.READER_GONE),
        ("from_the_future", Face.NEUTRAL),
    ],
)
def test_whatever_goes_wrong_with_a_band_the_customer_is_told_what_to_do(
    code: str, face: Face
) -> None:
    state, effects = visit.step(visit.Reading(A, 3_000, 250), visit.Failed(A, code), 100)

    assert visit.Show(face) in effects
    assert visit.TellStaff(code) in effects
    assert visit.deadline_of(state) is not None


def test_a_band_that_is_seen_and_never_read_is_asked_for_again() -> None:
    state, effects = visit.step(visit.Reading(A, 3_000, 0), visit.Ticked(), 3_000)

    assert isinstance(state, visit.TryAgain)
    assert visit.Show(Face.AGAIN) in effects


def test_files_that_do_not_answer_are_said_as_not_possible_here() -> None:
    reading = visit.Reading(A, 3_000, 250)

    state, effects = visit.step(reading, visit.Unavailable(A, "store_corrupt"), 60)
    same, _ = visit.step(reading, visit.Recognised(A, not_possible_page("en"), "store"), 60)

    assert visit.Show(Face.NOT_POSSIBLE) in effects
    assert visit.TellStaff("store_corrupt") in effects
    assert type(state) is type(same) is visit.NotPossible


def test_a_reader_that_goes_while_a_page_is_open_does_not_take_the_page_away() -> None:
    opened, told = visit.step(visit.Open(A, MAYA, 30_000), visit.ReaderLost("reader_absent"), 1)
    after, effects = visit.step(opened, visit.Done(), 2)

    assert isinstance(opened, visit.Open)
    assert told == (visit.TellStaff("reader_absent"),)
    assert isinstance(after, visit.ReaderGone)
    assert effects == (visit.Wipe(A), visit.Show(Face.READER_GONE))


def test_the_reader_coming_back_opens_the_kiosk_again() -> None:
    gone, shown = visit.step(visit.Attract(), visit.ReaderLost("service_down"), 0)
    reminded, told = visit.step(gone, visit.Ticked(), visit.READER_GONE_MS)
    back, attract = visit.step(reminded, visit.ReaderFound(), visit.READER_GONE_MS + 1)

    assert visit.Show(Face.READER_GONE) in shown
    assert told == (visit.TellStaff("service_down"),)
    assert back == visit.Attract()
    assert attract == (visit.Show(Face.ATTRACT),)


def test_out_of_order_hears_nothing_and_ends_the_program() -> None:
    broken, effects = visit.step(visit.Open(A, MAYA, 30_000), visit.Broken("crash"), 0)
    same, nothing = visit.step(broken, visit.Tapped(B), 1)
    _, ended = visit.step(same, visit.Ticked(), visit.OUT_OF_ORDER_MS)

    assert effects == (visit.Wipe(A), visit.Show(Face.OUT_OF_ORDER), visit.TellStaff("crash"))
    assert nothing == ()
    assert ended == (visit.Quit("crash"),)


def test_the_open_page_can_change_its_language() -> None:
    german = page_of("maya")

    state, effects = visit.step(visit.Open(A, MAYA, 30_000), visit.Translated(A, german), 9)

    assert effects == (visit.ShowPage(A, german),)
    assert state == visit.Open(A, german, 9 + visit.IDLE_MS)


def test_what_changed_takes_the_place_of_the_open_page_and_wins_no_time() -> None:
    answered = dataclasses.replace(MAYA, spoken="Hello, Maya.")

    state, effects = visit.step(visit.Open(A, MAYA, 30_000), visit.Changed(A, answered), 9)
    other = visit.step(visit.Open(A, MAYA, 30_000), visit.Changed(A, TOM), 9)

    assert effects == (visit.ShowPage(A, answered, is_quiet=True),)
    assert state == visit.Open(A, answered, 30_000)
    assert other == (visit.Open(A, MAYA, 30_000), ())


VISITS = st.sampled_from([VisitId(str(number)) for number in range(4)])
PAGES = st.sampled_from([MAYA, TOM, SAM, AMA, neutral_page("en"), not_possible_page("en")])
CODES = st.sampled_from(["band_left", "band_collision", "band_untrusted", "reader_absent", "?"])
EVENTS: st.SearchStrategy[visit.Event] = st.one_of(
    st.builds(visit.Tapped, VISITS),
    st.builds(visit.Proved, VISITS, st.just(BAND)),
    st.builds(visit.Recognised, VISITS, PAGES),
    st.builds(visit.Joined, VISITS, st.just(page_of("family", household="okafor"))),
    st.builds(visit.Unavailable, VISITS, CODES),
    st.builds(visit.Failed, VISITS, CODES),
    st.builds(visit.Translated, VISITS, st.just(MAYA)),
    st.builds(visit.Changed, VISITS, PAGES),
    st.just(visit.Left()),
    st.just(visit.Touched()),
    st.just(visit.Ticked()),
    st.just(visit.Done()),
    st.builds(visit.ReaderLost, CODES),
    st.just(visit.ReaderFound()),
    st.builds(visit.Broken, CODES),
)
STORIES = st.lists(st.tuples(EVENTS, st.integers(min_value=0, max_value=40_000)), max_size=40)


class Watcher:
    """What the screen shows, from effects alone: whose visit, and whether it is hidden."""

    def __init__(self) -> None:
        self.shown: visit.ShowPage | None = None
        self.wiped: set[VisitId] = set()

    def see(self, effects: tuple[visit.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case visit.ShowPage():
                    assert effect.visit not in self.wiped, "a page after its wipe"
                    self.shown = effect
                case visit.Show():
                    self.shown = None
                case visit.Wipe():
                    self.wiped.add(effect.visit)
                    if self.shown is not None:
                        assert self.shown.visit == effect.visit
                    self.shown = None
                case (
                    visit.Cue()
                    | visit.Recognise()
                    | visit.Join()
                    | visit.TellStaff()
                    | visit.Quit()
                ):
                    pass
                case _:
                    assert_never(effect)


@given(STORIES)
def test_no_state_can_hang_and_time_alone_leads_home_or_out(
    story: list[tuple[visit.Event, int]],
) -> None:
    state: visit.State = visit.Attract()
    now_ms = 0
    for event, passed_ms in story:
        now_ms += passed_ms
        state, _ = visit.step(state, event, now_ms)
        due_ms = visit.deadline_of(state)
        assert (due_ms is None) == isinstance(state, visit.Attract)

    quit_codes = []
    for _ in range(6):
        due_ms = visit.deadline_of(state)
        if due_ms is None:
            break
        now_ms = max(now_ms, due_ms)
        state, effects = visit.step(state, visit.Ticked(), now_ms)
        quit_codes += [effect for effect in effects if isinstance(effect, visit.Quit)]
        after_ms = visit.deadline_of(state)
        assert after_ms is None or after_ms > now_ms, "time stands still"
    at_rest = isinstance(state, visit.Attract | visit.ReaderGone)
    assert at_rest or quit_codes


@given(STORIES)
def test_a_page_is_on_the_screen_exactly_while_its_visit_is_open(
    story: list[tuple[visit.Event, int]],
) -> None:
    state: visit.State = visit.Attract()
    watcher, now_ms, used = Watcher(), 0, set[VisitId]()
    for event, passed_ms in story:
        now_ms += passed_ms
        if isinstance(event, visit.Tapped):
            if event.visit in used:
                continue  # ids are random: one is never drawn twice
            used.add(event.visit)
        state, effects = visit.step(state, event, now_ms)
        watcher.see(effects)

        if isinstance(state, visit.Open):
            assert watcher.shown is not None
            assert watcher.shown.visit == state.visit
            assert watcher.shown.page is state.page
        else:
            assert watcher.shown is None


@given(STORIES)
@settings(max_examples=60)
def test_nothing_of_a_customer_is_left_in_the_state_once_nobody_is_here(
    story: list[tuple[visit.Event, int]],
) -> None:
    state: visit.State = visit.Attract()
    now_ms = 0
    for event, passed_ms in story:
        now_ms += passed_ms
        state, _ = visit.step(state, event, now_ms)

        if not isinstance(state, visit.Open | visit.Masked | visit.Reading):
            assert "maya" not in repr(state)
            assert "tom" not in repr(state)
