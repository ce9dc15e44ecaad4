"""`tapthread reader` as a process: lines out, lines in, a virtual PN532 on a pseudo terminal."""

import os
import threading

import pytest

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
from kiosk.commands.reader import hear
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band, band_key
from tests.support.commands import Running, run, running
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


def test_the_process_ends_when_whoever_started_it_is_gone(
    virtual_reader: VirtualReader,
) -> None:
    with running("reader", "--reader", f"pn532:{virtual_reader.path}") as process:
        assert isinstance(said_of(process.line().encode()), ReaderState)
        assert process.process.stdin is not None
        process.process.stdin.close()
        code = process.process.wait(10)

    assert code == 0


def test_a_reader_that_is_not_there_is_said_and_looked_for_until_stopped() -> None:
    with running("reader", "--reader", "pn532:/nowhere") as process:
        state = said_of(process.line().encode())
        code = process.stop()

    assert state == ReaderState("pn532:/nowhere", "reader_absent", "no such serial port")
    assert code == 0


@pytest.mark.parametrize("spec", ["virtual", "usb", "pn532:"])
def test_a_kind_of_reader_that_cannot_be_opened_here_is_said_and_ends_with_2(spec: str) -> None:
    ended = run("reader", "--reader", spec)

    assert ended.returncode == 2
    assert "pcsc" in ended.stderr
    assert ended.stdout == ""


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
