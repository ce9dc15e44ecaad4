"""Everything that eats bytes of a band or a reader, as something a fuzzer can run: bytes in, nothing or its own error out.

One target is one way in. `errors` are all it may raise; `largest` is the longest input its caller can hand it, in bytes; `cpu_us`
bounds one input on one core, None where the work is many exchanges and no parser. A new parser gets a line in TARGETS.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec

from drivers import atr, lines, ndef, tlv, transcript
from drivers.apdu import response_of
from drivers.chips import capsules, felica, identify, ntag21x, type2, ultralight_aes
from drivers.chips.reading import read_band
from drivers.credential import capsule, cbor, sdm, sdm_file, witness
from drivers.errors import BandError, BandLeft, BandMalformed, BandUntrusted, DriverError
from drivers.readers import frames, host_line, wedge
from drivers.readers import pn532 as pn532_driver
from drivers.readers.crc import frame_of
from drivers.readers.host_line import HostLine
from drivers.readers.pn532 import Pn532Reader
from drivers.readers.pn532_targets import felicas_of, targets_of
from drivers.readers.port_lock import PortLock
from drivers.readers.profiles import ByteOrder, Raw
from drivers.target import Target as BandTarget
from drivers.target import Technology
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.identity import new_private_key, public_hex
from hardware.moments import moment_of
from hardware.virtual import hsu
from sync.model.deny import DenyList, deny_list_of
from sync.model.errors import Malformed, NotTrusted
from tests.support.bands import (
    ATS,
    REFERENCE,
    UID,
    ChipConnection,
    Keys,
    band,
    target_of,
)
from tests.support.capsules import ISSUED, LENA, PRIVATE, PUBLIC, made

ERRORS = (BandMalformed,)

PARSE_US = 5_000
"""What any input may cost. Source: the shop's rule for what stands before strangers."""

WIDE = 65_536
"""Bytes of the largest input anything is asked to survive."""

FRAME = 4_096
"""Bytes of the largest frame; a reader's are 265."""


