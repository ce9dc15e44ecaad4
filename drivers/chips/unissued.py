"""Tells a band of ours that has no id from one that has: it was retired, or issuing it was begun and is not over."""

from typing import Final

from drivers.errors import BandRefused

NO_ID: Final = "this band of ours has no id: it was retired, or is begun and not whole"


class NotIssued(BandRefused):
    """It opens with our key and has no id. Nobody's band: to hold it there again is of no use."""


def needed(reference: bytes) -> bytes:
    """The id a band carries. Raises NotIssued where the place of it was emptied."""
    if not any(reference):
        raise NotIssued(NO_ID)
    return reference
