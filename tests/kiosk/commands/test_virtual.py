"""`tapthread virtual` as a program uses it: lines in, lines out, a terminal in between."""

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import BandLeft
from drivers.readers.pn532 import Pn532Reader
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import FURTHER_MAX, SAMPLES, sample_band, uid_of
from hardware.virtual.faults import FaultKind
from hardware.virtual.pn532 import LineFault
from hardware.virtual.private_pcscd import PrivatePcscd
from kiosk.demo.bands import demo_band
from tests.support.commands import environment, line_of, run
from tests.support.commands import started as command

ANSWER_S = 30
STDERR = 2


class Child:
    """A running `tapthread virtual`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def heard(self) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
        assert ready, "it said nothing"
        return self.process.stdout.readline().decode().strip()

    def ask(self, line: str) -> str:
        """Say a line, hear the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode("utf-8", "surrogateescape") + b"\n")
        self.process.stdin.flush()
        return self.heard()


@contextmanager
def started(*arguments: str | Path, stdin: int = subprocess.PIPE) -> Iterator[Child]:
    """A child that is gone afterwards."""
    process = command(
        "virtual", *arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=STDERR, bufsize=0
    )
    try:
        yield Child(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def uid_seen(link: Path) -> bytes | None:
    """What libnfc's own tool sees on the virtual reader."""
    more = {
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{link}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }
    done = subprocess.run(
        ["nfc-list"], env=environment(**more), capture_output=True, text=True, timeout=30,
        check=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if "UID" in line:
            return bytes.fromhex(line.partition(":")[2])
    return None


def test_the_list_has_bands_faults_and_readers_a_line_each() -> None:
    listed = run("virtual", "--list").stdout.splitlines()

    first = demo_band(listed[0].split("  ")[0])
    assert listed[0] == f"{first.name}  desfire_ev2  {first.customer}"
    assert {len(line.split("  ")) for line in listed} == {3}
    assert len(listed) == len({line.split("  ")[0] for line in listed})
    names = {line.split("  ")[0] for line in listed}
    assert names >= {"maya", "ntag424-sun-lrp", "ultralight-aes-mac", "ntag216", "felica"}
    assert names >= {"bank-card", "telephone-yes", "twin-b", "uid-changing", "desfire-fresh"}
    assert names >= {fault.value for fault in FaultKind} | {fault.value for fault in LineFault}
    assert names >= {"reader-lost", "slot-back", "--vpcd HOST:PORT", "maker-ntag424"}


def test_any_band_runs_with_any_fault_on_a_reader_that_says_where_it_is() -> None:
    with started("--band", "ntag213-password", "--fault", "wrong-mac:2") as child:
        ready = child.heard()
        where = Path(ready.removeprefix("ready pn532="))
        seen = uid_seen(where)
        lines = [
            child.ask(line)
            for line in ("present twin-a twin-b", "fault uart-late 5", "fault counter-reset 3",
                         "present ntag213", "present ntag424", "present uid-zero maya")
        ]  # fmt: skip

    assert where.parent == Path("/dev/pts")
    assert seen == uid_of("ntag213-password")
    assert lines == [
        "ok present twin-a twin-b",
        "ok fault uart-late",
        "ok fault counter-reset 3",
        "error impossible this band cannot have the fault counter-reset",
        "ok present ntag424",
        "error impossible this band cannot have the fault counter-reset",
    ]


def test_every_listed_band_can_be_presented_and_every_fault_set() -> None:
    names = [sample.name for sample in SAMPLES]
    with started("--band", "maya", "--band", "lena") as child:
        child.heard()

        presented = [child.ask(f"present {name}") for name in names]
        faults = [child.ask(f"fault {fault.value} 2") for fault in FaultKind]

    assert presented == [f"ok present {name}" for name in names]
    assert faults == [f"ok fault {fault.value} 2" for fault in FaultKind]


def test_bands_come_and_go_as_they_are_told_to(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link) as child:
        ready = child.heard()
        empty = uid_seen(link)
        presented = child.ask("present maya")
        seen = uid_seen(link)
        removed = child.ask("remove")
        after = uid_seen(link)
        quitting = child.ask("quit")
        status = child.process.wait(ANSWER_S)

    assert ready == f"ready pn532={link}"
    assert (presented, removed, quitting) == ("ok present maya", "ok remove", "ok quit")
    assert (empty, seen, after) == (None, demo_band("maya").uid, None)
    assert status == 0
    assert not os.path.lexists(link)


def test_a_band_on_the_command_line_is_there_at_once(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link, "--band", "ruth") as child:
        child.heard()

        assert uid_seen(link) == demo_band("ruth").uid


def test_what_cannot_be_done_is_said_and_changes_nothing(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link, "--band", "maya") as child:
        child.heard()
        answers = [
            child.ask(line).split()[:2]
            for line in ("present stranger", "present", "present maya maya", "dance", "",
                         "fault gravity", "fault mute 0", "remove maya", "\x1b[31m",
                         f"fault delay {10**30}", "\x00\udcff", "y" * 200_000,
                         "x" * 3_000 + " remove")
        ]  # fmt: skip

        assert answers == [
            ["error", "unknown-band"],
            ["error", "usage"],
            ["error", "usage"],
            ["error", "unknown-command"],
            ["error", "usage"],
            ["error", "unknown-fault"],
            ["error", "usage"],
            ["error", "usage"],
            ["error", "unknown-command"],
            ["error", "usage"],
            ["error", "unknown-command"],
            ["error", "usage"],
            ["error", "usage"],
        ]
        assert uid_seen(link) == demo_band("maya").uid


def test_a_lost_reader_takes_its_link_along_and_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link, "--band", "maya") as child:
        child.heard()
        lost = child.ask("fault reader-lost")
        was_there = os.path.lexists(link)
        back = child.ask("fault reader-back")

        assert (lost, was_there, back) == (
            "ok fault reader-lost",
            False,
            "ok fault reader-back",
        )
        assert uid_seen(link) == demo_band("maya").uid


def test_the_end_of_input_is_no_end_unless_asked_for(tmp_path: Path) -> None:
    with started("--pn532", tmp_path / "a", stdin=subprocess.DEVNULL) as child:
        child.heard()
        assert uid_seen(tmp_path / "a") is None
        assert child.process.poll() is None

    with started("--pn532", tmp_path / "b", "--until-eof", stdin=subprocess.DEVNULL) as child:
        child.heard()
        assert child.process.wait(ANSWER_S) == 0
    assert not os.path.lexists(tmp_path / "b")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link) as child:
        child.heard()

        child.process.send_signal(number)

        assert child.process.wait(ANSWER_S) == 0
    assert not os.path.lexists(link)


