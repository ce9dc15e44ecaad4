"""A person practises issuing from the command line: virtual chips as they come from the factory, every act, no hardware."""

import contextlib
import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer

from drivers.issuing.plan import PRACTICE, Chip
from hardware.entropy import SystemEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.catalogue import sample_band
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.field import Field
from kiosk.commands import band_station
from kiosk.commands.band_station import PRACTISED
from tests.support.commands import Running, run, running
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (virtual_reader,)
SHEET = "label\nMaya\nTom\nLena\n"
NEW = "desfire-ev2-new"


def rows(report: Path) -> list[dict[str, str]]:
    with report.open(newline="") as file:
        return list(csv.DictReader(file))


def held(reader: Running, station: Running, name: str) -> str:
    """Hold a band to the reader until the station has said what became of it."""
    assert reader.ask(f"present {name}") == f"ok present {name}"
    words = station.line()
    reader.tell("remove")
    assert reader.line() == "ok remove"
    return words


@dataclass(frozen=True, slots=True)
class Practice:
    """A folder with a plan and a sheet, and a virtual reader that runs."""

    folder: Path
    reader: Running

    @property
    def where(self) -> tuple[str | Path, ...]:
        return ("--data", self.folder / "data", "--reader", f"pn532:{self.folder / 'reader'}")

    @property
    def with_plan(self) -> tuple[str | Path, ...]:
        return ("--plan", self.folder / "practice.toml", *self.where)

    def do(self, act: str, *more: str | Path) -> str:
        """Run one act to its end, which is a good one."""
        done = run("band", act, *self.with_plan, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issuing(self) -> AbstractContextManager[Running]:
        return running("band", "issue", "--sheet", self.folder / "sheet.csv", *self.with_plan)


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    (tmp_path / "sheet.csv").write_text(SHEET)
    (tmp_path / "practice.toml").write_text(run("band", "plan", "--practice").stdout)
    with running("virtual", "--pn532", tmp_path / "reader") as reader:
        reader.line()
        yield Practice(tmp_path, reader)


def issued(practice: Practice) -> list[str]:
    """One band whole, one taken away in the middle and the station ended; then gone on with. What was said."""
    with practice.issuing() as station:
        said = [station.line(), held(practice.reader, station, NEW)]
        practice.reader.ask("fault tear-command 25")
        said.append(held(practice.reader, station, f"{NEW}:2"))
        practice.reader.ask("fault none")
    with practice.issuing() as station:
        said += [station.line(), station.line(), station.line()]
        said += [held(practice.reader, station, f"{NEW}:{number}") for number in (3, 2)]
        said.append(station.line())
        assert station.line().startswith("Report: ")
        assert station.process.wait(20) == 0
    return said


def test_issuing_is_practised_from_plan_to_retirement_by_commands_alone(
    practice: Practice,
) -> None:
    reader, folder = practice.reader, practice.folder

    planned = run("band", "plan", *practice.with_plan[:2], "--sheet", folder / "sheet.csv")
    said = issued(practice)
    report = rows(folder / "sheet.practice.csv")
    maya = report[0]["band"]
    reader.ask(f"present {NEW}")
    whole = practice.do("verify")
    told = run("band", "read", *practice.where).stdout
    reader.ask(f"present {NEW}:4")
    practice.do("replace", "--band", maya, "--report", folder / "r.csv")
    reader.ask(f"present {NEW}")
    retired = practice.do("retire", "--band", maya)
    after = run("band", "read", *practice.where).stdout
    entered = run("band", "enter", "--report", folder / "sheet.practice.csv", *practice.where)

    assert "PRACTICE Maya" in planned.stdout
    assert [line.split(" is issued")[0] for line in said] == [
        PRACTISED, "PRACTICE Maya", "The band was taken away too early. Hold the same band again.",
        PRACTISED, "1 of 3 were issued before.",
        f"Begun before and not whole: PRACTICE Tom (line 3). {band_station.GO_ON}",
        "PRACTICE Lena", "PRACTICE Tom",
        "PRACTICE 3 of 3 bands are issued, 0 were refused.",
    ]  # fmt: skip
    assert [(row["number"], row["line"], row["label"], row["mark"]) for row in report] == [
        ("1", "2", "PRACTICE Maya", PRACTICE),
        ("2", "4", "PRACTICE Lena", PRACTICE),
        ("3", "3", "PRACTICE Tom", PRACTICE),
    ]
    assert "This band is as planned" in whole
    assert f"band             {maya}" in told
    assert "ours             PRACTICE" in told
    assert report[0]["uid"] not in told
    assert rows(folder / "r.csv")[0]["replaces"] == maya
    assert f"Band {maya} is retired" in retired
    assert "it has no id: begun and not whole, or retired" in after
    assert (entered.returncode, "no centre learns of them" in entered.stderr) == (2, True)
    journal = (folder / "data/encoder-practice/bands.journal").read_text().splitlines()
    assert all('"mark":"PRACTICE"' in line for line in journal)
    assert not (folder / "data/encoder").exists()


def asked(folder: Path, reader: VirtualReader, chip: Chip) -> band_station.Asked:
    plan = folder / "plan.toml"
    if not plan.exists():
        plan.write_text(run("band", "plan", "--practice", "--chip", chip.value).stdout)
    return band_station.Asked(
        data=folder, reader=f"pn532:{reader.path}", plan=plan, count=1, timeout_ms=5_000
    )


@pytest.mark.parametrize(
    ("name", "chip"),
    [
        ("desfire-ev3-new", Chip.DESFIRE),
        ("ntag424-new", Chip.NTAG424),
        ("ultralight-aes-new", Chip.ULTRALIGHT_AES),
    ],
)
def test_every_chip_that_can_be_issued_can_be_practised_with(
    name: str,
    chip: Chip,
    tmp_path: Path,
    virtual_reader: VirtualReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wish = asked(tmp_path, virtual_reader, chip)
    field: Field = virtual_reader.field
    field.present(sample_band(name, entropy=SystemEntropy()))

    for act in ("issue", "verify", "read", "retire"):
        band_station.run(act, wish)

    said = capsys.readouterr().out
    assert "PRACTICE 1 of 1 band is issued" in said
    assert "This band is as planned" in said
    assert "is retired" in said


def test_practice_and_real_bands_are_kept_apart(
    tmp_path: Path, virtual_reader: VirtualReader, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = replace(asked(tmp_path, virtual_reader, Chip.DESFIRE), timeout_ms=200)
    plan = tmp_path / "plan.toml"
    plan.write_text(f"generation_min = 1\n{plan.read_text()}")
    real = tmp_path / "real.toml"
    real.write_text("layout = 1\ngeneration_min = 1\n")
    for name in ("band-master.key", "band-group.key"):
        (tmp_path / "centre").mkdir(exist_ok=True)
        (tmp_path / "centre" / name).write_bytes(SystemEntropy().draw(16))

    def said(band: VirtualBand, wish: band_station.Asked) -> str:
        virtual_reader.field.present(band)
        with contextlib.suppress(typer.Exit):
            band_station.run("issue", wish)
        return "".join(capsys.readouterr())

    virtual = sample_band("desfire-ev2-new", entropy=SystemEntropy())
    unsigned = VirtualDesfire.fresh(uid=b"\x04unsign", ev=1, entropy=SystemEntropy())
    by_real_plan = said(virtual, replace(wish, plan=real))
    practised_on_real = said(unsigned, wish)
    with_brands_keys = said(virtual, replace(wish, keys=tmp_path / "centre"))
    practised = said(virtual, replace(wish, report=tmp_path / "r.csv"))
    in_one_report = said(virtual, replace(wish, plan=real, report=tmp_path / "r.csv"))

    assert "the maker did not sign this chip's UID" in by_real_plan
    assert "the chip has no signature of its maker" in practised_on_real
    assert "practice has keys of its own" in with_brands_keys
    assert "PRACTICE Band 1 is issued" in practised
    assert "practice and real bands do not stand in one report" in in_one_report
