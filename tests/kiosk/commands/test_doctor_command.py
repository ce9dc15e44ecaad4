"""`tapthread doctor` as a technician and a program run it."""

import json
from pathlib import Path

from tests.support.commands import environment, run
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (virtual_reader,)


def test_a_device_in_order_is_said_line_by_line_and_ends_with_0(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    done = run("doctor", "--data", tmp_path, "--reader", f"pn532:{virtual_reader.path}")

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok   pn532            PN532 on {virtual_reader.path} answers." in lines
    assert all(line[:5] in {"ok   ", "note ", "warn "} for line in lines)


def test_a_reader_that_is_not_there_is_said_with_what_to_type_and_ends_with_1(
    tmp_path: Path,
) -> None:
    done = run("doctor", "--json", "--data", tmp_path, "--reader", f"pn532:{tmp_path}/none")

    said = json.loads(done.stdout)
    broken = [each for each in said["findings"] if each["standing"] == "broken"]
    assert done.returncode == 1
    assert said["is_well"] is False
    assert [(each["code"], bool(each["fix"])) for each in broken] == [("port", True)]


def test_a_machine_without_the_pcsc_service_is_told_how_to_bring_it(tmp_path: Path) -> None:
    where = environment(PCSCLITE_CSOCK_NAME=str(tmp_path / "no-daemon"))

    done = run("doctor", "--data", tmp_path, "--reader", "pcsc", env=where)

    line = next(line for line in done.stdout.splitlines() if "pcsc-service" in line)
    assert done.returncode == 1
    assert line.startswith("BAD  pcsc-service     The PC/SC service is not there.  -> ")
    assert "pcscd" in line.partition(" -> ")[2]
    assert ("systemctl" in line) == Path("/run/systemd/system").exists()


def test_a_reader_nobody_knows_is_no_finding_but_a_wrong_setting(tmp_path: Path) -> None:
    done = run("doctor", "--data", tmp_path, "--reader", "telepathy")

    assert done.returncode == 2
    assert "telepathy" in done.stderr
