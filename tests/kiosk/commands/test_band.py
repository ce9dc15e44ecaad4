"""`tapthread band` at an encoder station, as the person there uses it: a reader, a plan, a sheet, bands held one by one."""

import csv
import json
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import typer

from drivers.credential.layout import AID, REFERENCE_FILE
from drivers.issuing.plan import EXAMPLE, Chip, Plan, plan_of, practice_example
from drivers.issuing.sheet import Outcome, Reported, heading, line_of_report
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy, SystemEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.catalogue import sample_band, uid_of
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.originality import DESFIRE_TEST_KEY
from kiosk.band_keys_token import TokenBandKeys
from kiosk.commands import band_station
from tests.support import softhsm
from tests.support.centre import open_centre
from tests.support.commands import Running, run, running
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (virtual_reader,)
PLAN = 'layout = 1\ngeneration_min = 1\nlabel = "Band {number}"\n'
"""EV1 is taken: a virtual one has no signature of a maker, as many real ones have none."""


def chip(number: int) -> VirtualDesfire:
    """An EV1 fresh from the factory."""
    uid = bytes((0x04, 1, 2, 3, 4, 5, number))
    return VirtualDesfire.fresh(uid=uid, ev=1, entropy=SeededEntropy(f"chip {number}"))


@dataclass(frozen=True, slots=True)
class At:
    """A station."""

    folder: Path
    reader: VirtualReader

    def arguments(self, what: str, *more: str | Path) -> list[str | Path]:
        return [
            "band", what, "--plan", self.folder / "plan.toml", "--data", self.folder / "data",
            "--reader", f"pn532:{self.reader.path}", *more,
        ]  # fmt: skip

    def rows(self, name: str = "sheet.issued.csv") -> list[dict[str, str]]:
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def field(self) -> Field:
        return self.reader.field


@pytest.fixture
def at(tmp_path: Path, virtual_reader: VirtualReader) -> At:
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "sheet.csv").write_text("label\nMaya\nTom\nLena\n")
    keys = tmp_path / "data/centre"
    keys.mkdir(parents=True)
    for name in ("band-master.key", "band-group.key"):
        (keys / name).write_bytes(SystemEntropy().draw(16))
    return At(tmp_path, virtual_reader)


def held(at: At, station: Running, band: VirtualBand) -> str:
    """Hold a band until the station has said what became of it."""
    at.field.present(band)
    words = station.line()
    at.field.remove()
    return words


def issued(at: At, *bands: VirtualDesfire) -> list[str]:
    with running(*at.arguments("issue", "--sheet", at.folder / "sheet.csv")) as station:
        return [held(at, station, band) for band in bands]


def test_a_plan_to_begin_with_is_printed_and_holds() -> None:
    printed = run("band", "plan")

    assert (printed.returncode, printed.stdout) == (0, EXAMPLE)
    assert plan_of(printed.stdout.encode()).has_random_uid


@pytest.mark.parametrize("kind", Chip)
def test_a_plan_to_begin_with_is_for_the_chip_that_was_said(kind: Chip) -> None:
    printed = run("band", "plan", "--chip", kind.value).stdout

    assert plan_of(printed.encode()) == Plan(chip=kind)
    assert {line.find("#") for line in printed.splitlines()[2:-1]} == {33}


def test_a_sheet_with_a_label_twice_is_refused_before_a_band_is_held(at: At) -> None:
    (at.folder / "sheet.csv").write_text("label\nMaya\nTom\nMaya\n")

    plan = at.arguments("plan")[:4]
    asked = [
        run(*arguments, "--sheet", at.folder / "sheet.csv")
        for arguments in (plan, at.arguments("issue"))
    ]

    for said in asked:
        assert said.returncode == 2
        assert "line 4 of the sheet has the label of line 2" in said.stderr


def test_what_a_plan_does_is_said_without_a_band(at: At) -> None:
    said = run(
        "band", "plan", "--plan", at.folder / "plan.toml", "--sheet", at.folder / "sheet.csv"
    )

    assert said.returncode == 0
    assert "create_application" in said.stdout
    assert "3 bands, the first: Maya" in said.stdout


def test_a_sheet_is_issued_band_by_band_with_report_and_labels(at: At) -> None:
    bands = [chip(number) for number in range(3)]
    arguments = at.arguments(
        "issue", "--sheet", at.folder / "sheet.csv", "--labels", at.folder / "l"
    )

    with running(*arguments) as station:
        said = [held(at, station, band) for band in bands]
        rest = [station.line(), station.line()]
        code = station.process.wait(20)

    rows = at.rows()
    assert [words.split(" is issued")[0] for words in said] == ["Maya", "Tom", "Lena"]
    assert rest[0] == "3 of 3 bands are issued, 0 were refused."
    assert code == 0
    for row, band in zip(rows, bands, strict=True):
        assert row["outcome"] == "issued"
        assert bytes.fromhex(row["uid"]) == band.uid
        assert bytes.fromhex(row["band"]) == band.contents[AID, REFERENCE_FILE.number]
        assert (at.folder / "l" / f"{row['code']}.svg").read_bytes().startswith(b"<?xml")
    assert stat.S_IMODE((at.folder / "sheet.issued.csv").stat().st_mode) == 0o600


