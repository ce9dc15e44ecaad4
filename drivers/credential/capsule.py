r"""The capsule: what a band carries of its wearer's thread, signed, so that a shop that never saw them knows what to say.

    d2 84                                      tag 18 (COSE_Sign1), array of 4
      49 a2 01 27 04 44 kk kk kk kk            protected header: 1 algorithm -8 (EdDSA), 4 key id, 4 bytes
      a0                                       unprotected header, always empty
      58 nn  <payload>                         an array, see below; 4n where it has fewer than 24 bytes
      58 40  <signature, 64 bytes>

    payload    version, 3 or 4   in version 4 and only there: band reference, 16 bytes   issued, seconds since 1970   sequence of
               this band   bits: 1 something waits, 2 we owe an answer   language   name   the thread, for staff: parts of it as
               below, bytes   days it holds for, when not 90

    part       one byte: a kind in its upper four bits, in the lower ones how many bytes of content follow. What they say is the
               affair of whoever writes and reads the thread; here only whole parts are left out where not all fit.

    before     versions 1 and 2 were maps: 0 version   1 issued   2 days   3 sequence   4 bits   5 language   6 name   7 the thread,
               bytes or one line of text   8 band reference, in version 2. They are read and, but for a line of text, not written.

What says nothing is left out where nothing follows it. The reference stands in capsules of chips with room for it, so that one
read tells both; a band with one of version 3 is asked for it. All of them begin alike, so a reader that pays for each byte reads
from the key id on (`contained_behind`). What is signed beside it and not carried (`external_aad`) is CONTEXT, the chip's true UID and the
band reference, which stands on the band apart from it: a capsule copied to another chip, or put beside another reference,
does not hold, and tells a reader of it nothing about either.

EdDSA with Ed25519 and not ES256: both sign in 64 bytes and have an algorithm number of one byte, so neither makes a smaller
capsule. Ed25519 needs no random number for a signature (a bad one gives an ECDSA key away), so the same words at the same
time are the same bytes; its keys are 32 bytes, and of its signatures there is no second valid form.

A capsule alone is worth A1: it can be copied by whoever emulates the chip. Unknown versions, keys and claims are refused, never
guessed at. Torn writes leave none: the head and, where a chip writes that much at once, the key id are written last (`writes`),
and half a capsule has no signature that holds.

Source: RFC 9052, 4.2 and 4.4; RFC 9053, 2.2; RFC 8949, 4.2.1; RFC 8032, 5.1.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.credential.cbor import SIZE_MAX, Tagged, Value, decoded, decoded_first, encoded
from drivers.credential.layout import REFERENCE_SIZE, UID_SIZES
from drivers.errors import BandMalformed, BandUntrusted, Delivery

VERSION, VERSION_NAMING = 3, 4
VERSION_BEFORE, VERSION_NAMING_BEFORE = 1, 2
"""Without the band reference, and with it."""

CONTEXT: Final = b"tapthread capsule\x00"
"""What a signature is for, so that no other signed thing of the same key is ever taken for a capsule."""

SIGNATURE_SIZE: Final = 64
KEY_SIZE: Final = 32
"""Bytes of an Ed25519 public key. Source: RFC 8032, 5.1.5."""

KEY_ID_SIZE: Final = 4
"""Bytes of a key id: enough to find the right one among a few, and it proves nothing."""

MINIMAL_SIZE: Final = 128
"""What the pages of an Ultralight hold; a line of words is no use there. An NTAG 424 has 112 beside the reference."""

FULL_SIZE: Final = SIZE_MAX
"""What the file of a DESFire holds."""

DAYS_USUAL: Final = 90
"""Said by saying nothing."""

DAYS_MAX: Final = 366
"""A capsule for longer than a year is none of ours."""

EARLY_US: Final = 86_400 * 1_000_000
"""How far ahead of a kiosk's clock a capsule may have been issued."""

SEQ_MAX: Final = (1 << 32) - 1

