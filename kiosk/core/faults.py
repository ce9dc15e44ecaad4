"""From error to what the customer, the staff and the log are told.

The split that matters is who can do something about it: the customer (tap again), the staff (see an ID, plug it in), or
nobody here (out of order). A code is public and never reused.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.errors import (
    BandCollision,
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandSilent,
    BandUnsupported,
    BandUntrusted,
    DriverError,
    KeyUnknown,
    ReaderAbsent,
    ReaderBusy,
    ReaderError,
    ReaderFault,
    ServiceDown,
)
from hardware.errors import (
    AddressTaken,
    DeviceError,
    DiskFault,
    DiskFull,
    EnrolmentError,
    FolderInUse,
)
from sync.model.errors import (
    CentreBusy,
    CentreCertificate,
    CentreError,
    CentreIncompatible,
    CentreRefused,
    CentreUnreachable,
    Malformed,
    NotTrusted,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreTooNew,
    SyncError,
)


class Shows(Enum):
    """Which customer page a fault leads to."""

    AGAIN = "again"  # the customer can tap again
    ONE_BAND = "one_band"  # and should take the other band away
    NEUTRAL = "neutral"  # please see our team; the reason is for staff only
    READER_GONE = "reader_gone"
    NOT_POSSIBLE = "not_possible"  # this device's files do not answer
    OUT_OF_ORDER = "out_of_order"
    NOTHING = "nothing"  # the customer is not affected


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error means.

    Attributes:
        code: Fixed name for the log and for staff.
        shows: Which page the customer sees.
        customer: Wording id of what the customer reads, "" when they are not affected.
        staff: Wording id of what staff read.
    """

    code: str
    shows: Shows
    customer: str
    staff: str


_CUSTOMER_LINES: Final = {
    Shows.AGAIN: "again.longer",
    Shows.ONE_BAND: "again.one",
    Shows.NEUTRAL: "neutral.see-team",
    Shows.READER_GONE: "reader-gone.line",
    Shows.NOT_POSSIBLE: "not-possible.page",
    Shows.OUT_OF_ORDER: "out-of-order.line",
    Shows.NOTHING: "",
}


def _fault(code: str, shows: Shows) -> Fault:
    return Fault(code, shows, _CUSTOMER_LINES[shows], f"fault.{code}")


FAULTS: Final[dict[type[Exception], Fault]] = {
    DriverError: _fault("driver", Shows.READER_GONE),
    ReaderError: _fault("reader", Shows.READER_GONE),
    ServiceDown: _fault("service_down", Shows.READER_GONE),
    ReaderAbsent: _fault("reader_absent", Shows.READER_GONE),
    ReaderBusy: _fault("reader_busy", Shows.READER_GONE),
    ReaderFault: _fault("reader_fault", Shows.READER_GONE),
    BandError: _fault("band", Shows.AGAIN),
    BandLeft: _fault("band_left", Shows.AGAIN),
    BandSilent: _fault("band_silent", Shows.AGAIN),
    BandCollision: _fault("band_collision", Shows.ONE_BAND),
    BandRefused: _fault("band_refused", Shows.NEUTRAL),
    BandUntrusted: _fault("band_untrusted", Shows.NEUTRAL),
    KeyUnknown: _fault("key_unknown", Shows.NEUTRAL),
    BandUnsupported: _fault("band_unsupported", Shows.NEUTRAL),
    BandMalformed: _fault("band_malformed", Shows.NEUTRAL),
    SyncError: _fault("sync", Shows.NOTHING),
    CentreError: _fault("centre", Shows.NOTHING),
    CentreUnreachable: _fault("centre_unreachable", Shows.NOTHING),
    CentreCertificate: _fault("centre_certificate", Shows.NOTHING),
    CentreBusy: _fault("centre_busy", Shows.NOTHING),
    CentreRefused: _fault("centre_refused", Shows.NOTHING),
    CentreIncompatible: _fault("centre_incompatible", Shows.NOTHING),
    NotTrusted: _fault("not_trusted", Shows.NOTHING),
    StoreError: _fault("store", Shows.NOT_POSSIBLE),
    StoreFull: _fault("store_full", Shows.NOT_POSSIBLE),
    StoreCorrupt: _fault("store_corrupt", Shows.NOT_POSSIBLE),
    StoreTooNew: _fault("store_too_new", Shows.NOT_POSSIBLE),
    Malformed: _fault("malformed", Shows.NOT_POSSIBLE),
    DeviceError: _fault("device", Shows.OUT_OF_ORDER),
    EnrolmentError: _fault("enrolment", Shows.OUT_OF_ORDER),
    FolderInUse: _fault("folder_in_use", Shows.OUT_OF_ORDER),
    AddressTaken: _fault("address_taken", Shows.OUT_OF_ORDER),
    DiskFull: _fault("disk_full", Shows.NOT_POSSIBLE),
    DiskFault: _fault("disk_fault", Shows.NOT_POSSIBLE),
}
"""Every error a package can raise."""

SLOW: Final = _fault("slow", Shows.AGAIN)
"""A band was seen and nothing more was heard of it in time."""

CRASH: Final = _fault("crash", Shows.OUT_OF_ORDER)
"""The program itself failed."""

OTHER: Final = _fault("other", Shows.OUT_OF_ORDER)
"""An error without a name of its own: ours to fix."""

_by_code: Final = {fault.code: fault for fault in (*FAULTS.values(), SLOW, CRASH)}


def fault_of(error: BaseException) -> Fault:
    """What an error means; an unknown subclass means what its nearest known base does."""
    for base in type(error).__mro__:
        if issubclass(base, Exception) and base in FAULTS:
            return FAULTS[base]
    return OTHER


def fault_of_code(code: str) -> Fault:
    """What a code said by the reader process means; a code this version does not know is a band nobody can read."""
    return _by_code.get(code, FAULTS[BandUnsupported])
