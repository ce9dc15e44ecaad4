"""Wall time as a number and back; pure, so that what only reads a time need not hold a clock."""

from datetime import UTC, datetime


def micros_of(moment: datetime) -> int:
    """Wall time as integer microseconds since 1970, the form it has in records and on the wire."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment_of(micros: int) -> datetime:
    """The aware UTC time of integer microseconds since 1970."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(
        microsecond=micros % 1_000_000
    )