def test_a_torn_band_is_asked_for_again_and_keeps_its_line(at: At) -> None:
    first, second = chip(1), chip(2)
    with running(*at.arguments("issue", "--sheet", at.folder / "sheet.csv")) as station:
        torn = FaultyBand(
            first, Fault(FaultKind.TEAR_ANSWER, 40), field=at.field, clock=SystemClock()
        )
        words = held(at, station, torn)
        others = held(at, station, second)
        again = held(at, station, first)

    assert words == "The band was taken away too early. Hold the same band again."
    assert others.startswith("Tom is issued")
    assert again.startswith("Maya is issued")


def test_a_station_that_died_goes_on_where_it_was_and_says_first_which_band_waits(
    at: At,
) -> None:
    bands = [chip(number) for number in range(3)]
    with running(*at.arguments("issue", "--sheet", at.folder / "sheet.csv")) as station:
        held(at, station, bands[0])
        held(at, station, torn(at, bands[1], 40))
        station.kill()

    with running(*at.arguments("issue", "--sheet", at.folder / "sheet.csv")) as station:
        before = [station.line(), station.line()]
        said = [held(at, station, band) for band in bands[1:]]

    assert before == [
        "1 of 3 were issued before.",
        "Begun before and not whole: Tom (line 3). Hold those bands again, or give them up with --give-up.",
    ]
    assert [words.split(" is issued")[0] for words in said] == ["Tom", "Lena"]


def test_bands_without_a_sheet_that_were_begun_are_named_by_their_labels(at: At) -> None:
    with running(*at.arguments("issue", "--count", "2")) as station:
        held(at, station, torn(at, chip(1), 40))
        station.kill()

    said = run(*at.arguments("issue", "--count", "2", "--timeout", "0.2")).stdout.splitlines()
    given_up = run(*at.arguments("issue", "--count", "2", "--timeout", "0.2", "--give-up"))

    assert said[0].startswith("Begun before and not whole: Band 1. Hold")
    assert said[2].startswith("Begun and not whole: Band 1. Hold")
    assert "Begun" not in given_up.stdout


def test_the_journal_holds_neither_a_key_nor_a_uid(at: At) -> None:
    band = chip(1)

    issued(at, band)

    journal = (at.folder / "data/encoder/bands.journal").read_text()
    assert json.loads(journal.splitlines()[0])["step"] == "issue"
    secrets = [
        *band.applications[AID].keys, *band.picc.keys, band.uid,
        *(path.read_bytes() for path in (at.folder / "data").rglob("*.key")),
    ]  # fmt: skip
    for secret in secrets:
        assert secret.hex() not in journal.lower()


def test_a_dry_run_says_the_steps_and_leaves_the_band_as_it_is(at: At) -> None:
    band = chip(1)
    at.field.present(band)

    said = run(*at.arguments("issue", "--count", "1", "--dry-run"))

    assert said.returncode == 0
    assert "change_key_2" in said.stdout
    assert not band.applications


def test_a_band_is_verified_read_retired_and_replaced(at: At) -> None:
    band, other = chip(1), chip(2)
    issued(at, band)
    reference = band.contents[AID, REFERENCE_FILE.number].hex()
    at.field.present(band)

    whole = run(*at.arguments("verify"))
    read = run(*at.arguments("read"))
    retired = run(*at.arguments("retire", "--band", reference.upper()))  # as a label has it
    after = run(*at.arguments("verify"))
    at.field.present(other)
    replaced = run(
        *at.arguments("replace", "--band", reference, "--report", at.folder / "r.csv")
    )

    assert (whole.returncode, read.returncode, retired.returncode) == (0, 0, 0)
    assert reference in read.stdout
    assert after.returncode == 1
    assert "make file 1" in after.stderr
    assert not band.contents
    assert replaced.returncode == 0
    assert at.rows("r.csv")[0]["replaces"] == reference


def counted(at: At, count: int, *bands: VirtualDesfire, is_over: bool = True) -> list[str]:
    """What a run of so many bands says, line for line, with these held to it; else it is broken off after them."""
    said: list[str] = []
    with running(*at.arguments("issue", "--count", str(count))) as station:

        def listen(until: str) -> None:
            said.append(station.line())
            while until not in said[-1]:
                said.append(station.line())

        for band in bands:
            at.field.present(band)
            listen(" is issued: ")
            at.field.remove()
        if is_over:
            listen("Report: ")
            station.process.wait(20)
    return said


def labels_of(said: list[str]) -> list[str]:
    return [line.partition(" is issued: ")[0] for line in said if " is issued: " in line]


def test_numbers_go_on_from_run_to_run_and_a_replacement_has_the_next_one(at: At) -> None:
    bands = [chip(number) for number in range(1, 8)]

    first = counted(at, 2, *bands[:2])
    second = counted(at, 3, *bands[2:3], is_over=False)
    again = counted(at, 3, *bands[3:5])
    reference = bands[0].contents[AID, REFERENCE_FILE.number].hex()
    at.field.present(bands[5])
    replaced = run(*at.arguments("replace", "--band", reference))
    at.field.remove()
    over = counted(at, 3)

    assert labels_of(first) == ["Band 1", "Band 2"]
    assert "A new run" not in "".join(first)
    assert second[0] == "A new run: its numbers go on from 3."
    assert again[0] == "1 of 3 were issued before."
    assert labels_of(second + again) == ["Band 3", "Band 4", "Band 5"]
    assert labels_of(replaced.stdout.splitlines()) == ["Band 6"]
    assert "1 of 1 band is issued, 0 were refused." in replaced.stdout
    assert over[:2] == [
        "3 of 3 were issued before.",
        (
            "Nothing was made: this run is over. For as many more, take its report away first,"
            " or name another with --report."
        ),
    ]


