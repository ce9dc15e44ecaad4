"""What the centre needs from others, as Protocols over bytes and values, which `kiosk` plugs; and what it is to a server."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from sync.model.ports import Request, Response

AsgiApp = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]
"""An HTTP service as servers and in-process transports call it: scope, receive, send. Source: ASGI 3.0."""


class Site(Protocol):
    """Addresses for who is no device: other systems' webhooks, people's browsers. Each proves its visitors in its own way.

    Attributes:
        path: First segment of all its addresses; not "v1".
    """

    path: str

    def answer(self, request: Request) -> Response:
        """The response, whatever came; blocking, called in a worker thread. Raises StoreError."""
        ...


@runtime_checkable
class NotesTooLarge(Protocol):
    """A site that wants to know what was refused unread."""

    def note_too_large(self, request: Request, size: int) -> None:
        """A body of so many bytes, or more, did not get through. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class ChipSession:
    """What opens one session of one chip and nothing else: its keys, and its transaction identifier where it has one."""

    keys: bytes = field(repr=False)
    ti: bytes = field(repr=False)


class BandKeys(Protocol):
    """The keys of bands, made from the brand's own keys, which never leave whoever fills this.

    All raise BandKeysAway when whoever keeps the keys does not answer.
    """

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid`, 16 bytes, and its version."""
        ...

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band` of the band with this true UID, 16 bytes, and its version: what is lent to a store."""
        ...

    def uid_hash(self, uid: bytes) -> str:
        """The keyed hash a kiosk looks a leased key up by, in hex."""
        ...


@runtime_checkable
class BandProver(Protocol):
    """Band keys that also prove a band from afar: they answer its chip without giving its key away.

    Raises BandKeysAway as `BandKeys` does.
    """

    def answer_chip(
        self, uid: bytes, challenge: bytes, rnd_a: bytes, *, dialect: str
    ) -> tuple[bytes, bytes]:
        """Answer the challenge of a chip with the band's key, which goes nowhere.

        Args:
            uid: The true UID, as the band says.
            challenge: What it asks.
            rnd_a: 16 random bytes of ours.
            dialect: As `sync.model.wire.BandRequest` has it.

        Returns:
            What to send to the chip, and B, for `open_chip`.

        Raises:
            BandNotProved: the challenge has a wrong size, or the UID is none.
        """
        ...

    def open_chip(
        self, uid: bytes, last: bytes, *, rnd_a: bytes, rnd_b: bytes, dialect: str
    ) -> ChipSession:
        """The session that the chip's last message opens; only the chip with the band's key can have sent it.

        Raises:
            BandNotProved: it did not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Touch:
    """What a link shown by a band says, its MAC verified: which chip, and how often it was read without a key."""

    uid: bytes = field(repr=False)
    counter: int


@dataclass(frozen=True, slots=True)
class TouchJudgement:
    """What follows from a counter: a word for it, and the highest known from now on."""

    freshness: str
    known: int


@runtime_checkable
class TouchReader(Protocol):
    """Band keys that also verify the links bands show to telephones. Raises BandKeysAway as `BandKeys` does."""

    def touch(self, link: str) -> Touch:
        """What a link says. Raises BandNotProved for one that is none, forged, or of a band without a key of ours."""
        ...

    def judged(self, counter: int, known: int | None) -> TouchJudgement:
        """What a counter says of when the link was made; `known` is the highest seen before, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class CapsuleWords:
    """What a capsule is to say; shortened by whoever signs it until it fits. Its `repr` shows none of the words.

    Attributes:
        issued_at: Whole seconds, as microseconds since 1970.
        days: How long it holds.
        seq: Counts the capsules of a band, from 1.
        parts: Facts of the thread as `thread_parts.packed` makes them, the most pressing first.
    """

    issued_at: int
    days: int
    seq: int
    is_waiting: bool
    is_owed: bool
    language: str = field(repr=False)
    name: str = field(repr=False)
    parts: bytes = field(repr=False)


class CapsuleSigner(Protocol):
    """Signs capsules with the brand's own key, which never leaves whoever fills this."""

    def public_keys(self) -> tuple[bytes, ...]:
        """What they are believed by, 32 bytes each: the key that signs first, then older ones that still count."""
        ...

    def signed(self, words: CapsuleWords, *, uid: bytes, band: bytes, size: int) -> bytes:
        """The capsule of the band with this true UID and reference, in at most `size` bytes."""
        ...
