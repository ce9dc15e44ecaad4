"""Files of records, taken in once each wherever a run ended, with what cannot be taken set aside."""

from pathlib import Path
from typing import Any

import pytest

from sync.central import events, importing
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Known
from sync.central.channels.registry import ADAPTERS
from sync.central.importing import CannotImport, Imported, Importing
from sync.central.intake import Intake
from sync.central.positions import position_of
from tests.support.channels import all_rows

CHANNELS = (
    Settings("old", "table", options={"fact": "known"}),
    Settings("till", "pos", "store", options={"currency": "EUR"}),
    Settings("shop", "shopify", "web", {"signing": "x"}),
)


class Killed(BaseException):
    """What a process meets that ends anywhere."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions of three records."""
    monkeypatch.setattr(importing, "BATCH", 3)


@pytest.fixture
def intake(centre: Centre) -> Intake:
    return Intake(centre._parts, ADAPTERS, CHANNELS)


def people(path: Path, n: int, *, wrong: tuple[int, ...] = (), begins: int = 1) -> Path:
    """A table of customers; those of `wrong` have a column too many."""
    with path.open("a") as file:
        if begins == 1:
            file.write("who,given_name,email\n")
        for number in range(begins, begins + n):
            more = ",and more" if number in wrong else ""
            file.write(f"{number},Name{number},n{number}@example.com{more}\n")
    return path


def imported(centre: Centre, intake: Intake, path: Path, channel: str = "old") -> Imported:
    return Importing(centre._parts, intake).run(path, channel)


def named(centre: Centre) -> list[str]:
    """Given names of all customers whom a file told of."""
    rows = all_rows(centre)
    names = [
        row[3].get("given_name", "") for key, row in rows.items() if key.startswith("customer/")
    ]
    return sorted(name for name in names if name.startswith("Name"))