def refused(at: At, count: int) -> None:
    """A run of so many bands that is broken off after one that is refused."""
    with running(*at.arguments("issue", "--count", str(count))) as station:
        while "This band was not issued" not in (words := held(at, station, foreigner())):
            assert "A new run" in words


def test_a_run_that_is_gone_on_with_repeats_no_number_of_one_that_came_between(at: At) -> None:
    bands = [chip(number) for number in range(1, 6)]

    first = counted(at, 3, bands[0], is_over=False)
    between = counted(at, 2, bands[1], is_over=False)
    again = counted(at, 3, *bands[2:4])
    last = counted(at, 2, bands[4])

    assert between[0] == "A new run: its numbers go on from 4."
    assert labels_of(first + again) == ["Band 1", "Band 2", "Band 3"]
    assert labels_of(between + last) == ["Band 4", "Band 5"]


def test_two_plans_whose_labels_come_out_the_same_give_no_number_twice(at: At) -> None:
    bands = [chip(number) for number in range(1, 6)]
    other = PLAN.replace(
        "generation_min = 1", 'generation_min = 1\nsignature = "where_it_exists"'
    )

    first = counted(at, 3, bands[0], is_over=False)
    (at.folder / "plan.toml").write_text(other + "random_uid = false\n")
    between = counted(at, 2, *bands[1:3])
    (at.folder / "plan.toml").write_text(PLAN)
    again = counted(at, 3, *bands[3:])

    assert labels_of(first + again) == ["Band 1", "Band 2", "Band 3"]
    assert labels_of(between) == ["Band 4", "Band 5"]


def test_a_run_whose_only_band_was_refused_has_its_numbers_all_the_same(at: At) -> None:
    refused(at, 3)

    between = counted(at, 1, chip(1))
    refused(at, 3)
    again = counted(at, 3, chip(2), is_over=False)

    assert labels_of(between) == ["Band 4"]
    assert labels_of(again) == ["Band 1"]
    assert "A new run" not in again[0]


def test_a_station_killed_within_its_first_band_keeps_all_numbers_of_its_run(at: At) -> None:
    journal = at.folder / "data/encoder/bands.journal"
    with running(*at.arguments("issue", "--count", "3")) as station:
        at.field.present(chip(1))
        while not (journal.exists() and journal.read_bytes().count(b"\n")):
            assert station.process.poll() is None
        station.kill()
        at.field.remove()

    between = counted(at, 1, chip(2))

    assert labels_of(between) == ["Band 4"]


def test_two_sheets_without_labels_give_no_number_twice(at: At) -> None:
    (at.folder / "a.csv").write_text("store\nnorth\nnorth\n")
    (at.folder / "b.csv").write_text("store\nsouth\n")
    said = []

    for sheet, numbers in (("a", (1,)), ("b", (2,)), ("a", (3,))):
        with running(*at.arguments("issue", "--sheet", at.folder / f"{sheet}.csv")) as station:
            if sheet == "b" or numbers == (3,):
                said.append(station.line())
            said += [held(at, station, chip(number)) for number in numbers]

    assert labels_of(said) == ["Band 1", "Band 3", "Band 2"]
    assert [row["line"] for row in at.rows("a.issued.csv")] == ["2", "3"]


def test_as_many_bands_again_make_none_while_the_report_is_there_and_a_band_that_waits_ends_with_1(
    at: At,
) -> None:
    band, half, factory = chip(1), chip(2), chip(3)
    counted(at, 1, band)
    with running(*at.arguments("issue", "--count", "3")) as station:
        assert station.line() == "A new run: its numbers go on from 2."
        fault = Fault(FaultKind.TEAR_ANSWER, 40)
        torn = held(at, station, FaultyBand(half, fault, field=at.field, clock=SystemClock()))

    def again(waiting: VirtualDesfire) -> tuple[int, str]:
        at.field.present(waiting)
        said = run(*at.arguments("issue", "--count", "1"))
        at.field.remove()
        return said.returncode, said.stdout

    whole, begun, left = again(band), again(half), again(factory)
    nobody = run(*at.arguments("issue", "--count", "1"))

    assert "taken away too early" in torn
    assert [code for code, _ in (whole, begun, left)] == [1, 1, 1]
    for words in (whole[1], begun[1], left[1], nobody.stdout):
        assert "Nothing was made: this run is over." in words
        assert "is issued, " not in words
    assert "The band on the reader is issued already." in whole[1]
    assert "The band on the reader was begun and is not whole." in begun[1]
    assert "The band on the reader is not issued, and nothing was done to it." in left[1]
    assert not factory.applications
    assert nobody.returncode == 0


def test_a_report_is_named_only_where_one_was_written(at: At) -> None:
    said = run(*at.arguments("issue", "--count", "2", "--timeout", "0.2"))

    assert said.returncode == 1
    assert said.stdout.splitlines() == [
        "0 of 2 bands are issued, 0 were refused.",
        "No report was written.",
    ]
    assert not list((at.folder / "data/encoder").glob("issued-*.csv"))


