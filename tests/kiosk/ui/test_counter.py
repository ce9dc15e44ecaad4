"""A clerk at the counter, with keys and with the mouse."""

import dataclasses
import gc
import unicodedata
from typing import Any

import msgspec
import pytest
from textual import events
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, OptionList, TextArea

from kiosk.core.carried import Carried
from kiosk.core.entries import Opened, found
from kiosk.core.ports import Found, Recorded, Refused, Unsettled
from kiosk.core.staff_words import DAY_US, MINUTE_US
from kiosk.ui.screens.hand_over import HandOverQuestion
from kiosk.ui.themes import CONTRAST_MIN, THEMES
from kiosk.ui.views.counter import HELD_US
from kiosk.ui.widgets.card_rows import CardRows
from kiosk.ui.widgets.entry_list import EntryList
from kiosk.ui.widgets.key_bar import KeyBar
from kiosk.ui.widgets.note import NOTE_LENGTH_MAX, NoteWriter
from kiosk.ui.widgets.strip import StaffStrip
from sync.model import promises
from sync.model.errors import StoreCorrupt
from sync.model.operation import Evidence, OperationState
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.redeem import Redeem
from sync.model.records import Case, Customer, Interaction, Pickup, Promise
from sync.model.row import row_of
from sync.model.thread_parts import Part, PartKind
from tests.support import hostile
from tests.support.colours import faint
from tests.support.counter_side import Counter, counter
from tests.support.demo_side import NOW_US, WORDS, brand_rows, recognition
from tests.support.desk import Settled
from tests.support.pictures import clipped, rows_of
from tests.support.shop import operation

SIZES = ((53, 17), (80, 24), (160, 45))


# Finding


async def test_one_found_opens_with_enter() -> None:
    async with counter() as at:
        await at.find("tom beck")

        assert (at.view.page, at.view.owner) == ("sheet", "tom")


async def test_several_found_are_chosen_with_arrows() -> None:
    async with counter() as at:
        await at.find("le")
        await at.press("down", "enter")

        assert "Bruno Keller" in at.screen
        assert at.view.page == "sheet"


async def test_several_found_are_chosen_with_a_digit() -> None:
    async with counter() as at:
        await at.find("le")
        await at.press("3")

        assert "Leila Farah" in at.screen


async def test_where_nothing_more_is_known_of_one_found_only_how_is_said() -> None:
    rows = (
        row_of(Customer(id="kim", given_name="Kim"), owner="kim", as_of=NOW_US, source="web"),
    )
    async with counter(rows=rows) as at:
        await at.type("k")

        assert "     by name" in at.screen.splitlines()[5]


async def test_several_found_are_chosen_with_the_mouse() -> None:
    async with counter() as at:
        await at.type("le")
        await at.pilot.click(OptionList, offset=(5, 2))
        await at.pilot.pause()

        assert "Bruno Keller" in at.screen


async def test_one_found_by_case_is_said_to_be() -> None:
    async with counter() as at:
        at.desk.finds = (Found("tom", "Tom Becker", "C-4711", "case"),)
        await at.type("c")

        assert "C-4711, by case" in at.screen


async def test_digits_in_the_search_are_part_of_what_is_searched() -> None:
    async with counter() as at:
        await at.type("w-1077")
        await at.press("enter")

        assert at.view.owner == "lena"


async def test_nobody_found_says_what_to_try() -> None:
    async with counter() as at:
        await at.find("zzzz")

        assert at.view.page == "find"
        assert "Nobody found for this." in at.screen


async def test_a_search_that_the_files_do_not_answer_says_so() -> None:
    async with counter() as at:
        at.desk.fails = StoreCorrupt()
        await at.type("l")

        assert at.notice("message") == "! This device's files do not answer. A file is damaged."


async def test_escape_empties_the_search_and_later_leads_back_to_it() -> None:
    async with counter() as at:
        await at.type("le")
        await at.press("escape")
        assert at.view.query_one(Input).value == ""

        await at.find("tom beck")
        await at.press("escape")

        assert at.view.page == "find"
        assert isinstance(at.app.focused, Input)


# The page


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("tom beck", ("PROMISED by Ana", "h late", "DO NOT OFFER AGAIN: reset the password")),
        ("lena", ("Shelf C7",)),
        ("priya", ("NOT ANSWERED: WhatsApp", "47 h late")),
        ("maya", ("Exchange M for L",)),
    ],
)
async def test_what_matters_is_on_the_first_screen_of_the_smallest_terminal(
    who: str, words: tuple[str, ...]
) -> None:
    async with counter(size=(53, 17)) as at:
        await at.find(who)

        assert not [word for word in words if word not in at.screen]


async def test_contacts_of_all_channels_stand_there_with_the_equal_ones_folded() -> None:
    async with counter() as at:
        await at.find("tom beck")

        timeline = at.entries("timeline")
        assert "password reset x7" in timeline
        assert {"X", "Phone", "Store", "Web"} <= {
            line.split("|")[1] for line in timeline.splitlines()
        }


async def test_folded_contacts_unfold_on_a_key_and_fold_again() -> None:
    async with counter() as at:
        await at.find("tom beck")
        folded = at.entries("timeline")
        await at.press("e")
        unfolded = at.entries("timeline")
        await at.press("e")

        assert len(unfolded.splitlines()) > len(folded.splitlines())
        assert at.entries("timeline") == folded


async def test_the_key_says_how_many_there_are_to_see_and_is_gone_where_nothing_is_folded() -> (
    None
):
    async with counter() as at:
        await at.find("tom beck")
        assert "E  Show all 22" in at.screen
        await at.press("e")
        assert "E  Show fewer" in at.screen
        assert len(at.entries("timeline").splitlines()) == 22

        await at.press("f")
        await at.find("lena")

        assert "Show" not in at.screen


async def test_a_label_never_touches_its_text() -> None:
    async with counter() as at:
        await at.find("maya")
        await at.press("c")

        assert "Wanted instead L (Chat" in at.screen


async def test_where_web_and_shop_differ_stands_first_on_the_page_of_who_comes_for_it() -> None:
    async with counter() as at:
        await at.find("jonas")

        assert at.entries("now").startswith("Differs|Rain jacket|web says 3, counted 0 here")