@dataclass(frozen=True)
class Target:
    """One way in.

    Attributes:
        run: Eats the bytes.
        seeds: Inputs a fuzzer begins with: right ones, so that it comes past the first check.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    errors: tuple[type[Exception], ...] = ERRORS
    largest: int = WIDE
    cpu_us: int | None = PARSE_US


def _after(
    *parsers: Callable[[bytes], object], errors: tuple[type[Exception], ...] = ERRORS
) -> Callable[[bytes], None]:
    """Run each over the same bytes; what one refuses the next may take."""

    def run(raw: bytes) -> None:
        for parse in parsers:
            try:
                parse(raw)
            except errors:
                continue

    return run


def _hex(*texts: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


# Bands: claims, memory, messages


def _atr(raw: bytes) -> None:
    atr.storage_name(raw)
    atr.technology_of_atr(raw)
    if raw:
        atr.technology_of_sak(raw[0])


def _ats(raw: bytes) -> None:
    """A band as a reader may report it: anything for UID and answer."""
    if len(raw) < 3:
        return
    technology = tuple(Technology)[raw[0] % len(Technology)]
    size = raw[1] % 12
    target = BandTarget(technology, raw[2 : 2 + size], raw[2 + size :], 1, raw[1])
    identify.has_true_uid(target)
    identify.leasable_uid(target)
    identify.speaks_iso_dep(target)
    identify.may_be_ntag424(target)
    identify.family_of(target)
    repr(target)


def _ndef(raw: bytes) -> None:
    for record in ndef.records_of(raw):
        for read in (ndef.uri_of, ndef.text_of):
            try:
                read(record)
            except ERRORS:
                continue


def _same(key: bytes) -> Callable[[bytes], bytes]:
    return lambda _uid: key


def _sun(raw: bytes) -> None:
    message = sdm.message_of(raw.decode("latin-1"))
    for key in (bytes(16), bytes(range(16))):
        try:
            sdm.opened(message, key)
        except BandUntrusted:
            continue
        sdm.verified(message, meta_key=key, file_key_of=_same(key))


def _pages(raw: bytes) -> None:
    for read in (type2.uid_of_pages, ntag21x.model_of, ultralight_aes.protection_of):
        try:
            read(raw)
        except BandError:
            continue
    ntag21x.is_ultralight_aes(raw)


# Capsules


def _believe(raw: bytes) -> None:
    readers = (
        capsule.contained,
        capsule.contained_behind,
        capsule.n_missing_behind,
        capsule.named,
        capsule.read_unverified,
    )
    for read in readers:
        try:
            read(raw)
        except ERRORS:
            continue
    capsule.verified(raw, keys=(PUBLIC,), uid=UID, band=REFERENCE, now=ISSUED)


def _signed_claims(raw: bytes) -> None:
    """A capsule that says anything, and that our own key signed."""
    header = cbor.encoded({1: -8, 4: capsule.key_id_of(PUBLIC)})
    beside = capsule.bound_to(UID, REFERENCE)
    message = cbor.encoded(("Signature1", header, beside, raw))
    whole = cbor.encoded(cbor.Tagged((header, {}, raw, PRIVATE.sign(message))))
    if capsule.contained(whole) != whole:
        raise AssertionError("another end than where it ends")
    if capsule.contained_behind(whole[capsule.HEAD_SIZE :]) != whole:
        raise AssertionError("another end where its head is not read")
    capsule.verified(whole, keys=(PUBLIC,), uid=UID, band=REFERENCE, now=ISSUED)


def _cbor(raw: bytes) -> None:
    value = cbor.decoded(raw)
    if cbor.encoded(value) != raw:
        raise AssertionError("two encodings of one value")


@dataclass
class _Memory:
    """A place for a capsule that holds what the fuzzer put there."""

    content: bytearray
    unit: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.content)

    def read(self) -> bytes:
        return bytes(self.content)

    def write(self, offset: int, content: bytes) -> None:
        self.content[offset : offset + len(content)] = content


def _place(raw: bytes) -> None:
    """A band whose place for a capsule holds anything, renewed."""
    place = _Memory(bytearray(raw[:256].ljust(256, b"\x00")), unit=4)
    outcome = capsules.refreshed(place, made())
    if outcome is capsules.Outcome.WRITTEN and capsule.contained(place.read()) != made():
        raise AssertionError("written, and not what was to be written")


# Frames of readers


class _Line(HostLine):
    """The line of a PN532 with the fuzzer at the other end of it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._code = 0
        self._is_clean = True
        self._clock = FixedClock(moment_of(0))

    def _forget(self) -> None: ...

    def _send(self, frame: bytes) -> None:
        self._code = frame[6] if len(frame) > 6 else 0

    def _received(self) -> bytes:
        kind, size = (*self._content[:2], 0, 0)[:2]
        part, self._content = self._content[2 : 2 + size], self._content[2 + size :]
        self._clock.sleep_ms(host_line.WAIT_MS)
        match kind % 4:
            case 0:
                return part
            case 1:
                return hsu.ACK
            case 2:
                return hsu.ACK + hsu.answer_frame(self._code, part)
            case _:
                return hsu.answer_frame(self._code, part)


_SEARCHED: Final = b"\x02\x13" + _hex("01010344200704aabbccddeeff067577810280")[0]
A_TAP: Final = _SEARCHED + b"\x02\x00" + _SEARCHED + b"\x01\x00\x03\x02\x00\x00"
"""What a line gives that finds a band, switches its field off, finds it again and has it answer."""


def _answers(raw: bytes) -> None:
    """What a PN532 sends back, as a whole and as it comes in."""
    for some in (raw, raw[:6], host_line.ACK + raw):
        try:
            host_line.answer_in(some, 0x40)
        except (OSError, host_line.CommandRefused):
            continue


def reader_at(raw: bytes) -> Pn532Reader:
    """A PN532 with a fuzzer's line."""
    return Pn532Reader(
        None, _Line(raw), "/dev/null", FixedClock(moment_of(0)), cast("PortLock", _NoLock())
    )


def _reader(raw: bytes) -> None:
    """A PN532 that answers anything: searched, connected to, asked whether the band is there."""
    reader = reader_at(raw)
    steps: tuple[Callable[[], object], ...] = (
        lambda: reader.wait_for_target(0),
        lambda: asked(reader),
        lambda: reader.wait_for_removal(0),
    )
    driver: Any = pn532_driver
    others, driver._other_program = driver._other_program, _nobody
    try:
        for step in steps:
            try:
                step()
            except DriverError:
                continue
    finally:
        driver._other_program = others


def _nobody(path: str) -> str:
    """Looking through all processes of the machine takes 20 ms, and is no parsing."""
    return ""


class _NoLock:
    def exclude(self) -> None: ...

    def release(self) -> None: ...


def asked(reader: Pn532Reader) -> bytes:
    """What the band answers to a command, once it is found; nothing where there is none."""
    target = reader.wait_for_target(0)
    if target is None:
        return b""
    connection: Any = reader.connect(target)
    answer: bytes = connection.transmit(b"\x90\x60\x00\x00\x00")
    return answer


