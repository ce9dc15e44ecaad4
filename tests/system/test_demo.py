"""`tapthread demo` as a person meets it: in a real terminal, with keys and a mouse, the network cut, the process killed."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.central.store import Store
from tests.support.commands import run
from tests.support.terminal import Terminal, processes_of, until_none

Start = Callable[..., Terminal]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def start(*, size: tuple[int, int], data: Path | None = None) -> Terminal:
        folder = tmp_path / f"terminal-{len(opened)}"
        folder.mkdir()
        terminal = Terminal(folder, "demo", "--data", data or tmp_path / "demo", size=size)
        opened.append(terminal)
        terminal.until("Hold your band")
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize("size", [(53, 17), (80, 24)], ids=["53x17", "80x24"])
def test_one_key_shows_a_shop_that_remembers_her_and_quitting_leaves_nothing(
    size: tuple[int, int], demo: Start, tmp_path: Path
) -> None:
    terminal = demo(size=size)

    terminal.until("Press 1")
    terminal.press("1")
    terminal.until("Hello, Maya.", "W-1042")
    terminal.press("M-q")

    assert terminal.exit_code() == 0
    until_none(tmp_path / "demo")


def test_with_standard_error_in_a_file_the_screen_is_drawn_all_the_same(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    terminal = Terminal(
        tmp_path, "demo", "--data", tmp_path / "demo", size=(80, 24), errors=errors
    )
    try:
        terminal.until("Press 1")
        terminal.press("q")

        assert terminal.exit_code() == 0
        assert "with the same --data it goes on" in errors.read_text()
        assert "\x1b" not in errors.read_text()
    finally:
        terminal.close()


def test_the_agents_page_answers_at_the_address_the_folder_names(
    demo: Start, tmp_path: Path
) -> None:
    terminal = demo(size=(80, 24))
    file = tmp_path / "demo" / "centre" / "address"

    with urllib.request.urlopen(f"{file.read_text().strip()}/agent") as answer:
        page = answer.read().decode()
    terminal.press("q")

    assert "Sign in" in page
    assert terminal.exit_code() == 0
    assert not file.exists()


def test_with_the_network_cut_the_tap_still_answers_and_what_is_done_goes_out_when_it_is_back(
    demo: Start,
) -> None:
    terminal = demo(size=(80, 24))

    terminal.press("n")
    terminal.until("The network is cut")
    terminal.press("3")
    terminal.until("Hello, Lena.")
    terminal.press("M-c")
    terminal.until("Centre not reached")
    terminal.press("F4")
    terminal.until("Shelf C7")
    terminal.press("h")
    terminal.until("Handed over")
    terminal.press("y")
    terminal.until("Recorded: order W-1077 handed over")
    terminal.until("1 to send", "Centre not reached")
    terminal.press("M-n")
    settled = terminal.until("All sent")

    assert "Centre not reached" not in settled


def test_side_by_side_the_mouse_works_and_the_trap_asks_what_we_know(demo: Start) -> None:
    terminal = demo(size=(170, 45))

    terminal.press("2")
    terminal.until("Hello, Tom.")
    terminal.until("Tom Becker is here")
    terminal.press("M-t")
    trap = terminal.until("Your order number, please?", "Unanswered", "Asked twice")
    terminal.click(*terminal.place_of("Done"))
    terminal.until("Hold your band")

    assert "Asked twice" in trap.splitlines()[0]


def test_a_visitor_is_greeted_by_what_his_band_carries_and_then_has_his_own_page(
    demo: Start,
) -> None:
    terminal = demo(size=(170, 45))

    terminal.press("v")
    terminal.until("Hello, Daniel.")
    page = terminal.until("Hello, Daniel.", "Daniel Petit is here", "points")

    assert "Please see our team" not in page


def test_without_a_network_a_visitors_band_tells_what_is_owed_and_staff_the_case(
    demo: Start,
) -> None:
    terminal = demo(size=(80, 24))

    terminal.press("n")
    terminal.until("The network is cut.")
    terminal.press("v")
    page = terminal.until("Hello, Daniel.", "We owe you an answer")
    terminal.press("F3")
    terminal.until("Daniel is here, not known in this shop.")
    terminal.press("F4")
    told = terminal.until("The band told on", "case C-4808 (E-mail), answer promised for")

    assert "C-4808" not in page
    assert "Petit" not in page + told


def test_an_unknown_band_gets_the_neutral_page_and_the_clerk_the_reason(demo: Start) -> None:
    terminal = demo(size=(170, 45))

    terminal.press("0")
    page = terminal.until("Please see our team")

    assert "Hello" not in page


def test_an_answer_to_priya_waits_to_be_taken_back_then_goes_out_and_is_read(
    demo: Start, tmp_path: Path
) -> None:
    """The centre's own process sends it through its senders; only the five minutes are moved on."""
    terminal = demo(size=(80, 24))
    terminal.press("5")
    terminal.until("Hello, Priya.")
    terminal.press("F3")
    terminal.until("F4 opens the page")
    terminal.press("F4")
    terminal.until("NOT ANSWERED")
    terminal.press("r")
    terminal.until("24 h are over")
    terminal.press("-l", "Please come by")
    terminal.press("Enter")

    recorded = " ".join(terminal.until("goes as the template at").split())
    waiting = " ".join(terminal.until("can be taken back until").split())
    listed = until_listed(tmp_path / "demo", "queued")
    five_minutes_pass(tmp_path / "demo")
    terminal.until("[read]")

    assert "or waits till they write" in recorded
    assert "then goes as the template, or waits till they write]" in waiting
    assert "as the template, or waits till they write" in listed
    assert until_listed(tmp_path / "demo", "read")


