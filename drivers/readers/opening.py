"""From the name of a reader in the settings to the reader itself.

pcsc          the first PC/SC reader that is no SAM slot
pcsc:NAME     the first PC/SC reader whose name holds NAME, any case
pn532:PATH    a PN532 on that serial port
"""

from drivers.readers.base import Reader
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from hardware.clock import Clock


def is_known(spec: str) -> bool:
    """Does `spec` name a kind of reader that can be opened here?"""
    kind, colon, name = spec.partition(":")
    return spec == "pcsc" or (kind in ("pcsc", "pn532") and bool(colon) and bool(name))


def opened(spec: str, clock: Clock) -> Reader:
    """Open the reader; whoever calls closes it.

    Raises:
        ReaderError: it is not there, not free, or not well.
        ValueError: our own mistake: `spec` was not checked with `is_known`.
    """
    if not is_known(spec):
        raise ValueError("no such kind of reader")
    kind, _, name = spec.partition(":")
    if kind == "pn532":
        return Pn532Reader.opened(name, clock)
    return PcscReader.opened(name, clock)