LANGUAGE_SIZE_MAX: Final = 11
"""Bytes of a language, as in "zh-Hant-HK" and one more."""

NAME_SIZE_MAX: Final = 60
LINE_SIZE_MAX: Final = 140
PARTS_SIZE_MAX: Final = 48
"""Bytes of text, and of parts; a fit to the file comes on top."""

_ALGORITHM, _KEY_ID, _EDDSA = 1, 4, -8
_WAITS, _OWED = 1, 2
_SIGNATURE1: Final = "Signature1"
_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US


class Claim(Enum):
    """Keys of the payload where it is a map."""

    VERSION = 0
    ISSUED = 1
    DAYS = 2
    SEQ = 3
    BITS = 4
    LANGUAGE = 5
    NAME = 6
    LINE = 7
    BAND = 8


_HEAD: Final = bytes.fromhex("D28449A201270444")
_BEFORE_PAYLOAD: Final = bytes.fromhex("A058")
_BEFORE_SIGNATURE: Final = bytes.fromhex("5840")
_NAMING: Final = bytes((VERSION_NAMING, 0x40 | REFERENCE_SIZE))
_NAMING_BEFORE: Final = bytes((Claim.VERSION.value, VERSION_NAMING_BEFORE))
_BEFORE_BAND: Final = bytes((Claim.BAND.value, 0x40 | REFERENCE_SIZE))
"""What stands between the parts of a capsule, as above: in an array the band follows its version; a map is in order, so that
version is first and band is last."""

HEAD_SIZE: Final = len(_HEAD)
"""Bytes in which all capsules begin alike; the key id follows."""


class Why(Enum):
    """Why a capsule that parses does not hold. Public: logged."""

    KEY = "unknown_key"
    SIGNATURE = "signature"  # forged, damaged, or of another chip or band
    VERSION = "unknown_version"
    EARLY = "not_yet"
    OVER = "expired"
    SUPERSEDED = "superseded"


class CapsuleRefused(BandUntrusted):
    """The capsule does not hold.

    Attributes:
        why: Which rule it breaks.
    """

    def __init__(self, why: Why) -> None:
        super().__init__(f"the capsule does not hold: {why.value}", delivery=Delivery.DONE)
        self.why = why


@dataclass(frozen=True, slots=True)
class Capsule:
    """What a capsule says. Its `repr` shows none of the words.

    Attributes:
        issued_at: Whole seconds, as microseconds since 1970.
        days: How long it holds, 1 to DAYS_MAX.
        seq: Counts the capsules of this band, 1 to SEQ_MAX.
        is_waiting: Something waits for the wearer.
        is_owed: We owe them an answer.
        language: BCP 47, "" when not said.
        name: What they are called on a public screen, "" when not said.
        line: One line of the thread, in capsules of before; for staff, once they have seen an identity document.
        parts: The same in parts, as in all others; never both.
        band: Reference of the band it is on, 16 bytes; b"" where it does not stand in it.
    """

    issued_at: int
    days: int
    seq: int
    is_waiting: bool = False
    is_owed: bool = False
    language: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    line: str = field(default="", repr=False)
    parts: bytes = field(default=b"", repr=False)
    band: bytes = field(default=b"", repr=False)

    @property
    def until(self) -> int:
        """The end of it, microseconds since 1970."""
        return self.issued_at + self.days * _DAY_US


Claimed = TypeVar("Claimed", int, str, bytes)

Sign = Callable[[bytes], bytes]
"""Ed25519 over a message, 64 bytes; of a key in memory or in a token."""


def key_id_of(public_key: bytes) -> bytes:
    """The id of a signing key. Raises ValueError when it is not 32 bytes."""
    if len(public_key) != KEY_SIZE:
        raise ValueError("an Ed25519 public key is 32 bytes")
    return hashlib.sha256(public_key).digest()[:KEY_ID_SIZE]