@pytest.mark.parametrize("act", ["verify", "retire", "read"])
def test_two_bands_at_once_are_the_last_word_and_not_that_nobody_held_one(
    at: At, act: str
) -> None:
    at.field.present(chip(1), chip(2))

    said = run(*at.arguments(act, "--timeout", "2"))

    assert said.returncode == 1
    assert said.stdout == "More than one band is at the reader. Hold one at a time.\n"
    assert said.stderr == "tapthread band: No band was held by itself: nothing was done.\n"


def test_a_band_that_was_never_issued_is_said_to_be_so_and_a_retired_one_to_have_no_id(
    at: At,
) -> None:
    band = chip(1)
    at.field.present(band)
    never = run(*at.arguments("verify"))
    at.field.remove()
    issued(at, band)
    at.field.present(band)
    other = run(*at.arguments("retire", "--band", "ab" * 16))
    reference = band.contents[AID, REFERENCE_FILE.number].hex()
    assert run(*at.arguments("retire")).returncode == 0
    retired = run(*at.arguments("verify"))

    assert (never.returncode, other.returncode, retired.returncode) == (1, 1, 1)
    assert never.stderr == (
        "tapthread band: This band is not issued: nothing of ours is on it.\n"
    )
    assert other.stderr == (
        f"tapthread band: This is another band than the one to retire: {reference}.\n"
    )
    assert retired.stderr.startswith(
        "tapthread band: This band has no id: retired, or begun and not whole; still to do"
    )


TORN_AGAIN = "The band was taken away too early. Hold the same band again."


def foreigner() -> VirtualDesfire:
    """A band of another brand."""
    return VirtualDesfire(
        uid=bytes.fromhex("04AABBCCDDEEFF"), ev=1, applications=(),
        entropy=SeededEntropy("x"), picc_key=b"k" * 16, picc_key_version=9,
    )  # fmt: skip


def torn(at: At, band: VirtualDesfire, number: int) -> FaultyBand:
    fault = Fault(FaultKind.TEAR_ANSWER, number)
    return FaultyBand(band, fault, field=at.field, clock=SystemClock())


def test_a_band_torn_while_it_is_retired_is_asked_for_again_and_no_other_is_taken_for_it(
    at: At,
) -> None:
    band, other = chip(1), chip(2)
    issued(at, band, other)
    before, whole = dict(other.contents), dict(band.contents)
    reference = band.contents[AID, REFERENCE_FILE.number].hex()

    with running(*at.arguments("retire")) as station:
        first = held(at, station, torn(at, band, 44))
        half = dict(band.contents)
        wrong = held(at, station, other)
        foreign = held(at, station, foreigner())
        telephone = held(at, station, sample_band("telephone", entropy=SystemEntropy()))
        last = held(at, station, band)
        code = station.process.wait(20)

    assert (first, code) == (TORN_AGAIN, 0)
    assert half == whole
    assert wrong == ("This is another band than the one that was held first. Hold that one.")
    assert foreign.startswith(
        "This is not the band that was held first: a key on it has version 9"
    )
    assert telephone == (
        "This is not the band that was held first: this is no DESFire. Hold that one."
    )
    assert last == f"Band {reference} is retired: nothing is on it that a kiosk reads."
    assert (dict(other.contents), band.contents) == (before, {})


def test_another_band_that_stays_on_the_reader_is_told_off_once(at: At) -> None:
    band, other = chip(1), chip(2)
    issued(at, band, other)

    with running(*at.arguments("retire", "--timeout", "1")) as station:
        held(at, station, torn(at, band, 44))
        at.field.present(other)
        wrong = station.line()
        code = station.process.wait(20)
        assert station.process.stdout is not None
        rest = station._held + station.process.stdout.read()

    assert wrong == "This is another band than the one that was held first. Hold that one."
    assert (code, rest) == (1, b"")


def test_a_retirement_broken_off_is_gone_on_with_by_the_next_run_and_the_band_not_issued_before(
    at: At,
) -> None:
    band = chip(1)
    issued(at, band)
    reference = band.contents[AID, REFERENCE_FILE.number].hex()
    with running(*at.arguments("retire")) as station:
        assert held(at, station, torn(at, band, 88)) == TORN_AGAIN
        station.kill()
    assert (AID, REFERENCE_FILE.number) not in band.contents
    (at.folder / "other.csv").write_text("label\nSomebody else\n")
    other = ("--sheet", at.folder / "other.csv", "--timeout", "0.5")

    at.field.present(band)
    refused = run(*at.arguments("issue", *other))
    dry = run(*at.arguments("issue", "--dry-run", *other))
    verdict = run(*at.arguments("verify", "--json"))
    retired = run(*at.arguments("retire"))
    again = run(*at.arguments("retire"))
    anew = run(*at.arguments("issue", *other))

    still = "The retirement of this band was begun and is not over; end it first"
    assert refused.stdout.splitlines()[0] == f"{still}."
    assert dry.stderr == f"tapthread band: This band would not be issued: {still}.\n"
    assert printed(verdict.stdout)["state"] == "retiring"
    assert [each.returncode for each in (refused, dry, verdict)] == [1, 1, 1]
    assert retired.stdout.splitlines() == [
        f"Begun before and not over: the retirement of {reference}. Hold such a band to go on with it.",
        f"Band {reference} is retired: nothing is on it that a kiosk reads.",
    ]
    assert "Begun before" not in again.stdout
    assert anew.stdout.startswith("Somebody else is issued")
    assert band.contents[AID, REFERENCE_FILE.number].hex() != reference


