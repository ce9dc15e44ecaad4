"""Samples become medians, and are printed for programs and for people."""

import json

import pytest
import typer
from typer.testing import CliRunner

from kiosk.bench.figures import Figure, Goal, as_json, as_table, figure_of
from kiosk.commands import bench


def test_the_95th_percentile_is_a_sample_that_95_of_100_do_not_exceed() -> None:
    samples = [float(number) for number in range(1, 101)]

    figure = figure_of(samples[::-1], "ms")

    assert figure == Figure(median=50.5, p95=95.0, unit="ms", runs=100)


def test_one_sample_is_its_own_median_and_percentile() -> None:
    assert figure_of([3.0], "x") == Figure(3.0, 3.0, "x", 1)


def test_programs_get_one_object_with_the_machine_and_each_metric() -> None:
    printed = json.loads(as_json({"tap.own.pn532": Figure(1.25, 2.5, "ms", 100)}))

    assert printed["results"] == {
        "tap.own.pn532": {"median": 1.25, "p95": 2.5, "unit": "ms", "runs": 100}
    }
    assert printed["machine"]["cores"] >= 1


def test_people_get_a_line_a_metric() -> None:
    lines = as_table({"tap.own.pn532": Figure(1.25, 2.5, "ms", 100)}).splitlines()

    assert lines[1].split() == ["tap.own.pn532", "1.250", "2.500", "ms", "100"]
    assert lines[2].startswith("on ")


def test_people_are_told_which_goals_are_not_met() -> None:
    met = Goal("floor", 1, 1, is_met=True, is_met_here=True)
    missed = Goal("limit", 1, 1, is_met=False, is_met_here=False)
    figures = {
        "a": Figure(2, 2, "x", 1, goals=(met,)),
        "b": Figure(2, 2, "x", 1, goals=(met, missed)),
    }

    assert as_table(figures).splitlines()[-2] == "1 of 3 goals are not met: b (limit)"
    assert as_table({"a": figures["a"]}).splitlines()[-2] == "the one goal is met"
    both = {name: Figure(2, 2, "x", 1, goals=(met,)) for name in ("a", "b")}
    assert as_table(both).splitlines()[-2] == "all 2 goals are met"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["tap", "--pouchdb"], "--pouchdb is for sync, not for tap"),
        (["screen", "--sizes", "10"], "--sizes is for search, sync and centre, not for screen"),
        (["sync", "--database", "postgresql://x"], "--database is for centre, not for sync"),
        (["nothing"], "there is no bench 'nothing'"),
    ],
)
def test_an_option_of_another_bench_is_named_and_nothing_is_measured(
    line: list[str], said: str
) -> None:
    app = typer.Typer()
    app.command()(bench.run)

    done = CliRunner().invoke(app, line)

    assert done.exit_code == 2
    assert said in done.output