def test_every_record_of_a_file_is_taken(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    done = imported(centre, intake, people(tmp_path / "old.csv", 7))

    assert (done.n_taken, done.n_rejected, done.at, done.line) == (7, 0, done.size, 9)
    assert named(centre) == sorted(f"Name{number}" for number in range(1, 8))
    assert not (tmp_path / "old.csv.rejects").exists()


def test_what_cannot_be_taken_is_set_aside_with_its_line_and_the_reason(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    done = imported(centre, intake, people(tmp_path / "old.csv", 5, wrong=(2, 4)))

    assert (done.n_taken, done.n_rejected) == (3, 2)
    assert (tmp_path / "old.csv.rejects").read_text().splitlines() == [
        "line,reason,who,given_name,email",
        '3,"4 columns, and the header has 3",2,Name2,n2@example.com,and more',
        '5,"4 columns, and the header has 3",4,Name4,n4@example.com,and more',
    ]


def test_a_record_that_nobody_foresaw_stops_no_other(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    def heard(_transaction: Any, _settings: Settings, fact: Known) -> None:
        if fact.who is not None and fact.who.given_name == "Name2":
            raise ZeroDivisionError

    intake.hear(Known, heard)

    done = imported(centre, intake, people(tmp_path / "old.csv", 3))

    assert (done.n_taken, done.n_rejected) == (2, 1)
    assert named(centre) == ["Name1", "Name3"]
    assert "raised ZeroDivisionError" in (tmp_path / "old.csv.rejects").read_text()


def test_what_was_set_aside_is_put_right_and_imported_as_it_is(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = people(tmp_path / "old.csv", 5, wrong=(2, 4))
    imported(centre, intake, path)
    right = tmp_path / "right.csv"
    right.write_text((tmp_path / "old.csv.rejects").read_text().replace(",and more", ""))

    done = imported(centre, intake, right)

    assert (done.n_taken, done.n_rejected) == (2, 0)
    assert len(named(centre)) == 5


def test_a_wrong_line_of_json_is_set_aside_as_it_stood(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = tmp_path / "facts.ndjson"
    path.write_text('{"fact": "sold", "ref": "LS-M", "at": 1, "title": "Shirt"}\nnot json\n')

    done = imported(centre, intake, path)

    assert (done.n_taken, done.n_rejected) == (1, 1)
    assert (tmp_path / "facts.ndjson.rejects").read_text() == (
        '{"line":2,"reason":"not JSON: it breaks at byte 5: invalid character","record":"not json"}\n'
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("at", [1, 3, 4, 6, 8])
def test_a_run_that_is_killed_goes_on_with_each_record_once(
    centre: Centre, intake: Intake, tmp_path: Path, at: int
) -> None:
    path = people(tmp_path / "old.csv", 12, wrong=(2, 5, 8))
    taken: list[str] = []

    def kill(_: Any, __: Settings, fact: Any) -> None:
        taken.append(fact.ref)
        if len(taken) == at:
            raise Killed

    intake.hear(Known, kill)
    with pytest.raises(Killed):
        imported(centre, intake, path)
    done = imported(centre, Intake(centre._parts, ADAPTERS, CHANNELS), path)

    assert done.n_again == 0
    assert len(named(centre)) == 9
    rejects = (tmp_path / "old.csv.rejects").read_text().splitlines()
    assert [line.partition(",")[0] for line in rejects] == ["line", "3", "6", "9"]


@pytest.mark.usefixtures("small")
def test_a_run_that_ends_between_two_transactions_says_where_it_goes_on(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = people(tmp_path / "old.csv", 8)

    def stop(_: Imported) -> None:
        raise Killed

    with pytest.raises(Killed):
        Importing(centre._parts, intake).run(path, "old", tell=stop)
    done = imported(centre, intake, path)

    assert (done.resumed_at, done.n_taken) == (5, 5)


def test_a_file_that_has_grown_is_read_on(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = people(tmp_path / "old.csv", 3)
    imported(centre, intake, path)

    people(path, 2, begins=4)
    done = imported(centre, intake, path)

    assert (done.n_taken, done.resumed_at) == (2, 5)
    assert len(named(centre)) == 5


def test_another_file_begins_at_its_beginning_and_what_was_here_is_only_counted(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    imported(centre, intake, people(tmp_path / "old.csv", 3))
    other = tmp_path / "other.csv"
    other.write_text("who,given_name,email\n9,Name9,n9@example.com\n1,Name1,n1@example.com\n")

    done = imported(centre, intake, other)

    assert (done.n_taken, done.n_again, done.resumed_at) == (1, 1, 1)


def test_a_record_of_what_is_not_known_yet_waits_for_it(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = tmp_path / "facts.ndjson"
    path.write_text(
        '{"id": "r-1", "fact": "became", "ref": "order:42", "at": 1, "state": "shipped"}\n'
    )

    done = imported(centre, intake, path)

    assert (done.n_taken, done.n_waiting, done.n_rejected) == (0, 1, 0)
    with centre._parts.store.reading() as snapshot:
        record = events.record_of(snapshot.sql, "old", "r-1")
    assert record is not None
    assert record.state == events.WAITING


def test_receipts_of_a_till_are_taken_whole(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    path = tmp_path / "till.csv"
    path.write_text(
        "receipt,at,store,product,count,price,email\n"
        "1,2026-09-12 10:00,harbour,LS-M,1,39.90,tom@example.com\n"
        "1,2026-09-12 10:00,harbour,SO-1,2,5.00,tom@example.com\n"
        "2,nonsense,harbour,LS-M,1,39.90,tom@example.com\n"
    )

    done = imported(centre, intake, path, "till")

    assert (done.n_taken, done.n_rejected) == (1, 1)
    order = all_rows(centre)["order/harbour-1"][3]
    assert [line["product"] for line in order["lines"]] == ["LS-M", "SO-1"]
    assert order["total_minor"] == 4990


@pytest.mark.parametrize(
    ("channel", "reason"),
    [("none", "no channel"), ("shop", "takes no files"), ("old", "paused")],
)
def test_a_file_that_cannot_be_imported_says_why(
    centre: Centre, intake: Intake, tmp_path: Path, channel: str, reason: str
) -> None:
    intake.pause("old", reason="moving house")

    with pytest.raises(CannotImport, match=reason):
        imported(centre, intake, people(tmp_path / "old.csv", 1), channel)


def test_a_file_that_is_not_there_cannot_be_imported(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    with pytest.raises(CannotImport, match="No such file"):
        imported(centre, intake, tmp_path / "gone.csv")


def test_a_position_is_kept_beside_others_of_its_channel(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    imported(centre, intake, people(tmp_path / "old.csv", 1))

    with centre._parts.store.reading() as snapshot:
        assert position_of(snapshot.sql, "old", "import")["line"] == 3
        assert position_of(snapshot.sql, "old", "mail") == {}
