"""The customer's side: one view, mounted once, its pages filled in place.

    faces    attract | reading | page | detail | told (everything that is a heading and a line)
    keys     back (left) | help | language | forward (right), always in the same places

The view receives faces and pages and sends what was touched; it holds no rule. What it shows of a page is cut to the grid:
three items a sheet at 53 x 17, more on larger panels, the rest on the next sheet. On the way from a tap to a page nothing
is mounted or removed.
"""

from typing import Final

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Center, Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from kiosk.core.page import Block, BlockKind, Page
from kiosk.core.visit import Face
from kiosk.core.wording.catalogue import LANGUAGE_NAMES, next_language, sentence_of
from kiosk.ui.widgets.page_item import ROWS, PageItem, wrapped
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton

ITEMS_MAX: Final = 9
"""Items on one sheet: each has a digit."""

KEY_ROWS: Final = 5
ROOMY_ROWS: Final = 24
"""From this height items stand apart and the margins are wider."""

PICTURE: Final = """\
  ▄▄████▄▄       ▄▄ ▀█
 ██▀    ▀██    ▄  █▄ ██
██        ██   ██ ██  █
██        ██   ██ ██  █
 ██▄    ▄██    ▀  █▀ ██
  ▀▀████▀▀       ▀▀ ▄█"""
"""A band, and the waves of a reader."""