def test_the_link_of_a_reader_that_is_running_is_not_taken_over(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link, "--band", "maya") as first:
        first.heard()

        second = run("virtual", "--pn532", link, "--band", "lena")

        assert second.returncode == 2
        assert "that is running; end that one, or give another link" in second.stderr
        assert uid_seen(link) == demo_band("maya").uid


def test_a_link_that_was_made_anew_by_hand_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link) as first:
        first.heard()
        link.unlink()
        link.symlink_to("/dev/pts/ptmx")

        first.ask("quit")
        first.process.wait(ANSWER_S)

    assert link.readlink() == Path("/dev/pts/ptmx")


def test_there_are_as_many_new_chips_of_a_kind_as_somebody_asks_for() -> None:
    with started("--band", "ntag424-new") as child:
        child.heard()

        told = [
            child.ask(f"present {name}")
            for name in (
                "ntag424-new:2 ntag424-new:3", "ntag424-new:1", "ntag424-new:x", "maya:2",
                f"ntag424-new:{FURTHER_MAX + 1}",
            )
        ]  # fmt: skip

    assert told[0] == "ok present ntag424-new:2 ntag424-new:3"
    assert all(words.startswith("error unknown-band") for words in told[1:])
    entropy = SeededEntropy("x")
    uids = {sample_band(name, entropy=entropy).uid for name in ("ntag213", "ntag213:2")}  # type: ignore[attr-defined]  # these have one
    assert len(uids) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ((), "usage", 2),
        (("--vpcd", "nowhere"), "address", 2),
        (("--vpcd", "127.0.0.1:99999"), "address", 2),
        (("--vpcd", "127.0.0.1:" + "9" * 5_000), "address", 2),
        (("--vpcd", "127.0.0.1:1"), "vpcd-absent", 1),
        (("--pn532", "/no/such/folder/pn532"), "link", 2),
        (("--pn532", "LINK", "--band", "stranger"), "unknown-band", 2),
        (("--band", "stranger"), "unknown-band", 2),
        (("--band", "maya", "--fault", "gravity"), "unknown-fault", 2),
        (("--band", "ntag213", "--fault", "wrong-rotation:2"), "impossible", 2),
        (("--band", "maya", "--fault", "uart-late:20"), "usage", 2),
        (("--band", "maya", "--fault", "slot-lost"), "usage", 2),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: str, status: int
) -> None:
    link = str(tmp_path / "pn532")

    done = run("virtual", *(link if word == "LINK" else word for word in arguments))

    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.rstrip().endswith(f"[{code}]")
    assert ("there is no '" in done.stderr) == code.startswith("unknown")
    assert "Traceback" not in done.stderr
    assert not os.path.lexists(link)


