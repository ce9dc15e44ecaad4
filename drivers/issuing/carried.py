"""What stands where a capsule belongs, for people and programs at a station: how old it is, and nothing of whom it names."""

from dataclasses import dataclass
from enum import Enum

from drivers.credential.capsule import contained, read_unverified
from drivers.errors import BandMalformed
from hardware.moments import moment_of


class CapsuleState(Enum):
    """What is there. The values are printed."""

    NONE = "none"
    UNREADABLE = "unreadable"
    READABLE = "readable"


@dataclass(frozen=True, slots=True)
class Carried:
    """A capsule as far as a station looks at it.

    Attributes:
        state: What is there; the others are 0 unless it is readable.
        number: Its sequence number.
        issued_at: When it was made, microseconds since 1970.
        days: How long it holds.
        size: Its bytes.
    """

    state: CapsuleState
    number: int = 0
    issued_at: int = 0
    days: int = 0
    size: int = 0

    @property
    def words(self) -> str:
        """One phrase."""
        if self.state is not CapsuleState.READABLE:
            return str(self.state.value)
        made = moment_of(self.issued_at).date().isoformat()
        return f"number {self.number}, of {made}, for {self.days} days, {self.size} bytes"

    def fields(self) -> dict[str, object]:
        """The same for a program; null for what cannot be said."""
        is_readable = self.state is CapsuleState.READABLE
        return {
            "state": self.state.value,
            "number": self.number if is_readable else None,
            "issued_at": moment_of(self.issued_at).isoformat() if is_readable else None,
            "days": self.days if is_readable else None,
            "bytes": self.size if is_readable else None,
        }


def carried_in(content: bytes) -> Carried:
    """What it is. Its signature is not looked at: the station need not hold the key capsules are believed by."""
    try:
        raw = contained(content)
        if raw is None:
            return Carried(CapsuleState.NONE)
        capsule = read_unverified(raw)
    except BandMalformed:
        return Carried(CapsuleState.UNREADABLE)
    return Carried(
        CapsuleState.READABLE, capsule.seq, capsule.issued_at, capsule.days, len(raw)
    )