def test_a_band_that_is_still_whole_is_not_as_planned_once_its_retirement_was_begun(
    at: At,
) -> None:
    band = chip(1)
    issued(at, band)
    whole = dict(band.contents)
    at.field.present(torn(at, band, 81))
    begun = run(*at.arguments("retire", "--timeout", "0.2"))
    at.field.present(band)

    verdict = run(*at.arguments("verify", "--json"))
    words = run(*at.arguments("verify"))

    assert "The retirement was begun" in begun.stderr
    assert dict(band.contents) == whole
    assert (verdict.returncode, words.returncode) == (1, 1)
    said = printed(verdict.stdout)
    assert (said["as_planned"], said["state"], said["differences"]) == (False, "retiring", [])
    assert words.stderr == (
        "tapthread band: The retirement of this band was begun and is not over; end it first: tapthread band retire\n"
    )


def test_a_retirement_nobody_goes_on_with_ends_with_1_and_what_to_do(at: At) -> None:
    band = chip(1)
    issued(at, band)

    at.field.present(torn(at, band, 3))
    early = run(*at.arguments("retire", "--timeout", "0.3"))
    at.field.present(torn(at, band, 86))
    begun = run(*at.arguments("retire", "--timeout", "0.3"))

    assert (early.returncode, begun.returncode) == (1, 1)
    assert early.stdout.splitlines() == begun.stdout.splitlines() == [TORN_AGAIN]
    assert early.stderr == (
        "tapthread band: The band was taken away before anything was done to it. Start this again.\n"
    )
    assert begun.stderr == (
        "tapthread band: The retirement was begun and is not over, and until then the band is not issued"
        " again. Start this again and hold the same band: it goes on where it was.\n"
    )


def test_as_many_bands_again_begin_where_the_last_ended_once_the_report_was_taken_away(
    at: At,
) -> None:
    bands = [chip(number) for number in range(1, 5)]
    counted(at, 2, *bands[:2])
    (report,) = (at.folder / "data/encoder").glob("issued-*.csv")
    report.rename(at.folder / "monday.csv")

    said = counted(at, 2, *bands[2:])

    assert labels_of(said) == ["Band 3", "Band 4"]
    assert [row["line"] for row in at.rows(str(report))] == ["3", "4"]


def test_a_band_that_cannot_be_retired_is_said_not_to_be_of_these_keys(at: At) -> None:
    foreign = foreigner()
    at.field.present(foreign)

    said = run(*at.arguments("retire"))

    assert said.returncode == 1
    begin = "tapthread band: This band was not issued with these keys, nothing was done to it: "
    assert said.stderr.startswith(begin)
    assert "version 9" in said.stderr


def test_a_band_that_practice_did_not_issue_is_said_to_be_so_before_what_it_lacks(
    at: At,
) -> None:
    example = practice_example(Chip.DESFIRE, DESFIRE_TEST_KEY.public)
    (at.folder / "plan.toml").write_text(example)
    at.field.present(
        VirtualDesfire.fresh(uid=chip(9).uid, ev=2, entropy=SeededEntropy("a shop's"))
    )

    said = run(*at.arguments("retire"))

    assert said.returncode == 1
    assert said.stderr == (
        "tapthread band: This band was not issued for practice here, nothing was done to it:"
        " the chip has no signature of its maker.\n"
    )