def test_the_last_line_needs_no_line_feed(tmp_path: Path) -> None:
    with started("--pn532", tmp_path / "pn532", "--until-eof") as child:
        child.heard()
        assert child.process.stdin is not None

        child.process.stdin.write(b"present maya")
        child.process.stdin.close()

        assert child.heard() == "ok present maya"
        assert child.process.wait(ANSWER_S) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_not_taken_for_the_serial_port(
    tmp_path: Path, closed: str
) -> None:
    link = tmp_path / "pn532"
    command = shlex.join([*line_of("virtual", "--pn532", link), "--band", "maya"])
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command} {closed}"], env=environment(), stdout=subprocess.DEVNULL
    )

    try:
        clock = SystemClock()
        until_ms = clock.ticks_ms() + ANSWER_S * 1_000
        while not os.path.lexists(link) and clock.ticks_ms() < until_ms:
            assert process.poll() is None
            clock.sleep_ms(10)
        seen = uid_seen(link)
        process.terminate()
        status = process.wait(ANSWER_S)
    finally:
        process.kill()
        process.wait()

    assert seen == demo_band("maya").uid
    assert status == 0


def test_nobody_who_reads_the_answers_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with started("--pn532", tmp_path / "pn532") as child:
        child.heard()
        assert child.process.stdin is not None
        os.set_blocking(child.process.stdin.fileno(), False)
        n_full = 0
        while n_full < 20:
            _, writable, _ = select.select([], [child.process.stdin], [], 0.05)
            n_full = (
                0 if writable and child.process.stdin.write(b"dance\n" * 500) else n_full + 1
            )

        child.process.send_signal(signal.SIGTERM)

        assert child.process.wait(ANSWER_S) == 0


def test_a_band_that_answers_late_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link) as child:
        child.heard()
        child.ask("fault delay 100000")
        child.ask("present maya")
        reader = Pn532Reader.opened(str(link), SystemClock())
        target = reader.wait_for_target(500)
        assert target is not None
        with pytest.raises(BandLeft):
            reader.connect(target).transmit(bytes.fromhex("9060000000"))

        assert child.ask("quit") == "ok quit"
        assert child.process.wait(ANSWER_S) == 0
    reader.close()


