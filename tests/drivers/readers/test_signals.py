"""Light and sound of each style, byte by byte as the manufacturers' manuals lay them out."""

import pytest

from drivers.readers.profiles import SignalStyle
from drivers.readers.signals import Control, Signal, controls_of


@pytest.mark.parametrize(
    ("signal", "command"),
    [
        (Signal.IDLE, "FF 00 40 0C 04 00 00 00 00"),
        (Signal.BUSY, "FF 00 40 0F 04 00 00 00 00"),
        (Signal.ACCEPT, "FF 00 40 0E 04 01 00 01 01"),
        (Signal.DENY, "FF 00 40 0D 04 01 01 02 01"),
    ],
)
def test_an_acr122_is_told_by_one_command(signal: Signal, command: str) -> None:
    controls = controls_of(SignalStyle.ACR122, signal)

    assert controls == (Control(bytes.fromhex(command), is_apdu=True),)


@pytest.mark.parametrize(
    ("signal", "commands"),
    [
        (Signal.IDLE, ["E0 00 00 29 01 00"]),
        (Signal.BUSY, ["E0 00 00 29 01 03"]),
        (Signal.ACCEPT, ["E0 00 00 29 01 02", "E0 00 00 28 01 0A"]),
        (Signal.DENY, ["E0 00 00 29 01 01", "E0 00 00 28 01 1E"]),
    ],
)
def test_a_newer_acs_reader_is_told_its_lights_and_then_its_sound(
    signal: Signal, commands: list[str]
) -> None:
    controls = controls_of(SignalStyle.ACS, signal)

    assert controls == tuple(Control(bytes.fromhex(each), is_apdu=False) for each in commands)


@pytest.mark.parametrize("signal", list(Signal))
def test_a_reader_without_light_and_sound_is_told_nothing(signal: Signal) -> None:
    assert controls_of(SignalStyle.NONE, signal) == ()


@pytest.mark.parametrize("style", [SignalStyle.ACR122, SignalStyle.ACS])
def test_no_two_signals_look_the_same(style: SignalStyle) -> None:
    told = [controls_of(style, signal) for signal in Signal]

    assert len(set(told)) == len(Signal)
