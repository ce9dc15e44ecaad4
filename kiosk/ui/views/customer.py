"""The customer's side: one view, mounted once, its pages filled in place.

    canvas   attract | reading | page | detail | told (everything that is a heading and a line)
    keypad   in the canvas's place while a PIN is asked for
    keys     back (left) | help | language | forward (right), always in the same places

The view receives faces and pages and sends what was touched; it holds no rule. What it shows of a page is cut to the grid:
three items a sheet at 53 x 17, more on larger panels, the rest on the next sheet. On the way from a tap to a page nothing
is mounted, removed, styled or laid out again: the canvas is given another sheet; keys and focus follow two frames later.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget

from kiosk.core.page import Block, Page
from kiosk.core.visit import Face
from kiosk.core.wording.catalogue import LANGUAGE_NAMES, next_language, sentence_of
from kiosk.ui.views import customer_sheets as sheets
from kiosk.ui.widgets.canvas import NOWHERE, Canvas, Sheet
from kiosk.ui.widgets.keypad import Keypad
from kiosk.ui.widgets.touch_button import TouchButton
from sync.model.rules import PIN_DIGITS_MIN

KEY_ROWS: Final = 5

WIDE_COLUMNS: Final = 120
"""From this width the keys stand under the words, not under the margins."""

FOLLOW_MS: Final = 30
"""Keys and focus follow the words by two frames: drawn together, they cost the words a third of their time to the terminal."""

_TOLD: Final = {
    Face.MASKED: ("masked.ask", "masked.touch"),
    Face.NEUTRAL: ("neutral.see-team", "neutral.line"),
    Face.AGAIN: ("again.longer", "again.longer-line"),
    Face.ONE_BAND: ("again.one", "again.one-line"),
    Face.NOT_POSSIBLE: ("not-possible.heading", "not-possible.page"),
    Face.READER_GONE: ("neutral.see-team", "reader-gone.line"),
    Face.OUT_OF_ORDER: ("neutral.see-team", "out-of-order.line"),
}
"""Faces that are a heading and a line."""

_ENDABLE: Final = frozenset(
    {Face.MASKED, Face.NEUTRAL, Face.AGAIN, Face.ONE_BAND, Face.NOT_POSSIBLE}
)


class CustomerView(Widget):
    """What the customer sees.

    Args:
        reader_place: Where the reader is as seen from the screen: below, right or left.
        language: BCP 47 of the shop.

    Attributes:
        is_settled: Keys and focus are as they belong to what is shown.
    """

    class Touched(Message):
        """A touch, a click or a key, anywhere on the view."""

    class Done(Message):
        """The customer is done."""

    class HelpWanted(Message):
        """The help key was pressed."""

    class HelpClosed(Message):
        """The customer went back from the help page."""

    class LanguageWanted(Message):
        """The language key was pressed."""

        def __init__(self, language: str) -> None:
            super().__init__()
            self.language = language

    class PinTyped(Message):
        """A PIN was typed for an action. Its `repr` shows nothing of it."""

        def __init__(self, action: str, pin: str) -> None:
            super().__init__()
            self.action = action
            self.pin = pin

        def __repr__(self) -> str:
            return f"PinTyped({self.action})"

    class PinClosed(Message):
        """The customer went back from the keypad."""

    class ActionWanted(Message):
        """The customer wants something done about a block."""

        def __init__(self, action: str, about: str) -> None:
            super().__init__()
            self.action = action
            self.about = about

    def __init__(
        self,
        *,
        reader_place: str = "below",
        language: str = "en",
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self._place = reader_place
        self._home_language = language
        self._language = language
        self._face = Face.ATTRACT
        self._page: Page | None = None
        self._sheet = 0
        self._detail: Block | None = None
        self._told: tuple[str, str] | None = None
        self._told_values: Mapping[str, str] = {}
        self._told_action = ""
        self._asked_for = ""
        self._asked_in = ("", "")
        self._before_help: Callable[[], None] | None = None
        self._cursor = 0
        self._focused_for: object = None
        self.is_settled = True

    def compose(self) -> ComposeResult:
        """Canvas and keys, once."""
        yield Canvas(id="canvas")
        yield Keypad(id="keypad")
        with Horizontal(id="keys"):
            yield TouchButton(id="back")
            yield TouchButton(id="help")
            yield TouchButton(id="language")
            yield TouchButton(id="forward")

    def on_mount(self) -> None:
        """Keep what is filled on every tap, so that no tap searches for it."""
        self._canvas = self.query_one(Canvas)
        self._keypad = self.query_one(Keypad)
        self._keypad.display = False
        keys = ("back", "help", "language", "forward")
        self._keys = {name: self.query_one(f"#{name}", TouchButton) for name in keys}
        self._draw_canvas()
        self._follow()

    # What the view is told

    @property
    def face(self) -> Face:
        """What it shows now."""
        return self._face

    @property
    def language(self) -> str:
        """The language it speaks now."""
        return self._language

    @property
    def page(self) -> Page | None:
        """The page it holds; None after a wipe."""
        return self._page

    @property
    def is_form(self) -> bool:
        """Whether something is typed here now."""
        return bool(self._asked_for)

    def show(self, face: Face) -> None:
        """Show a face that holds nothing personal."""
        self._face = face
        self._told = None
        self._before_help = None
        self._end_pin()
        self._draw()

    @property
    def is_read(self) -> bool:
        """Whether a customer's page is open and nothing of it was chosen."""
        is_chosen = self._detail is not None or self._told is not None
        return self._face is Face.PAGE and not is_chosen and not self._asked_for

    def show_page(self, page: Page) -> None:
        """Show a customer's page in its language: from its beginning, and one that is open already where it was."""
        is_same = self._page is not None and self._page.owner == page.owner
        if self._page is not None and _is_said_anew(self._page, page):
            self._say_anew(self._page, page)
            return
        self._page = page
        self._language = page.language
        self._face = Face.PAGE
        self._told = None
        self._before_help = None
        self._detail = None
        self._end_pin()
        if is_same:
            self._sheet = min(self._sheet, self._n_sheets() - 1)
        else:
            self._sheet = 0
            self._cursor = next(iter(self._open_items()), 0)
        self._draw()

    def _say_anew(self, before: Page, page: Page) -> None:
        """The same in another language: an item that is open, help, or a PIN asked for, stands where it stood."""
        if self._detail is not None:
            self._detail = page.blocks[before.blocks.index(self._detail)]
        self._page, self._language = page, page.language
        if self._asked_for:
            heading, line = (self._word(each) for each in self._asked_in)
            self._keypad.ask(heading, line)
        self._draw()

    @property
    def is_told(self) -> bool:
        """Whether a heading and a line stand over what was shown before: help, or what became of an action."""
        return self._told is not None

    def show_help(self, line_id: str = "help.line", action: str = "") -> None:
        """Show help until the customer goes back to where they were, a PIN half typed or a code as well, or `hide_help`.

        Args:
            line_id: What it says.
            action: What can be done there, "" for nothing.
        """
        before = self._before_help or self._way_back()
        self.tell("help.heading", line_id, action)
        self._before_help = before

    def _way_back(self) -> Callable[[], None] | None:
        """Shows again what stands over the page; None where nothing does."""
        if self._asked_for:
            return partial(self.ask_pin, self._asked_for, *self._asked_in)
        if self._told is not None:
            return partial(self.tell, *self._told, self._told_action, self._told_values)
        return None

    def tell(
        self,
        heading_id: str,
        line_id: str,
        action: str = "",
        values: Mapping[str, str] | None = None,
    ) -> None:
        """Show what became of an action, until the customer goes back or `hide_help`; and what can be done there.

        Args:
            heading_id: Its heading.
            line_id: The line below.
            action: What can be done there, "" for nothing.
            values: What stands in both; None for nothing.
        """
        self._end_pin()
        self._before_help = None
        self._told_values = values or {}
        self._told = (heading_id, line_id)
        self._told_action = action
        self._draw()

    def ask_pin(self, action: str, heading_id: str, line_id: str) -> None:
        """Ask for a PIN, for this action; answered by PinTyped or PinClosed."""
        self._told = None
        self._before_help = None
        self._asked_for, self._asked_in = action, (heading_id, line_id)
        self._keypad.ask(self._word(heading_id), self._word(line_id))
        self._canvas.display = False
        self._keypad.display = True
        self._draw()

    def _end_pin(self) -> None:
        """Forget what was typed; the page has its place back."""
        if self._asked_for:
            self._asked_for = ""
            self._keypad.clear()
            self._keypad.display = False
            self._canvas.display = True

    def hide_help(self) -> None:
        """Go back to the page, or whatever is under help and what was told."""
        self._before_help = None
        if self._told is not None:
            self._told = None
            self._told_action = ""
            self._told_values = {}
            self._draw()

    def _leave_help(self) -> None:
        """Go back to what was shown before."""
        again = self._before_help
        self.hide_help()
        if again is not None:
            again()

    def speak(self, language: str) -> None:
        """Say everything that is not a page in another language."""
        self._language = language
        self._draw()

    def wipe(self) -> None:
        """Forget the visit: every word of it leaves the widgets and this object; the shop's language returns."""
        self._page = None
        self._detail = None
        self._sheet = 0
        self._cursor = 0
        self._told = None
        self._told_values = {}
        self._before_help = None
        self._end_pin()
        self._focused_for = None
        self._language = self._home_language
        self._canvas.draw(Sheet())

    # What the customer does

    @on(Canvas.Touched)
    def _item_touched(self, event: Canvas.Touched) -> None:
        event.stop()
        self._open(event.item)

    def _open(self, item: int) -> None:
        """Show what is behind an item of this sheet, when there is something."""
        shown = self._blocks_of_sheet()
        if self._is_list and 0 <= item < len(shown) and sheets.is_open(shown[item]):
            self._cursor = item
            self._detail = shown[item]
            self._draw()

    def _is_item(self, digit: int) -> bool:
        """Whether an item has that digit."""
        return self._is_list and 1 <= digit <= len(self._open_items())

    def _open_digit(self, digit: int) -> None:
        """Open the item with that digit."""
        self._open(self._open_items()[digit - 1])

    @on(Keypad.Typed)
    def _pin_typed(self, event: Keypad.Typed) -> None:
        event.stop()
        self.post_message(self.Touched())
        self._follow()

    @on(TouchButton.Pressed, "#back")
    def _back(self, event: TouchButton.Pressed) -> None:
        event.stop()
        if self._asked_for:
            self._end_pin()
            self._draw()
            self.post_message(self.Touched())
            self.post_message(self.PinClosed())
        elif self._told is not None:
            self.post_message(self.Touched())
            self._leave_help()
            self.post_message(self.HelpClosed())
        elif self._detail is not None:
            self.post_message(self.Touched())
            self._detail = None
            self._draw()
        elif self._face is Face.PAGE and self._sheet > 0:
            self.post_message(self.Touched())
            self._sheet -= 1
            self._draw()
        else:
            self.post_message(self.Done())

    @on(TouchButton.Pressed, "#forward")
    def _forward(self, event: TouchButton.Pressed) -> None:
        event.stop()
        self.post_message(self.Touched())
        if self._asked_for:
            self._say_pin()
            return
        if self._told is not None:
            if self._told_action:
                self.post_message(self.ActionWanted(self._told_action, ""))
            return
        if self._face is not Face.PAGE:
            return  # "I am here": the press is a touch, and that is all it says
        if self._detail is not None:
            if self._detail.actions:
                self.post_message(
                    self.ActionWanted(self._detail.actions[0], self._detail.about)
                )
        elif self._sheet + 1 < self._n_sheets():
            self._sheet += 1
            self._draw()
        else:
            self.post_message(self.Done())

    @on(TouchButton.Pressed, "#help")
    def _help(self, event: TouchButton.Pressed) -> None:
        event.stop()
        self.post_message(self.Touched())
        self.post_message(self.HelpWanted())

    @on(TouchButton.Pressed, "#language")
    def _next_language(self, event: TouchButton.Pressed) -> None:
        event.stop()
        self.post_message(self.Touched())
        self.post_message(self.LanguageWanted(next_language(self._language)))

    def _say_pin(self) -> None:
        """What was typed goes to whoever judges it, and is nowhere here any more."""
        typed, action = self._keypad.typed, self._asked_for
        if len(typed) >= PIN_DIGITS_MIN:
            self._keypad.ask("", "")
            self.post_message(self.PinTyped(action, typed))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A finger or a mouse is a touch, wherever it lands; but on the way to Done a hidden page stays hidden."""
        under, _ = self.screen.get_widget_at(event.screen_x, event.screen_y)
        if self._face is Face.MASKED and under is self._keys["back"]:
            return
        self.post_message(self.Touched())

    def on_key(self, event: events.Key) -> None:
        """A key is a touch; digits open items, arrows and Tab walk, Escape goes back."""
        self.post_message(self.Touched())
        if self._is_too_small:
            return
        if self._face is Face.MASKED and event.key not in {"tab", "shift+tab"}:
            event.stop()
            event.prevent_default()
            return
        match event.key:
            case "left" | "up" | "right" | "down" | "tab" | "shift+tab":
                event.stop()
                event.prevent_default()
                self._walk(-1 if event.key in {"left", "up", "shift+tab"} else 1)
            case "enter" if self._asked_for and self._keypad.has_focus:
                event.stop()
                self._say_pin()
            case "enter" | "space" if self._canvas.has_focus:
                event.stop()
                self._open(self._cursor)
            case "escape":
                event.stop()
                self._keys["back"].press()
            case key if key.isdigit() and self._is_item(int(key)):
                event.stop()
                self._open_digit(int(key))
            case _:
                pass

    def _walk(self, by: int) -> None:
        """Move the focus through the open items, then the keys, round and round."""
        items = self._open_items() if self._is_list else ()
        keys = [key for key in self._keys.values() if key.text]
        places: list[int | TouchButton] = [*items, *keys]
        now: int | TouchButton = self._cursor
        if not self._canvas.has_focus:
            now = next((key for key in keys if key.has_focus), keys[0])
        at = places.index(now) if now in places else -by
        target = places[(at + by) % len(places)]
        if isinstance(target, TouchButton):
            target.focus(scroll_visible=False)
        else:
            self._cursor = target
            self._canvas.focus(scroll_visible=False)
        self._draw_canvas()

    def on_descendant_focus(self) -> None:
        """The focused item is drawn as such."""
        self._draw_canvas()

    def on_descendant_blur(self) -> None:
        """And no longer."""
        self._draw_canvas()

    def on_resize(self, event: events.Resize) -> None:
        """Cut the page to the new grid; on one that is too small, one sentence and no keys."""
        self.set_class(self._is_too_small, "-small")
        self._focused_for = None
        self.set_class(event.size.height >= sheets.ROOMY_ROWS + KEY_ROWS, "-roomy")
        self.set_class(event.size.width >= WIDE_COLUMNS, "-wide")
        self._draw()

    # Drawing

    @property
    def _is_too_small(self) -> bool:
        """Whether there is less room than a page needs; a view that is not shown has none at all."""
        width, height = self.size
        return bool(width and height) and (
            width < sheets.COLUMNS_MIN or height < sheets.ROWS_MIN
        )

    @property
    def _is_list(self) -> bool:
        """Whether items can be chosen now."""
        return self.is_read and not self._is_too_small

    @property
    def _grid(self) -> sheets.Grid:
        return sheets.Grid(max(self.size.width, 1), max(self.size.height - KEY_ROWS, 1))

    def _word(self, sentence_id: str) -> str:
        return sentence_of(sentence_id, self._language)

    def _key(self, name: str, label: str, *, is_main: bool = False) -> None:
        key = self._keys[name]
        key.say(label)
        key.set_class(is_main, "-main")

    def _draw(self) -> None:
        """The words now; keys and focus follow them."""
        self._draw_canvas()
        if self.is_settled:
            self.is_settled = False
            self.set_timer(FOLLOW_MS / 1_000, self._follow)

    def _follow(self) -> None:
        """Keys and focus as they should be for what is shown; what is right already costs nothing."""
        self.is_settled = True
        back, forward, is_main = self._labels()
        self._key("back", back)
        self._key("help", self._word("button.help"))
        self._key("language", LANGUAGE_NAMES[next_language(self._language)])
        self._key("forward", forward, is_main=is_main)
        self._keep_focus()

    def _draw_canvas(self) -> None:
        is_small = self._is_too_small
        self._canvas.draw(self._too_small_sheet() if is_small else self._sheet_now())

    def _too_small_sheet(self) -> Sheet:
        line = self._word("too-small.line").format(
            columns=sheets.COLUMNS_MIN, rows=sheets.ROWS_MIN
        )
        whole = sheets.Grid(self.size.width, self.size.height)
        return sheets.told_sheet(whole, heading=line, line="")

    def _sheet_now(self) -> Sheet:
        grid = self._grid
        if self._told is not None:
            heading, line = (
                self._word(each).format_map(self._told_values) for each in self._told
            )
            return sheets.told_sheet(grid, heading=heading, line=line)
        match self._face:
            case Face.ATTRACT:
                arrow = {"right": "►", "left": "◄"}.get(self._place, "▼")
                where = self._word(f"attract.where-{self._place}")
                title = self._word("attract.hold")
                return sheets.attract_sheet(grid, title=title, where=where, arrow=arrow)
            case Face.READING:
                return sheets.reading_sheet(grid, words="")
            case Face.MOMENT:
                return sheets.reading_sheet(grid, words=self._word("reading.moment"))
            case Face.PAGE:
                return self._page_sheet(grid)
            case face:
                return self._told_sheet(*_TOLD[face])

    def _told_sheet(self, heading_id: str, line_id: str) -> Sheet:
        heading, line = self._word(heading_id), self._word(line_id)
        return sheets.told_sheet(self._grid, heading=heading, line=line)

    def _page_sheet(self, grid: sheets.Grid) -> Sheet:
        if self._page is None:
            return Sheet()
        if self._detail is not None:
            return sheets.detail_sheet(grid, self._detail)
        greeting = self._page.blocks[0].lines if self._page.blocks else ("",)
        return sheets.page_sheet(
            grid,
            greeting=greeting[0],
            as_of=self._page.as_of_line,
            note=self._note_of(greeting),
            blocks=self._blocks_of_sheet(),
            focus=self._cursor if self._canvas.has_focus and self._is_list else NOWHERE,
        )

    def _note_of(self, greeting: tuple[str, ...]) -> str:
        """The line under the greeting: which sheet this is, or that nothing waits."""
        if self._n_sheets() > 1:
            return f"{self._sheet + 1} / {self._n_sheets()}"
        return greeting[1] if len(greeting) > 1 else ""

    def _labels(self) -> tuple[str, str, bool]:
        """Labels of back and forward, and whether forward is the main thing to do."""
        if self._asked_for:
            is_enough = len(self._keypad.typed) >= PIN_DIGITS_MIN
            return self._word("button.back"), self._word("button.ok") if is_enough else "", True
        if self._told is not None:
            action = self._told_action.replace("_", "-")
            forward = self._word(f"button.{action}") if action else ""
            return self._word("button.back"), forward, False
        match self._face:
            case Face.PAGE if self._detail is not None:
                actions = self._detail.actions
                label = self._word(f"button.{actions[0].replace('_', '-')}") if actions else ""
                return self._word("button.back"), label, bool(actions)
            case Face.PAGE:
                is_first, is_last = self._sheet == 0, self._sheet + 1 >= self._n_sheets()
                back = self._word("button.done" if is_first else "button.back")
                forward = "" if is_last else self._word("button.more")
                if is_last and not is_first:
                    forward = self._word("button.done")
                return back, forward, False
            case Face.MASKED:
                return self._word("button.done"), self._word("button.here"), True
            case face:
                return (self._word("button.done") if face in _ENDABLE else ""), "", False

    def _blocks(self) -> tuple[Block, ...]:
        return () if self._page is None else self._page.blocks[1:]

    def _n_sheets(self) -> int:
        return max(1, -(-len(self._blocks()) // self._grid.items))

    def _blocks_of_sheet(self) -> tuple[Block, ...]:
        each = self._grid.items
        self._sheet = min(self._sheet, self._n_sheets() - 1)
        return self._blocks()[self._sheet * each : (self._sheet + 1) * each]

    def _open_items(self) -> tuple[int, ...]:
        return sheets.open_items(self._blocks_of_sheet())

    def _keep_focus(self) -> None:
        """Put the focus on what is wanted next, once a face; never take it from another part of the screen."""
        if self._is_too_small:
            return
        focused = self.screen.focused
        if focused is not None and self not in focused.ancestors_with_self:
            return
        shown = (
            self._face, self._page, self._sheet, self._detail, self._told, self._asked_for,
        )  # fmt: skip
        is_away = isinstance(focused, TouchButton) and not focused.text
        if shown == self._focused_for and focused is not None and not is_away:
            return
        self._focused_for = shown
        items = self._open_items() if self._is_list else ()
        if self._asked_for:
            target: Widget = self._keypad
        elif items:
            self._cursor = self._cursor if self._cursor in items else items[0]
            target = self._canvas
        else:
            names = ("back", "help") if self._told_action else ("forward", "back", "help")
            target = next(self._keys[name] for name in names if self._keys[name].text)
        if target is not focused:
            target.focus(scroll_visible=False)


def _is_said_anew(before: Page, after: Page) -> bool:
    """Whether two pages are one, block for block, in two languages."""

    def parts(page: Page) -> tuple[object, ...]:
        return (page.owner, *((it.kind, it.about, it.actions) for it in page.blocks))

    return before.language != after.language and parts(before) == parts(after)