_COLOURS: Final = {
    BlockKind.WAITING: "$waiting",
    BlockKind.OWED: "$owed",
    BlockKind.HELP: "$help",
    BlockKind.POINTS: "$points",
    BlockKind.OFFER: "$offer",
    BlockKind.NOTICE: "$help",
    BlockKind.NOT_POSSIBLE: "$owed",
    BlockKind.GREETING: "$main",
}
"""Edge of an item, beside the words that say the same."""

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
        self._is_help = False
        self._focused_for: tuple[Face, str | None, int, bool] | None = None

    def compose(self) -> ComposeResult:
        """All faces and keys, once."""
        with ContentSwitcher(id="faces", initial="attract"):
            with Vertical(id="attract", classes="face middle"):
                with Center():
                    yield PlainText(PICTURE, classes="picture")
                yield PlainText(id="attract-title", classes="title")
                yield PlainText(id="attract-line", classes="line")
            with Vertical(id="reading", classes="face middle"):
                with Center():
                    yield PlainText(PICTURE, classes="picture")
                yield PlainText(id="reading-title", classes="title")
            with Vertical(id="page", classes="face"):
                with Horizontal(id="top"):
                    yield PlainText(id="greeting")
                    yield PlainText(id="as-of")
                yield PlainText(id="note")
                with Vertical(id="items"):
                    for index in range(ITEMS_MAX):
                        yield PageItem(index)
            with Vertical(id="detail", classes="face"):
                yield PlainText(id="detail-title")
                yield PlainText(id="detail-lines")
            with Vertical(id="told", classes="face middle"):
                yield PlainText(id="told-title", classes="title")
                yield PlainText(id="told-line", classes="line")
        with Horizontal(id="keys"):
            yield TouchButton(id="back")
            yield TouchButton(id="help")
            yield TouchButton(id="language")
            yield TouchButton(id="forward")

    def on_mount(self) -> None:
        """Keep what is filled on every tap, so that no tap searches for it."""
        self._switcher = self.query_one("#faces", ContentSwitcher)
        self._items = tuple(self.query(PageItem))
        texts = ("attract-title", "attract-line", "reading-title", "greeting", "as-of", "note",
                 "detail-title", "detail-lines", "told-title", "told-line")  # fmt: skip
        self._texts = {name: self.query_one(f"#{name}", PlainText) for name in texts}
        keys = ("back", "help", "language", "forward")
        self._keys = {name: self.query_one(f"#{name}", TouchButton) for name in keys}
        self._draw()

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

    def show(self, face: Face) -> None:
        """Show a face that holds nothing personal."""
        self._face = face
        self._is_help = False
        self._draw()

    def show_page(self, page: Page) -> None:
        """Show a customer's page from its beginning, in its language."""
        is_same = self._page is not None and self._page.owner == page.owner
        self._page = page
        self._language = page.language
        self._face = Face.PAGE
        self._is_help = False
        self._detail = None
        if not is_same:
            self._sheet = 0
        self._draw()

    def show_help(self, heading_id: str = "help.heading", line_id: str = "help.line") -> None:
        """Show help, or what became of an action, until the customer goes back or `hide_help`."""
        self._is_help = True
        self._say_told(self._word(heading_id), self._word(line_id))
        self._key("back", self._word("button.back"))
        self._key("forward", "")
        self._switch("told")
        self._keep_focus()

    def hide_help(self) -> None:
        """Go back to what was shown before."""
        if self._is_help:
            self._is_help = False
            self._draw()

    def speak(self, language: str) -> None:
        """Say everything that is not a page in another language."""
        self._language = language
        self._draw()

    def wipe(self) -> None:
        """Forget the visit: every word of it leaves the widgets and this object; the shop's language returns."""
        self._page = None
        self._detail = None
        self._sheet = 0
        self._is_help = False
        self._language = self._home_language
        for name in ("greeting", "as-of", "note", "detail-title", "detail-lines"):
            self._texts[name].say("")
        for item in self._items:
            item.clear()

    # What the customer does

    @on(PageItem.Chosen)
    def _chosen(self, event: PageItem.Chosen) -> None:
        event.stop()
        shown = self._blocks_of_sheet()
        if event.index < len(shown):
            self._detail = shown[event.index]
            self._draw()

    @on(TouchButton.Pressed, "#back")
    def _back(self, event: TouchButton.Pressed) -> None:
        event.stop()
        if self._is_help:
            self.hide_help()
            self.post_message(self.HelpClosed())
        elif self._detail is not None:
            self._detail = None
            self._draw()
        elif self._face is Face.PAGE and self._sheet > 0:
            self._sheet -= 1
            self._draw()
        else:
            self.post_message(self.Done())

    @on(TouchButton.Pressed, "#forward")
    def _forward(self, event: TouchButton.Pressed) -> None:
        event.stop()
        if self._face is not Face.PAGE:
            return
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
        self.post_message(self.HelpWanted())

    @on(TouchButton.Pressed, "#language")
    def _next_language(self, event: TouchButton.Pressed) -> None:
        event.stop()
        self.post_message(self.LanguageWanted(next_language(self._language)))

    def on_mouse_down(self) -> None:
        """A finger or a mouse is a touch, wherever it lands."""
        self.post_message(self.Touched())

    def on_key(self, event: events.Key) -> None:
        """A key is a touch; digits open items, arrows walk, Escape goes back."""
        if self._face is Face.MASKED:
            event.stop()
        self.post_message(self.Touched())
        match event.key:
            case "left" | "up":
                event.stop()
                self.screen.focus_previous()
            case "right" | "down":
                event.stop()
                self.screen.focus_next()
            case "escape":
                event.stop()
                self._keys["back"].press()
            case key if key.isdigit() and self._face is Face.PAGE and not self._is_help:
                event.stop()
                self._press_digit(int(key))
            case _:
                pass

    def _press_digit(self, digit: int) -> None:
        if self._detail is None and 1 <= digit <= len(self._items):
            self._items[digit - 1].press()

    def on_resize(self, event: events.Resize) -> None:
        """Cut the page to the new grid."""
        self.set_class(event.size.height >= ROOMY_ROWS, "-roomy")
        self._draw()

    # Drawing

    def _word(self, sentence_id: str) -> str:
        return sentence_of(sentence_id, self._language)

    def _key(self, name: str, label: str, *, is_main: bool = False) -> None:
        key = self._keys[name]
        key.say(label)
        key.set_class(is_main, "-main")

    def _draw(self) -> None:
        with self.app.batch_update():
            self._key("help", self._word("button.help"))
            self._key("language", LANGUAGE_NAMES[next_language(self._language)])
            match self._face:
                case Face.ATTRACT:
                    self._draw_attract()
                case Face.READING | Face.MOMENT:
                    self._draw_reading()
                case Face.PAGE if self._page is not None:
                    self._draw_page(self._page)
                case face:
                    self._draw_told(face)
            self._keep_focus()

    def _draw_attract(self) -> None:
        self._texts["attract-title"].say(self._word("attract.hold"))
        arrow = {"below": "▼", "right": "►", "left": "◄"}.get(self._place, "▼")
        where = self._word(f"attract.where-{self._place}")
        self._texts["attract-line"].say(f"{arrow} {where} {arrow}")
        self._key("back", "")
        self._key("forward", "")
        self._switch("attract")

    def _draw_reading(self) -> None:
        words = self._word("reading.moment") if self._face is Face.MOMENT else ""
        self._texts["reading-title"].say(words)
        self._switch("reading")

    def _draw_told(self, face: Face) -> None:
        heading, line = _TOLD[face]
        self._say_told(self._word(heading), self._word(line))
        self._key("back", self._word("button.done") if face in _ENDABLE else "")
        is_masked = face is Face.MASKED
        self._key("forward", self._word("button.here") if is_masked else "", is_main=is_masked)
        self._switch("told")

    def _say_told(self, heading: str, line: str) -> None:
        self._texts["told-title"].say(heading)
        self._texts["told-line"].say(line)

    def _draw_page(self, page: Page) -> None:
        if self._detail is not None:
            self._draw_detail(self._detail)
            return
        greeting = page.blocks[0].lines if page.blocks else ("",)
        self._texts["greeting"].say(greeting[0])
        self._texts["as-of"].say(page.as_of_line)
        self._texts["note"].say(self._note_of(greeting))
        shown = self._blocks_of_sheet()
        for item in self._items:
            if item.index < len(shown):
                block = shown[item.index]
                item.display = True
                is_open = bool(block.details or block.actions)
                item.fill(block.lines, colour=_COLOURS[block.kind], is_open=is_open)
            else:
                item.clear()
                item.display = False
        is_first = self._sheet == 0
        is_last = self._sheet + 1 >= self._n_sheets()
        self._key("back", self._word("button.done" if is_first else "button.back"))
        forward = "button.more" if not is_last else "button.done"
        self._key("forward", "" if is_first and is_last else self._word(forward))
        self._switch("page")

    def _note_of(self, greeting: tuple[str, ...]) -> str:
        """The line under the greeting: which sheet this is, or that nothing waits."""
        if self._n_sheets() > 1:
            return f"{self._sheet + 1} / {self._n_sheets()}"
        return greeting[1] if len(greeting) > 1 else ""

    def _draw_detail(self, block: Block) -> None:
        columns = max(self.size.width - 4, 20)
        said = [
            *block.lines[1:],
            "",
            *(line for line in block.details if line not in block.lines),
        ]
        self._texts["detail-title"].say(block.lines[0])
        self._texts["detail-lines"].say(
            "\n".join("\n".join(wrapped(line, columns)) for line in said)
        )
        self._key("back", self._word("button.back"))
        action = f"button.{block.actions[0].replace('_', '-')}" if block.actions else ""
        self._key("forward", self._word(action) if action else "", is_main=bool(action))
        self._switch("detail")

    def _switch(self, face: str) -> None:
        if self._switcher.current != face:
            self._switcher.current = face

    def _blocks(self) -> tuple[Block, ...]:
        return () if self._page is None else self._page.blocks[1:]

    def _per_sheet(self) -> int:
        is_roomy = self.size.height >= ROOMY_ROWS
        rows = self.size.height - KEY_ROWS - (4 if is_roomy else 2)
        return max(1, min(ITEMS_MAX, rows // (ROWS + 1 if is_roomy else ROWS)))

    def _n_sheets(self) -> int:
        return max(1, -(-len(self._blocks()) // self._per_sheet()))

    def _blocks_of_sheet(self) -> tuple[Block, ...]:
        per_sheet = self._per_sheet()
        self._sheet = min(self._sheet, self._n_sheets() - 1)
        return self._blocks()[self._sheet * per_sheet : (self._sheet + 1) * per_sheet]

    def _keep_focus(self) -> None:
        """Focus is always somewhere on this view, on what is wanted next; it is not taken from another part of the screen."""
        focused = self.screen.focused
        if focused is not None and self not in focused.ancestors_with_self:
            return
        shown = (self._face, self._switcher.current, self._sheet, self._is_help)
        if shown == self._focused_for and focused is not None and self._is_shown(focused):
            return
        self._focused_for = shown
        items = self._items if self._switcher.current == "page" else ()
        targets = [item for item in items if item.can_focus and item.words]
        keys = (self._keys[name] for name in ("forward", "back", "help"))
        target: Widget = targets[0] if targets else next(key for key in keys if key.text)
        if target is not focused:
            target.focus(scroll_visible=False)

    def _is_shown(self, widget: Widget) -> bool:
        if isinstance(widget, PageItem):
            return self._switcher.current == "page" and bool(widget.words)
        return not isinstance(widget, TouchButton) or bool(widget.text)
