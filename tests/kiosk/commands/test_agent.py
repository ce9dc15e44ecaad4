"""Agents let in and shut out from the command line: a password asked or drawn, and every browser ended."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from hardware.moments import micros_of
from kiosk.commands import agent
from sync.central.pages import agents, finding
from sync.central.pages.agents import Doors
from sync.central.store import Store
from tests.support import shop
from tests.support.centre import open_centre
from tests.support.sending import SendingShop

PASSWORD = "correct horse battery"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    open_centre(tmp_path / "centre").close()
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))


def ran(
    data: Path, capsys: pytest.CaptureFixture[str], what: str, name: str = "", **more: Any
) -> Any:
    agent.run(what, name, data=data, as_json=True, **more)
    return json.loads(capsys.readouterr().out)


def failed(
    data: Path, capsys: pytest.CaptureFixture[str], what: str, name: str = "", **more: Any
) -> Any:
    with pytest.raises(typer.Exit) as ended:
        agent.run(what, name, data=data, as_json=True, **more)
    return ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]["code"]


def enters(data: Path, name: str, password: str) -> str:
    """The cookie of a browser that signs in; "" where it may not."""
    centre = open_centre(data / "centre")
    try:
        return Doors(centre._parts).enter(name, password)
    finally:
        centre.close()


def holds(data: Path, cookie: str) -> bool:
    centre = open_centre(data / "centre")
    try:
        return Doors(centre._parts).who(cookie) is not None
    finally:
        centre.close()


@pytest.mark.usefixtures("typed")
def test_an_agent_is_added_with_a_typed_password_that_is_nowhere_in_the_file(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ran(data, capsys, "add", "ana", shown="Ana (call centre)", channel="chat")

    assert said == {"name": "ana", "done": "add"}
    assert enters(data, "ana", PASSWORD)
    assert not enters(data, "ana", PASSWORD + "!")
    assert PASSWORD.encode() not in (data / "centre" / "centre.db").read_bytes()
    (listed,) = ran(data, capsys, "list")["agents"]
    assert listed == {
        "name": "ana", "shown": "Ana (call centre)", "channel": "chat", "state": "on", "is_locked": False,
    }  # fmt: skip


def test_on_a_terminal_a_password_is_asked_for_twice_and_not_shown(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [PASSWORD, PASSWORD + "?", PASSWORD, PASSWORD]
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: answers.pop(0))

    assert failed(data, capsys, "add", "ana") == (3, "not_done")
    ran(data, capsys, "add", "ana")

    assert enters(data, "ana", PASSWORD)


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


def test_a_drawn_password_is_printed_once_and_opens(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.run("add", "ana", data=data, draw=True)
    password = capsys.readouterr().out.split()[-1]

    assert enters(data, "ana", password)
    agent.run("list", data=data)
    assert password not in capsys.readouterr().out


def test_a_reset_ends_the_old_password_and_every_browser(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = ran(data, capsys, "add", "ana", draw=True)["password"]
    cookie = enters(data, "ana", old)
    assert holds(data, cookie)

    new = ran(data, capsys, "reset", "ana", draw=True)["password"]

    assert not holds(data, cookie)
    assert not enters(data, "ana", old)
    assert enters(data, "ana", new)


def test_off_ends_every_browser_and_on_lets_in_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password = ran(data, capsys, "add", "ana", draw=True)["password"]
    cookie = enters(data, "ana", password)

    ran(data, capsys, "off", "ana")
    assert not holds(data, cookie)
    assert not enters(data, "ana", password)

    ran(data, capsys, "on", "ana")
    assert not holds(data, cookie)
    assert enters(data, "ana", password)


def test_what_makes_no_sense_is_not_done(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(data, capsys, "add", "ana", draw=True)

    assert failed(data, capsys, "add", "ana", draw=True) == (3, "not_done")
    assert failed(data, capsys, "add", "Ana Müller", draw=True) == (3, "not_done")
    assert failed(data, capsys, "add", "ben", draw=True, channel="smoke") == (3, "not_done")
    assert failed(data, capsys, "reset", "nobody", draw=True) == (3, "not_done")
    assert failed(data, capsys, "off", "nobody") == (3, "not_done")
    assert failed(data, capsys, "fire", "ana") == (2, "usage")
    assert failed(data, capsys, "add") == (2, "usage")
    for weak in ("short", "a" * 40, "x" * 200):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{weak}\n"))
        assert failed(data, capsys, "add", "ben") == (3, "not_done")
    assert failed(data / "none", capsys, "list") == (6, "no_centre")


def test_in_a_pipe_without_a_password_it_says_where_one_can_come_from(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    with pytest.raises(typer.Exit) as ended:
        agent.run("add", "ana", data=data)

    said = capsys.readouterr().err
    assert ended.value.exit_code == agent.EXIT_NOT_DONE
    assert "its first line was read as the password" in said
    assert "--draw" in said


def test_who_looked_at_a_customer_is_told_with_how_they_were_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(data / "centre")
    look = finding.Look("", "ana", "d", "", "order", micros_of(centre.clock.now()), 0)
    entropy = centre._parts.entropy
    centre._parts.write(
        lambda it: finding.write_down(it.direct(), look, ("lena",), entropy=entropy)
    )
    centre.close()

    (said,) = ran(data, capsys, "looks", "lena")["looks"]

    assert (said["agent"], said["by"], said["was_opened"]) == ("ana", "order", False)
    agent.run("looks", "lena", data=data)
    assert "ana" in capsys.readouterr().out


def test_nobody_looked_is_said_only_of_a_customer_who_is_here(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    SendingShop(store).put(*shop.lenas_rows())
    store.close()

    of_a_customer = ran(data, capsys, "looks", "lena")
    of_a_name = failed(data, capsys, "looks", "Lena Hoffmann")

    assert of_a_customer == {"looks": []}
    assert of_a_name == (agent.EXIT_NOT_DONE, "not_done")


def test_a_locked_name_is_shown_as_locked(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(data, capsys, "add", "ana", draw=True)
    for _ in range(agents.WRONG_MAX):
        enters(data, "ana", "not the password")

    agent.run("list", data=data)

    assert "locked" in capsys.readouterr().out
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    with store.reading() as snapshot:
        known = agents.known(snapshot.sql, "ana")
    store.close()
    assert known is not None
    assert known.n_wrong == agents.WRONG_MAX