async def test_a_page_opens_without_what_stands_beside_it_where_that_cannot_be_read() -> None:
    async with counter() as at:
        at.desk.holds_fail = StoreCorrupt()
        await at.find("jonas")

        assert at.view.owner == "jonas"
        assert "Differs" not in at.entries("now")


async def test_ages_and_sources_are_shown_on_a_key() -> None:
    async with counter() as at:
        await at.find("tom beck")
        assert "ago, from Phone" not in at.screen

        await at.press("a")
        assert "ago, from Phone" in at.screen

        await at.press("a")
        assert "ago, from Phone" not in at.screen


async def test_the_page_scrolls_with_arrows_and_with_page_keys() -> None:
    async with counter(size=(53, 17)) as at:
        await at.find("tom beck")
        await at.press("end")
        await at.pilot.pause()

        assert "Power bank" in at.screen


async def test_what_the_centre_sends_appears_while_the_page_is_open() -> None:
    async with counter() as at:
        await at.find("lena")
        news = Interaction(
            id="new", at=NOW_US, channel="whatsapp", direction="in", by="Lena", text="I am outside"
        )  # fmt: skip
        at.desk.learn(row_of(news, owner="lena", as_of=NOW_US, source="whatsapp"))

        at.view.look()

        assert at.entries("timeline").splitlines()[0] == "today 14:02|WhatsApp|I am outside"


# Handing over


async def test_a_parcel_found_by_name_goes_out_after_one_question_with_the_id_seen() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.press("1")
        assert isinstance(at.app.screen, HandOverQuestion)
        assert "from shelf C7 to Lena Hoffmann?" in at.screen
        assert at.desk.done == []

        await at.press("right", "enter")

        (done,) = at.desk.done
        assert (done.kind, done.owner, done.actor) == ("hand_over_pickup", "lena", "mira")
        assert done.args == HandOverPickup(pickup="P-1077", order="W-1077")
        assert done.evidence == Evidence("S1", "id_seen")


async def test_after_a_tap_it_goes_out_on_what_the_band_proved() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        await at.press("f4", "h", "y")

        assert at.desk.done[0].evidence == Evidence("A2", "mutual", "band-of-lena")


async def test_success_is_said_and_the_parcel_waits_no_more() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.press("1", "y")

        assert at.notice("message").startswith("Recorded: order W-1077 handed over.")
        assert "Nothing waits" in at.entries("now")
        assert "not sent yet" in at.view.query_one("#timeline", EntryList).entries[0].age


@pytest.mark.parametrize(
    "keys", [("enter",), ("space",), ("escape",), ("right", "left", "enter")]
)
async def test_no_means_that_nothing_is_recorded(keys: tuple[str, ...]) -> None:
    async with counter() as at:
        await at.find("lena")
        await at.press("1", *keys)

        assert at.desk.done == []
        assert at.notice("message") == ""
        assert at.view.owner == "lena"


async def test_with_the_mouse_a_parcel_goes_out_in_two_clicks() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.pilot.click("#now", offset=(1, 0))
        await at.pilot.pause()
        await at.pilot.click("#yes")
        await at.pilot.pause()

        assert len(at.desk.done) == 1


async def test_a_full_disk_means_not_recorded_and_says_so() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.press("1")
        at.desk.is_full = True
        await at.press("y")

        assert (
            at.notice("message")
            == "! Not recorded. The disk is full. Nothing was done; try again."
        )


async def test_a_rule_that_forbids_it_is_said_in_words() -> None:
    async with counter() as at:
        await at.find("lena")
        at.desk.refuses = "assurance"
        await at.press("1", "y")

        assert (
            at.notice("message") == "! Not done: what was shown as proof is not enough for it."
        )
        assert at.desk.done == []


async def test_where_nothing_waits_the_key_says_so() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.press("h")

        assert at.notice("message") == "Nothing of theirs is here to hand over."


async def test_of_two_parcels_the_clerk_says_which() -> None:
    async with counter() as at:
        second = Pickup(
            id="P-2", order="W-2", store="harbour", state="ready", shelf="A1", ready_at=NOW_US
        )
        at.desk.learn(row_of(second, owner="lena", as_of=NOW_US, source="store"))
        await at.find("lena")
        await at.press("h")
        assert at.notice("message") == "Press the digit of the parcel."

        await at.press("2", "y")

        assert at.desk.done[0].args == HandOverPickup(pickup="P-2", order="W-2")


# Notes


async def test_a_note_is_internal_unless_said_otherwise_and_belongs_to_the_open_case() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("called payer")
        assert "INTERNAL: only we read this" in at.screen

        await at.press("enter")

        (done,) = at.desk.done
        assert isinstance(done.args, NoteCase)
        assert (done.args.text, done.args.audience, done.args.by) == (
            "called payer",
            "internal",
            "Mira (Harbour)",
        )
        assert done.evidence.assurance == "S1"
        assert at.notice("message").startswith("Recorded: the note is kept.")
        assert "called payer" in at.entries("timeline").splitlines()[0]


async def test_while_typing_a_key_marks_the_note_as_read_by_the_customer() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("on its way")
        await at.press("f5")
        assert "CUSTOMER WILL READ THIS" in at.screen
        assert "INTERNAL" not in at.screen

        await at.press("enter")

        args = at.desk.done[0].args
        assert isinstance(args, NoteCase)
        assert (args.audience, args.text) == ("customer", "on its way")


async def test_without_a_case_a_note_is_an_interaction_in_the_store() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.write("prefers mornings")
        await at.press("enter")

        args = at.desk.done[0].args
        assert isinstance(args, RecordInteraction)
        assert (args.channel, args.direction, args.audience) == ("store", "note", "internal")


async def test_letters_and_digits_in_a_note_are_text() -> None:
    async with counter() as at:
        await at.find("lena")
        await at.press("n")
        await at.type("hand 1 for u")

        assert at.view.query_one(TextArea).text == "hand 1 for u"
        assert at.desk.done == []


async def test_an_empty_note_is_not_recorded() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("  ")
        await at.press("enter")

        assert at.desk.done == []
        assert at.notice("message") == "? The note is empty. Type first."


