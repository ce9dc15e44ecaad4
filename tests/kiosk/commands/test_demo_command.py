"""What becomes of the demo's folder at its end, and what is said of it."""

import contextlib
import shutil
from pathlib import Path

import pytest
import typer

from kiosk.commands import demo
from kiosk.ui.crash import CRASH_STATUS


def ended(code: int, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """A demo in a folder of its own ends with this code; which folder that was, and what was said."""
    used: list[Path] = []
    with contextlib.suppress(typer.Exit), demo.folder_of_its_own() as folder:
        used.append(folder)
        (folder / "device.log").write_text("why")
        raise typer.Exit(code)
    return used[0], capsys.readouterr().err


def test_a_demo_that_is_quit_removes_its_folder_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, said = ended(0, capsys)

    assert not folder.exists()
    assert said.startswith("tapthread demo: its folder is removed")


def test_a_demo_that_crashed_keeps_its_folder_and_names_its_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, said = ended(CRASH_STATUS, capsys)

    kept = Path(said.partition("What happened is in ")[2].partition(";")[0])
    try:
        assert kept.read_text() == "why"
        assert not kept.parent.name.startswith(demo.FOLDER_PREFIX), "the next demo removes it"
    finally:
        shutil.rmtree(kept.parent)


def test_a_demo_that_could_not_start_leaves_nothing_and_says_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, said = ended(1, capsys)

    assert not folder.exists()
    assert not said


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(0, "keeps it; with the same --data it goes on"), (CRASH_STATUS, "device.log")],
)
def test_a_folder_that_was_given_stays_and_is_named(
    code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(typer.Exit), demo.given_folder(tmp_path):
        raise typer.Exit(code)

    said = capsys.readouterr().err
    assert tmp_path.is_dir()
    assert str(tmp_path) in said
    assert sentence in said


def test_the_command_and_the_screen_mean_the_same_by_a_crash() -> None:
    assert demo.CRASH_STATUS == CRASH_STATUS
