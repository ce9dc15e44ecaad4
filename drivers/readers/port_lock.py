"""A serial port held by one program at a time, so that a second one is told instead of stealing half of the answers.

    advisory lock      flock on the device: another Tapthread, and every program that asks (pyserial `exclusive`, picocom)
    exclusive mode     TIOCEXCL on a real port: any other open by an ordinary user fails with EBUSY

The kernel lets go of both when the process ends, however it ends. A pseudo terminal keeps its exclusive mode for as
long as its other side is open, so it gets the advisory lock only.
"""

import errno
import fcntl
import os
import termios

PTY_MAJORS = range(136, 144)
"""Device numbers of pseudo terminals. Source: Linux, Documentation/admin-guide/devices.txt."""


class PortLock:
    """The lock on one port, held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def taken(cls, path: str) -> "PortLock":
        """Lock the port.

        Raises:
            BlockingIOError: another program holds it.
            OSError: it cannot be opened; `errno` says why.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise BlockingIOError(errno.EBUSY, "the port is in exclusive mode") from error
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @property
    def is_terminal(self) -> bool:
        """Is it a serial port at all?"""
        return os.isatty(self._descriptor)

    def exclude(self) -> None:
        """Keep programs out that do not ask for the lock. Call it when the port is not opened again by us."""
        if os.major(os.fstat(self._descriptor).st_rdev) not in PTY_MAJORS:
            fcntl.ioctl(self._descriptor, termios.TIOCEXCL)

    def include(self) -> None:
        """Let others open it again; harmless when the port is gone."""
        try:
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        except OSError:
            return  # What is gone excludes nobody.

    def release(self) -> None:
        """Let go; harmless when done twice."""
        if self._descriptor >= 0:
            self.include()
            os.close(self._descriptor)
            self._descriptor = -1
