"""Uses counted by a one-way counter, on every chip that has one."""

from collections.abc import Callable

import pytest

from drivers.chips.counting import (
    Ntag424Uses,
    UltralightAesUses,
    UltralightCUses,
    UseCounter,
    count_use,
    is_counted,
)
from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.connection import Connection
from drivers.credential.places import MFUL_BAND, NTAG424_BAND
from drivers.errors import BandLeft, BandMalformed, BandRefused, Delivery, DriverError
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from tests.support.bands import UID, ChipConnection, band_key
from tests.support.chip_bands import Type2Connection, ntag424, ultralight_aes, ultralight_c

KEY = band_key(UID)
READER = SeededEntropy("reader")


class _Torn:
    """A connection whose band is taken away at an exchange: before the chip heard it, or before we heard the chip."""

    generation = 1

    def __init__(self, connection: Connection, torn_at: int, *, is_heard: bool) -> None:
        self._connection = connection
        self._torn_at = torn_at
        self._is_heard = is_heard
        self.n_sent = 0

    def transmit(self, command: bytes) -> bytes:
        self.n_sent += 1
        if self.n_sent < self._torn_at:
            return self._connection.transmit(command)
        if self._is_heard and self.n_sent == self._torn_at:
            self._connection.transmit(command)
        raise BandLeft("torn")


def _of_aes(connection: Connection) -> UseCounter:
    driver = UltralightAes(connection, READER)
    driver.authenticate(MFUL_BAND, KEY)
    return UltralightAesUses(driver)


def _of_c(connection: Connection) -> UseCounter:
    driver = UltralightC(connection, READER)
    driver.authenticate(KEY)
    return UltralightCUses(driver)


def _of_ntag(connection: Connection) -> UseCounter:
    driver = Ntag424(connection, READER)
    driver.select()
    driver.authenticate_first(NTAG424_BAND, KEY)
    return Ntag424Uses(driver)


Made = Callable[[], VirtualBand]
Opened = Callable[[Connection], UseCounter]

CHIPS = [
    pytest.param(ultralight_aes, _of_aes, 2, 4, id="Ultralight AES"),
    pytest.param(ultralight_c, _of_c, 2, 4, id="Ultralight C"),
    pytest.param(ntag424, _of_ntag, 3, 6, id="NTAG 424"),
]
"""A band of ours, its counter, exchanges until it is open, and until a use is counted."""


def _connected(band: VirtualBand) -> Connection:
    chip = band.power_up()
    return ChipConnection(chip) if chip.anticollision.ats else Type2Connection(chip)


@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_second_use_is_seen_by_who_knows_of_one(
    made: Made, opened: Opened, n_opening: int, n_counted: int
) -> None:
    band = made()
    first = opened(_connected(band))
    before = first.uses()

    after = count_use(first, before=before)
    elsewhere = opened(_connected(band)).uses()

    assert (before, after, elsewhere) == (0, 1, 1)


@pytest.mark.parametrize("is_heard", [False, True])
@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_use_that_is_torn_at_any_exchange_is_done_or_not_done(
    made: Made, opened: Opened, n_opening: int, n_counted: int, is_heard: bool
) -> None:
    outcomes = []
    for torn_at in range(n_opening + 1, n_counted + 1):
        band = made()
        torn = _Torn(_connected(band), torn_at, is_heard=is_heard)

        with pytest.raises(BandLeft):
            count_use(opened(torn), before=0)

        outcomes.append(is_counted(before=0, after=opened(_connected(band)).uses()))

    n_undone = n_counted - n_opening - 1 - is_heard
    assert outcomes == [False] * n_undone + [True] * (len(outcomes) - n_undone)


def test_counter_that_stands_still_is_noticed() -> None:
    class Stuck:
        def uses(self) -> int:
            return 4

        def add_use(self) -> None:
            return

    with pytest.raises(BandMalformed) as caught:
        count_use(Stuck(), before=4)

    assert caught.value.delivery is Delivery.DONE


@pytest.mark.parametrize(
    "error",
    [
        BandLeft("another activation has begun", delivery=Delivery.NOT_SENT),
        BandRefused("it tells its counter to nobody now"),
        BandMalformed("no counter", delivery=Delivery.DONE),
    ],
)
def test_a_use_whose_count_cannot_be_read_back_may_stand_whatever_became_of_the_question(
    error: DriverError,
) -> None:
    class Silent:
        def uses(self) -> int:
            raise error

        def add_use(self) -> None:
            return

    with pytest.raises(type(error)) as caught:
        count_use(Silent(), before=4)

    assert caught.value.delivery is Delivery.UNKNOWN


@pytest.mark.parametrize(
    ("before", "after", "is_done"), [(4, 4, False), (4, 5, True), (4, 6, None), (4, 3, None)]
)
def test_reading_back_says_done_not_done_or_that_nobody_can_say(
    before: int, after: int, is_done: bool | None
) -> None:
    assert is_counted(before=before, after=after) is is_done


def test_ntag424_whose_application_is_gone_counts_nothing() -> None:
    class Gone:
        generation = 1

        def transmit(self, command: bytes) -> bytes:
            return b"\x6a\x82"

    with pytest.raises(BandMalformed) as caught:
        Ntag424Uses(Ntag424(Gone(), READER)).add_use()

    assert caught.value.delivery is Delivery.NOT_SENT
