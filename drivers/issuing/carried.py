"""What stands where a capsule belongs, in words for people at a station: how old it is, and nothing of whom it names."""

from drivers.credential.capsule import contained, read_unverified
from drivers.errors import BandMalformed
from hardware.moments import moment_of


def words_of(content: bytes) -> str:
    """One phrase. Its signature is not looked at: the station need not hold the key capsules are believed by."""
    try:
        raw = contained(content) if content else None
        if raw is None:
            return "none"
        capsule = read_unverified(raw)
    except BandMalformed:
        return "unreadable"
    made = moment_of(capsule.issued_at).date().isoformat()
    return f"number {capsule.seq}, of {made}, for {capsule.days} days, {len(raw)} bytes"