def test_a_report_is_entered_at_the_centre_and_the_store_knows_its_spares(
    at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Reported(
        1, Outcome.ISSUED, "Spare 1", "C", "5a" * 16, bytes.fromhex("04010203040506"), "harbour"
    )
    failed = Reported(0, Outcome.FAILED, problem="not_genuine: no")
    report = at.folder / "r.csv"
    open_centre(at.folder / "data/centre").close()
    report.write_bytes(heading() + line_of_report(failed) + line_of_report(made))
    asked = band_station.Asked(data=at.folder / "data", reader="pcsc", report=report)

    band_station.run("enter", asked)
    band_station.run("enter", asked)

    assert capsys.readouterr().out.splitlines() == [
        "1 band is new, 0 were known, 0 others are retired.",
        "0 bands are new, 1 was known, 0 others are retired.",
    ]


def test_nobody_holding_a_band_ends_the_wait(at: At) -> None:
    said = run(*at.arguments("read", "--timeout", "0.2"))

    assert said.returncode == 3
    assert said.stderr == "tapthread band: Nobody held a band to the reader.\n"


def test_a_band_of_another_is_refused_and_stands_in_the_report(at: At) -> None:
    foreign = foreigner()

    said = issued(at, foreign, chip(1))

    assert "version 9" in said[0]
    assert said[1].startswith("Maya is issued")
    assert [row["outcome"] for row in at.rows()] == ["failed", "issued"]
    assert at.rows()[0]["problem"].startswith("of_another")


def test_a_refused_band_that_stays_on_the_reader_does_not_outlast_the_patience(
    at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    at.field.present(sample_band("desfire-strange", entropy=SeededEntropy("x")))
    asked = band_station.Asked(
        data=at.folder / "data", reader=f"pn532:{at.reader.path}", plan=at.folder / "plan.toml",
        count=2, timeout_ms=300,
    )  # fmt: skip

    with pytest.raises(typer.Exit) as ended:
        band_station.run("issue", asked)

    said = capsys.readouterr().out.splitlines()
    assert ended.value.exit_code == 1
    assert said[0].startswith("This band was not issued")
    assert said[1] == "The band still lies on the reader."


def test_a_reader_that_is_not_there_is_named_with_what_looks_for_it(at: At) -> None:
    said = run(*at.arguments("verify")[:-1], "pn532:/no port")

    assert said.returncode == 4
    assert "The reader pn532:/no port is not there" in said.stderr
    assert "tapthread doctor --reader 'pn532:/no port'" in said.stderr


NAMELESS = ("felica", "telephone", "ultralight-aes-random", "uid-zero")
"""Bands whose UID is random, or goes by another name."""


@pytest.mark.parametrize(
    ("name", "chip", "words"),
    [
        ("ntag213", "NTAG 213", "of nobody we know"),
        ("mifare-classic", "MIFARE Classic", "not issued"),
        ("felica", "FeliCa", "8 bytes (IDm), not shown"),
        ("telephone", "telephone", "UID              random"),
        ("uid-zero", "MIFARE Ultralight", "UID              none that stays"),
        ("desfire-ev3", "DESFire EV3", "nothing of ours is on it"),
        ("ntag424-strange", "NTAG 424 DNA", "version 238, which is neither ours"),
        ("ultralight-aes-random", "MIFARE Ultralight AES", "no key of ours tells which band"),
        ("desfire-fresh", "DESFire EV2", "the key of the factory opens it"),
    ],
)
def test_any_band_is_read_without_a_plan_and_its_uid_is_kept(
    name: str, chip: str, words: str, at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    (at.folder / "data/encoder").mkdir()
    (at.folder / "data/encoder/band-issuer.key").write_bytes(b"i" * 16)
    band = sample_band(name, entropy=SystemEntropy())
    at.field.present(band)
    asked = band_station.Asked(
        data=at.folder / "data", reader=f"pn532:{at.reader.path}", timeout_ms=5_000
    )

    band_station.run("read", asked)
    hidden = capsys.readouterr().out
    band_station.run("read", replace(asked, is_uid_shown=True))
    shown = capsys.readouterr().out

    uid = getattr(band, "uid", uid_of(name)).hex()
    assert hidden.startswith(f"chip             {chip}")
    assert words in hidden
    assert uid not in hidden
    assert (uid in shown) == (name not in NAMELESS)


def printed(words: str) -> dict[str, Any]:
    """The one line there is on standard output, as JSON."""
    (line,) = words.splitlines()
    said: dict[str, Any] = json.loads(line)
    return said


READ_FIELDS = [
    "chip", "family", "uid", "true_uid", "signature", "ours", "practice", "reason", "band",
    "random_uid", "capsule", "uses", "uses_remembered", "readings",
]  # fmt: skip


def test_a_band_of_ours_is_read_as_one_object_and_its_uid_only_where_it_is_asked_for(
    at: At,
) -> None:
    band = chip(1)
    issued(at, band)
    at.field.present(band)
    where = at.arguments("read", "--json")
    del where[2:4]  # without a plan

    hidden = printed(run(*where).stdout)
    shown = printed(run(*where, "--show-uid").stdout)
    planned = printed(run(*at.arguments("read", "--json")).stdout)

    assert list(hidden) == READ_FIELDS
    assert hidden == {
        "chip": "DESFire EV1", "family": "desfire",
        "uid": {"kind": "random", "bytes": 4, "value": None}, "true_uid": None,
        "signature": None, "ours": True, "practice": False, "reason": "yes",
        "band": band.contents[AID, REFERENCE_FILE.number].hex(), "random_uid": True,
        "capsule": {
            "state": "none", "number": None, "issued_at": None, "days": None, "bytes": None,
        },
        "uses": 0, "uses_remembered": 0, "readings": None,
    }  # fmt: skip
    assert (shown["uid"]["value"], shown["true_uid"]) == (None, band.uid.hex())
    assert planned == {name: hidden[name] for name in planned}
    assert planned["band"] == hidden["band"]


@pytest.mark.parametrize(
    ("name", "family", "said"),
    [
        ("ntag213", "ntag21x", {"ours": False, "signature": "unknown"}),
        ("telephone", "type4", {"ours": False, "random_uid": True}),
        ("desfire-fresh", "desfire", {"ours": False, "band": None}),
        ("ntag424", "ntag424", {"ours": False, "readings": None}),
    ],
)
def test_any_other_band_is_read_as_an_object_of_the_same_fields(
    name: str, family: str, said: dict[str, Any], at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    (at.folder / "data/encoder").mkdir()
    (at.folder / "data/encoder/band-issuer.key").write_bytes(b"i" * 16)
    at.field.present(sample_band(name, entropy=SystemEntropy()))
    asked = band_station.Asked(
        data=at.folder / "data",
        reader=f"pn532:{at.reader.path}",
        timeout_ms=5_000,
        is_json=True,
    )

    band_station.run("read", asked)
    found = printed(capsys.readouterr().out)
    (at.folder / "data/encoder/band-issuer.key").unlink()
    band_station.run("read", asked)
    without_keys = printed(capsys.readouterr().out)

    assert list(found) == list(without_keys) == READ_FIELDS
    assert {name: found[name] for name in ("family", *said)} == {"family": family, **said}
    is_issued_kind = family in ("desfire", "ntag424")
    assert without_keys["ours"] is (None if is_issued_kind else False)


def test_a_verdict_is_one_object_and_ends_as_it_does_in_words(at: At) -> None:
    band = chip(1)
    at.field.present(band)
    never = run(*at.arguments("verify", "--json"))
    at.field.remove()
    issued(at, band)
    reference = band.contents[AID, REFERENCE_FILE.number].hex()
    at.field.present(band)
    whole = run(*at.arguments("verify", "--json"))
    (at.folder / "plan.toml").write_text(PLAN + "random_uid = false\n")
    differs = run(*at.arguments("verify", "--json"))
    (at.folder / "plan.toml").write_text(PLAN)
    assert run(*at.arguments("retire")).returncode == 0
    retired = run(*at.arguments("verify", "--json"))

    said = [printed(each.stdout) for each in (never, whole, differs, retired)]
    assert [each.returncode for each in (never, whole, differs, retired)] == [1, 0, 1, 1]
    assert [each["state"] for each in said] == ["not_issued", "as_planned", "differs", "no_id"]
    assert said[1] == {
        "as_planned": True, "state": "as_planned", "chip": "DESFire EV1", "band": reference,
        "differences": [], "practice": False,
    }  # fmt: skip
    assert said[2]["band"] == reference
    assert said[2]["differences"] == [
        "it shows a random UID, which the plan does not want and nothing takes back"
    ]
    assert "still to do: make file 1" in said[3]["differences"]
    assert all(not each.stderr for each in (never, whole, differs, retired))


def test_what_goes_wrong_is_an_object_too_and_a_refusal_says_what_the_chip_meant(
    at: At,
) -> None:
    nobody = run(*at.arguments("verify", "--json", "--timeout", "0.2"))
    no_reader = run(*at.arguments("read")[:-1], "pn532:/no port", "--json")
    at.field.present(chip(1), chip(2))
    two = run(*at.arguments("read", "--json", "--timeout", "2"))
    fault = Fault(FaultKind.REFUSED, 3)
    at.field.present(FaultyBand(chip(1), fault, field=at.field, clock=SystemClock()))
    refused = run(*at.arguments("verify", "--json"))
    (at.folder / "plan.toml").write_text("layout = 7\n")
    usage = run(*at.arguments("verify", "--json"))

    runs = [nobody, no_reader, two, refused, usage]
    errors = [printed(each.stdout)["error"] for each in runs]
    assert [each.returncode for each in runs] == [3, 4, 1, 1, 2]
    assert [each["code"] for each in errors] == [
        "no_band", "reader_absent", "band_collision", "band_refused", "usage",
    ]  # fmt: skip
    assert errors[0]["message"] == "Nobody held a band to the reader."
    assert errors[3]["status"] == "91AE"
    assert errors[3]["meaning"].startswith("authentication error")
    assert (
        errors[3]["message"]
        == "This band: The band refused. Try once more, or use another band."
    )
    assert all("status" not in each for each in (*errors[:3], errors[4]))


def test_practice_is_a_field_and_its_warning_no_part_of_the_object(at: At) -> None:
    example = practice_example(Chip.DESFIRE, DESFIRE_TEST_KEY.public)
    (at.folder / "plan.toml").write_text(example)
    at.field.present(sample_band("desfire-ev2-new", entropy=SystemEntropy()))
    assert run(*at.arguments("issue", "--count", "1", "--timeout", "5")).returncode == 0

    verdict = run(*at.arguments("verify", "--json"))
    where = at.arguments("read", "--json")
    del where[2:4]
    read = run(*where)
    at.field.present(sample_band("desfire-ev3-new", entropy=SystemEntropy()))
    another = printed(run(*where).stdout)

    assert (another["ours"], another["practice"]) == (False, False)
    assert band_station.PRACTISED in verdict.stderr
    assert printed(verdict.stdout)["practice"] is True
    assert printed(verdict.stdout)["as_planned"] is True
    assert printed(read.stdout)["practice"] is True
    assert printed(read.stdout)["reason"].startswith("PRACTICE")


def test_what_a_plan_does_is_one_object_and_a_plan_to_begin_with_none(at: At) -> None:
    plan = [*at.arguments("plan")[:4], "--json"]
    planned = printed(run(*plan, "--count", "2").stdout)
    new = run("band", "plan", "--json")

    assert (planned["chip"], planned["generation_min"], planned["bands"]) == ("desfire", 1, 2)
    assert (planned["label"], planned["practice"]) == ("Band {number}", False)
    assert planned["steps"][0]["name"] == "create_application"
    assert new.returncode == 2
    assert printed(new.stdout)["error"]["code"] == "usage"


def test_a_run_is_one_object_of_what_was_made_what_was_refused_and_what_waits(at: At) -> None:
    sheet = at.folder / "sheet.csv"
    issue = at.arguments("issue", "--sheet", sheet, "--json", "--timeout", "1")
    runs = []
    for band in (chip(1), foreigner(), torn(at, chip(2), 40)):
        at.field.present(band)
        runs.append(run(*issue))
        at.field.remove()

    objects = [printed(each.stdout) for each in runs]

    assert [each.returncode for each in runs] == [1, 1, 1]
    assert [(each["issued"], each["wanted"], each["over"]) for each in objects] == [
        (1, 3, False),
    ] * 3
    (made,), (refused,), nothing = (each["bands"] for each in objects)
    assert (made["outcome"], made["label"], made["line"]) == ("issued", "Maya", 2)
    assert made["code"] == at.rows()[0]["code"]
    assert (refused["outcome"], refused["label"]) == ("failed", None)
    assert refused["problem"].startswith("of_another: ")
    assert nothing == []
    assert objects[2]["begun"] == [{"label": "Tom", "line": 3}]
    assert objects[0]["report"] == str(at.folder / "sheet.issued.csv")
    assert "uid" not in made
    assert "Maya is issued" in runs[0].stderr


def test_a_run_that_is_over_a_dry_run_and_a_replacement_are_objects_too(at: At) -> None:
    band, new = chip(1), chip(2)
    issue = at.arguments("issue", "--count", "1", "--json")
    at.field.present(band)
    dry = printed(run(*issue, "--dry-run").stdout)
    made = printed(run(*issue).stdout)
    over = run(*issue)
    at.field.present(new)
    (one,) = made["bands"]
    replaced = printed(run(*at.arguments("replace", "--json", "--band", one["band"])).stdout)

    assert (dry["band"], dry["chip"]) == (None, "DESFire EV1")
    assert [step["name"] for step in dry["steps"]][-1] == "set_random_uid"
    assert made["over"] is True
    assert (over.returncode, printed(over.stdout)["bands"]) == (1, [])
    assert printed(over.stdout)["waiting"] == "The band on the reader is issued already."
    assert replaced["bands"][0]["replaces"] == one["band"]


def test_a_retirement_is_one_object_and_one_that_fails_an_error(at: At) -> None:
    band = chip(1)
    issued(at, band)
    retire = at.arguments("retire", "--json", "--timeout", "0.3")
    reference = band.contents[AID, REFERENCE_FILE.number].hex()

    at.field.present(torn(at, band, 86))
    early = run(*retire)
    at.field.present(band)
    gone = run(*retire)
    at.field.present(foreigner())
    others = run(*retire)

    assert [each.returncode for each in (early, gone, others)] == [1, 0, 1]
    assert "was begun and is not over" in printed(early.stdout)["error"]["message"]
    assert printed(gone.stdout) == {
        "retired": True, "chip": "DESFire EV1", "band": reference, "practice": False,
    }  # fmt: skip
    assert printed(others.stdout)["error"]["code"] == "of_another"


def test_each_act_has_help_with_its_own_options_alone() -> None:
    shown = {act: run("band", act, "--help").stdout for act in ("enter", "retire")}

    options = {
        act: set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE))
        for act, text in shown.items()
    }
    assert options["enter"] == {"--report", "--database", "--key", "--data", "--help"}
    assert options["retire"] == {
        "--plan", "--band", "--json", "--timeout", "--keys", "--token", "--token-module",
        "--token-pin", "--data", "--reader", "--help",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("what", "more", "words"),
    [
        ("issue", {"plan": None}, "give a plan"),
        ("issue", {"plan": Path("/nowhere.toml"), "count": 1}, "cannot be read"),
        ("replace", {"band": "xyz"}, "32 hex digits"),
        ("replace", {}, "say which band it replaces"),
        ("retire", {"band": "xyz"}, "32 hex digits"),
        ("issue", {}, "--sheet FILE, or --count N"),
        ("issue", {"count": 1, "sheet": Path("/dev/null")}, "not both"),
        ("issue", {"count": 1, "reader": "virtual"}, "a reader of its own"),
        ("issue", {"count": 1, "keys": Path("/nowhere")}, "holds no band-master.key"),
        ("plan", {"is_practising": True}, "--plan or --practice, not both"),
        ("plan", {"chip": "ntag424"}, "--plan or --chip, not both"),
        ("plan", {"plan": None, "chip": "ntag213"}, "--chip is one of desfire"),
        ("plan", {"plan": None, "count": 2}, "give a plan"),
        ("read", {"plan": None, "reader": "virtual"}, "`tapthread virtual --pn532 PATH`"),
        ("enter", {"report": None}, "give the report"),
    ],
)
def test_what_makes_no_sense_ends_with_2_and_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    more: dict[str, Any],
    words: str,
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    asked = band_station.Asked(data=tmp_path, reader="pn532:/dev/nowhere", plan=plan)

    with pytest.raises(typer.Exit) as ended:
        band_station.run(what, replace(asked, **more))

    assert ended.value.exit_code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "encoder/bands.journal").exists()


def test_a_band_issued_with_keys_of_files_is_whole_by_the_same_keys_in_a_token(
    at: At, capsys: pytest.CaptureFixture[str]
) -> None:
    band, folder = chip(1), at.folder / "data/centre"
    issued(at, band)
    master, group = (
        (folder / name).read_bytes() for name in ("band-master.key", "band-group.key")
    )
    label = softhsm.new_token()
    TokenBandKeys.open(
        softhsm.module(), label=label, pin=softhsm.PIN, bring=(master, group)
    ).close()
    for path in folder.iterdir():
        path.unlink()
    (at.folder / "pin").write_text(f"{softhsm.PIN}\n")
    at.field.present(band)

    band_station.run(
        "verify",
        band_station.Asked(
            data=at.folder / "data", reader=f"pn532:{at.reader.path}", plan=at.folder / "plan.toml",
            token=label, token_module=softhsm.module(), token_pin=at.folder / "pin",
        ),
    )  # fmt: skip

    assert "This band is as planned" in capsys.readouterr().out
