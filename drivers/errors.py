"""Everything that can go wrong with a reader or a band, in words the kiosk can act on.

    DriverError
      ReaderError            the machine's side: the customer can do nothing
        ServiceDown          the PC/SC daemon is gone
        ReaderAbsent         unplugged, or never there
        ReaderBusy           another program holds it
        ReaderFault          it answered outside its own protocol
      BandError              the band's side: the customer can try again
        BandLeft             taken away before the exchange was complete
          BandSilent         or it did not answer, and is there: activated anew, whatever was agreed with it is gone
        BandCollision        more than one band in the field
        BandRefused          a status word other than success; the table of their meanings is in `status`
        BandUntrusted        a cryptogram or MAC is wrong; the connection is over
        KeyUnknown           its key has a version this store was not lent: no sign of a copy, only of a later key
        BandUnsupported      a technology this product does not read
        BandMalformed        bytes that do not parse

Every error says what is known of the delivery of the command it belongs to. A write whose delivery is unknown is
read back, never repeated blindly.
"""

from enum import Enum

from drivers.status import meaning_of, shown


class Delivery(Enum):
    """What is known of a command that failed."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    DONE = "done"
    UNKNOWN = "unknown"


def with_status(reason: str, status: int | None) -> str:
    """A reason with the status it comes from and what that means; None for no status."""
    said = "" if status is None else f"{shown(status)}, {meaning_of(status)}"
    return f"{reason} ({said})" if reason and said else reason or said


class DriverError(Exception):
    """Base of all driver errors.

    Attributes:
        delivery: What is known of the command that failed.
        code: Short fixed name of the error, for lines and logs; never renamed.
    """

    code = "driver"

    def __init__(self, reason: str = "", *, delivery: Delivery = Delivery.UNKNOWN) -> None:
        super().__init__(reason)
        self.delivery = delivery


class ReaderError(DriverError):
    """The machine's side failed: the customer can do nothing about it."""

    code = "reader"


class ServiceDown(ReaderError):
    """The PC/SC daemon is gone."""

    code = "service_down"


class ReaderAbsent(ReaderError):
    """The reader is unplugged, or was never there."""

    code = "reader_absent"


class ReaderBusy(ReaderError):
    """Another program holds the reader."""

    code = "reader_busy"


class ReaderFault(ReaderError):
    """The reader answered outside its own protocol."""

    code = "reader_fault"


class BandError(DriverError):
    """The band's side failed: the customer can try again."""

    code = "band"


class BandLeft(BandError):
    """The band was taken away before the exchange was complete."""

    code = "band_left"


class BandSilent(BandLeft):
    """A band without ISO-DEP did not answer a command: it does not know it, refused it, or the answer was lost.

    It is still there and was activated anew, so the next command reaches it; what was agreed with it before is gone. To
    whoever does not care it is a band that left.
    """

    code = "band_silent"


class BandCollision(BandError):
    """More than one band is in the field."""

    code = "band_collision"


class BandRefused(BandError):
    """The chip answered with a status word other than success; as text it says the reason, the status and its meaning.

    Attributes:
        status: SW1 SW2 as one number; 0 where there was none, and for the NAK of a chip without ISO-DEP that is 0.
        meaning: What the chip meant by it, in words for a technician; "" where there was no status.
    """

    code = "band_refused"

    def __init__(self, reason: str = "", *, status: int | None = None) -> None:
        self.status = status or 0
        self.meaning = "" if status is None else meaning_of(status)
        super().__init__(with_status(reason, status), delivery=Delivery.REFUSED)


class BandUntrusted(BandError):
    """A cryptogram or MAC is wrong; the connection is over."""

    code = "band_untrusted"


class KeyUnknown(BandError):
    """The band says that its key has another version than the one this store was lent."""

    code = "key_unknown"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason, delivery=Delivery.REFUSED)


class BandUnsupported(BandError):
    """A technology this product does not read."""

    code = "band_unsupported"


class BandMalformed(BandError):
    """Bytes from the band do not parse."""

    code = "band_malformed"
