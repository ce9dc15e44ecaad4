"""The counter names the keys that do something on what it shows, and no other."""

import pytest

from kiosk.core.counter import sheet_of
from kiosk.core.counter_keys import OPEN_KEY, Shown, keys_of
from kiosk.core.entries import Telling, found
from sync.model.profile import Profile
from tests.support.demo_side import NOW_US, POST, WORDS, profile

TELL = Telling(WORDS, POST, NOW_US)


def page_of(of: Profile, **more: bool | str) -> Shown:
    sheet = sheet_of(of, tell=TELL, opened=found("name"))
    return Shown("sheet", sheet=sheet, profile=of, **more)  # type: ignore[arg-type]  # as the value has them


def names(shown: Shown) -> list[str]:
    return [name for _, name in keys_of(shown)]


def test_a_page_names_what_can_be_done_for_this_customer() -> None:
    tom, nobody = names(page_of(profile("tom"))), names(page_of(Profile("x", ())))

    assert {"answer", "tried", "promise", "kept", "unfold", "lost"} <= set(tom)
    assert "hand" not in tom
    assert nobody == ["note", "card", "find", "ages", "unsettled"]
    assert "hand" in names(page_of(profile("lena")))


def test_while_somebody_writes_only_what_ends_it_is_named() -> None:
    note = page_of(profile("tom"), is_writing=True, may_undo=True)
    answer = page_of(profile("tom"), is_writing=True, is_answer=True)

    assert keys_of(note) == (("Enter", "save"), ("F5", "audience"), ("Esc", "back"))
    assert names(answer) == ["send", "way", "back"]


@pytest.mark.parametrize("here", ["here", "link"])
def test_who_is_here_comes_first_and_taking_back_last(here: str) -> None:
    keys = keys_of(page_of(profile("tom"), here=here, may_undo=True))

    assert (keys[0], keys[-1]) == ((OPEN_KEY, here), ("Z", "undo"))
    assert "undo" not in names(Shown("find", may_undo=True))


@pytest.mark.parametrize(
    ("n_open", "first"), [(0, ("Esc", "back")), (1, ("1", "settle")), (4, ("1-4", "settle"))]
)
def test_what_is_not_settled_names_the_digits_there_are(
    n_open: int, first: tuple[str, str]
) -> None:
    assert keys_of(Shown("unsettled", n_open=n_open))[0] == first


def test_a_list_of_nobody_opens_nobody() -> None:
    assert names(Shown("find", has_waiting=True)) == ["waiting", "unsettled"]
    assert names(Shown("find", is_empty=False)) == ["open", "unsettled"]
    assert names(Shown("waiting")) == ["back"]
    assert names(Shown("waiting", is_empty=False)) == ["open-waiting", "back"]