async def test_what_an_empty_note_lacked_is_said_no_more_once_something_is_typed() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("  ")
        await at.press("enter")
        await at.press("space")
        assert at.notice("message") == "? The note is empty. Type first."

        await at.press("a")

        assert at.notice("message") == ""


@pytest.mark.parametrize("size", SIZES)
async def test_a_note_that_was_saved_is_in_view(size: tuple[int, int]) -> None:
    async with counter(size=size) as at:
        await at.find("tom beck")
        await at.write("called payer")
        await at.press("enter")
        await at.pilot.pause()

        assert "called payer" in at.screen


async def test_a_note_that_is_too_long_says_so_before_it_is_recorded() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.press("n")
        at.view.query_one(TextArea).text = "a" * (NOTE_LENGTH_MAX + 1)
        await at.press("enter")
        assert at.desk.done == []
        assert "-1 characters left." in at.screen

        at.view.query_one(TextArea).text = "a" * NOTE_LENGTH_MAX
        await at.press("enter")

        assert len(at.desk.done) == 1


async def test_a_draft_survives_leaving_the_page_and_says_that_it_is_there() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a th")
        await at.press("f5", "escape")
        assert at.notice("message") == "The draft is kept."

        await at.press("escape")
        assert "Unsaved notes: Tom Becker" in at.screen
        await at.find("tom beck")
        assert at.notice("message") == "? An unsaved note is kept. N continues it."
        await at.press("n")
        await at.type("ought")
        await at.press("enter")

        args = at.desk.done[0].args
        assert isinstance(args, NoteCase)
        assert (args.text, args.audience) == ("half a thought", "customer")


@pytest.mark.parametrize("size", [(53, 17), (80, 24)])
async def test_promises_that_one_answer_keeps_are_counted_and_the_first_two_named(
    size: tuple[int, int],
) -> None:
    rows = []
    for row in brand_rows():
        case = row.body
        if isinstance(case, Case) and case.number == "C-4711":
            for by, due in (("Mira", NOW_US + DAY_US), ("Nina", NOW_US + DAY_US // 2)):
                again = Promise(by, f"{by} rings him", due, op=by, at=NOW_US)
                case = promises.with_promise(case, again)
        rows.append(msgspec.structs.replace(row, body=case))

    async with counter(size=size, rows=rows) as at:
        await at.find("tom beck")
        await at.press("k")

        assert "Are all 3 promises on C-4711 kept?" in at.screen
        assert "Ana (call centre): an answer whether" in at.screen
        assert "Nina: Nina rings him" in at.screen
        assert clipped(at.app) == []


async def test_a_promise_is_said_to_be_kept_and_how_where_there_is_one() -> None:
    async with counter() as at:
        await at.find("tom beck")
        assert ("K", "Promise kept", "kept") in at.view._keys()
        await at.press("k")
        await at.press("enter", "enter")
        assert "Say how it was kept" in at.screen
        await at.type("billed since today")
        await at.press("enter", "enter")
        assert at.notice("message").startswith("Recorded: what was promised on C-4711 is kept.")
        args = at.desk.done[0].args

        await at.find("lena")
        assert "kept" not in {name for _, _, name in at.view._keys()}
        await at.press("k")

        assert isinstance(args, KeepPromise)
        assert (args.case, args.text, len(at.desk.done)) == ("C-4711", "billed since today", 1)


async def test_a_wish_to_be_forgotten_is_nothing_a_clerk_can_say_was_kept() -> None:
    asked = Promise("kiosk", "Asked that all is deleted.", NOW_US + DAY_US, op="e", at=NOW_US)
    wish = Case(
        id="e", number="C-9", state="open", topic="erasure", opened_at=NOW_US, channel="store",
        promise=asked, next_step="erasure",
    )  # fmt: skip
    rows = (*brand_rows(), row_of(wish, owner="lena", as_of=NOW_US, source="store"))

    async with counter(rows=rows) as at:
        await at.find("lena")
        await at.press("k")
        named = {name for _, _, name in at.view._keys()}
        shown = at.screen

        assert not {"kept", "promise", "tried"} & named
        assert "Forget them" in shown
        assert at.desk.done == []


async def test_what_was_being_written_when_the_program_ended_is_there_when_it_starts_again() -> (
    None
):
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a th")
        at.view._save_begun()  # as its timer does within a second; then the program is gone
        desk = at.desk

    async with counter(desk=desk) as again:
        assert "Unsaved notes: Tom Becker" in again.screen
        await again.find("tom beck")
        await again.press("n")
        await again.type("ought")
        await again.press("enter")

        args = desk.done[0].args
        assert isinstance(args, NoteCase)
        assert (args.text, desk.drafts()) == ("half a thought", ())


async def test_while_somebody_writes_it_is_kept_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kiosk.ui.views.counter_writing.DRAFT_S", 0.01)
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a th")

        while not at.desk.drafts():
            await at.pilot.pause()

        assert [draft.text for draft in at.desk.drafts()] == ["half a th"]


async def test_files_that_do_not_keep_a_draft_stop_nobody_from_writing() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a th")
        at.desk.fails = StoreCorrupt()
        at.view._save_begun()
        at.desk.fails = None

        await at.press("enter")

        assert len(at.desk.done) == 1


async def test_drafts_of_two_customers_do_not_mix() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("for tom")
        await at.press("f8")
        await at.find("lena")
        await at.write("for lena")
        await at.press("enter", "f")
        await at.find("tom beck")
        await at.press("n", "enter")

        first, second = (one.args for one in at.desk.done)
        assert isinstance(first, RecordInteraction)
        assert isinstance(second, NoteCase)
        assert (first.text, second.text) == ("for lena", "for tom")
        assert [one.owner for one in at.desk.done] == ["lena", "tom"]


async def test_a_note_that_could_not_be_recorded_stays_where_it_is() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("important")
        at.desk.is_full = True
        await at.press("enter")
        assert at.notice("message").startswith("! Not recorded. The disk is full.")
        assert at.view.query_one(TextArea).text == "important"

        at.desk.is_full = False
        await at.press("enter")

        assert len(at.desk.done) == 1


async def test_with_the_mouse_who_reads_it_changes_and_the_note_is_saved() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await click_key(at, "note")
        await at.type("hello")
        await at.pilot.click("#note-audience")
        await click_key(at, "save")

        args = at.desk.done[0].args
        assert isinstance(args, NoteCase)
        assert (args.text, args.audience) == ("hello", "customer")


async def test_every_key_that_is_shown_does_something_with_a_finger_too() -> None:
    async with counter(size=(160, 45)) as at:
        await at.find("tom beck")
        names = [name for _, _, name in at.view._keys()]

        for name in names:
            at.view._press(name)
            await at.pilot.pause()
            while len(at.app.screen_stack) > 1:
                await at.press("escape")
            at.view.open("tom", _found())
            await at.pilot.pause()

        assert {"promise", "kept", "tried", "send-on"} <= set(names)


async def click_key(at: Counter, name: str) -> None:
    """Click the word of a key in the bar of keys."""
    bar = at.view.query_one(KeyBar)
    for row, line in enumerate(bar._lines(bar.content_size.width)):
        column = 1
        for key, word, its_name in line:
            if its_name == name:
                await at.pilot.click(bar, offset=(column + 1, row))
                await at.pilot.pause()
                return
            column += len(key) + 3 + len(word) + 2
    raise AssertionError(f"no key {name} among {bar.keys}")


# A tap while the clerk works


async def test_a_tap_while_the_clerk_types_is_announced_and_neither_page_nor_text_changes() -> (
    None
):
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a th")
        at.view.customer_here(recognition("lena"))
        await at.type("ought")

        assert at.notice("here") == "+ Lena Hoffmann is here. F4 opens the page."
        assert at.view.owner == "tom"
        assert at.view.query_one(TextArea).text == "half a thought"


async def test_whoever_another_device_knew_first_is_named_as_soon_as_this_one_does() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("greta-1"))
        before = at.notice("here")
        greta = Customer(id="greta-1", given_name="Greta", family_name="Example")
        at.desk.learn(row_of(greta, owner="greta-1", as_of=NOW_US, source="centre"))
        at.view.look()

        assert before == "+ A customer is here. F4 opens the page."
        assert at.notice("here") == "+ Greta Example is here. F4 opens the page."


async def test_what_was_said_since_somebody_came_is_not_said_over_by_their_name() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("greta-1"))
        at.view.customer_rings("greta-1", "help")
        rung = at.notice("here")
        greta = Customer(id="greta-1", given_name="Greta", family_name="Example")
        at.desk.learn(row_of(greta, owner="greta-1", as_of=NOW_US, source="centre"))
        at.view.look()

        assert at.notice("here") == rung


