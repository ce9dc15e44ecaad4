"""When a screen under test has nothing left to do: asked of its event loop, where Textual looks how busy the machine is.

Textual's own `wait_for_idle` sleeps 20 ms and takes a process that used little of them for idle: a process that was not let
run looks idle with its work undone.
"""

import asyncio
import weakref
from typing import Any, Final

import pytest
import textual.app
import textual.css.stylesheet
import textual.pilot
import textual.screen
from textual.css.model import RuleSet
from textual.css.parse import parse
from textual.css.tokenizer import Token
from textual.pilot import Pilot
from textual.screen import Screen

SOON_S: Final = 0.04
"""What is to happen by a timer within this time of everything being still is waited for; keys follow words after 30 ms."""

PAINTED_WHEN_STILL_S: Final = 3_600.0
"""Between two paintings of a screen that nobody waits for."""

_PAINT: Final = Screen._compositor_refresh
_TO_PAINT: Final[weakref.WeakSet[Screen[Any]]] = weakref.WeakSet()
_PARSED: Final[dict[Any, tuple[RuleSet, ...]]] = {}

STILL_TURNS: Final = 3
"""Turns of the loop in a row with nothing to run; a task that was woken runs in the next one."""


async def until_idle(*_: float) -> None:
    """Return when nothing is ready to run and no timer of now is about to end."""
    loop: Any = asyncio.get_running_loop()
    until: float | None = None
    still = 0
    while still < STILL_TURNS:
        await asyncio.sleep(0)
        still = 0 if loop._ready else still + 1
        if still < STILL_TURNS:
            continue
        until = loop.time() + SOON_S if until is None else until
        due = min((one.when() for one in loop._scheduled if not one.cancelled()), default=until)
        if due < until:
            await asyncio.sleep(max(due - loop.time(), 0))
            still = 0


async def pause(pilot: Pilot[Any], delay: float | None = None) -> None:
    """Let the screen do all it has to do, then paint it, and what comes of that."""
    assert delay is None, "wait for what is to happen"
    app = pilot.app
    await until_idle()
    while app._screen_stack and not app._exit and not app._batch_count:
        screen = app.screen
        if _is_unpainted(screen):
            screen._on_timer_update()
        elif screen in _TO_PAINT:
            _TO_PAINT.discard(screen)
            _PAINT(screen)
        else:
            return
        await until_idle()


def _paint_later(screen: Screen[Any]) -> None:
    """Once when all is still: what is painted in between nobody sees, where there is no terminal."""
    if screen is screen.app.screen:
        screen._dirty_widgets.clear()
        _TO_PAINT.add(screen)
    else:
        _PAINT(screen)


async def _screen(*_: Pilot[Any]) -> bool:
    await until_idle()
    return True


def _is_unpainted(screen: Screen[Any]) -> bool:
    return bool(
        screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    )


def _parsed(
    scope: str,
    css: str,
    read_from: Any,
    variable_tokens: dict[str, list[Token]],
    is_default_rules: bool,
    tie_breaker: int,
) -> tuple[RuleSet, ...]:
    """A sheet is the same for every app that has these variables; reading all of them is a tenth of a test."""
    words = tuple((name, *tokens) for name, tokens in variable_tokens.items())
    key = (scope, css, read_from, words, is_default_rules, tie_breaker)
    if key not in _PARSED:
        _PARSED[key] = tuple(
            parse(scope, css, read_from, None, variable_tokens, is_default_rules, tie_breaker)
        )
    return _PARSED[key]


@pytest.fixture(autouse=True)
def _pilots_wait_for_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilots wait so."""
    monkeypatch.setattr(textual.pilot, "wait_for_idle", until_idle)
    monkeypatch.setattr(textual.app, "wait_for_idle", until_idle)
    monkeypatch.setattr(textual.screen, "UPDATE_PERIOD", PAINTED_WHEN_STILL_S)
    monkeypatch.setattr(Screen, "_compositor_refresh", _paint_later)
    monkeypatch.setattr(textual.css.stylesheet, "parse", _parsed)
    monkeypatch.setattr(Pilot, "pause", pause)
    monkeypatch.setattr(Pilot, "_wait_for_screen", _screen)
