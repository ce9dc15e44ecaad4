"""`tapthread demo --tour` as a person meets it: in a real terminal, a key a step, over the demo's own processes."""

from pathlib import Path

import pytest

from tests.support.terminal import Terminal, until_none


@pytest.mark.soak
def test_priya_is_answered_by_pressing_the_space_bar_and_the_score_moves(
    tmp_path: Path,
) -> None:
    terminal = Terminal(tmp_path, "demo", "--tour", "--data", tmp_path / "demo", size=(100, 32))

    try:
        terminal.until("The tour. Space goes on.")
        before = terminal.until("Unanswered 10")
        for step in range(1, 20):
            terminal.press("Space")
            terminal.until(f"{step}/33")
        greeted = terminal.until("Hello, Priya.")
        for step in range(20, 23):
            terminal.press("Space")
            terminal.until(f"{step}/33")
        after = terminal.until("Unanswered 9")
        answered = terminal.until("[read]")
        terminal.press("M-q")
        code = terminal.exit_code()
    finally:
        terminal.close()

    assert "Space goes on" in before
    assert "We have not answered. Sorry." in greeted
    assert "Priya Raman" in after
    assert "swapped here" in answered
    assert code == 0
    until_none(tmp_path / "demo")


def test_a_terminal_too_small_for_captions_is_told_so(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "demo", "--tour", "--data", tmp_path / "demo", size=(53, 17))

    said = terminal.until("--tour --plain")
    code = terminal.exit_code()
    terminal.close()

    assert "80x24" in " ".join(said.split())
    assert code == 2
    assert not (tmp_path / "demo").exists()
