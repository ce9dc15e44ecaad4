"""The tour on the demo's screens: the space bar plays a step, its caption stands below, what it is about is in view."""

from textual.widgets import Input

from kiosk.core.ports import Refused
from kiosk.demo.guide import Guide
from kiosk.demo.scenes import MAYA, Scene, Step
from kiosk.ui.demo_shell.trap import TrapPane
from kiosk.ui.widgets.plain_text import PlainText
from tests.support.demo_side import DemoRig
from tests.support.pictures import rows_of


class Told:
    """A tour of three steps."""

    def __init__(self, rig: DemoRig) -> None:
        self._rig = rig
        self._left = [
            ("one", "maya", ("kiosk",)),
            ("two", "maya", ("card",)),
            ("three", "maya", ("trap",)),
        ]

    def go_on(self) -> tuple[str, str, tuple[str, ...]] | None:
        if not self._left:
            return None
        if len(self._left) == 3:
            self._rig.tap(1)
        return self._left.pop(0)


async def test_the_space_bar_leads_through_the_tour() -> None:
    rig = DemoRig()
    rig.app.shell._tour = Told(rig)

    async with rig.app.run_test(size=(100, 32)) as pilot:
        caption = rig.app.shell.query_one("#caption", PlainText)
        seen = []
        for _ in range(4):
            await pilot.press("space")
            await pilot.pause()
            seen.append((rig.app.shell.place, caption.display, str(caption.render())))
        is_trap = rig.app.shell.query_one(TrapPane).display
        name = rig.app.shell.counter.query(Input).first().value
        opened = rig.app.shell.counter._opened

    assert opened.how == "", "she tapped: nobody searched for her"
    assert opened.evidence.proof == "mutual"
    assert [place for place, _, _ in seen] == ["kiosk", "counter", "counter", "counter"]
    assert all(display for _, display, _ in seen)
    assert [text.partition(" ")[0] for _, _, text in seen] == ["one", "two", "three", "That"]
    assert is_trap
    assert name == "", "the space bar is the tour's"


async def test_without_a_tour_there_is_no_caption_and_the_space_bar_is_a_space() -> None:
    rig = DemoRig()

    async with rig.app.run_test(size=(100, 32)) as pilot:
        await pilot.press("f3")
        await pilot.press("m", "space", "b")
        is_shown = rig.app.shell.query_one("#caption").display
        typed = rig.app.shell.counter.query(Input).first().value

    assert not is_shown
    assert typed == "m b"


def test_a_step_that_was_done_before_is_said_and_the_tour_goes_on() -> None:
    def refuse(_: object) -> None:
        raise Refused("already_handed_over")

    scene = Scene("x", "1", "maya", "Title", (Step("First.", refuse), Step("Second.")))
    guide = Guide(None, (scene,))  # type: ignore[arg-type]  # these steps need no shop

    first, second, over = guide.go_on(), guide.go_on(), guide.go_on()

    assert first == ("1/2  Title. First. (Not done again: already_handed_over)", "maya", ())
    assert second is not None
    assert over is None


def test_the_first_scene_begins_with_a_tap() -> None:
    assert MAYA.steps[0].looks == ("kiosk",)


async def test_after_a_step_that_sent_a_message_the_newest_contacts_are_in_view() -> None:
    rig = DemoRig()
    told = Told(rig)
    told._left = [("card", "priya", ("card",)), ("sent", "priya", ("sent",))]
    rig.app.shell._tour = told

    async with rig.app.run_test(size=(80, 24)) as pilot:
        screens = []
        for _ in range(2):
            await pilot.press("space")
            await pilot.pause()
            await pilot.pause()
            screens.append("\n".join(rows_of(rig.app)))

    assert "NOT ANSWERED" in screens[0]
    assert "All contacts, newest first" not in screens[0]
    assert "All contacts, newest first" in screens[1]
