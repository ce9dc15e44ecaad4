"""Whether this machine's own network changed: cable, address or route. Nothing is sent, and no name is known.

Who waits after a failure learns from it that trying now is worth more than waiting. It says nothing of what lies behind the
shop's own line.
"""

from pathlib import Path
from typing import Final

STATES: Final = ("proc/net/route", "proc/net/if_inet6", "proc/net/fib_trie")
"""Routes of IPv4, addresses of IPv6, addresses and routes of IPv4. Source: Linux, proc_pid_net(5)."""

LINKS: Final = "sys/class/net/*/operstate"
"""Whether each line carries a signal. Source: Linux, Documentation/ABI/testing/sysfs-class-net."""


def network_mark(root: Path = Path("/")) -> int:
    """A number that is another one after a change, and always the same where the machine does not say. About 0.3 ms."""
    paths = (*(root / name for name in STATES), *sorted(root.glob(LINKS)))
    return hash(tuple(_read(path) for path in paths))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