async def test_one_key_opens_who_is_here_and_the_draft_stays_with_the_other() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.write("half a thought")
        at.view.customer_here(recognition("lena"))
        await at.press("f4")
        assert at.view.owner == "lena"
        assert not at.view.query_one(NoteWriter).is_open
        assert at.notice("here") == ""

        await at.press("f")
        await at.find("tom beck")
        await at.press("n")

        assert at.view.query_one(TextArea).text == "half a thought"


async def test_a_click_on_the_announcement_opens_the_page() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        await at.pilot.pause()
        await at.pilot.click("#here")
        await at.pilot.pause()

        assert at.view.owner == "lena"


async def test_a_tap_never_opens_a_page_by_itself() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        await at.pilot.pause()

        assert at.view.page == "find"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("blocked", "? A blocked band was tapped. Keep it apart and see ID."),
        ("unknown_band", "? A band was tapped that we do not know. Find the customer by name."),
        ("newer_reason", "? A band was tapped that opens no page."),
    ],
)
async def test_why_a_tap_opened_no_page_is_told_to_staff_alone(reason: str, words: str) -> None:
    async with counter() as at:
        at.view.customer_here(recognition("", reason=reason, assurance="A0"))
        await at.press("f4")

        assert at.notice("here") == words
        assert at.view.page == "find"


LENA_BY_HER_BAND = Carried(
    issued_at=NOW_US - DAY_US, name="Lena", is_owed=True,
    parts=(Part(PartKind.CASE, "phone", "C-4711"), Part(PartKind.PICKUPS, count=1)),
)  # fmt: skip


async def test_the_line_a_strange_band_carries_is_read_only_once_an_identity_document_was_seen() -> (
    None
):
    async with counter() as at:
        tapped = recognition("", reason="carried", assurance="A1")
        at.view.customer_here(dataclasses.replace(tapped, carried=LENA_BY_HER_BAND))
        at.view.staff_told("carried")
        await at.pilot.pause()
        before = at.screen

        await at.press("f4")

        assert "Lena is here, not known in this shop. ID seen? F4 says" in before
        assert "4711" not in before
        assert at.notice("here").startswith("The band told on ")
        assert "case C-4711 (Phone); 1 pick-up" in at.notice("here")
        assert at.view.page == "find"


async def test_what_a_strange_band_told_can_be_read_again_for_as_long_as_a_tap_holds() -> None:
    async with counter() as at:
        tapped = recognition("", reason="carried", assurance="A1")
        at.view.customer_here(dataclasses.replace(tapped, carried=LENA_BY_HER_BAND))
        await at.press("f4")
        await at.find("tom beck")
        await at.press("escape")
        gone, keys = at.notice("here"), at.view._keys()
        await at.press("f4")
        again = at.notice("here")
        at.desk.stand(now=NOW_US + HELD_US + 1)
        at.view.look()
        over = at.notice("here")
        await at.press("f4")

        assert "4711" not in gone
        assert "here" in {name for _, _, name in keys}
        assert "case C-4711 (Phone); 1 pick-up" in again
        assert over == at.notice("here") == ""


async def test_a_strange_band_says_nothing_more_once_another_was_tapped() -> None:
    async with counter() as at:
        tapped = recognition("", reason="carried", assurance="A1")
        at.view.customer_here(dataclasses.replace(tapped, carried=LENA_BY_HER_BAND))
        at.view.customer_here(recognition("", reason="unknown_band", assurance="A0"))

        await at.press("f4")

        assert "4711" not in at.screen


