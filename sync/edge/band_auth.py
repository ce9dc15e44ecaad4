"""What the centre answers when it proves a band for this device: one step, its keys opened."""

from dataclasses import dataclass, field
from typing import Final

from sync.model.errors import CentreUnreachable
from sync.model.signatures import band_label, unseal
from sync.model.wire import BandAnswer

KEYS_SIZE: Final = 32
"""Two AES keys."""

TI_SIZE: Final = 4

BAND_MS: Final = 400
"""How long one call may take: the whole proof has no more, see `drivers.pump.REMOTE_MS`."""


@dataclass(frozen=True, slots=True)
class BandStep:
    """One step's answer.

    Attributes:
        data: Step 1: what to send to the chip.
        state: Step 1: goes back with step 2.
        enc, mac, ti: Step 2: keys and transaction identifier of this one session with the band.
    """

    data: bytes = field(default=b"", repr=False)
    state: str = field(default="", repr=False)
    enc: bytes = field(default=b"", repr=False)
    mac: bytes = field(default=b"", repr=False)
    ti: bytes = field(default=b"", repr=False)


def step_of(answer: BandAnswer, *, session_key: bytes, uid: str, step: int) -> BandStep:
    """The answer, opened. Raises CentreUnreachable, NotTrusted for one that is none."""
    try:
        if step == 1 and answer.data and answer.state:
            return BandStep(data=bytes.fromhex(answer.data), state=answer.state)
        if step == 2 and answer.keys and answer.ti:  # its number
            keys = unseal(answer.keys, session_key, band_label(uid=uid, ti=answer.ti))
            ti = bytes.fromhex(answer.ti)
            if len(keys) == KEYS_SIZE and len(ti) == TI_SIZE:
                half = KEYS_SIZE // 2
                return BandStep(enc=keys[:half], mac=keys[half:], ti=ti)
    except ValueError as error:
        raise CentreUnreachable("the answer does not parse") from error
    raise CentreUnreachable("an answer to another step")
