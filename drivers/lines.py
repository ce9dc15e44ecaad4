"""What the reader process says and is told: one JSON value a line, usable by any program.

    reader process                               whoever started it
      {"say":"reader", ...}      ->                the reader is there (or is gone, with a code)
      {"say":"seen", "tap":7}    ->                a band entered the field: light and sound now
      {"say":"key_wanted", ...}  ->                which key is leased for this UID?
                                 <-  {"tell":"key", ...}
      {"say":"proved", ...}      ->                what the exchange established
      {"say":"failed", ...}      ->                it could not be read, with a code; the customer can try again
      {"say":"left", "tap":7}    ->                the band is gone
                                 <-  {"tell":"group_key", ...}  once, at the start
                                 <-  {"tell":"stop"}            or end of file

    while a band that was said to be proved is still there
                                 <-  {"tell":"prove", "tap":7}     its key is not here: let the centre prove it
      {"say":"challenge", ...}   ->                                step 1: what the chip asks
                                 <-  {"tell":"response", ...}      step 1: what to answer the chip
      {"say":"challenge", ...}   ->                                step 2: what the chip said to that
                                 <-  {"tell":"response", ...}      step 2: the keys of this one session
      {"say":"proved", ...}      ->                                again, for the same tap, with more proof
                                 <-  {"tell":"refresh", ...}       write this capsule to it
      {"say":"refreshed", ...}   ->                                what became of that

Keys cross this pipe and nothing else: they are in no argument, no environment and no log. Bytes are lower-case hex.
`tap` counts this reader's taps from 1, with gaps; a key that arrives for an older tap is ignored. A key may be wanted
before its tap is seen, and for one that is never said to be seen: the same band again, known only once it was read.

A band that is held there again within 2.5 s is the same tap. Of one that was proved with its key, or could be through the centre,
`proved` is said once more after `left`, and `left` again when it goes: between the two it is there.
"""

from typing import Any, TypeVar

import msgspec

from drivers.errors import BandMalformed


class ReaderState(msgspec.Struct, frozen=True, tag="reader", tag_field="say"):
    """The reader came or went. `code` is "" while it is there, else an error code of `drivers.errors`.

    `input_over` is the last value of a process whose standard input ended before it was told to stop.
    """

    name: str
    code: str = ""
    reason: str = ""


class Seen(msgspec.Struct, frozen=True, tag="seen", tag_field="say"):
    """A band entered the field. Ticks are `Clock.ticks_us` of this machine, comparable across its processes."""

    tap: int
    technology: str
    at_ticks_us: int


