"""How many of something, as people say it."""

from pathlib import Path

import pytest

from kiosk.commands.counting import counted
from kiosk.commands.progress_line import line_of
from sync.edge.progress import Progress
from tests.support.commands import run


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("band",), "0 bands"),
        (1, ("band",), "1 band"),
        (2, ("band",), "2 bands"),
        (1, ("band is", "bands are"), "1 band is"),
        (12_000, ("band is", "bands are"), "12,000 bands are"),
    ],
)
def test_one_is_one_and_all_others_are_several(
    count: int, words: tuple[str, ...], said: str
) -> None:
    assert counted(count, *words) == said


def test_one_operation_on_its_way_is_one() -> None:
    assert line_of(Progress("push", 0, 1), width=0) == "0 %  0 of 1 operation"


def test_one_seed_is_one_seed_and_one_band_one_band(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('layout = 1\nlabel = "Band {number}"\n')

    simulated = run("simulate", "--steps", "1", "--kiosks", "1")
    planned = run("band", "plan", "--plan", plan, "--count", "1")

    assert simulated.stdout.startswith("1 seed, 1 step, ")
    assert planned.stdout.splitlines()[-1] == "1 band, labels: Band {number}"
