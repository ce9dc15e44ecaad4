"""Light and sound of a reader: from what people should notice to the bytes each model wants.

    IDLE     nobody is there                      dark, or the steady light of a reader that waits
    BUSY     a band is being read, hold still     amber where there is amber
    ACCEPT   read; it can be taken away           green, one short beep
    DENY     not read; hold it there again        red, two short beeps

A signal says how the reading went and nothing of who was recognised: the screen does that.
"""

from enum import Enum


class Signal(Enum):
    """What people should notice at the reader."""

    IDLE = "idle"
    BUSY = "busy"
    ACCEPT = "accept"
    DENY = "deny"
