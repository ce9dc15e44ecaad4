"""What goes over the shop's network between a device and the relay of its store. One place for both ends. Pure.

    POST /r1/hello       signed with the device's key, as the centre's; the relay proves its own device's key
    POST /r1/offer       requests that want their place: compare and append
    POST /r1/tell        what became of this device's operations
    POST /r1/listen      what changed in the mailbox; held while nothing did
    POST /r1/snap/HASH   a part of a snapshot, if the relay has it
    POST /r1/keep        a part of a snapshot, for the next device that needs it

There is no TLS in the shop. After hello a body is nonce, ciphertext and tag of AES-256-GCM under a key that follows from
the session's; it is bound to the address, the session, its number and the direction, so that nothing of it can be
read, repeated, swapped or answered by anybody else. A part of a snapshot is ciphertext already and named by its hash.
Errors are problem+json with a `code` of `wire.PROBLEMS`; they carry nothing and change nothing.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.entropy import Entropy
from sync.edge.relay import Item
from sync.model.errors import Malformed, SyncError
from sync.model.wire import HelloAnswer

HELLO: Final = "/r1/hello"
OFFER: Final = "/r1/offer"
TELL: Final = "/r1/tell"
LISTEN: Final = "/r1/listen"
SNAP: Final = "/r1/snap/"
KEEP: Final = "/r1/keep"

PROTOCOL: Final = 1
SEALED: Final = "application/octet-stream"
BODY_SIZE_MAX: Final = 1_048_576
"""Bytes of a request; 200 operations of the usual size are 200 KB."""

ANSWER_SIZE_MAX: Final = 2 * 1_048_576
"""Bytes of an answer that is no part of a snapshot."""

PART_SIZE_MAX: Final = 16 * 1_048_576
ITEMS_MAX: Final = 200
"""Operations in one request."""

WAIT_MS_MAX: Final = 10_000
"""How long listening is held; how soon a relay that lost its power without a word is noticed."""

_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16

Shape = TypeVar("Shape", bound=msgspec.Struct)


class RelayError(SyncError):
    """Something is wrong with the relay; the device carries on alone."""

    code = "relay"


class RelayLost(RelayError):
    """It does not answer."""

    code = "relay_lost"


class RelayNotTrusted(RelayError):
    """Who answers is not an active device of this store, or does not take us for one."""

    code = "relay_not_trusted"


class RelayFull(RelayError):
    """It can keep no more."""

    code = "relay_full"


class SessionOver(RelayError):
    """It does not know our session: it began a new life. Never leaves the sync package."""

    code = "relay_session_over"


class RelayHello(msgspec.Struct, frozen=True):
    """Which device the relay runs on, which life of the mailbox this is, and the session as the centre would answer it."""

    relay: str
    life: str
    answer: HelloAnswer


Items = Annotated[tuple[Item, ...], msgspec.Meta(max_length=ITEMS_MAX)]


class OfferRequest(msgspec.Struct, frozen=True):
    """Requests that want their place; changes up to `seen` are known here."""

    seen: Annotated[int, msgspec.Meta(ge=0)]
    items: Items


class TellRequest(msgspec.Struct, frozen=True):
    """What became of operations. `is_all`: with this the mailbox has all this device has."""

    items: Items
    is_all: bool = False


class ListenRequest(msgspec.Struct, frozen=True):
    """What changed after `since`? `whole_at` as the last answer had it."""

    since: Annotated[int, msgspec.Meta(ge=0)]
    whole_at: Annotated[int, msgspec.Meta(ge=0)] = 0
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=WAIT_MS_MAX)] = 0


class Channel:
    """One session's way to seal and open. Both ends have one."""

    def __init__(self, session: str, session_key: bytes, entropy: Entropy) -> None:
        """Args: `session_key` as hello agreed on it."""
        self.session = session
        self._entropy = entropy
        self._cipher = AESGCM(_body_key(session_key))

    def seal(self, body: bytes, *, path: str, seq: int, is_answer: bool) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = self._entropy.draw(_NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, body, self._label(path, seq, is_answer))

    def open(self, sealed: bytes, *, path: str, seq: int, is_answer: bool) -> bytes:
        """The body again. Raises Malformed for anything else than what was sealed for exactly this."""
        if len(sealed) < _NONCE_SIZE + _TAG_SIZE:
            raise Malformed("too short to be sealed")
        nonce, rest = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        try:
            return self._cipher.decrypt(nonce, rest, self._label(path, seq, is_answer))
        except InvalidTag as error:
            raise Malformed("the seal does not hold") from error

    def _label(self, path: str, seq: int, is_answer: bool) -> bytes:  # noqa: FBT001  # of two private callers
        return f"{'answer' if is_answer else 'ask'}\n{path}\n{self.session}\n{seq}".encode()


def _body_key(session_key: bytes) -> bytes:
    """Source: RFC 5869."""
    return HKDF(
        algorithm=hashes.SHA256(), length=32, salt=None, info=b"tapthread v1 relay bodies"
    ).derive(session_key)


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """A body as a value. Raises Malformed."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the body does not parse") from error
