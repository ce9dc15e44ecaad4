"""The demo as one app: ticker, kiosk and counter side by side from 160 columns, one at a time below.

    F1 ticker   F2 kiosk   F3 counter                     everywhere
    F4 the page of whoever is here, at the counter        everywhere
    0-9 tap   V visitor   S spare   N network   C counter   T trap   Q quit     in the ticker and on the attract page; elsewhere with Alt
    Ctrl+C quit                                           everywhere
    Space the next step of the tour                       everywhere, while there is one

The kiosk and the counter in it are the real ones; only the band is pretended. Arrows and Tab stay within their column.
A question above them is answered with no by a key that leads elsewhere; the other keys act behind it.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.timer import Timer
from textual.widget import Widget

from kiosk.core.counter_keys import OPEN_KEY
from kiosk.core.entries import Opened, Post, Telling, found
from kiosk.core.ports import CounterDesk, Recognition, held_by
from kiosk.core.staff_words import StaffWords
from kiosk.core.ticker import ticker_of
from kiosk.core.trap import trap_of
from kiosk.ui.app import CUSTOMER_STYLES, KioskApp
from kiosk.ui.bridge import CustomerPane, Parts
from kiosk.ui.demo_shell.alt_keys import DIGITS, tell_alt_digits_apart
from kiosk.ui.demo_shell.controls import Day, DemoControls, Tour
from kiosk.ui.demo_shell.ticker import Ticker
from kiosk.ui.demo_shell.trap import TrapPane
from kiosk.ui.messages import CounterRung, CustomerHere, StaffTold
from kiosk.ui.screens.counter import COUNTER_STYLES
from kiosk.ui.themes import NIGHT
from kiosk.ui.views.counter import CounterView
from kiosk.ui.widgets.key_bar import Key, KeyBar
from kiosk.ui.widgets.plain_text import PlainText
from sync.model.errors import StoreError
from sync.model.sins import scoreboard_of

DEMO_STYLES: Final = COUNTER_STYLES.with_name("demo.tcss")

WIDE_COLUMNS: Final = 160
"""From here all three stand side by side: the kiosk needs 53, the counter reads well from 64, the ticker from 38."""

SPACED_COLUMNS: Final = 100
"""Below this the places stand close together, so that the scoreboard beside them can be understood."""

SMALL_ROWS: Final = 20
"""Below this the kiosk needs every row, and the bars are shown only while nobody is at it."""

HINT_S: Final = 6.0
"""How long a small terminal says what a key would do, in the place of the keys themselves."""

LISTEN_S: Final = 1.0
"""How often the ticker asks whether there is something new."""

PLACES: Final = ("ticker", "kiosk", "counter")

_LETTERS: Final = {
    "v": "visitor", "s": "spare", "n": "network", "c": "counter", "t": "trap", "q": "quit",
}  # fmt: skip

_AT_COUNTER: Final = frozenset(("card", "agent", "parcel", "bands", "jacket", "sent"))
"""What of a tour's step is looked at on the customer's page at the counter."""


def _bindings() -> Iterator[Binding]:
    """The demo's keys, plain and with Alt; capitals as well, because Caps Lock is no reason to do nothing."""
    for digit in DIGITS:
        yield Binding(digit, f"plain('tap', {digit})", show=False, priority=True)
    for letter, name in _LETTERS.items():
        plain = f"{letter},{letter.upper()}"
        yield Binding(plain, f"plain('{name}')", show=False, priority=True)
    yield from _bindings_everywhere("demo", "go")


def _bindings_everywhere(demo: str, go: str) -> Iterator[Binding]:
    """The keys that no page has a use for, with what they do: the demo's with Alt, and the places."""
    for digit in DIGITS:
        yield Binding(f"alt+{digit}", f"{demo}('tap', {digit})", show=False, priority=True)
    for letter, name in _LETTERS.items():
        alt = f"alt+{letter},alt+shift+{letter}"
        yield Binding(alt, f"{demo}('{name}')", show=False, priority=True)
    for index, place in enumerate(PLACES, start=1):
        yield Binding(f"f{index}", f"{go}('{place}')", show=False, priority=True)