async def test_a_fault_is_told_with_what_to_try() -> None:
    async with counter() as at:
        at.view.staff_told("reader_absent")

        assert at.notice("here") == "? Reader not found. Check its plug and its cable."


@pytest.mark.parametrize("code", ["cache_damaged", "outbox_damaged", "outbox_missing"])
async def test_what_was_wrong_with_the_files_is_told_in_words(code: str) -> None:
    async with counter() as at:
        at.view.staff_told(code)

        assert at.notice("here") == f"? {WORDS.say(f'notice.{code}')}"


async def test_who_rings_at_the_kiosk_is_said_with_the_key_that_opens_the_page() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        at.view.customer_rings("lena", "ring_counter")
        assert (
            at.notice("here")
            == "+ Lena Hoffmann rings: here for the parcel. F4 opens the page."
        )

        await at.press("f4")

        assert at.view.owner == "lena"


async def test_a_tap_of_the_customer_whose_page_is_open_ends_the_need_for_an_identity_document() -> (
    None
):
    async with counter() as at:
        await at.find("lena")
        assert "see ID first" in at.screen
        at.view.customer_here(recognition("lena"))
        await at.pilot.pause()
        assert "band proved" in at.screen

        await at.press("1", "y")

        assert at.desk.done[0].evidence.proof == "mutual"


async def test_what_a_tap_proved_ends_after_five_minutes() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        await at.press("f4")
        at.desk.stand(now=NOW_US + HELD_US)
        at.view.look()
        assert "band proved" in "\n".join(rows_of(at.app))

        at.desk.stand(now=NOW_US + HELD_US + 1)
        at.view.look()
        await at.press("1", "y")

        assert at.desk.done[-1].evidence.proof == "id_seen"


async def test_an_announcement_ends_after_five_minutes() -> None:
    async with counter() as at:
        at.view.customer_here(recognition("lena"))
        at.desk.stand(now=NOW_US + HELD_US + 1)
        at.view.look()
        await at.press("f4")

        assert at.notice("here") == ""
        assert at.view.page == "find"


# Not settled


async def test_what_is_not_settled_is_listed_in_words() -> None:
    async with counter() as at:
        gone = Pickup(
            id="P-1077", order="W-1077", store="harbour", state="handed_over", handed_over_op="other",
            handed_over_at=NOW_US - 10 * MINUTE_US, handed_over_store="market",
        )  # fmt: skip
        at.desk.learn(row_of(gone, owner="lena", as_of=NOW_US, source="store"))
        at.desk.not_settled = (
            Unsettled("1", "hand_over_pickup", "lena", OperationState.REFUSED, "x", NOW_US, "pickup/P-1077"),
            Unsettled("2", "note_case", "tom", OperationState.RECORDED, "", NOW_US),
        )  # fmt: skip
        await at.press("f6")

        refused, waiting = at.entries("unsettled-list").splitlines()
        assert refused == (
            "today 14:02|Lena Hoffmann: hand-over of a parcel|Not settled: already handed over "
            "today 13:52 in Market. Call them, or hand to a supervisor."
        )
        assert waiting == (
            "today 14:02|Tom Becker: note on a case|Goes to the centre by itself. Nothing to do."
        )


async def test_keys_stand_as_close_as_a_narrow_counter_needs_when_it_comes_back() -> None:
    async with counter(size=(53, 17)) as at:
        await at.find("tom beck")
        shown = at.screen.splitlines()[-4:]
        at.view.display = False
        await at.pilot.pause()
        at.view._show_keys()
        at.view.display = True
        await at.pilot.pause()

        assert at.screen.splitlines()[-4:] == shown


@pytest.mark.parametrize("key", ["u", "w"])
async def test_a_list_goes_back_to_the_customer_it_was_opened_from(key: str) -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.press(key)
        assert at.view.page != "sheet"
        await at.press("escape")

        assert (at.view.page, at.view.owner) == ("sheet", "tom")
        await at.press("escape")
        assert at.view.page == "find"
        await at.press("f6", "escape")
        assert at.view.page == "find"


async def test_what_settles_while_the_list_is_open_leaves_it() -> None:
    async with counter() as at:
        at.desk.not_settled = (
            Unsettled("1", "note_case", "tom", OperationState.RECORDED, "", NOW_US),
        )
        await at.press("f6")
        assert "Tom Becker" in at.screen

        at.desk.not_settled = ()
        at.view.look()
        await at.pilot.pause()

        assert "Everything is settled." in at.screen


async def test_when_everything_is_settled_it_says_so_and_escape_leads_back() -> None:
    async with counter() as at:
        await at.press("f6")
        assert "Everything is settled." in at.screen

        await at.press("escape")

        assert at.view.page == "find"


# The strip


async def test_the_strip_says_what_is_wrong_and_what_waits() -> None:
    async with counter() as at:
        at.desk.stand(network="cut", network_since=NOW_US - 2 * MINUTE_US)
        await at.find("lena")
        await at.press("1", "y")

        assert (
            rows_of(at.app)[-1].strip()
            == "Reader ok · ! Network cut 2 min · Data 14:02 (0 s) · 1 to send"
        )


async def test_a_day_of_news_in_the_strip_leaves_no_widget_behind() -> None:
    async with counter() as at:
        gc.collect()
        before = sum(isinstance(one, Widget) for one in gc.get_objects())
        for count in range(500):
            at.desk.stand(n_waiting=count, network="cut" if count % 2 else "ok")
            at.view.look()
        await at.pilot.pause()
        gc.collect()

        assert "499 to send" in at.view.query_one(StaffStrip).text
        assert sum(isinstance(one, Widget) for one in gc.get_objects()) == before


async def test_customers_going_by_leave_no_widget_behind() -> None:
    async with counter() as at:
        at.view.open("tom", _found())
        await at.pilot.pause()
        gc.collect()
        before = sum(isinstance(one, Widget) for one in gc.get_objects())
        for owner in ("maya", "tom", "lena", "priya") * 10:
            at.view.open(owner, _found())
            at.view.customer_here(recognition("jonas"))
        at.view.open("tom", _found())
        await at.pilot.pause()
        gc.collect()

        assert sum(isinstance(one, Widget) for one in gc.get_objects()) == before


