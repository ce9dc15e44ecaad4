"""Everything that can go wrong with the centre or with this device's own store.

SyncError
  CentreError            the other end
    CentreUnreachable    no answer, or not from the centre: no network, captive portal, half a body
      CentreCertificate  its certificate does not hold: of another authority, name or time
    CentreBusy           it asks to come later (429, 503); `retry_after_ms`
    CentreRefused        it understood and said no; `code` and `status`
    CentreIncompatible   it speaks a version this device does not
    NotTrusted           a signature, device or centre key that does not hold
  StoreError             this end
    StoreFull            the disk has no room
    StoreCorrupt         the file is damaged or its key is wrong
    StoreTooNew          written by a newer version of this program
  Malformed              bytes or values that do not parse; `code` says which rule they break
"""


class SyncError(Exception):
    """Base of all errors of this package."""

    code = "sync"


class CentreError(SyncError):
    """Something is wrong with the other end; the kiosk goes on with what it has."""

    code = "centre"


class CentreUnreachable(CentreError):
    """No answer, or an answer that is not the centre's."""

    code = "centre_unreachable"


class CentreCertificate(CentreUnreachable):
    """Who answers has no certificate this device accepts: another authority or name, or it is over, or not yet begun."""

    code = "centre_certificate"


class CentreBusy(CentreError):
    """The centre asks to come later.

    Attributes:
        retry_after_ms: How long it asks to wait; 0 when it does not say.
    """

    code = "centre_busy"

    def __init__(self, reason: str = "", *, retry_after_ms: int = 0) -> None:
        super().__init__(reason)
        self.retry_after_ms = retry_after_ms


class CentreRefused(CentreError):
    """The centre understood and said no.

    Attributes:
        status: HTTP status.
        problem: The `code` of its problem answer.
    """

    code = "centre_refused"

    def __init__(self, reason: str = "", *, status: int = 0, problem: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.problem = problem


class CentreIncompatible(CentreError):
    """The centre speaks a version this device does not."""

    code = "centre_incompatible"


class NotTrusted(CentreError):
    """A signature, a device or the centre's key does not hold."""

    code = "not_trusted"


class StoreError(SyncError):
    """Something is wrong with this device's own store."""

    code = "store"


class StoreFull(StoreError):
    """The disk has no room."""

    code = "store_full"


class StoreCorrupt(StoreError):
    """The file is damaged, or its key is wrong."""

    code = "store_corrupt"


class StoreTooNew(StoreError):
    """The file was written by a newer version of this program."""

    code = "store_too_new"


class Malformed(SyncError):
    """Bytes or values that do not parse."""

    code = "malformed"
