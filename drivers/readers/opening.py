"""From the name of a reader in the settings to the reader itself.

pcsc                  the first PC/SC reader with an antenna
pcsc:NAME             the PC/SC reader called NAME, else the first whose name holds it, any case
pn532:PATH            a PN532 on that serial port
wedge:PATH            a keyboard reader, by its input device; wedge:NAME for the first keyboard whose name holds it
wedge-reversed:PATH   one that types the low byte first

With two readers of the same model the daemon numbers them ("... 00 00", "... 01 00") in the order it met them; `tapthread
doctor` lists the names. Serial ports and keyboards have names by their place: /dev/serial/by-path, /dev/input/by-path.
"""

from drivers.readers.base import Reader
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from drivers.readers.profiles import ByteOrder
from drivers.readers.wedge import WedgeReader
from hardware.clock import Clock

KINDS = ("pcsc", "pn532", "wedge", "wedge-reversed")
"""What a reader can be."""


def is_known(spec: str) -> bool:
    """Does `spec` name a kind of reader that can be opened here?"""
    kind, colon, name = spec.partition(":")
    return spec == "pcsc" or (kind in KINDS and bool(colon) and bool(name))


def opened(spec: str, clock: Clock) -> Reader:
    """Open the reader; whoever calls closes it, as a `with` block does.

    Raises:
        ReaderError: it is not there, not free, or not well.
        ModuleNotFoundError: the library for this kind is not installed; to wait and try again is of no use.
        ValueError: our own mistake: `spec` was not checked with `is_known`.
    """
    if not is_known(spec):
        raise ValueError("no such kind of reader")
    kind, _, name = spec.partition(":")
    match kind:
        case "pn532":
            return Pn532Reader.opened(name, clock)
        case "wedge":
            return WedgeReader.opened(name, clock)
        case "wedge-reversed":
            return WedgeReader.opened(name, clock, order=ByteOrder.REVERSED)
        case _:
            return PcscReader.opened(name, clock)