def _wedge(raw: bytes) -> None:
    """Keys of a keyboard, as the kernel reports them, and what they would be as text."""
    for line in wedge.Typing().feed(raw, 0):
        for order in ByteOrder:
            wedge.uid_of(line, order)


def _typed(*codes: int) -> bytes:
    """Keys pressed one after the other."""
    return b"".join(wedge.EVENT.pack(0, 0, wedge.EV_KEY, code, wedge.PRESSED) for code in codes)


def _frames(raw: bytes) -> None:
    """A PC/SC reader of each way to pass frames through, that answers anything."""
    for way in Raw:
        for is_type_2 in (False, True):
            parts = _parts_of(raw)

            def answer(command: bytes, parts: list[bytes] = parts) -> bytes:
                if not parts:
                    raise BandLeft("nothing more")
                return parts.pop(0)

            try:
                frames.exchanged(way, answer, b"\x30\x04", is_type_2=is_type_2)
            except DriverError:
                continue


def _parts_of(raw: bytes) -> list[bytes]:
    """Pieces, each as long as its first byte says."""
    parts: list[bytes] = []
    at = 0
    while at < len(raw) and len(parts) < 64:
        parts.append(raw[at + 1 : at + 1 + raw[at]])
        at += 1 + raw[at]
    return parts


# Whole bands


class _Chip:
    """A band whose every answer comes from the fuzzer."""

    generation = 1

    def __init__(self, content: bytes) -> None:
        self._parts = _parts_of(content)

    def transmit(self, command: bytes) -> bytes:
        if not self._parts:
            raise BandLeft("torn")
        part = self._parts.pop(0)
        if not part:
            raise BandLeft("torn")
        return part