# Whatever stands in the rows, whatever the terminal


def _found() -> Opened:
    return found("name")


async def test_names_from_outside_are_text_on_every_page() -> None:
    async with counter() as at:
        for number, name in enumerate(hostile.NAMES):
            owner = f"hostile-{number}"
            for row in hostile.hostile_profile(name, owner=owner).rows:
                at.desk.learn(msgspec.structs.replace(row, key=f"{owner} {row.key[:20]}"))
            at.view.open(owner, found(name))
            at.view.customer_here(recognition(owner, reason=name))
            await at.press("a", "1")
            asked = at.screen
            await at.press("escape", "n", "escape", "u")

            words = asked + at.screen + at.entries("now") + at.entries("timeline")
            steering = {char for char in words if unicodedata.category(char)[0] == "C"} - {"\n"}
            assert (at.app.is_running, steering) == (True, set())


async def test_a_name_that_looks_like_an_action_is_shown_and_does_nothing() -> None:
    rows = hostile.hostile_profile("[@click=app.quit]Sam[/]").rows
    async with counter(rows=rows) as at:
        at.view.open("lena", found("name"))
        await at.pilot.pause()
        assert "[@click=app.quit]Sam[/]" in at.screen
        for offset in (1, 9, 20):
            await at.pilot.click("#name", offset=(offset, 0))
            await at.pilot.click("#now", offset=(offset, 1))

        assert at.app.is_running


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_cut_off_on_any_page(size: tuple[int, int]) -> None:
    async with counter(size=size) as at:
        bad = {"find": clipped(at.app)}
        await at.find("le")
        bad["found"] = clipped(at.app)
        at.view.open("tom", found("name"))
        await at.press("n", "f5")
        at.view.customer_here(recognition("lena"))
        await at.pilot.pause()
        bad["note"] = clipped(at.app)
        await at.press("f4")
        bad["sheet"] = clipped(at.app)
        await at.press("1")
        bad["question"] = clipped(at.app)
        await at.press("y")
        bad["done"] = clipped(at.app)
        await at.press("u")
        bad["unsettled"] = clipped(at.app)

        assert {page: found for page, found in bad.items() if found} == {}


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_every_word_stands_out_from_its_ground_in_every_theme(theme: str) -> None:
    least = CONTRAST_MIN[theme]
    async with counter(theme=theme) as at:
        at.desk.stand(network="cut")
        at.view.look()
        await at.pilot.pause()
        bad = {"find": faint(at.app, least=least)}
        await at.find("le")
        bad["found"] = faint(at.app, least=least)
        at.view.open("tom", found("name"))
        await at.press("a")
        bad["sheet"] = faint(at.app, least=least)
        at.view.customer_here(recognition("lena"))
        await at.press("n", "x", "f5")
        bad["note"] = faint(at.app, least=least)
        await at.press("f4")
        bad["parcel"] = faint(at.app, least=least)
        at.desk.is_full = True
        await at.press("h", "y")
        bad["trouble"] = faint(at.app, least=least)

        assert {page: words for page, words in bad.items() if words} == {}


async def test_the_focus_is_always_somewhere() -> None:
    async with counter() as at:
        places = [at.app.focused]
        for keys in (
            ("l", "e", "enter"),
            ("1",),
            ("n",),
            ("escape",),
            ("u",),
            ("escape",),
            ("tab",),
        ):
            await at.press(*keys)
            places.append(at.app.focused)

        assert None not in places


# Settling what is not settled


REFUSED_80 = Unsettled("r", "redeem", "lena", OperationState.REFUSED, "not_enough", NOW_US)
HELD = Unsettled("h", "note_case", "tom", OperationState.HELD, "failed", NOW_US)
WAITING = Unsettled("w", "note_case", "maya", OperationState.RECORDED, "", NOW_US)


def wait_for_a_person(at: Counter, *found: Unsettled) -> None:
    at.desk.ops["r"] = operation(Redeem(of="account/lena:points", amount=80))
    at.desk.ops["h"] = operation(NoteCase(case="C-4711", by="Mira", text="x"))
    at.desk.not_settled = found


async def test_what_waits_for_a_person_comes_first_and_has_a_digit() -> None:
    async with counter() as at:
        wait_for_a_person(at, WAITING, REFUSED_80, HELD)
        await at.press("f6")

        entries = at.view.query_one("#unsettled-list", EntryList).entries
        assert [(entry.digit, entry.lead) for entry in entries] == [
            ("1", "Lena Hoffmann: use of a ticket or points"),
            ("2", "Tom Becker: note on a case"),
            ("", "Maya Lindqvist: note on a case"),
        ]


async def test_later_leaves_it_as_it_is() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1", "enter")
        await at.press("1", "t", "escape", "escape")

        assert at.desk.settled == []
        assert len(at.view.query_one("#unsettled-list", EntryList).entries) == 1


async def test_a_refused_one_is_tried_again_as_it_was() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1", "t", "enter")
        await at.type("more now")
        await at.press("enter")

        assert at.desk.settled == [Settled("r", "replay", "more now", None)]
        assert "Everything is settled." in at.screen
        assert at.notice("message") == "Recorded: tried again."


async def test_a_refused_one_is_changed_and_tried_again() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1", "t", "backspace", "backspace", "5", "enter", "enter")

        assert at.desk.settled == [
            Settled("r", "edit", "", Redeem(of="account/lena:points", amount=5))
        ]


@pytest.mark.parametrize("value", ["", "many", "-3", "0", "99999999"])
async def test_what_it_cannot_be_is_said_and_nothing_is_done(value: str) -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1", "t", "backspace", "backspace")
        await at.type(value)
        await at.press("enter", "enter")

        assert at.desk.settled == []
        assert at.notice("message").startswith("! Not done")


async def test_nothing_more_to_do_needs_a_reason() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1", "n", "enter")
        assert "Say in a few words why" in at.screen
        assert at.desk.settled == []

        await at.type("paid cash")
        await at.press("enter")

        assert at.desk.settled == [Settled("r", "void", "paid cash", None)]


