"""A lost band is blocked from its wearer's page, what remains exposed is said, and "found it" undoes the block."""

import pytest

from kiosk.demo.bands import band_id_of, demo_band
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.records import Band
from sync.model.row import row_of
from tests.support.counter_side import Counter, counter
from tests.support.demo_side import NOW_US
from tests.support.pictures import clipped

SMALLEST = (53, 17)

BLUE = Band(id="b1" * 16, state="active", label="blue")
HIS_RETIRED = Band(id=band_id_of(demo_band("tom")), state="retired")


def wear(at: Counter, *bands: Band) -> None:
    for band in bands:
        at.desk.learn(row_of(band, owner="tom", as_of=NOW_US, source="store"))


async def test_a_lost_band_is_blocked_and_what_remains_exposed_is_said() -> None:
    async with counter(size=SMALLEST) as at:
        wear(at, BLUE)
        await at.find("tom beck")
        await at.press("b")
        await at.pilot.pause()
        assert clipped(at.app) == []
        assert " Where " in at.screen
        await at.press("enter", "enter")
        assert "Say what is known of it" in at.screen
        while "Block blue" not in at.screen:
            await at.press("down")
        await at.type("at the fair")
        await at.press("enter", "enter")
        said = at.notice("message")

        (done,) = at.desk.done
        assert (done.kind, done.owner) == ("block_band", "tom")
        assert done.args == BlockBand(band=BLUE.id, why="at the fair")
        assert said.startswith("Recorded: blue opens nothing here now.")
        assert "Other stores know it in seconds" in said


@pytest.mark.parametrize("size", [SMALLEST, (80, 24)])
async def test_the_keys_to_another_band_are_told_where_there_is_another(
    size: tuple[int, int],
) -> None:
    async with counter(size=size) as at:
        wear(at, HIS_RETIRED, BLUE)
        await at.find("tom beck")
        await at.press("b")
        alone = at.screen
        await at.press("escape")
        wear(at, Band(id="b2" * 16, state="active", label="red"))
        at.view.look()
        await at.press("b")

        assert "Block blue." in alone
        assert "another band" not in alone
        assert "Up and Down: another band." in at.screen
        assert clipped(at.app) == []


async def test_without_the_line_it_is_said_that_other_stores_do_not_know() -> None:
    async with counter() as at:
        wear(at, BLUE)
        at.desk.stand(network="centre_unreachable")
        await at.find("tom beck")
        await at.press("b")
        await at.type("since Friday")
        await at.press("enter", "enter")

        assert "until then it opens a page there" in at.notice("message")


async def test_a_band_that_was_found_works_again_after_an_id_was_seen() -> None:
    async with counter() as at:
        wear(at, HIS_RETIRED, Band(id=BLUE.id, state="blocked", label="blue", blocked_op="x"))
        await at.find("tom beck")
        assert {"lost", "regained"} & {name for _, _, name in at.view._keys()} == {"regained"}
        await at.press("b")
        await at.press("v")
        assert "identity document" in at.screen
        await at.press("y")

        (done,) = at.desk.done
        assert done.args == UnblockBand(band=BLUE.id)
        assert done.evidence.assurance == "S1"
        assert at.notice("message") == "Recorded: blue works again."


@pytest.mark.parametrize("size", [SMALLEST, (80, 24)])
async def test_a_band_with_a_name_of_two_words_is_asked_about_in_whole_sentences(
    size: tuple[int, int],
) -> None:
    async with counter(size=size) as at:
        wear(at, Band(id="b3" * 16, state="blocked", label="first band"))
        await at.find("tom beck")
        await at.press("v")

        asked = " ".join(at.screen.split())
        assert "A blocked band of Tom Becker was found?" in asked
        assert "Unblock first band." in asked
        assert clipped(at.app) == []


async def test_whoever_has_no_band_is_asked_nothing() -> None:
    async with counter() as at:
        wear(at, HIS_RETIRED)
        await at.find("tom beck")
        await at.press("b", "v")

        assert not {"lost", "regained"} & {name for _, _, name in at.view._keys()}
        assert at.desk.done == []
