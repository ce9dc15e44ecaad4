"""SUN messages of NTAG 424 DNA: found in a link, verified, and judged by their counter. Pure.

At every first reading without a key the chip writes into its link who it is, how often it was read, and a MAC over both:

    https://.../?e=<32 or 48 hex: enciphered UID and counter>&c=<16 hex: MAC>
    https://.../?e=...&f=<enciphered bytes of the file>&c=<MAC, over the text of f up to here>
    https://.../?u=<14 hex: UID>&n=<6 hex: counter>&c=<MAC>                                     nothing enciphered

48 digits mean LRP: eight random bytes stand in front. A message proves that the chip was there once. That it is there now
follows only from a counter nobody showed us before, so `judged` belongs to every verification; whoever keeps the counters
writes the new one down before acting on it.

Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3; NXP AN12196, 3 and 4.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from drivers.credential.kdf import BLOCK, ZERO, Aes, Cmac
from drivers.credential.lrp import LrpKey
from drivers.credential.session import truncated
from drivers.errors import BandMalformed, BandUntrusted, Delivery

LINK_SIZE_MAX = 512
"""Characters of a link; the chip's file holds 256 bytes."""

UID_SIZE = 7
"""Bytes of the UID of every NTAG 424. Source: NXP NT4H2421Gx data sheet rev 3.0, table 21."""

COUNTER_SIZE = 3
"""Bytes of SDMReadCtr."""

COUNTER_MAX = 0xFFFFFF
"""The last value of SDMReadCtr; there the chip refuses to be read. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.1."""

PICC_RAND_SIZE = 8
"""Random bytes before PICCData in LRP mode. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.4.2."""

BOTH_MIRRORED = 0xC7
"""PICCDataTag: a UID of seven bytes and the counter. Source: NXP NT4H2421Gx data sheet rev 3.0, table 21."""

MAC_SIZE = 8

_HEX = re.compile(r"[0-9A-Fa-f]+")


@dataclass(frozen=True, slots=True)
class Names:
    """What the parameters of a link are called.

    Attributes:
        picc: Enciphered UID and counter.
        mac: The MAC.
        file: Enciphered bytes of the file.
        uid, counter: UID and counter in clear.
    """

    picc: str = "e"
    mac: str = "c"
    file: str = "f"
    uid: str = "u"
    counter: str = "n"


OUR_NAMES = Names()
"""What the parameters are called in our links."""


@dataclass(frozen=True, slots=True)
class SunMessage:
    """What a link carries, not verified.

    Attributes:
        picc: Enciphered UID and counter, 16 bytes or with LRP 24; empty when they stand in clear.
        uid: UID in clear, 7 bytes; empty when it is enciphered.
        counter: Counter in clear; None when it is enciphered.
        file: Enciphered bytes of the file; empty when there are none.
        mac: 8 bytes.
        mac_input: The bytes of the link the MAC is made over, besides UID and counter.
    """

    picc: bytes
    uid: bytes
    counter: int | None
    file: bytes
    mac: bytes
    mac_input: bytes

    def __repr__(self) -> str:
        return f"SunMessage({len(self.picc)} bytes, mac={self.mac.hex()})"


@dataclass(frozen=True, slots=True)
class Sun:
    """What a verified message says.

    Attributes:
        uid: The true UID, 7 bytes.
        counter: How often the chip was read without a key, this time included.
        content: Deciphered bytes of the file; empty when the link carries none.
        is_lrp: Was it made in LRP mode?
    """

    uid: bytes
    counter: int
    content: bytes = field(repr=False)
    is_lrp: bool

    def __repr__(self) -> str:
        return f"Sun(uid=<{len(self.uid)} bytes>, counter={self.counter})"