async def test_a_held_one_stays_on_the_list_until_the_centre_has_heard_of_it() -> None:
    async with counter() as at:
        wait_for_a_person(at, HELD)
        await at.press("f6", "1", "n")
        await at.type("done")
        await at.press("enter")

        (entry,) = at.view.query_one("#unsettled-list", EntryList).entries
        assert entry.text == "Settled here. The centre hears of it by itself."
        await at.press("1")
        assert len(at.app.screen_stack) == 1


async def test_what_this_version_cannot_read_can_only_be_settled_as_nothing_more() -> None:
    async with counter() as at:
        at.desk.not_settled = (HELD,)
        await at.press("f6", "1", "t")

        assert at.app.screen.query_one("#settle", ContentSwitcher).current == "choose"
        await at.press("n")
        assert at.app.screen.query_one("#settle", ContentSwitcher).current == "confirm"


async def test_a_rule_that_forbids_it_is_said() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        at.desk.refuses = "gone"
        await at.press("f6", "1", "t", "enter", "enter")

        assert at.notice("message") == "! Not done: somebody settled it already."


@pytest.mark.parametrize("size", SIZES)
async def test_no_question_about_it_is_cut_off(size: tuple[int, int]) -> None:
    async with counter(size=size) as at:
        wait_for_a_person(at, REFUSED_80, HELD)
        at.desk.ops["h"] = operation(NoteCase(case="C-4711", by="Mira", text="word " * 700))
        bad = {}
        await at.press("f6")
        bad["list"] = clipped(at.app)
        for digit in "12":
            await at.press(digit)
            bad[f"choose {digit}"] = clipped(at.app)
            await at.press("t")
            bad[f"again {digit}"] = clipped(at.app)
            await at.press("escape", "n")
            bad[f"void {digit}"] = clipped(at.app)
            await at.press("escape", "escape")

        assert {page: found for page, found in bad.items() if found} == {}


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_every_word_of_the_question_stands_out(theme: str) -> None:
    async with counter(theme=theme) as at:
        wait_for_a_person(at, REFUSED_80)
        await at.press("f6", "1")
        at.app.screen.styles.background = "black"  # what is behind is dimmed on purpose
        await at.pilot.pause()
        bad = {"choose": faint(at.app, least=CONTRAST_MIN[theme])}
        await at.press("t")
        bad["again"] = faint(at.app, least=CONTRAST_MIN[theme])

        assert {page: words for page, words in bad.items() if words} == {}


# Taking back


async def test_a_hand_over_is_taken_back_with_a_key_and_a_yes() -> None:
    async with counter() as at:
        at.view.open("lena", found("name"))
        await at.press("1", "y")
        assert any(key[2] == "undo" for key in at.view.query_one(KeyBar).keys)
        await at.press("z", "y")

        assert [done.kind for done in at.desk.done] == ["hand_over_pickup", "take_back_pickup"]
        assert at.notice("message").startswith("Taken back: hand-over of a parcel.")
        assert "Hand over" in at.entries("now")
        await at.press("z")
        assert at.notice("message") == "Nothing was recorded here in the last 5 minutes."


async def test_no_leaves_it_done() -> None:
    async with counter() as at:
        at.view.open("lena", found("name"))
        await at.press("1", "y", "z", "enter")

        assert [done.kind for done in at.desk.done] == ["hand_over_pickup"]


async def test_after_five_minutes_it_is_no_longer_offered() -> None:
    async with counter() as at:
        at.view.open("lena", found("name"))
        await at.press("1", "y")
        at.desk.stand(now=NOW_US + 5 * MINUTE_US + 1)
        at.view.look()
        await at.press("z")

        assert at.notice("message") == "Nothing was recorded here in the last 5 minutes."
        assert not any(key[2] == "undo" for key in at.view.query_one(KeyBar).keys)


async def test_what_was_done_is_said_for_a_minute_and_with_a_key_as_long_as_the_key_acts() -> (
    None
):
    async with counter() as at:
        await at.find("tom beck")
        await at.write("he was here")
        await at.press("enter")
        at.desk.stand(now=NOW_US + MINUTE_US)
        at.view.look()
        stands = at.notice("message")
        at.desk.stand(now=NOW_US + MINUTE_US + 1)
        at.view.look()

        assert stands.startswith("Recorded: the note is kept.")
        assert at.notice("message") == ""

        await at.press("k")
        await at.type("billed")
        await at.press("enter", "enter")
        at.desk.stand(now=NOW_US + 5 * MINUTE_US)
        at.view.look()
        stands = at.notice("message")
        at.desk.stand(now=NOW_US + 7 * MINUTE_US)
        at.view.look()

        assert "Z takes it back" in stands
        assert at.notice("message") == ""


async def test_what_went_wrong_stays_until_something_else_is_done() -> None:
    async with counter() as at:
        await at.find("tom beck")
        at.desk.is_full = True
        await at.write("he was here")
        await at.press("enter")
        at.desk.stand(now=NOW_US + 9 * MINUTE_US)
        at.view.look()

        assert at.notice("message").startswith("! Not recorded.")


async def test_what_was_told_of_a_tap_that_opened_nothing_is_no_news_after_five_minutes() -> (
    None
):
    async with counter() as at:
        at.view.staff_told("pin_locked")
        at.view.look()
        at.desk.stand(now=NOW_US + HELD_US)
        at.view.look()
        stands = at.notice("here")
        at.desk.stand(now=NOW_US + HELD_US + 1)
        at.view.look()

        assert stands.startswith("? Five wrong PINs")
        assert at.notice("here") == ""


async def test_what_only_the_centre_can_decide_is_not_handed_out_before() -> None:
    async with counter() as at:
        wait_for_a_person(at, REFUSED_80)
        at.desk.is_waiting = True
        await at.press("f6", "1", "t", "enter", "enter")

        assert at.notice("here").startswith("? Wait for the centre's answer.")


# Using a ticket