def _claimed(kind: int) -> BandTarget:
    technology = (Technology.ISO_DEP, Technology.TYPE_2, Technology.FELICA)[kind % 3]
    uid = (UID, UID[:4], b"\x08" + UID[:3])[kind // 3 % 3]
    return BandTarget(technology, uid, ATS, 1, 0x20 if technology is Technology.ISO_DEP else 0)


def _chip(raw: bytes) -> None:
    """A band that answers anything."""
    kind = raw[0] if raw else 0
    target = _claimed(kind)
    connection = _Chip(raw[1:])
    identify.identify(connection, target)
    read_band(_Chip(raw[1:]), target, Keys(UID), SeededEntropy("reader"))


def _felica(raw: bytes) -> None:
    felica.Felica(_Chip(raw), UID[:7] + b"\x00").read(0, 1)


def _liar(raw: bytes) -> None:
    """A band of ours whose answers are altered on the way: cut, flipped, lengthened, torn."""
    script = [(raw[at] % 16, raw[at + 1]) for at in range(0, min(len(raw) - 1, 16), 2)]
    changes = dict(script)

    def spoil(number: int, answer: bytes) -> bytes | None:
        change = changes.get(number)
        if change is None:
            return answer
        match change % 5:
            case 0:
                return None
            case 1:
                return answer[: change // 5]
            case 2:
                at = change // 5 % max(len(answer), 1)
                return answer[:at] + bytes((answer[at] ^ 0x80,)) + answer[at + 1 :]
            case 3:
                return answer + bytes(change)
            case _:
                return bytes(max(change // 5, 2))

    is_random, ev = bool(len(raw) % 2), 1 + len(raw) // 2 % 2
    chip = band(ev=ev, is_random=is_random).power_up()
    read_band(ChipConnection(chip, spoil), target_of(chip), Keys(UID), SeededEntropy("reader"))


# What is said between our own programs, and kept


def _lines(raw: bytes) -> None:
    for read in (lines.said_of, lines.told_of):
        try:
            repr(read(raw))
        except ERRORS:
            continue


def _transcript(raw: bytes) -> None:
    transcript.transcript_of(raw.decode("utf-8", "replace"))


@cache
def _centre() -> ec.EllipticCurvePrivateKey:
    return new_private_key(SeededEntropy("centre"))


def _deny_seed() -> bytes:
    listed = DenyList.of((bytes(8), b"\x01" * 8), made_at=ISSUED, key_version=1)
    return listed.signed(_centre())


def _deny(raw: bytes) -> None:
    deny_list_of(raw, centre_key=public_hex(_centre().public_key()))


SUN_LINKS = (
    b"https://tap.example/?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086",
    b"https://tap.example/?u=04DE5F1EACC040&n=00003D&c=94EED9EE65337086",
)

NDEF_URI = bytes.fromhex("d1010c550365786d706c652e636f6d2f")
MEMORY = bytes.fromhex("0103a00c340310") + NDEF_URI + b"\xfe"
CONTAINER = bytes.fromhex("000f20003a00340406e104040000ff")

TARGETS = {
    target.name: target
    for target in (
        Target("apdu", response_of, _hex("9000", "0102039100", "91af"), (BandLeft,)),
        Target("atr", _atr, _hex("3b8f8001804f0ca0000003060300030000000068", "3b8180018080"), ()),
        Target("ats", _ats, _hex("000404aabbccdd067577810280"), ()),
        Target(
            "tlv",
            _after(tlv.type2_blocks, tlv.ndef_of_memory, tlv.ndef_size_needed, tlv.ndef_file_of),
            (MEMORY, CONTAINER, *_hex("03ff0100", "000003040102030400fe")),
        ),
        Target("ndef", _ndef, (NDEF_URI, *_hex("d1010a5402656e68656c6c6f21", "9101005100")), ERRORS),
        Target("cbor", _cbor, (made(), *_hex("a2000118640220", "8203d20481"))),
        Target("capsule", _believe, (made(), made(LENA).ljust(256, b"\x00")), (BandMalformed, capsule.CapsuleRefused)),
        Target(
            "claims",
            _signed_claims,
            (
                cbor.encoded({0: 1, 1: ISSUED // 1_000_000, 2: 90, 3: 7, 4: 3, 5: "en", 6: "Lena"}),
                cbor.encoded((3, ISSUED // 1_000_000, 7, 3, "en", "Lena", b"\x31\x01", 30)),
                cbor.encoded((4, REFERENCE, ISSUED // 1_000_000, 7)),
            ),
            (BandMalformed, capsule.CapsuleRefused),
            largest=150,
        ),
        Target("place", _place, (made(), made(dataclasses.replace(LENA, seq=9))), (), largest=256),
        Target("sun", _sun, SUN_LINKS, (BandMalformed, BandUntrusted)),
        Target("sdm_file", sdm_file.settings_of, _hex("0003303200010000", "0000e0ee000100")),
        Target("pages", _pages, _hex("04aabb9dccddeeff0044", "0004040201000f03", "000000ff")),
        Target("witness", witness.use_of, (bytes(range(32)), bytes(32)), (BandMalformed, BandError)),
        Target("targets", _after(lambda raw: targets_of(raw, 1), lambda raw: felicas_of(raw, 1)),
               _hex("01010344200704aabbccddeeff067577810280", "010112010102030405060708090a0b0c0d0e0f10"), largest=FRAME),
        Target("crc", frame_of, _hex("0a", "04aabb9d6a2f"), largest=hsu.CONTENT_SIZE_MAX),
        Target("host", _answers, (hsu.answer_frame(0x40, b"\x00ok"), hsu.answer_frame(0x40, bytes(256)), hsu.ERROR), (), largest=FRAME),
        Target("hsu", lambda raw: hsu.Receiver().feed(raw), _hex("0000ff02fed4022a00", "0000ff00ff00"), (), largest=FRAME),
        Target("pn532", _reader, (A_TAP,), (), largest=FRAME, cpu_us=None),
        Target("passthrough", _frames, _hex("0a97040102030490009000", "06d5430004"), (), largest=FRAME),
        Target("wedge", _wedge, (_typed(5, 30, 2, 48, 3, 46, 4, 32, 28), _typed(*range(2, 12), 96), bytes(24)), (), largest=FRAME),
        Target("objects", frames.answer_object, _hex("c00300900097020a0b"), largest=FRAME),
        Target("chip", _chip, (b"\x00\x029100\x029100", b"\x01\x10" + bytes(16)), (DriverError,), largest=FRAME, cpu_us=None),
        Target("felica", _felica, (b"\x1d\x1d\x07" + UID + b"\x00\x00\x00\x01" + bytes(16),), (DriverError,), largest=FRAME, cpu_us=None),
        Target("liar", _liar, (b"\x01\x02\x03\x04", bytes(16), b"\x04\x07\x05"), (DriverError,), largest=32, cpu_us=None),
        Target(
            "lines",
            _lines,
            (
                b'{"say":"proved","tap":1,"kind":"mutual","family":"desfire","generation":2,"uid":null,"band":null}',
                b'{"tell":"key","tap":1,"key":"00"}',
            ),
        ),
        Target("transcript", _transcript, (b"# reader: r / band: b\n= 3B 80\n> 00 A4\n< 90 00\n",)),
        Target("deny", _deny, (_deny_seed(),), (Malformed, NotTrusted)),
    )
}  # fmt: skip