def until_listed(data: Path, state: str) -> str:
    """What `tapthread outgoing` says of the one message, once it is in that state."""
    for _ in range(100):
        said = run("outgoing", "list", "--state", state, "--data", str(data)).stdout
        if state in said.partition("\n")[2]:
            return said
    raise AssertionError(said)


def five_minutes_pass(data: Path) -> None:
    """For the queue of a running centre."""
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    with store.writing() as it:
        it.direct().run("UPDATE outgoing SET due_at = 0 WHERE state = 'queued'")
    store.close()


def test_a_day_passes_in_the_channels_before_the_eyes(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "demo", "--day", "--data", tmp_path / "demo", size=(80, 24))
    try:
        terminal.until("Yesterday 08:")
        terminal.until("+ Chat  08:")
        terminal.press("q")
        code = terminal.exit_code()
    finally:
        terminal.close()

    assert code == 0
    until_none(tmp_path / "demo")


def held_up_to(folder: Path) -> int:
    """How far a device says it holds the customers of its store."""
    said = json.loads((folder / "sync.json").read_text())
    return max(int(one["seq"]) for one in said["scopes"] if one["scope"] == "s:harbour")


def test_a_demo_killed_with_a_handed_over_parcel_finds_it_again_and_leaves_no_process(
    demo: Start, tmp_path: Path
) -> None:
    first = demo(size=(80, 24))
    first.press("n")
    first.until("The network is cut")
    first.press("3")
    first.until("Hello, Lena.")
    first.press("F3")
    first.press("F4")
    first.until("Shelf C7")
    first.press("h")
    first.until("Handed over")
    first.press("y")
    first.until("1 to send")
    pid = first.pid_of(rf"kiosk\.cli demo --data {tmp_path / 'demo'}$")
    os.kill(pid, signal.SIGKILL)
    until_none(tmp_path / "demo")
    before = held_up_to(tmp_path / "demo")

    second = demo(size=(80, 24))
    second.press("F3")
    second.until("All sent")
    second.press("l", "e", "n", "a", "Enter")
    second.until("handed over in Harbour")
    # The counter and the kiosk are two devices: what one sent, the other hears from the centre.
    until = time.monotonic() + 60
    while held_up_to(tmp_path / "demo") <= before:
        assert time.monotonic() < until, "the kiosk never heard of it"
        time.sleep(0.05)
    second.press("F2")
    second.press("3")
    page = second.until("Hello, Lena.")

    assert "Ready for you here" not in page


def test_a_second_demo_on_the_same_folder_is_refused_in_one_sentence(
    demo: Start, tmp_path: Path
) -> None:
    demo(size=(80, 24))
    folder = tmp_path / "second"
    folder.mkdir()

    second = Terminal(folder, "demo", "--data", tmp_path / "demo", size=(80, 24))
    said = second.until("Another process uses")
    code = second.exit_code()
    second.close()

    assert code == 6
    assert "Traceback" not in said


def test_a_terminal_that_is_closed_takes_everything_with_it(
    demo: Start, tmp_path: Path
) -> None:
    terminal = demo(size=(80, 24))
    assert len(processes_of(tmp_path / "demo")) >= 3

    terminal.close()

    until_none(tmp_path / "demo")