def test_a_link_that_leads_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    link.symlink_to("/dev/ttyUSB77")

    done = run("virtual", "--pn532", link)

    assert done.returncode == 2
    assert link.readlink() == Path("/dev/ttyUSB77")


def test_a_link_left_behind_by_one_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link) as killed:
        killed.heard()
        killed.process.kill()
        killed.process.wait()
        assert os.path.lexists(link)

        with started("--pn532", link, "--band", "maya") as child:
            child.heard()
            assert uid_seen(link) == demo_band("maya").uid


def test_a_client_that_was_killed_in_the_middle_leaves_nothing_for_the_next(
    tmp_path: Path,
) -> None:
    link = tmp_path / "pn532"
    with started("--pn532", link, "--band", "maya") as child:
        child.heard()
        for _ in range(3):
            client = os.open(link, os.O_RDWR | os.O_NOCTTY)
            os.write(client, bytes.fromhex("5555000000ff03fdd4140117000000ff04fcd44a0100"))
            os.close(client)

            assert uid_seen(link) == demo_band("maya").uid


def test_a_file_where_the_link_should_be_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("kept")

    done = run("virtual", "--pn532", path)

    assert done.returncode == 2
    assert path.read_text() == "kept"


def test_a_program_for_pcsc_meets_the_band_and_a_slot_that_is_left_and_joined_again() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
    daemon = PrivatePcscd(folder, clock=SystemClock())
    daemon.start()
    words = ["opensc-tool", "-s", "00:A4:04:0C:07:D2:76:00:00:85:01:01"]
    try:
        with started("--vpcd", f"127.0.0.1:{daemon.port}", "--band", "ntag424") as child:
            ready = child.heard()
            first = said_by(words, daemon)
            lines = [child.ask("fault slot-lost"), child.ask("fault slot-back")]
            second = said_by(words, daemon)
            refused = child.ask("fault reader-lost")
    finally:
        daemon.stop()
        shutil.rmtree(folder)

    assert ready == f"ready vpcd=127.0.0.1:{daemon.port}"
    assert lines == ["ok fault slot-lost", "ok fault slot-back"]
    assert refused.startswith("error usage")
    assert "SW1=0x90, SW2=0x00" in first
    assert "SW1=0x90, SW2=0x00" in second


def test_a_program_that_hears_it_is_ready_meets_the_band_at_its_first_look() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
    daemon = PrivatePcscd(folder, clock=SystemClock())
    daemon.start()
    look = (
        "from smartcard import scard; print('look', flush=True); input();"
        "_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER);"
        "_, states = scard.SCardGetStatusChange(context, 0, [('Virtual PCD 00 00', 0)]);"
        "print(bool(states[0][1] & scard.SCARD_STATE_PRESENT))"
    )
    try:
        with subprocess.Popen(
            [sys.executable, "-c", look], env=environment(**daemon.environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as program:  # fmt: skip
            assert program.stdout is not None
            begun = program.stdout.readline()
            with started("--vpcd", f"127.0.0.1:{daemon.port}", "--band", "ntag424") as child:
                ready = child.heard()
                said, _ = program.communicate("\n", timeout=ANSWER_S)
    finally:
        daemon.stop()
        shutil.rmtree(folder)

    assert (begun, ready.partition("=")[0], said) == ("look\n", "ready vpcd", "True\n")


def said_by(words: list[str], daemon: PrivatePcscd) -> str:
    """What a PC/SC program says once there is a card: it is asked again until then."""
    until = time.monotonic() + ANSWER_S
    while True:
        done = subprocess.run(
            words, env=environment(**daemon.environment), capture_output=True, text=True, timeout=ANSWER_S, check=False,
        )  # fmt: skip
        if done.returncode == 0 and "SW1" in done.stdout:
            return done.stdout
        assert time.monotonic() < until, done.stderr
        time.sleep(0.05)
