"""What `tapthread doctor` makes of findings: lines, an object, an exit code."""

import json
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.findings import Finding, Machine, Standing, Subject
from kiosk.doctor import exit_code_of, findings_of, line_of, printed

WELL = Finding("port", Standing.WELL, "It is there.")
NOTE = Finding("profile", Standing.NOTE, "Never tried.")
WARNING = Finding("modem", Standing.WARNING, "It may be taken.", "sudo install x")
BROKEN = Finding("pn532", Standing.BROKEN, "It is not there.", "plug it in")


@pytest.mark.parametrize(
    ("found", "code"),
    [((), 0), ((WELL, NOTE), 0), ((WELL, WARNING), 0), ((BROKEN,), 1), ((WELL, BROKEN), 1)],
)
def test_only_what_is_broken_makes_it_fail(found: tuple[Finding, ...], code: int) -> None:
    assert exit_code_of(found) == code
    assert printed(found)["is_well"] is (code == 0)


def test_a_finding_is_one_line_with_the_command_behind_it() -> None:
    lines = [line_of(each) for each in (WELL, WARNING, BROKEN)]

    assert lines == [
        "ok   port             It is there.",
        "warn modem            It may be taken.  -> sudo install x",
        "BAD  pn532            It is not there.  -> plug it in",
    ]


def test_the_object_says_all_that_the_lines_say() -> None:
    said = json.loads(json.dumps(printed((BROKEN,))))

    assert said == {
        "is_well": False,
        "findings": [
            {
                "code": "pn532",
                "standing": "broken",
                "line": "It is not there.",
                "fix": "plug it in",
            }
        ],
    }


def test_the_checks_of_every_package_are_collected_machine_first(tmp_path: Path) -> None:
    subject = Subject(Machine(root=tmp_path), tmp_path, f"pn532:{tmp_path}/none")

    codes = [each.code for each in findings_of(subject, SystemClock())]

    assert codes == ["kernel-driver", "data", "port"]


def test_every_line_of_a_broken_machine_names_what_mends_it(tmp_path: Path) -> None:
    subject = Subject(Machine(root=tmp_path), tmp_path, f"pn532:{tmp_path}/none")

    found = findings_of(subject, SystemClock())

    assert all(each.fix for each in found if each.standing is Standing.BROKEN)
    assert all("\n" not in line_of(each) for each in found)
