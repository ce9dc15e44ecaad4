"""The seam between chip and reader: bytes to one band, bytes back.

A connection belongs to one activation of one band. What it carries is what the band gets as one ISO-DEP message (an
APDU), or as one command of a band that does not speak ISO-DEP.
"""

from typing import Protocol


class Connection(Protocol):
    """A way to one band. Used by one thread."""

    @property
    def generation(self) -> int:
        """The activation it belongs to, as in `Target.generation`."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one command and wait for its answer, at most 500 ms.

        Raises:
            BandLeft: the band went away, or another activation has begun since; also for an answer of fewer than two
                bytes, with `delivery` UNKNOWN.
            ReaderError: the machine's side failed.
        """
        ...


class CountingConnection:
    """Counts what is sent through another connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.count = 0

    @property
    def generation(self) -> int:
        """As in the connection underneath."""
        return self._connection.generation

    def transmit(self, command: bytes) -> bytes:
        """As in the connection underneath."""
        self.count += 1
        return self._connection.transmit(command)
