"""The page of the virtual readers: what it tells people to type does what it says."""

import re
import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport

import hardware.virtual
from drivers.readers.opening import opened
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import sample_band, uid_of
from hardware.virtual.private_pcscd import PrivatePcscd
from tests.support.commands import Running, run, running
from tests.support.referees import asked, program, uids_listed
from tests.support.virtual_reader import VirtualReader

PAGE = (Path(hardware.virtual.__file__).parent / "README.md").read_text()


def lines_of(heading: str) -> list[list[str]]:
    """The command lines under a heading, without `tapthread` and without the remarks behind them."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = part.partition("```\n")[2].partition("```")[0]
    return [shlex.split(re.split(r" {2,}", line)[0])[1:] for line in block.splitlines()]


def said_by_libnfc(words: str, path: Path) -> str:
    """What a line with settings in front says of the reader at `path`."""
    *settings, name = shlex.split(words.replace("PATH", str(path)))
    return asked([program(name)], environment=dict(each.split("=", 1) for each in settings))


def test_every_way_to_start_says_where_its_reader_is(
    tmp_path: Path, private_pcscd: PrivatePcscd
) -> None:
    places = {
        "/tmp/reader": str(tmp_path / "reader"),
        "127.0.0.1:35963": f"127.0.0.1:{private_pcscd.port}",
    }
    listing, *readers = lines_of("Start")
    assert listing == ["virtual", "--list"]
    said = []

    for words in readers:
        with running(*(places.get(word, word) for word in words)) as reader:
            said.append(reader.line())
            assert reader.ask("quit") == "ok quit"

    assert "desfire-ev2  " in run(*listing).stdout
    assert [line.partition("=")[0] for line in said] == [
        "ready pn532", "ready pn532", "ready vpcd", "ready pn532",
    ]  # fmt: skip
    assert said[1].endswith(places["/tmp/reader"])


def test_every_line_of_the_table_is_answered_with_ok(tmp_path: Path) -> None:
    table = re.findall(r"^\| `((?:present|remove|fault|quit)[^`]*)` \|", PAGE, re.MULTILINE)
    words = {"NAME [NAME ...]": "twin-a twin-b", "NAME [N]": "delay 5"}
    lines = []
    for line in table:
        act, _, rest = line.partition(" ")
        lines.append(f"{act} {words[rest]}" if rest else act)

    with running("virtual", "--pn532", tmp_path / "reader") as reader:
        reader.line()
        said = [reader.ask(line) for line in lines]

    assert [line.split(" ")[0] for line in lines] == ["present", "remove", "fault", "quit"]
    assert said == [f"ok {line}" for line in lines]


def test_libnfc_opens_it_with_the_settings_on_the_page(virtual_reader: VirtualReader) -> None:
    (line,) = re.findall(r"^\| libnfc, libfreefare \| `([^`]+)` \|", PAGE, re.MULTILINE)
    virtual_reader.field.present(sample_band("ntag424", entropy=SeededEntropy("page")))

    said = said_by_libnfc(line, virtual_reader.path)

    assert uids_listed(said) == [uid_of("ntag424").hex()]


def test_nfcpy_opens_it_with_the_line_on_the_page(virtual_reader: VirtualReader) -> None:
    (line,) = re.findall(r"^\| nfcpy \| `([^`]+)`", PAGE, re.MULTILINE)
    virtual_reader.field.present(sample_band("ntag213", entropy=SeededEntropy("page")))
    names: dict[str, Any] = {"PATH": str(virtual_reader.path)}

    exec(line, names)
    clf = names["clf"]
    assert str(virtual_reader.path) in str(clf)
    seen = clf.sense(nfc.clf.RemoteTarget("106A"))
    clf.close()

    assert bytes(seen.sdd_res) == uid_of("ntag213")


def test_a_daemon_of_ones_own_is_started_as_the_page_says() -> None:
    (example,) = re.findall(r"^```python\n(import os\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

    # The client library looks for the daemon once in a process, and this one has looked.
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.stdout, done.stderr) == (f"{uid_of('desfire-ev2').hex()}\n", "")


def test_our_own_drivers_open_it_with_the_line_on_the_page(
    virtual_reader: VirtualReader,
) -> None:
    (line,) = re.findall(r"^\| our own drivers \| `([^`]+)`", PAGE, re.MULTILINE)
    virtual_reader.field.present(sample_band("ntag213", entropy=SeededEntropy("page")))
    names: dict[str, Any] = {"opened": opened, "SystemClock": SystemClock}

    exec(line.replace("PATH", str(virtual_reader.path)), names)
    with closing(names["reader"]) as reader:
        seen = reader.wait_for_target(500)

    assert seen.uid == uid_of("ntag213")


def issued(reader: Running, station: Running, count: int) -> list[str]:
    """Hold one band after the other to the reader, as the page says; what the station said of each."""
    said = []
    for number in range(1, count + 1):
        said.append(station.line())
        assert reader.ask("remove") == "ok remove"
        if number < count:
            present = f"present desfire-ev2-new:{number + 1}"
            assert reader.ask(present) == f"ok {present}"
    return said


def test_issuing_is_practised_as_the_page_says(tmp_path: Path) -> None:
    places = {
        "/tmp/reader": str(tmp_path / "reader"),
        "practice.toml": str(tmp_path / "practice.toml"),
        "/tmp/practice": str(tmp_path / "practice"),
        "pn532:/tmp/reader": f"pn532:{tmp_path / 'reader'}",
    }
    lines = [
        [places.get(word, word) for word in words]
        for words in lines_of("Practise issuing, without any hardware")
    ]
    start, plan, look, issue = lines
    assert plan[-2:] == [">", places["practice.toml"]]
    assert "`remove`, then `present desfire-ev2-new:2` hold the next band" in PAGE

    with running(*start) as reader:
        reader.line()
        Path(plan[-1]).write_text(run(*plan[:-2]).stdout)
        looked = run(*look)
        with running(*issue) as station:
            begun = station.line()
            said = issued(reader, station, 3)
            end = station.line()

    assert looked.returncode == 0
    assert "PRACTICE" in begun
    assert all("is issued" in line for line in said)
    assert end.startswith("PRACTICE 3 of 3")
