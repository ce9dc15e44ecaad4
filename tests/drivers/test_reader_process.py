"""`tapthread reader` as a process: lines out, lines in, a virtual PN532 on a pseudo terminal."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import ReaderAbsent
from drivers.lines import (
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Seen,
    Stop,
    line_of,
    said_of,
)
from drivers.pump import Hearing
from hardware.clock import SystemClock
from hardware.virtual.field import Field
from hardware.virtual.pn532 import VirtualPn532
from kiosk.commands import reader
from kiosk.commands.reader import EXIT_INPUT_OVER, INPUT_OVER, hear, watch
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band, band_key
from tests.support.commands import Running, environment, run, running
from tests.support.commands import line_of as line_of_command
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (virtual_reader,)
"""Fixtures are found by name; this says that it is meant to be here."""


def _tell(process: Running, value: GroupKey | Key | Stop) -> None:
    process.tell(line_of(value).decode().rstrip())


def test_a_tap_is_said_in_lines_and_a_key_is_asked_for(virtual_reader: VirtualReader) -> None:
    with running("reader", "--reader", f"pn532:{virtual_reader.path}") as process:
        _tell(process, GroupKey(GROUP_KEY.hex()))
        state = said_of(process.line().encode())
        virtual_reader.field.present(band(is_random=True))
        seen = said_of(process.line().encode())
        wanted = said_of(process.line().encode())
        assert isinstance(wanted, KeyWanted)
        _tell(process, Key(wanted.tap, band_key(bytes.fromhex(wanted.uid)).hex()))
        proved = said_of(process.line().encode())
        virtual_reader.field.remove()
        left = said_of(process.line().encode())
        _tell(process, Stop())
        code = process.process.wait(10)

    assert isinstance(state, ReaderState)
    assert state.code == ""
    assert isinstance(seen, Seen)
    assert wanted.uid == UID.hex()
    assert isinstance(proved, Proved)
    assert (proved.kind, proved.band, proved.n_exchanges) == ("mutual", REFERENCE.hex(), 7)
    assert proved.authenticate_us > 0
    assert left == Left(1)
    assert code == 0


def test_the_process_ends_when_whoever_started_it_is_gone_and_says_why(
    virtual_reader: VirtualReader,
) -> None:
    with running("reader", "--reader", f"pn532:{virtual_reader.path}") as process:
        assert isinstance(said_of(process.line().encode()), ReaderState)
        assert process.process.stdin is not None
        process.process.stdin.close()
        last = said_of(process.line().encode())
        code = process.process.wait(10)

    assert isinstance(last, ReaderState)
    assert (last.code, code) == (INPUT_OVER, EXIT_INPUT_OVER)
    assert "standard input ended" in last.reason


def test_a_reader_that_is_not_there_is_said_and_looked_for_until_stopped() -> None:
    with running("reader", "--reader", "pn532:/nowhere") as process:
        state = said_of(process.line().encode())
        code = process.stop()

    assert state == ReaderState("pn532:/nowhere", "reader_absent", "no such serial port")
    assert code == 0


def test_a_reader_whose_library_is_not_installed_is_said_to_be_absent_and_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)

    with pytest.raises(ReaderAbsent, match="pyscard"):
        reader._opened("pcsc", SystemClock())


@pytest.mark.parametrize("spec", ["virtual", "usb", "pn532:"])
def test_a_kind_of_reader_that_cannot_be_opened_here_is_said_and_ends_with_2(spec: str) -> None:
    ended = run("reader", "--reader", spec)

    assert ended.returncode == 2
    assert "pcsc" in ended.stderr
    assert ended.stdout == ""


def test_a_library_that_never_returns_does_not_keep_the_process_from_ending(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "pcscd.comm"))
        daemon.listen()
        daemon.settimeout(30)
        with running(
            "reader",
            "--reader",
            "pcsc",
            env=environment(PCSCLITE_CSOCK_NAME=str(tmp_path / "pcscd.comm")),
        ) as process:
            unanswered, _ = daemon.accept()
            assert process.process.stdin is not None

            process.process.stdin.close()
            code = process.process.wait(30)

        unanswered.close()
    assert code == 3


def _looks(*steps: int) -> Callable[[], int]:
    left = list(steps)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_loop_that_stands_still_is_ended() -> None:
    ended: list[str] = []

    watch(_looks(1, 2, 2, 3, 3), Hearing(), lambda: ended.append("ended"), look_ms=1, hang_ms=3)

    assert ended == ["ended"]


def test_a_loop_that_turns_is_left_alone_until_it_is_told_to_stop() -> None:
    hearing, ended = Hearing(), list[int]()
    steps = iter(range(50))

    def n_steps() -> int:
        step = next(steps)
        if step == 40:
            hearing.end()
        return step

    watch(n_steps, hearing, lambda: ended.append(next(steps)), look_ms=1, hang_ms=3, end_ms=1)

    assert ended == [41]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_reader_asleep_at_its_first_speed(
    tmp_path: Path, number: signal.Signals
) -> None:
    virtual = VirtualPn532(
        field=Field(), clock=SystemClock(), link=tmp_path / "strict", is_speed_strict=True
    )
    virtual.start()
    with running("reader", "--reader", f"pn532:{virtual.path}") as process:
        process.line()

        process.process.send_signal(number)
        code = process.process.wait(30)

    speed = virtual._chip.speed
    virtual.close()
    assert (code, speed) == (0, 115_200)


def test_closed_standard_streams_do_not_become_the_readers_port(
    virtual_reader: VirtualReader,
) -> None:
    command = shlex.join(line_of_command("reader", "--reader", f"pn532:{virtual_reader.path}"))

    ended = subprocess.run(
        ["sh", "-c", f"exec {command} <&- >&-"], env=environment(), timeout=30, check=False,
        capture_output=True,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (EXIT_INPUT_OVER, b"")


def test_more_lines_than_anybody_reads_about_are_passed_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hearing = Hearing()
    reader, writer = os.pipe()
    os.write(writer, b"nonsense\n" * 1_000 + line_of(GroupKey("00" * 16)))
    os.close(writer)

    hear(reader, hearing)

    os.close(reader)
    assert hearing.group_key(0) is not None
    assert capsys.readouterr().err.count("ignored") == 10


def test_lines_that_are_none_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    hearing = Hearing()
    reader, writer = os.pipe()
    thread = threading.Thread(target=hear, args=(reader, hearing))
    thread.start()

    os.write(writer, b"\n{}\nnot json\n" + b"x" * 9_000 + b"\n" + line_of(GroupKey("00" * 16)))
    os.write(writer, line_of(Key(7, "11" * 16))[:10])
    os.write(writer, line_of(Key(7, "11" * 16))[10:])
    os.close(writer)
    thread.join(10)
    os.close(reader)

    assert hearing.is_over
    group, key = hearing.group_key(0), hearing.key_of(7, 0)
    assert group is not None
    assert key is not None
    assert (group.value, key.value) == (bytes(16), b"\x11" * 16)
    assert capsys.readouterr().out == ""