async def test_a_ticket_is_used_with_its_digit_and_a_yes() -> None:
    async with counter() as at:
        at.view.open("sam", found("name"))
        (line,) = [
            one for one in at.view.query_one("#now", EntryList).entries if one.label == "Ticket"
        ]
        await at.press(line.digit, "y")

        (done,) = at.desk.done
        assert (done.kind, done.args, done.evidence.proof) == (
            "redeem", Redeem(of="entitlement/sam:ticket"), "id_seen",
        )  # fmt: skip
        assert at.notice("message").startswith("Recorded: Kite workshop")
        assert "Ticket" not in at.entries("now")


async def use_a_ticket_of_which_only_the_centre_can_decide(at: Counter) -> str:
    at.desk.is_waiting = True
    at.view.open("sam", found("name"))
    (line,) = [
        one for one in at.view.query_one("#now", EntryList).entries if one.label == "Ticket"
    ]
    await at.press(line.digit, "y")
    assert at.notice("here") == "? Wait for the centre's answer. Hand nothing out before."
    assert at.notice("message") == ""
    return next(iter(at.desk.ops))


async def test_the_centres_yes_is_told_when_it_comes() -> None:
    async with counter() as at:
        op = await use_a_ticket_of_which_only_the_centre_can_decide(at)

        at.view.look()
        assert at.notice("here").startswith("? Wait")
        at.desk.states[op] = OperationState.APPLIED
        at.view.look()
        await at.pilot.pause()

        assert at.notice("here") == "+ The centre said yes: use of a ticket or points. Go on."


async def test_the_centres_no_is_told_with_its_reason() -> None:
    async with counter() as at:
        op = await use_a_ticket_of_which_only_the_centre_can_decide(at)

        at.desk.states[op] = OperationState.REFUSED
        at.desk.not_settled = (
            Unsettled(op, "redeem", "sam", OperationState.REFUSED, "not_enough", NOW_US),
        )
        at.view.look()
        await at.pilot.pause()

        assert (
            at.notice("here")
            == "! Not settled: not enough is left, or it was used already. Hand nothing out."
        )


async def test_what_another_till_recorded_is_seen_and_can_only_be_settled_as_nothing_more() -> (
    None
):
    async with counter() as at:
        at.desk.not_settled = (
            Unsettled("e", "note_case", "", OperationState.HELD, "failed", NOW_US, is_elsewhere=True),
        )  # fmt: skip
        await at.press("f6")

        (entry,) = at.view.query_one("#unsettled-list", EntryList).entries
        assert entry.lead == "At another till: note on a case"
        await at.press("1", "n")
        await at.type("done")
        await at.press("enter")
        assert at.desk.settled == [Settled("e", "void", "done", None)]


# With the customer's band as witness


def let_the_band_witness(at: Counter, *outcomes: str) -> list[str]:
    """The band of whoever is served lies there; it says these in turn, a code to refuse with or "" to record."""
    asked: list[str] = []
    said = list(outcomes)

    async def use(of: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        asked.append(of)
        code = said.pop(0)
        if code:
            raise Refused(code)
        args = Redeem(of=of, band="b1")
        return at.desk.record("redeem", args, owner=owner, actor=actor, evidence=evidence)

    at.desk.is_there = lambda band: True  # type: ignore[attr-defined]
    at.desk.use = use  # type: ignore[attr-defined]
    return asked


async def use_the_ticket(at: Counter) -> None:
    at.view.open("sam", found("name"))
    (line,) = [
        one for one in at.view.query_one("#now", EntryList).entries if one.label == "Ticket"
    ]
    await at.press(line.digit, "y")
    await at.app.workers.wait_for_complete()
    await at.pilot.pause()


async def test_a_ticket_another_shop_gave_is_refused_with_where_and_when() -> None:
    async with counter() as at:
        let_the_band_witness(at, "used_elsewhere")
        at.desk.use = refuse_with(Refused("used_elsewhere", at=NOW_US, where="market"))  # type: ignore[attr-defined]

        await use_the_ticket(at)

        assert "the band says that it was given in Market" in at.notice("message")


def refuse_with(error: Refused) -> Any:
    async def use(of: str, **_: Any) -> Recorded:
        raise error

    return use


async def test_a_ticket_is_given_when_the_band_there_witnessed_it() -> None:
    async with counter() as at:
        asked = let_the_band_witness(at, "")

        await use_the_ticket(at)

        assert asked == ["entitlement/sam:ticket"]
        assert at.notice("message").startswith("Recorded: Kite workshop")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("used_elsewhere", "the band says that another shop gave it already"),
        ("hold_again", "hold it there again, then press once more"),
    ],
)
async def test_what_the_band_says_against_it_is_told_and_nothing_is_recorded(
    code: str, words: str
) -> None:
    async with counter() as at:
        let_the_band_witness(at, code)

        await use_the_ticket(at)

        assert words in at.notice("message")
        assert at.desk.done == []


@pytest.mark.parametrize("is_waiting", [False, True])
async def test_a_key_right_behind_a_digit_is_for_the_page_the_digit_opened(
    *, is_waiting: bool
) -> None:
    """Both are there before the first is looked at, as on a busy machine."""
    async with counter() as at:
        if is_waiting:
            await at.press("f10")
        else:
            await at.type("e")
            at.view.query_one("#results").focus()

        for key in ("1", "n"):
            at.view.app.post_message(events.Key(key, key))
        await at.pilot.pause()

        assert at.view.page == "sheet"
        assert at.view.query_one(NoteWriter).is_open


@pytest.mark.parametrize("size", [(53, 17), (80, 24), (100, 40)])
@pytest.mark.parametrize(
    ("who", "promise"), [("Daniel Petit", "where the parcel is"), ("Maya", "Exchange M for L")]
)
async def test_what_we_owe_and_what_comes_next_stands_once_on_a_page(
    size: tuple[int, int], who: str, promise: str
) -> None:
    async with counter(size=size) as at:
        await at.find(who)
        card = at.view.query_one(CardRows)

        shown = " ".join(f"{card.text} {at.entries('now')} {at.entries('told')}".split())
        assert shown.count(promise) == 1

        await at.press("c")
        assert not card.display
        assert promise in at.entries("told")

        await at.press("c", "a")
        whole = at.entries("card-whole") + at.entries("now") + at.entries("told")
        assert whole.count(promise) == 1