def bound_to(uid: bytes, band: bytes) -> bytes:
    """What is signed beside a capsule: whose it is. Raises BandMalformed for a UID or reference that is none."""
    if len(uid) not in UID_SIZES or len(band) != REFERENCE_SIZE:
        raise BandMalformed("a capsule belongs to a UID and a band reference")
    return CONTEXT + uid + band


def signed(
    capsule: Capsule, *, uid: bytes, band: bytes, public_key: bytes, sign: Sign
) -> bytes:
    """The capsule of one band as it is written.

    Args:
        capsule: What it says; times outside whole seconds, and numbers out of range, are refused.
        uid: True UID of the chip.
        band: Reference of the band.
        public_key: Of the key that signs, 32 bytes.
        sign: Signs with it.

    Raises:
        ValueError: a value is out of range, or the capsule is longer than FULL_SIZE.
    """
    payload = encoded(_said(capsule))
    protected = _protected(key_id_of(public_key))
    message = _to_be_signed(protected, payload, bound_to(uid, band))
    signature = sign(message)
    if len(signature) != SIGNATURE_SIZE:
        raise ValueError("an Ed25519 signature is 64 bytes")
    whole = encoded(Tagged((protected, {}, payload, signature)))
    if len(whole) > FULL_SIZE:
        raise ValueError("the capsule is too long")
    return whole


def size_of(capsule: Capsule) -> int:
    """Bytes it takes once it is signed. Raises ValueError for a value out of range."""
    payload = encoded(_said(capsule))
    stand_in: tuple[Value, ...] = (
        _protected(bytes(KEY_ID_SIZE)),
        {},
        payload,
        bytes(SIGNATURE_SIZE),
    )
    return len(encoded(Tagged(stand_in)))


def fitted(capsule: Capsule, size: int) -> Capsule:
    """The same with no more than a place of `size` bytes holds: first the thread gets shorter, then the name.

    Of its parts those are kept that fit, one after the other, since half a case number is worse than none. A line is cut at
    the end of one of its own ("; "), a name at a letter.

    Raises:
        ValueError: not even a capsule without words fits.
    """
    line = cut(capsule.line, LINE_SIZE_MAX) if size > MINIMAL_SIZE else ""
    fitting = replace(capsule, line=line, parts=b"", name=cut(capsule.name, NAME_SIZE_MAX))
    while size_of(fitting) > size:
        if fitting.line:
            fitting = replace(fitting, line=fitting.line.rpartition("; ")[0])
        elif fitting.name:
            fitting = replace(fitting, name=fitting.name[:-1].rstrip())
        elif fitting.language:
            fitting = replace(fitting, language="")
        else:
            raise ValueError(f"no capsule fits {size} bytes")
    for part in _parts_in(capsule.parts):
        longer = replace(fitting, parts=fitting.parts + part)
        if len(longer.parts) <= PARTS_SIZE_MAX and size_of(longer) <= size:
            fitting = longer
    return fitting


def _parts_in(raw: bytes) -> Iterator[bytes]:
    """The parts, each with its head; the last may be cut short, and is then none."""
    at = 0
    while at < len(raw):
        end = at + 1 + (raw[at] & 0x0F)
        if end <= len(raw):
            yield raw[at:end]
        at = end


def contained(content: bytes) -> bytes | None:
    """The capsule in what was read of its place on a band; None when there is none, or one was torn while it was written.

    Raises:
        BandMalformed: what is there is no capsule followed by zeros.
    """
    if not content or not content[0]:
        return None
    end = _told_end(content)
    if end is None:
        _, end = decoded_first(content)
    if content[end:].strip(b"\x00"):
        raise BandMalformed("something follows the capsule")
    return content[:end]


def contained_behind(content: bytes) -> bytes | None:
    """The same of what was read from HEAD_SIZE on. A key id of zeros is that of none, or of one torn while it was written."""
    return contained(_HEAD + content) if any(content[:KEY_ID_SIZE]) else None


