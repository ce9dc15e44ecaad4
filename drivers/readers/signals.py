"""Light and sound of a reader: from what people should notice to the bytes each model wants.

    IDLE     nobody is there                      dark, or the steady light of a reader that waits
    BUSY     a band is being read, hold still     both colours, no sound
    ACCEPT   read; it can be taken away           green, one short beep
    DENY     not read; hold it there again        red, two short beeps

A signal says how the reading went and nothing of who was recognised: the screen does that.

    acr122   FF 00 40 STATE 04 T1 T2 N LINK       a command to the reader, which answers 90 and the state it shows
               STATE   bits 0, 1 red and green at the end; 2, 3 whether they are set; 4, 5 at first; 6, 7 whether they blink
               T1 T2   first and second half of a blink, 100 ms each step; N how often; LINK 1 sound with T1
    acs      E0 00 00 29 01 LIGHTS                bits 0, 1: red (blue on ACR1552U) and green
             E0 00 00 28 01 TIME                  a beep, 10 ms each step

Source: ACS, API manuals of ACR122U, ACR1252U and ACR1552U, as others quote them. None of it was tried on a device.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.readers.profiles import SignalStyle


class Signal(Enum):
    """What people should notice at the reader."""

    IDLE = "idle"
    BUSY = "busy"
    ACCEPT = "accept"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Control:
    """One command to a reader itself.

    Attributes:
        command: Its bytes.
        is_apdu: It also goes as an APDU while a band is connected; else only as a control code (escape).
    """

    command: bytes
    is_apdu: bool


_RED, _GREEN = 0x01, 0x02
_SET_BOTH = 0x0C
_BEEP = 0x01

_ACR122 = {
    Signal.IDLE: (_SET_BOTH, 0, 0, 0, 0),
    Signal.BUSY: (_SET_BOTH | _RED | _GREEN, 0, 0, 0, 0),
    Signal.ACCEPT: (_SET_BOTH | _GREEN, 1, 0, 1, _BEEP),
    Signal.DENY: (_SET_BOTH | _RED, 1, 1, 2, _BEEP),
}
"""State, T1, T2, N, LINK."""

_ACS_LIGHTS = {
    Signal.IDLE: 0,
    Signal.BUSY: _RED | _GREEN,
    Signal.ACCEPT: _GREEN,
    Signal.DENY: _RED,
}

_ACS_BEEP_10MS = {Signal.ACCEPT: 10, Signal.DENY: 30}
"""This reader cannot be told to beep twice; a longer one is another sound."""


def controls_of(style: SignalStyle, signal: Signal) -> tuple[Control, ...]:
    """What to tell a reader of this style, in order; nothing for one without light and sound."""
    match style:
        case SignalStyle.ACR122:
            state, first, second, count, link = _ACR122[signal]
            command = bytes((0xFF, 0x00, 0x40, state, 4, first, second, count, link))
            return (Control(command, is_apdu=True),)
        case SignalStyle.ACS:
            lights = bytes.fromhex("E000002901") + bytes((_ACS_LIGHTS[signal],))
            beep = _ACS_BEEP_10MS.get(signal)
            if beep is None:
                return (Control(lights, is_apdu=False),)
            sound = bytes.fromhex("E000002801") + bytes((beep,))
            return Control(lights, is_apdu=False), Control(sound, is_apdu=False)
        case SignalStyle.NONE:
            return ()
