"""`tapthread likeness`: suggestions for a clerk, and how right they are."""

import json
from pathlib import Path

import pytest
import typer

from kiosk.commands import likeness
from kiosk.commands.options import EXIT_DATABASE
from sync.central import suggestions
from sync.central.likeness.model import likely_pairs
from sync.model.records import ContactPoint, Customer, Likeness
from sync.model.row import row_of
from tests.support.centre import open_centre

NOW = 1_800_000_000_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose centre knows Maya twice."""
    centre = open_centre(tmp_path / "centre")
    for name, family in (("m1", "Lindqvist"), ("m2", "Lindqist")):
        bodies = (
            Customer(id=name, given_name="Maya", family_name=family),
            ContactPoint(id=f"{name}:e", channel="email", value="maya@mail.example"),
            ContactPoint(id=f"{name}:p", channel="phone", value="+447700900101"),
        )
        centre.put_rows(row_of(it, owner=name, as_of=NOW, source="web") for it in bodies)
    centre.close()
    return tmp_path


def test_what_is_found_is_written_once_and_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    likeness.run(data=data, dry=True)
    likeness.run(data=data)
    likeness.run(data=data, as_json=True)

    dry, first, again = capsys.readouterr().out.splitlines()
    assert dry.endswith("nothing was written.")
    assert first.endswith("1 new suggestion.")
    assert json.loads(again) == {"customers": 2, "likely": 1, "new": 0}


def test_a_measurement_stands_beside_the_plain_way(capsys: pytest.CaptureFixture[str]) -> None:
    likeness.run(measure=400, as_json=True)

    found = json.loads(capsys.readouterr().out)
    scores = found["scores"]
    assert found["true_pairs"] > 100
    assert (
        scores["risk up to 100,000 ppm"]["recall"]
        > scores["plain: one number or address"]["recall"]
    )
    assert scores["plain: one number or address"]["precision"] < 0.95


def test_the_public_set_is_measured_without_its_person_number() -> None:
    found = likeness._on_febrl("duckdb")

    scores = found["scores"]
    assert found["true_pairs"] == 6_538
    assert scores["risk up to 100,000 ppm"]["precision"] > 0.999
    assert scores["risk up to 100,000 ppm"]["recall"] > 0.8
    assert scores["plain: same name and date of birth"]["recall"] < 0.35


def test_weights_that_were_trained_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kiosk.bench.known_people import known_people

    monkeypatch.setattr(likeness, "TRAIN_RECORDS", 3_000)
    people = [it.record for it in known_people(200, name="measured")]

    likeness.run(train=tmp_path / "model.json")

    assert "Trained on 3000" in capsys.readouterr().out
    own = likely_pairs(people, model=tmp_path / "model.json")
    assert own
    assert own != likely_pairs(people)


def test_an_engine_nobody_knows_and_a_folder_without_a_centre_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        likeness.run(data=tmp_path, engine="flink")
    with pytest.raises(typer.Exit) as ended:
        likeness.run(data=tmp_path)

    assert ended.value.exit_code == EXIT_DATABASE
    said = capsys.readouterr().err
    assert "duckdb or spark" in said
    assert "There is no centre" in said


def test_a_no_is_listed_and_taken_back_with_who_and_when(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    likeness.run(data=data)
    opened = open_centre(data / "centre")
    opened._parts.write(lambda it: suggestions.decline(it, "m1", "m2", by="ben", at=NOW))
    opened.close()
    capsys.readouterr()

    likeness.run(data=data, declined=True, as_json=True)
    (no,) = json.loads(capsys.readouterr().out)["declined"]
    likeness.run(data=data, again=no["pair"], by="sue", reason="both showed one ID")
    capsys.readouterr()
    likeness.run(data=data, declined=True)
    left = capsys.readouterr().out

    assert (no["by"], no["said"], no["at"]) == ("ben", "declined", "2027-01-15T08:00:00+00:00")
    assert left == "Nobody said no to a suggestion.\n"
    opened = open_centre(data / "centre")
    row = opened.row("likeness/m1~m2")
    opened.close()
    assert row is not None
    assert isinstance(row.body, Likeness)
    assert "ben said two people on 2027-01-15, sue asks again on " in row.body.why
    assert row.body.why.endswith(": both showed one ID")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"again": "m1~m2"}, 2), ({"again": "m1", "reason": "x"}, 2), ({"again": "m1~m2", "reason": "x", "by": " "}, 2),
        ({"again": "m1~m2", "reason": "x"}, 3), ({"again": "m1~m1", "reason": "x"}, 3),
    ],
)  # fmt: skip
def test_only_a_no_can_be_taken_back_and_never_without_a_reason(
    data: Path, options: dict[str, str], code: int
) -> None:
    with pytest.raises(typer.Exit) as ended:
        likeness.run(data=data, **options)  # type: ignore[arg-type]

    assert ended.value.exit_code == code
