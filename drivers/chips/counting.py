"""Uses counted by a chip that has nothing but a one-way counter: what `witness` is for DESFire.

    chip             a use is              who can move the counter
    Ultralight AES   ADD to counter 2      K_band only, with a MAC; so it counts uses
    Ultralight C     WRITE to page 29      K_band only; the answer is not protected on the air
    NTAG 424 DNA     one reading without   anybody who reads the link, a telephone too; so it counts uses and readings,
                     a key of file 2       and refuses too often, never too seldom

    uses       1 exchange
    count_use  2 exchanges, on NTAG 424 three and its session is over
                   |
                UNKNOWN  ->  activate anew, authenticate, `uses`, `is_counted`

A counter has its old value or its new one, whatever tears; nothing gives a use back. It says that something was used, never
what: whoever reads more uses than it heard of cannot tell, and refuses.
"""

from typing import Protocol

from drivers.chips.ntag424 import LINK_FILE, Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.credential.places import USES_COUNTER
from drivers.errors import BandMalformed, Delivery, DriverError


class UseCounter(Protocol):
    """The one-way counter of one band, in the session it was opened with K_band."""

    def uses(self) -> int:
        """What it stands at. Raises as the chip's driver."""
        ...

    def add_use(self) -> None:
        """Move it by one. Raises as the chip's driver; when `delivery` is UNKNOWN only the band can tell."""
        ...


class UltralightAesUses:
    """Counter 2 of an Ultralight AES of ours."""

    def __init__(self, chip: UltralightAes) -> None:
        self._chip = chip

    def uses(self) -> int:
        """See `UseCounter`."""
        return self._chip.read_counter(USES_COUNTER)

    def add_use(self) -> None:
        """See `UseCounter`."""
        self._chip.add(USES_COUNTER)


class UltralightCUses:
    """The counter of an Ultralight C of ours."""

    def __init__(self, chip: UltralightC) -> None:
        self._chip = chip

    def uses(self) -> int:
        """See `UseCounter`."""
        return self._chip.read_counter()

    def add_use(self) -> None:
        """See `UseCounter`."""
        self._chip.add()


class Ntag424Uses:
    """The readings of the link of an NTAG 424 of ours."""

    def __init__(self, chip: Ntag424) -> None:
        self._chip = chip

    def uses(self) -> int:
        """See `UseCounter`; without a session it is a claim."""
        return self._chip.read_counter(LINK_FILE)

    def add_use(self) -> None:
        """See `UseCounter`. The chip counts only who reads without a key, so the session is over. Two exchanges."""
        if not self._chip.select():
            raise BandMalformed("the application is gone", delivery=Delivery.NOT_SENT)
        self._chip.read_openly(LINK_FILE, offset=0, size=1)


def count_use(counter: UseCounter, *, before: int) -> int:
    """Add a use; what the counter stands at then.

    Args:
        counter: In a session with K_band.
        before: What it stood at a moment ago.

    Raises:
        BandMalformed: it did not move by one; `delivery` is DONE, for it never goes back.
        DriverError: as the chip's driver; `delivery` is UNKNOWN once the counter was moved.
    """
    counter.add_use()
    try:
        after = counter.uses()
    except DriverError as error:
        # What became of the question says nothing of the use, which the chip has counted.
        error.delivery = Delivery.UNKNOWN
        raise
    if after != before + 1:
        raise BandMalformed("the counter did not move by one", delivery=Delivery.DONE)
    return after


def is_counted(*, before: int, after: int) -> bool | None:
    """Was a use counted whose end nobody saw?

    Args:
        before: What the counter stood at before it.
        after: What it stands at now, read back.

    Returns:
        None when it moved by something else: nobody can say, and whoever asks must refuse.
    """
    return {0: False, 1: True}.get(after - before)