def message_of(link: str, names: Names = OUR_NAMES) -> SunMessage:
    """The message in a link. Raises BandMalformed for anything else, whatever the text."""
    if len(link) > LINK_SIZE_MAX or not link.isascii():
        raise BandMalformed("a link is short and of ASCII letters")
    found = _parameters(link, names)
    mac, mac_at = found.get(names.mac, (b"", 0))
    if len(mac) != MAC_SIZE:
        raise BandMalformed("the link has no MAC")
    picc = found.get(names.picc, (b"", 0))[0]
    uid = found.get(names.uid, (b"", 0))[0]
    counter = found.get(names.counter, (b"", 0))[0]
    if picc:
        if uid or counter or len(picc) not in (BLOCK, PICC_RAND_SIZE + BLOCK):
            raise BandMalformed("who the band is does not parse")
    elif len(uid) != UID_SIZE or len(counter) != COUNTER_SIZE:
        raise BandMalformed("the link does not say which band and when")
    file, file_at = found.get(names.file, (b"", mac_at))
    if len(file) % BLOCK or file_at > mac_at:
        raise BandMalformed("the content of the file does not parse")
    return SunMessage(
        picc=picc,
        uid=uid,
        counter=None if picc else int.from_bytes(counter, "big"),
        file=file,
        mac=mac,
        mac_input=link[file_at:mac_at].encode("ascii"),
    )


def _parameters(link: str, names: Names) -> dict[str, tuple[bytes, int]]:
    """The parameters of a link that are called as they should: their bytes, and where their digits begin.

    Raises BandMalformed when one stands there twice or is not whole bytes in hex.
    """
    wanted = {names.picc, names.mac, names.file, names.uid, names.counter}
    found: dict[str, tuple[bytes, int]] = {}
    at = link.find("?") + 1
    if not at:
        raise BandMalformed("the link has no parameters")
    for part in link[at:].split("&"):
        name, sign, value = part.partition("=")
        if sign and name in wanted:
            if name in found or len(value) % 2 or not _HEX.fullmatch(value):
                raise BandMalformed("a parameter of the link does not parse")
            found[name] = bytes.fromhex(value), at + len(name) + 1
        at += len(part) + 1
    return found


def opened(message: SunMessage, meta_key: bytes) -> tuple[bytes, int]:
    """UID and counter as the message says them: a claim until `verified`.

    Args:
        message: From `message_of`.
        meta_key: SDMMetaReadKey, 16 bytes; not used when nothing is enciphered.

    Raises:
        BandUntrusted: what it deciphers to is not UID and counter; another key made it.
    """
    if message.counter is not None:
        return message.uid, message.counter
    if len(message.picc) == BLOCK:
        plain = Aes(meta_key).decrypted(message.picc)
    else:
        rand, enciphered = message.picc[:PICC_RAND_SIZE], message.picc[PICC_RAND_SIZE:]
        plain = LrpKey.of(meta_key).deciphered(enciphered, rand)
    if plain[0] != BOTH_MIRRORED:
        raise _untrusted("it was not made with this key")
    uid = plain[1 : 1 + UID_SIZE]
    counter = plain[1 + UID_SIZE : 1 + UID_SIZE + COUNTER_SIZE]
    return uid, int.from_bytes(counter, "little")


def verified(
    message: SunMessage, *, meta_key: bytes, file_key_of: Callable[[bytes], bytes | None]
) -> Sun:
    """What the message says, once its MAC holds.

    Args:
        message: From `message_of`.
        meta_key: SDMMetaReadKey, 16 bytes.
        file_key_of: SDMFileReadKey for a UID, 16 bytes; None when we hold none for it.

    Raises:
        BandUntrusted: the MAC or the key is wrong, or we hold no key for this UID.
    """
    uid, counter = opened(message, meta_key)
    key = file_key_of(uid)
    if key is None:
        raise _untrusted("there is no key for this band")
    context = uid + counter.to_bytes(COUNTER_SIZE, "little")
    is_lrp = len(message.picc) > BLOCK
    verify = _lrp_content if is_lrp else _aes_content
    return Sun(uid, counter, verify(key, context, message), is_lrp)