def n_missing_behind(content: bytes) -> int:
    """How many bytes of a capsule come after what was read of it from HEAD_SIZE on; 0 where they are all there, or it does not tell."""
    at = KEY_ID_SIZE + len(_BEFORE_PAYLOAD)
    is_told = any(content[:KEY_ID_SIZE]) and content[KEY_ID_SIZE:at] == _BEFORE_PAYLOAD
    if not is_told or len(content) == at:
        return 0
    end = at + 1 + content[at] + len(_BEFORE_SIGNATURE) + SIGNATURE_SIZE
    return max(end - len(content), 0) if HEAD_SIZE + end <= FULL_SIZE else 0


def _told_end(content: bytes) -> int | None:
    """Where a capsule of today ends, by its own lengths, once all of it is there: nothing is taken apart on a tap's way."""
    if content[:8] != _HEAD or content[12:14] != _BEFORE_PAYLOAD or len(content) < 15:
        return None
    at = 15 + content[14]
    end = at + len(_BEFORE_SIGNATURE) + SIGNATURE_SIZE
    is_whole = content[at : at + 2] == _BEFORE_SIGNATURE and end <= len(content) <= FULL_SIZE
    return end if is_whole else None


def named(raw: bytes) -> bytes | None:
    """The band reference in a capsule, a claim like all the rest of it; None where there is none.

    Args:
        raw: As `contained` gives it.
    """
    payload = raw[15 : -SIGNATURE_SIZE - len(_BEFORE_SIGNATURE)]
    if payload[1:3] == _NAMING and len(payload) >= 3 + REFERENCE_SIZE:
        return payload[3 : 3 + REFERENCE_SIZE]
    is_naming = (
        payload[1:3] == _NAMING_BEFORE
        and payload[-len(_BEFORE_BAND) - REFERENCE_SIZE :][:2] == _BEFORE_BAND
    )
    return payload[-REFERENCE_SIZE:] if is_naming else None


def writes(raw: bytes, size: int, *, unit: int = 1) -> tuple[tuple[int, bytes], ...]:
    """What to write where, in this order, so that whatever is torn leaves the old capsule or none.

    The head is zeroed first and written last. Everything behind the capsule is zeroed, so that nothing of an older and
    longer one stays on the band.

    Args:
        raw: A signed capsule; b"" to leave none.
        size: Bytes of its place.
        unit: Bytes that are written at a time there: 4 on a chip with pages.

    Raises:
        ValueError: it does not fit, or the place is not made of whole units.
    """
    if len(raw) > size or size % unit or not unit:
        raise ValueError("the capsule does not fit its place")
    padded = raw + bytes(size - len(raw))
    steps = ((0, bytes(unit)), (unit, padded[unit:]))
    return (*steps, (0, padded[:unit])) if raw else steps


def read_unverified(raw: bytes) -> Capsule:
    """What a capsule says, its signature not looked at: to know how old it is, never to believe it.

    Raises:
        BandMalformed: it is none, or of a version that is not known.
    """
    _, payload, _, _ = _taken_apart(raw)
    try:
        return _capsule_of(payload)
    except CapsuleRefused as error:
        raise BandMalformed(str(error)) from error


def verified(  # whose it is, who signs, and when
    raw: bytes, *, keys: Iterable[bytes], uid: bytes, band: bytes, now: int, seq_min: int = 0
) -> Capsule:
    """What a capsule says, once it holds in every respect.

    Args:
        raw: As `contained` gives it.
        keys: Ed25519 public keys of the brand, 32 bytes each.
        uid: True UID of the chip it was read from.
        band: Reference read from the same band.
        now: A time that never goes back, microseconds since 1970.
        seq_min: The least sequence that still holds for this band.

    Raises:
        BandMalformed: it does not parse.
        CapsuleRefused: it parses and does not hold; `why`.
    """
    key_id, payload, protected, signature = _taken_apart(raw)
    public_key = next((key for key in keys if key_id_of(key) == key_id), None)
    if public_key is None:
        raise CapsuleRefused(Why.KEY)
    message = _to_be_signed(protected, payload, bound_to(uid, band))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature as error:
        raise CapsuleRefused(Why.SIGNATURE) from error
    capsule = _capsule_of(payload)
    if capsule.issued_at > now + EARLY_US:
        raise CapsuleRefused(Why.EARLY)
    if now >= capsule.until:
        raise CapsuleRefused(Why.OVER)
    if capsule.seq < seq_min:
        raise CapsuleRefused(Why.SUPERSEDED)
    if capsule.band not in (b"", band):
        raise CapsuleRefused(Why.SIGNATURE)
    return capsule


