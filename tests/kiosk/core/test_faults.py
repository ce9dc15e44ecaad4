"""Every error a package can raise means something to customer, staff and log."""

import inspect

import pytest

from drivers import errors as driver_errors
from drivers.errors import BandLeft, BandUntrusted, ReaderAbsent
from hardware import errors as hardware_errors
from kiosk.core.faults import (
    CRASH,
    FAULTS,
    OTHER,
    SLOW,
    Shows,
    fault_of,
    fault_of_code,
)
from kiosk.core.wording.catalogue import SENTENCES
from sync.model import errors as sync_errors
from sync.model.errors import StoreCorrupt

ERRORS = [
    error
    for module in (driver_errors, sync_errors, hardware_errors)
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception) and error.__module__ == module.__name__
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_code_a_customer_line_and_a_staff_line(
    error: type[Exception],
) -> None:
    fault = FAULTS[error]

    assert fault.staff in SENTENCES
    assert (fault.customer in SENTENCES) == (fault.shows is not Shows.NOTHING)
    assert getattr(error, "code", fault.code) == fault.code


def test_codes_are_used_once() -> None:
    codes = [fault.code for fault in (*FAULTS.values(), SLOW, CRASH, OTHER)]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("error", "shows"),
    [
        (BandLeft(), Shows.AGAIN),
        (BandUntrusted(), Shows.NEUTRAL),
        (ReaderAbsent(), Shows.READER_GONE),
        (StoreCorrupt(), Shows.NOT_POSSIBLE),
        (ValueError(), Shows.OUT_OF_ORDER),
    ],
)
def test_who_can_do_something_about_it_decides_the_page(error: Exception, shows: Shows) -> None:
    assert fault_of(error).shows is shows


def test_an_error_named_later_means_what_its_nearest_base_does() -> None:
    class BandMelted(BandLeft):
        """A kind of error this version does not know."""

    assert fault_of(BandMelted()) is FAULTS[BandLeft]


def test_a_code_nobody_knows_sends_the_customer_to_the_team() -> None:
    assert fault_of_code("from_the_future").shows is Shows.NEUTRAL