def file_mac(key: bytes, uid: bytes, counter: int, mac_input: bytes) -> bytes:
    """SDMMAC in AES mode, 8 bytes, as the chip makes it. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.8.1."""
    context = uid + counter.to_bytes(COUNTER_SIZE, "little")
    return _mac(Cmac(Aes(_session_key(key, b"\x3c\xc3", context))), mac_input)


def _mac(cmac: Cmac, mac_input: bytes) -> bytes:
    return truncated(cmac.over(mac_input))


def _session_key(key: bytes, label: bytes, context: bytes) -> bytes:
    """Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.9.1."""
    return Cmac(Aes(key)).over(label + b"\x00\x01\x00\x80" + context)


def _aes_content(key: bytes, context: bytes, message: SunMessage) -> bytes:
    """The content of the file, once the MAC holds. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.6.1."""
    session = Cmac(Aes(_session_key(key, b"\x3c\xc3", context)))
    if not hmac.compare_digest(_mac(session, message.mac_input), message.mac):
        raise _untrusted("the MAC of the message is wrong")
    if not message.file:
        return b""
    cipher = Aes(_session_key(key, b"\xc3\x3c", context))
    counter = context[UID_SIZE:]
    iv = cipher.block(counter + ZERO[COUNTER_SIZE:])
    return cipher.decrypted(message.file, iv)


def _lrp_content(key: bytes, context: bytes, message: SunMessage) -> bytes:
    """The same in LRP mode. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.3.6.2, 9.3.8.2 and 9.3.9.2."""
    vector = b"\x00\x01\x00\x80" + context + b"\x1e\xe1"
    mac_key, enc_key = LrpKey.pair(LrpKey.of(key).mac(vector))
    if not hmac.compare_digest(truncated(mac_key.mac(message.mac_input)), message.mac):
        raise _untrusted("the MAC of the message is wrong")
    if not message.file:
        return b""
    return enc_key.deciphered(message.file, context[UID_SIZE:] + bytes(3))


def _untrusted(reason: str) -> BandUntrusted:
    return BandUntrusted(reason, delivery=Delivery.DONE)


class Freshness(Enum):
    """What the counter of a verified message says about when it was made."""

    FRESH = "fresh"  # higher than any we know: made after we last saw the band
    UNKNOWN = "unknown"  # we know no counter of this band: it may be old
    REPEATED = "repeated"  # we saw exactly this message
    STALE = "stale"  # lower than one we know: kept by somebody and shown late
    LEAPT = "leapt"  # so much higher that reading it by hand does not explain it


@dataclass(frozen=True, slots=True)
class CounterPolicy:
    """What a counter must be like.

    Attributes:
        leap_max: Readings between two taps that are still believed. A telephone reads a band a few times a tap, so a
            month of play stays below the default; a thief who harvests messages to show them later leaps further.
    """

    leap_max: int = 10_000


DEFAULT_POLICY = CounterPolicy()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from a counter.

    Attributes:
        freshness: What it says.
        known: The highest counter known from now on; write it down before acting.
    """

    freshness: Freshness
    known: int

    @property
    def is_fresh(self) -> bool:
        """May the message stand for the band being here? Only when it is newer than all we know."""
        return self.freshness is Freshness.FRESH


def judged(
    counter: int, known: int | None, policy: CounterPolicy = DEFAULT_POLICY
) -> Judgement:
    """How fresh a verified message is.

    Args:
        counter: Of the message, 0 to COUNTER_MAX.
        known: The highest counter known of this band; None when none is. Not knowing lowers: it is never fresh.
        policy: What a counter must be like.

    Raises:
        ValueError: our own mistake: a number that is no counter.
    """
    if not 0 <= counter <= COUNTER_MAX or (known is not None and known < 0):
        raise ValueError("a counter has three bytes")
    if known is None:
        return Judgement(Freshness.UNKNOWN, counter)
    if counter == known:
        return Judgement(Freshness.REPEATED, known)
    if counter < known:
        return Judgement(Freshness.STALE, known)
    if counter - known > policy.leap_max:
        return Judgement(Freshness.LEAPT, counter)
    return Judgement(Freshness.FRESH, counter)