def _protected(key_id: bytes) -> bytes:
    return encoded({_ALGORITHM: _EDDSA, _KEY_ID: key_id})


def _to_be_signed(protected: bytes, payload: bytes, beside: bytes) -> bytes:
    """Source: RFC 9052, 4.4."""
    return encoded((_SIGNATURE1, protected, beside, payload))


def _taken_apart(raw: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Key id, payload, protected header, signature. Raises BandMalformed."""
    match decoded(raw):
        case Tagged(
            (bytes() as protected, {**unprotected}, bytes() as payload, bytes() as signature)
        ):
            is_whole = not unprotected and len(signature) == SIGNATURE_SIZE
        case _:
            is_whole = False
    if not is_whole:
        raise BandMalformed("it is not a capsule")
    match decoded(protected):
        case {1: -8, 4: bytes() as key_id, **others} if (
            not others and len(key_id) == KEY_ID_SIZE
        ):
            return key_id, payload, protected, signature
        case _:
            raise BandMalformed("its header is not of a capsule")


_DAYS_UNSAID: Final = (Claim.DAYS.value, DAYS_USUAL)

_SAYING_NOTHING: Final = (0, "", "", b"", 0)
"""Bits, language, name, parts, days."""


def _said(capsule: Capsule) -> Value:
    """The payload. Raises ValueError for what no capsule may say."""
    if capsule.line:
        return _claims(capsule)
    _check_ranges(capsule)
    days = 0 if capsule.days == DAYS_USUAL else capsule.days
    bits = _WAITS * capsule.is_waiting | _OWED * capsule.is_owed
    last = [bits, capsule.language, capsule.name, capsule.parts, days]
    while last and not last[-1]:
        last.pop()
    first = (VERSION_NAMING, capsule.band) if capsule.band else (VERSION,)
    return (*first, capsule.issued_at // _SECOND_US, capsule.seq, *last)


def _claims(capsule: Capsule) -> dict[int, Value]:
    """The payload as it was before. Raises as `_said`."""
    _check_ranges(capsule)
    bits = _WAITS * capsule.is_waiting | _OWED * capsule.is_owed
    said: dict[int, Value] = {
        Claim.BITS.value: bits,
        Claim.LANGUAGE.value: capsule.language,
        Claim.NAME.value: capsule.name,
        Claim.LINE.value: capsule.line or capsule.parts,
        Claim.BAND.value: capsule.band,
    }
    if capsule.days != DAYS_USUAL:
        said[Claim.DAYS.value] = capsule.days
    return {
        Claim.VERSION.value: VERSION_NAMING_BEFORE if capsule.band else VERSION_BEFORE,
        Claim.ISSUED.value: capsule.issued_at // _SECOND_US,
        Claim.SEQ.value: capsule.seq,
        **{key: value for key, value in said.items() if value},
    }


def _check_ranges(capsule: Capsule) -> None:
    """Raises ValueError."""
    if capsule.issued_at < 0 or capsule.issued_at % _SECOND_US:
        raise ValueError("a capsule is issued at a whole second since 1970")
    sizes = (
        (capsule.language, LANGUAGE_SIZE_MAX),
        (capsule.name, NAME_SIZE_MAX),
        (capsule.line, LINE_SIZE_MAX),
    )
    is_short = all(len(text.encode()) <= most for text, most in sizes)
    if not is_short or len(capsule.parts) > PARTS_SIZE_MAX:
        raise ValueError("a text of the capsule is too long")
    if capsule.line and capsule.parts:
        raise ValueError("a capsule tells the thread once")
    is_whole = (
        capsule.issued_at < (1 << 32) * _SECOND_US
        and 1 <= capsule.days <= DAYS_MAX
        and 1 <= capsule.seq <= SEQ_MAX
        and len(capsule.band) in (0, REFERENCE_SIZE)
    )
    if not is_whole:
        raise ValueError("a number of the capsule is out of range")


def _capsule_of(payload: bytes) -> Capsule:
    """Raises BandMalformed, CapsuleRefused."""
    said = decoded(payload)
    match said:
        case dict():
            return _capsule_of_claims(said)
        case (int() as version, *rest):
            if version not in (VERSION, VERSION_NAMING):
                raise CapsuleRefused(Why.VERSION)
        case _:
            raise BandMalformed("what it says is not of a capsule")
    band, rest = (rest[:1], rest[1:]) if version == VERSION_NAMING else ([b""], rest)
    match (*band, *rest, *_SAYING_NOTHING[max(len(rest) - 2, 0) :]):
        case (
            bytes() as named_band, int() as issued, int() as seq, int() as bits, str() as language, str() as name,
            bytes() as parts, int() as days,
        ):  # fmt: skip
            capsule = Capsule(
                issued * _SECOND_US,
                days or DAYS_USUAL,
                seq,
                is_waiting=bool(bits & _WAITS),
                is_owed=bool(bits & _OWED),
                language=language,
                name=name,
                parts=parts,
                band=named_band,
            )
        case _:
            raise BandMalformed("what it says is not of a capsule")
    return _canonical(capsule, said, _said)


def _canonical(capsule: Capsule, said: Value, say: Callable[[Capsule], Value]) -> Capsule:
    """The capsule, if it says just that and no more. Raises BandMalformed.

    A claim that is not known, an empty one, a bit that means nothing, a version that has the band or lacks it.
    """
    try:
        again = say(capsule)
    except ValueError as error:
        raise BandMalformed("what it says is out of range") from error
    if said != again:
        raise BandMalformed("it says more than a capsule does")
    return capsule


def _capsule_of_claims(claims: dict[int, Value]) -> Capsule:
    """One of before. Raises BandMalformed, CapsuleRefused."""
    version = claims.get(Claim.VERSION.value)
    if version not in (VERSION_BEFORE, VERSION_NAMING_BEFORE):
        raise CapsuleRefused(Why.VERSION)
    thread = claims.get(Claim.LINE.value, b"")
    match claims:
        case {1: int() as issued, 3: int() as seq} if isinstance(thread, str | bytes):
            bits = _optional(claims, Claim.BITS, 0)
            capsule = Capsule(
                issued * _SECOND_US,
                _optional(claims, Claim.DAYS, DAYS_USUAL),
                seq,
                is_waiting=bool(bits & _WAITS),
                is_owed=bool(bits & _OWED),
                language=_optional(claims, Claim.LANGUAGE, ""),
                name=_optional(claims, Claim.NAME, ""),
                line=thread if isinstance(thread, str) else "",
                parts=thread if isinstance(thread, bytes) else b"",
                band=_optional(claims, Claim.BAND, b""),
            )
        case _:
            raise BandMalformed("what it says is not of a capsule")
    # The oldest said the usual number of days as well.
    unsaid = {key: value for key, value in claims.items() if (key, value) != _DAYS_UNSAID}
    return _canonical(capsule, unsaid, _claims)


def _optional(claims: dict[int, Value], claim: Claim, absent: Claimed) -> Claimed:
    """A claim that may be left out, of the type of `absent`. Raises BandMalformed for another type."""
    found = claims.get(claim.value, absent)
    if not isinstance(found, type(absent)):
        raise BandMalformed("a part of it is of another kind")
    return found


def cut(text: str, size: int) -> str:
    """The text in at most `size` bytes, no letter halved, without half surrogate pairs."""
    return text.encode(errors="ignore")[:size].decode(errors="ignore")