class DemoScreen(Screen[None]):
    """Ticker, kiosk, counter, and the trap in the counter's place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_bindings(),
        Binding("escape", "close_trap", show=False),
        Binding(OPEN_KEY.lower(), "open_here", show=False),
        Binding("space", "go_on", show=False, priority=True),
    ]

    # the column that is shown takes it; Textual's choice may be a hidden one
    AUTO_FOCUS: ClassVar[str] = ""

    def __init__(  # noqa: PLR0913  # all that is shown, by name
        self,
        parts: Parts,
        *,
        desk: CounterDesk,
        controls: DemoControls,
        post: Post,
        words: StaffWords,
        told: tuple[str, ...] = (),
        tour: Tour | None = None,
    ) -> None:
        super().__init__()
        self._told = told
        self._tour = tour
        self._parts = parts
        self._desk = desk
        self._controls = controls
        self._post = post
        self._words = words
        self._place = "kiosk"
        self._is_trap = False
        self._before_trap = "counter"
        self._last_tap: Recognition | None = None
        self._revision = -1
        self._day: Day | None = None
        self._said = ""
        self._hint = ""
        self._hint_timer: Timer | None = None
        self._is_up = True
        self._is_ready = False
        self._tails: tuple[str, ...] = ()

    # What there is

    def compose(self) -> ComposeResult:
        """Everything, once."""
        words = self._words
        yield KeyBar(id="tabs")
        yield PlainText("", id="over-keys")
        with Horizontal(id="places"):
            yield Ticker(words, id="ticker")
            with Vertical(id="kiosk"):
                yield CustomerPane(self._parts, id="customer")
            with Vertical(id="counter"):
                yield CounterView(
                    self._desk, post=self._post, words=words, told=self._told, id="desk"
                )
                yield TrapPane(words, id="trap")
        yield PlainText(words.say("demo.tour.begin"), id="caption")
        yield PlainText(words.say("demo.alt"), id="alt")
        yield PlainText("", id="said")
        yield KeyBar(id="demo-keys")

    def on_mount(self) -> None:
        """Begin at the kiosk, where nobody is."""
        self._is_ready = True
        if self._controls.day() is not None:
            self._place = "ticker"  # what passes is to be seen there
        self.query_one(TrapPane).display = False
        self.query_one("#caption").display = self._tour is not None
        self.set_interval(LISTEN_S, self.listen)
        self.listen()
        self._arrange()

    @property
    def pane(self) -> CustomerPane:
        """The kiosk."""
        return self.query_one("#customer", CustomerPane)

    @property
    def counter(self) -> CounterView:
        """The counter."""
        return self.query_one(CounterView)

    @property
    def place(self) -> str:
        """Where the keys go: ticker, kiosk or counter."""
        return self._place

    @property
    def is_wide(self) -> bool:
        """Whether all three stand side by side."""
        return self.size.width >= WIDE_COLUMNS

    def listen(self) -> None:
        """Ask whether the channels said something new, and whether the kiosk is free again."""
        revision, day = self._controls.revision(), self._controls.day()
        if revision != self._revision or day != self._day:
            if self._day is not None and day is None:
                self._say("demo.day.over")
            self._revision, self._day = revision, day
            rows, now = self._controls.rows(), self._desk.standing().now
            score = scoreboard_of(rows, home=self._post.store, now=now)
            self._tails = tuple(
                self._words.say(
                    f"score.line.{size}", twice=score.asked_twice, late=score.unanswered,
                    differ=score.contradictions,
                )
                for size in ("long", "middle", "short", "least")
            )  # fmt: skip
            lines = ticker_of(rows, words=self._words, now=day.at if day else now)
            title = self._of_day("ticker.title.day") or self._words.say("ticker.title")
            self.query_one(Ticker).show(lines, score, title=title)
        self._show_bars()

    def _of_day(self, sentence: str) -> str:
        """A sentence about the day that passes in the other channels; "" while none does."""
        day = self._day
        if day is None:
            return ""
        return self._words.say(
            sentence, at=self._words.clock(day.at, now=day.at), speed=day.speed
        )

    # What the kiosk says

    @on(CustomerHere)
    def _customer_here(self, event: CustomerHere) -> None:
        event.stop()
        self.counter.customer_here(event.recognition)
        self._last_tap = event.recognition
        self._fill_trap()
        self._show_bars()

    @on(CounterRung)
    def _counter_rung(self, event: CounterRung) -> None:
        event.stop()
        self.counter.customer_rings(event.owner, event.action)

    @on(StaffTold)
    def _staff_told(self, event: StaffTold) -> None:
        event.stop()
        self.counter.staff_told(event.code)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  # Textual's own
        """A plain key of the demo acts where nothing else wants it; a disabled one goes on to whoever has the focus.

        Keys that were typed while everything started come before there is a page: they do nothing.
        """
        if not self._is_ready:
            return False
        if action == "plain":
            return self._is_free
        if action == "close_trap":
            return self._is_trap and self._place == "counter"
        if action == "go_on":
            return self._tour is not None
        return True

    @property
    def _is_free(self) -> bool:
        """Whether plain keys are the demo's: in the ticker, and while nobody is at the kiosk."""
        return self._place == "ticker" or (self._place == "kiosk" and self.pane.is_attract)

    def action_go_on(self) -> None:
        """The next step of the tour, with what it is about in view."""
        told = self._tour.go_on() if self._tour is not None else None
        if told is None:
            self.query_one("#caption", PlainText).say(self._words.say("demo.tour.over"))
            return
        caption, owner, looks = told
        self.query_one("#caption", PlainText).say(
            self._words.say("demo.tour.step", caption=caption)
        )
        if owner and set(looks) & _AT_COUNTER:
            tap = self._last_tap
            is_theirs = tap is not None and tap.owner == owner
            self.counter.open(
                owner, Opened(tap.evidence) if tap and is_theirs else found("name")
            )
            self.action_go("counter")
            if "sent" in looks:
                self.call_after_refresh(self.counter.show_newest)
        elif "trap" in looks:
            self._is_trap = False
            self._toggle_trap()
        elif looks:
            self.action_go("kiosk")

    def action_plain(self, name: str, digit: int = 0) -> None:
        """A plain key of the demo."""
        self.action_demo(name, digit)

    def action_demo(self, name: str, digit: int = 0) -> None:
        """A key of the demo."""
        match name:
            case "tap":
                self._tap(digit)
            case "visitor":
                self._go_to_kiosk()
                self._controls.tap_visitor()
                self._say("demo.tapped.visitor", who=self._words.say("demo.band.visitor"))
            case "spare":
                self._controls.tap_spare()
                self._say("demo.tapped.spare")
            case "network":
                self._is_up = self._controls.toggle_network()
                self._say("demo.network.up" if self._is_up else "demo.network.cut")
                self.counter.look()
            case "counter":
                self.action_go("counter")
            case "trap":
                self._toggle_trap()
            case "here":
                self.action_open_here()
            case "quit":
                self.app.exit(0)
            case _:
                raise AssertionError(name)

    def _tap(self, digit: int) -> None:
        """A band is held to the reader; where only one place is shown, the kiosk is, unless a clerk is at work."""
        self._go_to_kiosk()
        self._controls.tap(digit)
        self._say("demo.tapped", digit=digit, who=self._words.say(f"demo.band.{digit}"))

    def _go_to_kiosk(self) -> None:
        if self._place == "ticker" and not self.is_wide:
            self.action_go("kiosk")

    def on_key(self, event: events.Key) -> None:
        """A digit that nothing on the page takes is not silent: it says which key taps a band here."""
        if not self._is_ready:
            return
        if event.key in DIGITS and self._place == "kiosk" and not self._is_free:
            event.stop()
            self._say("demo.with-alt", digit=event.key)
            self._hint_at("demo.with-alt.short", digit=event.key)

    def action_go(self, place: str) -> None:
        """To another column; the trap gives the counter its place back."""
        self._is_trap = self._is_trap and place != "counter"
        self._place = place
        self._arrange()

    def action_open_here(self) -> None:
        """To the counter, with the page of whoever is here; where nobody is, what the key is for. At the counter it is the counter's own."""
        counter = self.counter
        if not counter.has_here and not counter.owner:
            self._say("demo.here.nobody")
            self._hint_at("demo.here.nobody.short")
            return
        self._is_trap = False
        self.action_go("counter")
        if counter.has_here:
            counter.action_open_here()

    def action_close_trap(self) -> None:
        """Back to where it was opened, and the counter has its place again."""
        self._is_trap = False
        self.action_go(self._before_trap)

    def _toggle_trap(self) -> None:
        """Show the trap beside the kiosk, or what was there before."""
        if self._is_trap:
            self.action_close_trap()
            return
        self._is_trap = True
        self._before_trap = self._place
        self._place = "counter"
        self._fill_trap()
        self._arrange()

    def _fill_trap(self) -> None:
        if not self._is_trap:
            return
        owner = "" if self._last_tap is None else self._last_tap.owner
        if not owner:
            self.query_one(TrapPane).show_nobody(is_tapped=self._last_tap is not None)
            return
        try:
            profile = self._desk.profile_of(owner)
        except StoreError:
            return  # the counter's own look says what is wrong with the files
        telling = Telling(
            self._words, self._post, self._desk.standing().now, held=held_by(self._desk)
        )
        self.query_one(TrapPane).show(trap_of(profile, telling))

    @on(KeyBar.Pressed)
    def _key_clicked(self, event: KeyBar.Pressed) -> None:
        event.stop()
        name, _, digit = event.name.partition(" ")
        if name in PLACES and event.bar.id == "tabs":
            self.action_go(name)
        else:
            self.action_demo(name, int(digit or 0))

    def on_descendant_focus(self) -> None:
        """A click into a column makes it the one the keys go to.

        What has the focus now counts, not what the message says: it may be older than the last key.
        """
        for place in PLACES:
            column = self.query_one(f"#{place}")
            if self.focused is not None and column in self.focused.ancestors_with_self:
                if place != self._place and column.display:
                    self._place = place
                    self._mark_place()
                return

    def focus_next(self, selector: Any = "*") -> Widget | None:  # Textual's own type is private
        """Within the column."""
        return super().focus_next(self._within(selector))

    def focus_previous(
        self, selector: Any = "*"
    ) -> Widget | None:  # Textual's own type is private
        """Within the column."""
        return super().focus_previous(self._within(selector))

    def _within(self, selector: Any) -> Any:  # Textual's own type is private
        return f"#{self._place}, #{self._place} *" if selector == "*" else selector

    # How it stands

    def on_resize(self) -> None:
        """Side by side, or one at a time."""
        self._arrange()

    def _arrange(self) -> None:
        for place in PLACES:
            self.query_one(f"#{place}").display = self.is_wide or place == self._place
        self.query_one(CounterView).display = not self._is_trap
        self.query_one(TrapPane).display = self._is_trap
        self.set_class(self.is_wide, "-wide")
        self._mark_place()
        self._take_focus()

    def _mark_place(self) -> None:
        for place in PLACES:
            self.query_one(f"#{place}").set_class(place == self._place, "-here")
        self._show_bars()

    def _take_focus(self) -> None:
        """Put the focus into the column the keys go to, where it is not there already."""
        column = self.query_one(f"#{self._place}")
        if self._place == "ticker":
            column.focus()
        elif self._place == "counter" and self._is_trap:
            self.query_one(TrapPane).focus()
        elif self._place == "counter":
            self.counter.take_focus()
        elif self.focused is None or column not in self.focused.ancestors_with_self:
            self.set_focus(None)
            self.focus_next()

    def _say(self, sentence: str, **values: str | int) -> None:
        self._said = self._words.say(sentence, **values)
        self._hint = ""
        self._show_bars()

    def _hint_at(self, sentence: str, **values: str | int) -> None:
        """Say it for a moment where a small terminal has room for the keys alone."""
        if self._hint_timer is not None:
            self._hint_timer.stop()
        self._hint = self._words.say(sentence, **values)
        self._hint_timer = self.set_timer(HINT_S, self._end_hint)
        self._show_bars()

    def _end_hint(self) -> None:
        self._hint = ""
        self._show_bars()

    def _show_bars(self) -> None:
        """The bars, where there is room: a small kiosk keeps its rows, and has one bar over its attract page alone."""
        is_small = self.size.height < SMALL_ROWS
        is_over = is_small and self._place == "kiosk"
        tabs, keys = self.query_one("#tabs", KeyBar), self.query_one("#demo-keys", KeyBar)
        self.set_class(is_over, "-over")
        tabs.display = not is_over or self.pane.is_attract
        over = self.query_one("#over-keys", PlainText)
        keys_over = self._words.say("demo.over" if self._is_up else "demo.over.cut")
        over.say(self._hint or keys_over)
        over.display = is_over and not self.pane.is_attract
        keys.display = not is_small or self._place == "ticker"
        said, text = (
            self.query_one("#said", PlainText),
            f"{self._of_day('demo.day')} {self._said}".strip(),
        )
        said.say(text, is_fixed=True)
        said.display = bool(text) and not is_small
        self.query_one("#alt").display = is_small and self._place == "ticker"
        shown = self._keys_in_a_line() if is_over else self._tabs(is_small=is_small)
        of_day = self._of_day("demo.day.short")
        tails = (of_day,) if of_day and is_small else self._tails
        is_tight = self.size.width < SPACED_COLUMNS
        tabs.show(tuple(shown), active=self._place, is_tight=is_tight, tails=tails)
        listed = self._keys_in_a_line() if is_small else self._keys()
        keys.show(tuple(listed), is_tight=is_small)

    def _tabs(self, *, is_small: bool) -> Iterator[Key]:
        for index, place in enumerate(PLACES, start=1):
            yield f"F{index}", self._words.say(f"demo.tab.{place}"), place
        if is_small and self._place == "counter":
            yield "Alt+", self._words.say("demo.alt.short"), "ticker"

    def _keys_in_a_line(self) -> Iterator[Key]:
        """All keys where there is one row for them."""
        words = self._words
        if self._place != "ticker":
            yield "F1", words.say("demo.short.keys"), "ticker"
        yield "0-9", words.say("demo.press" if self._is_up else "demo.short.tap"), "tap 1"
        for letter, name in _LETTERS.items():
            if name == "spare" or (name == "visitor" and self._place != "ticker"):
                continue  # there is room for six
            is_cut = name == "network" and not self._is_up
            short = words.say("demo.short.network.cut" if is_cut else f"demo.short.{name}")
            yield letter.upper(), short, name

    def _keys(self) -> Iterator[Key]:
        words = self._words
        alt = "" if self._is_free else "Alt+"
        is_first = not self._said and self._is_free
        yield f"{alt}0-9", words.say("demo.press" if is_first else "demo.key.tap"), "tap 1"
        for letter, name in _LETTERS.items():
            yield f"{alt}{letter.upper()}", words.say(f"demo.key.{name}"), name
        if self._place != "counter" and self.counter.has_here:
            yield OPEN_KEY, words.say("demo.key.here"), "here"


