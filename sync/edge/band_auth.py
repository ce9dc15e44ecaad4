"""What the centre answers when it proves a band for this device: one step, its keys opened."""

from dataclasses import dataclass, field
from typing import Final

from sync.model.errors import CentreUnreachable
from sync.model.signatures import band_label, unseal
from sync.model.wire import BandAnswer, BandRequest

SIZES: Final = {"ev2": (32, 4), "ev1": (16, 0), "lrp": (16, 4), "mful": (16, 0)}
"""By dialect: bytes of the keys of one session, and of its transaction identifier."""

BAND_MS: Final = 400
"""How long one call may take: the whole proof has no more, see `drivers.pump.REMOTE_MS`."""


@dataclass(frozen=True, slots=True)
class BandStep:
    """One step's answer.

    Attributes:
        data: Step 1: what to send to the chip.
        state: Step 1: goes back with step 2.
        keys, ti: Step 2: keys and transaction identifier of this one session with the band; "" where it has none.
    """

    data: bytes = field(default=b"", repr=False)
    state: str = field(default="", repr=False)
    keys: bytes = field(default=b"", repr=False)
    ti: bytes = field(default=b"", repr=False)


def step_of(answer: BandAnswer, *, session_key: bytes, request: BandRequest) -> BandStep:
    """The answer, opened. Raises CentreUnreachable, NotTrusted for one that is none."""
    try:
        if request.step == 1 and answer.data and answer.state:
            return BandStep(data=bytes.fromhex(answer.data), state=answer.state)
        if request.step == 2 and answer.keys:  # its number
            label = band_label(uid=request.uid, ti=answer.ti)
            keys, ti = unseal(answer.keys, session_key, label), bytes.fromhex(answer.ti)
            if (len(keys), len(ti)) == SIZES[request.dialect]:
                return BandStep(keys=keys, ti=ti)
    except ValueError as error:
        raise CentreUnreachable("the answer does not parse") from error
    raise CentreUnreachable("an answer to another step")
