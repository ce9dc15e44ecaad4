"""The seam between chip and reader: bytes to one band, bytes back.

A connection belongs to one activation of one band. What it carries is what the band gets as one ISO-DEP message (an
APDU), or as one command of a band that does not speak ISO-DEP.
"""

from collections.abc import Callable
from typing import Protocol

Work = Callable[[], None]
"""What can be done while a band makes up its answer, as it does not need it. Raises nothing."""


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


class PatientConnection(Connection, Protocol):
    """A connection that waits for an answer by itself, so that its user can work meanwhile. Others wait in a library."""

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        """As `transmit`, and `work` is done once the command is on its way."""
        ...


def transmitted(connection: Connection, command: bytes, work: Work) -> bytes:
    """The answer to a command, `work` being done meanwhile, or before it where nobody can. Raises as `transmit`."""
    while_sent: Callable[[bytes, Work], bytes] | None = getattr(
        connection, "transmit_while", None
    )
    if while_sent is not None:
        return while_sent(command, work)
    work()
    return connection.transmit(command)


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

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        """As in the connection underneath, or `work` first where that waits in a library."""
        self.count += 1
        return transmitted(self._connection, command, work)