class DemoApp(KioskApp, inherit_bindings=False):
    """The demo. What the reader process says is posted to it as `ReaderSaid`, from any thread."""

    # Textual takes a list here; the kiosk's own app has one sheet and so the narrower type.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "leave", show=False, priority=True),
        *_bindings_everywhere("demo_behind", "go_from_question"),
    ]

    CSS_PATH = [CUSTOMER_STYLES, COUNTER_STYLES, DEMO_STYLES]  # type: ignore[assignment]  # noqa: RUF012

    def __init__(  # noqa: PLR0913  # all that is shown, by name
        self,
        parts: Parts,
        *,
        desk: CounterDesk,
        controls: DemoControls,
        post: Post,
        words: StaffWords,
        told: tuple[str, ...] = (),
        tour: Tour | None = None,
        theme: str = NIGHT.name,
    ) -> None:
        """Args: `told` are codes of what staff should know from the start; `tour` is led through with the space bar."""
        tell_alt_digits_apart()
        super().__init__(parts, theme=theme)
        self._shell = DemoScreen(
            parts, desk=desk, controls=controls, post=post, words=words, told=told,
            tour=tour,
        )  # fmt: skip

    @property
    def shell(self) -> DemoScreen:
        """The three columns."""
        return self._shell

    @property
    def pane(self) -> CustomerPane:
        """The kiosk among them."""
        return self._shell.pane

    def get_default_screen(self) -> Any:  # KioskApp's is its own screen; this one is another
        """The three columns."""
        return self._shell

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The demo's keys are the three columns' own while no question stands above them."""
        if action in ("demo_behind", "go_from_question"):
            return isinstance(self.screen, ModalScreen)
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """End the demo."""
        self.exit(0)

    def action_demo_behind(self, name: str, digit: int = 0) -> None:
        """A key of the demo while a question is open."""
        if name in ("counter", "trap"):
            self._answer_no()
        self._shell.action_demo(name, digit)

    def action_go_from_question(self, place: str) -> None:
        """To a column; nobody looks at the question any more."""
        self._answer_no()
        self._shell.action_go(place)

    def _answer_no(self) -> None:
        """A question that is left is answered with no, as Escape does."""
        question = self.screen
        assert isinstance(question, ModalScreen)
        question.dismiss(result=False)
