"""Every alert that a centre or a device can ring has a sentence, and no sentence is of an alert that nobody rings."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from kiosk.core.wording.staff_en import SENTENCES
from sync.central.enrolment import FINAL_STATES
from tests.support.demo_side import WORDS

ROOT = Path(__file__).parents[3]
CENTRE, EDGE = "sync/central", "sync/edge/work.py"
"""Where alerts are rung: by `alerts.add(transaction, CODE, ...)` and by `self._note(CODE)`."""


def _codes() -> Iterator[str]:
    for file in (*sorted((ROOT / CENTRE).rglob("*.py")), ROOT / EDGE):
        yield from _rung_in(file)


def _rung_in(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="alerts"), attr="add"), args=[_, code, *_]
            ):
                yield from _said_by(code, file)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr="_note"), args=[code]
            ) if file == ROOT / EDGE:
                yield from _said_by(code, file)
            case _:
                pass


def _said_by(code: ast.expr, file: Path) -> Iterator[str]:
    """The codes an argument can be."""
    match code:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            yield getattr(import_module(module), name)
        case ast.JoinedStr(values=[ast.Constant(value=str(head)), ast.FormattedValue()]):
            yield from (f"{head}{state.value}" for state in FINAL_STATES)
        case _:
            raise AssertionError(f"{file}:{code.lineno}: which alert is this?")


def test_every_alert_has_a_sentence_and_every_sentence_an_alert() -> None:
    codes = set(_codes())

    assert {
        "mailbox_away",
        "device_cloned",
        "agent_locked",
        "sum_differed",
        "device_revoked",
    } <= codes
    said = {name.removeprefix("alert.") for name in SENTENCES if name.startswith("alert.")}
    assert codes == said - {"other"}


def test_an_alert_says_whom_it_is_about_and_one_that_is_newer_than_we_are_its_code() -> None:
    assert WORDS.alert("agent_locked", "agent:ana").startswith("agent:ana typed a wrong")
    assert WORDS.alert("dragons", "kiosk 4") == "kiosk 4: dragons"