class _Discreet(msgspec.Struct, frozen=True):
    """A value with something in it that is nobody's business: what prints values prettily gets its name only."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class KeyWanted(_Discreet, frozen=True, tag="key_wanted", tag_field="say"):
    """Which key is leased for the band with this true UID?"""

    tap: int
    uid: str

    def __repr__(self) -> str:
        return f"KeyWanted(tap={self.tap}, uid=<hidden>)"


class Proved(_Discreet, frozen=True, tag="proved", tag_field="say"):
    """What the exchange established; fields as in `drivers.proof.Proof`.

    Attributes:
        detect_us: From the reader's own report of the band to `Seen`, where the reader tells it, else 0.
        authenticate_us: From `Seen` to this line, waiting for the key included.
        n_exchanges: Commands sent to the band.
        capsule: As it was read, hex, not verified; None when none was read.
        counter: SUN or one-way counter as it was read.
        uses: How often the band says it was used.
        is_provable: It holds a key of its own that is not here: whoever has it can prove the band, see `Prove`.
    """

    tap: int
    kind: str
    family: str
    generation: int
    uid: str | None
    band: str | None
    detect_us: int = 0
    authenticate_us: int = 0
    n_exchanges: int = 0
    capsule: str | None = None
    counter: int | None = None
    uses: int | None = None
    is_provable: bool = False

    def __repr__(self) -> str:
        return f"Proved(tap={self.tap}, {self.kind}, {self.family} {self.generation})"


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="say"):
    """The band could not be read. `code` and `delivery` as in `drivers.errors`."""

    tap: int
    code: str
    delivery: str = "unknown"


class Left(msgspec.Struct, frozen=True, tag="left", tag_field="say"):
    """The band is gone from the field."""

    tap: int


class Challenge(_Discreet, frozen=True, tag="challenge", tag_field="say"):
    """What the chip of this tap said, for whoever has its key.

    Attributes:
        uid: The true UID, hex; a claim.
        step: 1 or 2.
        data: Hex: the chip's challenge in step 1, its last message in step 2.
        dialect: Value of a `drivers.credential.afar.Dialect`.
    """

    tap: int
    uid: str
    step: int
    data: str
    dialect: str

    def __repr__(self) -> str:
        return f"Challenge(tap={self.tap}, step={self.step})"


class Refreshed(msgspec.Struct, frozen=True, tag="refreshed", tag_field="say"):
    """What became of a capsule that was to be written.

    Attributes:
        outcome: written | kept (it has this one or a newer) | torn (it has none or the old one) | refused.
    """

    tap: int
    outcome: str


class Used(msgspec.Struct, frozen=True, tag="used", tag_field="say"):
    """What became of a use that the band was to witness.

    Attributes:
        operation: As in `Use`.
        outcome: recorded (give) | there (it stands there from before: give) | used (somebody else gave it: do not give) |
            unsure (the band cannot say) | undone (not written, for certain) | torn (only the band can tell: tell it again).
        at: Of `used`, when the band says that somebody else gave it, Unix seconds; 0 when it cannot say.
        store: And where: a tag of two bytes in hex, "" when it cannot say.
        stood: Of `torn`, how often the band had been used before; None when that was not read.
    """

    tap: int
    operation: str
    outcome: str
    at: int = 0
    store: str = ""
    stood: int | None = None


Said = ReaderState | Seen | KeyWanted | Proved | Failed | Left | Challenge | Refreshed | Used


class GroupKey(_Discreet, frozen=True, tag="group_key", tag_field="tell"):
    """`K_uid` for this reader; hex of 16 bytes."""

    key: str
    version: int = 0

    def __repr__(self) -> str:
        return "GroupKey(key=<hidden>)"


class Key(_Discreet, frozen=True, tag="key", tag_field="tell"):
    """The leased key that was wanted for `tap`; None when there is no lease."""

    tap: int
    key: str | None
    version: int = 0

    def __repr__(self) -> str:
        return f"Key(tap={self.tap}, key=<hidden>)"


class Prove(msgspec.Struct, frozen=True, tag="prove", tag_field="tell"):
    """What is known is shown: now prove the band of this tap through whoever has its key."""

    tap: int


class Response(_Discreet, frozen=True, tag="response", tag_field="tell"):
    """The answer to a `Challenge`; with nothing in it when there is none to be had.

    Attributes:
        data: What to send to the chip, hex: in step 1.
        keys: Of this one session, hex, as many as its dialect says: in step 2.
        ti: Its transaction identifier, hex: in step 2, "" where it has none.
    """

    tap: int
    step: int
    data: str | None = None
    keys: str | None = None
    ti: str = ""

    def __repr__(self) -> str:
        return f"Response(tap={self.tap}, step={self.step})"


class Refresh(_Discreet, frozen=True, tag="refresh", tag_field="tell"):
    """Write this capsule, hex, to the band of that tap, if its session with K_band can be had."""

    tap: int
    capsule: str

    def __repr__(self) -> str:
        return f"Refresh(tap={self.tap})"


class Use(_Discreet, frozen=True, tag="use", tag_field="tell"):
    """Let the band of that tap witness a use, if what it says of others leaves it free.

    Attributes:
        operation: Id of the operation that will say that it was given; a UUID.
        of: Key of the entitlement or account.
        kind: Number of a `drivers.credential.witness.Kind`.
        amount: How much, 1 for a use.
        free: How much was left by all that was heard of.
        at: Now, Unix time in seconds.
        store: Id of this store.
        heard: Tags of the newest operations that were heard of and stand on this band; hex of 8 bytes each.
        n_heard: How many were heard of in all.
        stood: Of one that was torn a moment ago, `Used.stood`; None otherwise.
    """

    tap: int
    operation: str
    of: str
    kind: int
    amount: int
    free: int
    at: int
    store: str
    heard: tuple[str, ...] = ()
    n_heard: int = 0
    stood: int | None = None

    def __repr__(self) -> str:
        return f"Use(tap={self.tap})"


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="tell"):
    """Close the reader and end."""


Told = GroupKey | Key | Prove | Response | Refresh | Use | Stop

LINE_SIZE_MAX = 4_096
"""A line is a few hundred bytes; a longer one is not ours."""

_Value = TypeVar("_Value")

_encoder = msgspec.json.Encoder()
_said: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
_told: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)


def line_of(value: Said | Told) -> bytes:
    """One value as one line, newline included."""
    return _encoder.encode(value) + b"\n"


def said_of(line: bytes) -> Said:
    """The value of one line from the reader process. Raises BandMalformed for anything else."""
    return _decoded(_said, line)


def told_of(line: bytes) -> Told:
    """The value of one line to the reader process. Raises BandMalformed for anything else."""
    return _decoded(_told, line)


def _decoded(decoder: msgspec.json.Decoder[_Value], line: bytes) -> _Value:
    if len(line) > LINE_SIZE_MAX:
        raise BandMalformed("the line is too long")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BandMalformed("the line is not a value of this protocol") from error
