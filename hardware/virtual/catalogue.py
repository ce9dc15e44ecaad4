"""One band of each kind there is here, by name, with keys everybody may know: for any program that wants to be tried.

Keys are `sample_key(n)`: "tapthread key 00" and on. UIDs follow from the names, so that a band is the same each time.
What is written to a band stays as long as the object lives. `NAME:2` and on are further bands of a kind, with UIDs of their own.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hardware.entropy import Entropy
from hardware.virtual import ntag21x, ultralight_aes
from hardware.virtual.band import VirtualBand
from hardware.virtual.classic import VirtualClassic1K
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire, VirtualFile
from hardware.virtual.felica import IDM_SIZE, VirtualFelica, ndef_blocks
from hardware.virtual.messaging import Mode
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424, delivered_files
from hardware.virtual.ntag424_authentication import IN_ROW_MAX
from hardware.virtual.originality import DESFIRE_TEST_KEY, NTAG21X_TEST_KEY
from hardware.virtual.phone import VirtualBankCard, VirtualObligingPhone, VirtualType4
from hardware.virtual.sdm import (
    COUNTED,
    FREE,
    KEY_COUNT,
    NONE,
    PART_ENCRYPTED,
    TEXT,
    UID_SHOWN,
    Sdm,
)
from hardware.virtual.uid_bands import UidBand, UidKind, VirtualPhone
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC

DESFIRE_AID = bytes.fromhex("F07474")
"""The application of the sample DESFire bands, in the order it is sent."""

UNKNOWN_VERSION = 0xEE
"""Version of the keys of bands whose keys nobody knows."""

FURTHER_MAX = 999
"""Bands of one kind, so that nobody runs out of them and no name is endless."""

PASSWORD, PACK = b"tap!", b"OK"
"""Of the NTAG21x with a password."""

GUARDED_FROM = 0x10
"""First page that needs key or password, on bands that have one."""

URL = "tap.example/"
"""What every message here says, with https in front."""

_URI = b"\xd1\x01"
_HTTPS = b"\x04"


def sample_key(number: int) -> bytes:
    """Key `number` of every band here, 16 bytes. Public, protects nothing."""
    return f"tapthread key {number:02}".encode()


def uid_of(name: str, size: int = 7) -> bytes:
    """The UID of the band with this name; from 04, as NXP's are, when it has 7 bytes."""
    drawn = hashlib.shake_256(name.encode()).digest(size)
    return b"\x04" + drawn[1:] if size == 7 else drawn


def uri_message(rest: str) -> bytes:
    """An NDEF message with one https address. Source: NFC Forum URI RTD 1.0, 3.2."""
    payload = _HTTPS + (URL + rest).encode()
    return _URI + bytes([len(payload)]) + b"U" + payload


def counted_message(message: bytes) -> bytes:
    """A message as a Type 4 file has it: two bytes of length first."""
    return len(message).to_bytes(2, "big") + message


def type_2_message(message: bytes) -> bytes:
    """A message as the pages of a Type 2 band have it."""
    return b"\x03" + bytes([len(message)]) + message + b"\xfe"


def sun_file(*, is_lrp: bool, has_part: bool = False) -> tuple[bytes, Sdm]:
    """A Type 4 file whose address changes at each tap, and the settings that make it so.

    Key 1 encrypts UID and counter, key 2 makes the MAC and encrypts 16 bytes of text where there is such a part.
    """
    picc, part = "0" * (48 if is_lrp else 32), ("sixteen letters!" + "0" * 16) * has_part
    text = f"t?e={picc}" + f"&d={part}" * has_part + "&c=" + "0" * 16
    file = counted_message(uri_message(text))
    mac_at = file.index(b"&c=") + 3
    part_at = file.index(b"&d=") + 3 if has_part else None
    sdm = Sdm(
        options=UID_SHOWN | COUNTED | TEXT | PART_ENCRYPTED * has_part,
        meta=1,
        file=2,
        counter=FREE,
        picc_at=file.index(b"?e=") + 3,
        mac_from=mac_at if part_at is None else part_at,
        part_at=part_at,
        part_size=len(part) if has_part else None,
        mac_at=mac_at,
    )
    return file, sdm


@dataclass(frozen=True, slots=True)
class Sample:
    """A kind of band.

    Attributes:
        name: What people type.
        chip: Which chip it is.
        words: What is special about it, one line.
        make: Makes one.
    """

    name: str
    chip: str
    words: str
    make: Callable[[str, Entropy], VirtualBand]


def _desfire(name: str, entropy: Entropy, *, ev: int, is_random: bool = False) -> VirtualBand:
    keys = tuple(sample_key(number) for number in range(3))
    files = (
        VirtualFile(1, Mode.PLAIN, 0x0E, 2, NONE, 0, uri_message("desfire").ljust(32, b"\0")),
        VirtualFile(
            2, Mode.FULL, 1, 2, NONE, 0, b"read with key 1, write with 2".ljust(32, b"\0")
        ),
    )
    uid = uid_of(name)
    return VirtualDesfire(
        uid=uid,
        ev=ev,
        applications=(VirtualApplication(DESFIRE_AID, keys, files),),
        entropy=entropy,
        has_random_uid=is_random,
        signature=DESFIRE_TEST_KEY.sign(uid),
    )


def _fresh_desfire(name: str, entropy: Entropy) -> VirtualBand:
    return VirtualDesfire.fresh(uid=uid_of(name), ev=2, entropy=entropy)


def _new_desfire(name: str, entropy: Entropy, *, ev: int) -> VirtualBand:
    uid = uid_of(name)
    signature = DESFIRE_TEST_KEY.sign(uid)
    return VirtualDesfire.fresh(uid=uid, ev=ev, entropy=entropy, signature=signature)


def _unknown_desfire(name: str, entropy: Entropy) -> VirtualBand:
    keys = tuple(entropy.draw(16) for _ in range(3))
    versions = (UNKNOWN_VERSION,) * 3
    application = VirtualApplication(DESFIRE_AID, keys, key_versions=versions)
    return VirtualDesfire(uid=uid_of(name), ev=2, applications=(application,), entropy=entropy)


def _ntag424(
    name: str,
    entropy: Entropy,
    *,
    is_lrp: bool = False,
    is_random: bool = False,
    sun: tuple[bytes, Sdm] | None = None,
) -> VirtualNtag424:
    content, sdm = sun or (counted_message(uri_message("ntag424")), None)
    return VirtualNtag424(
        uid=uid_of(name),
        entropy=entropy,
        keys=tuple(sample_key(number) for number in range(5)),
        files=delivered_files(content, sdm),
        is_lrp=is_lrp,
        has_random_uid=is_random,
    )


def _slow_ntag424(name: str, entropy: Entropy) -> VirtualBand:
    band = _ntag424(name, entropy)
    for number in range(KEY_COUNT):
        band.note_wrong(number, IN_ROW_MAX)
    return band


def _unknown_ntag424(name: str, entropy: Entropy) -> VirtualBand:
    return VirtualNtag424(
        uid=uid_of(name),
        entropy=entropy,
        keys=tuple(entropy.draw(16) for _ in range(5)),
        key_versions=(UNKNOWN_VERSION,) * 5,
    )


def _ntag21x(name: str, _: Entropy, *, model: Ntag21xModel) -> VirtualBand:
    pages = type_2_message(uri_message("ntag21x"))
    return VirtualNtag21x(uid=uid_of(name), model=model, user_pages=pages)


def _new_ntag21x(name: str, _: Entropy, *, model: Ntag21xModel) -> VirtualBand:
    return VirtualNtag21x(uid=uid_of(name), model=model)


def _ntag213_password(name: str, _: Entropy) -> VirtualBand:
    return VirtualNtag21x(
        uid=uid_of(name),
        user_pages=type_2_message(uri_message("password")),
        password=PASSWORD,
        pack=PACK,
        auth_first=GUARDED_FROM,
        access=ntag21x.READS_TOO | ntag21x.COUNTER_ON | 0x03,
    )


def _ntag213_copied(name: str, _: Entropy) -> VirtualBand:
    """The signature is that of another UID: what a copier gets who changes the number."""
    return VirtualNtag21x(uid=uid_of(name), signature=NTAG21X_TEST_KEY.sign(uid_of("original")))


def _ultralight_c(name: str, entropy: Entropy) -> VirtualBand:
    return VirtualUltralightC(
        uid=uid_of(name),
        entropy=entropy,
        key=sample_key(0),
        user_pages=type_2_message(uri_message("ultralight-c")),
        auth_first=GUARDED_FROM,
        is_read_open=False,
    )


def _ultralight_aes(name: str, entropy: Entropy, *, options: int = 0) -> VirtualBand:
    return VirtualUltralightAes(
        uid=uid_of(name),
        entropy=entropy,
        data_key=sample_key(0),
        uid_key=sample_key(1),
        user_pages=type_2_message(uri_message("ultralight-aes")),
        auth_first=GUARDED_FROM,
        options=options,
        access=ultralight_aes.READS_TOO,
        wrong_max=256,
    )


def _felica(name: str, _: Entropy) -> VirtualBand:
    blocks = ndef_blocks(uri_message("felica"))
    return VirtualFelica(idm=b"\x01" + uid_of(name, IDM_SIZE)[1:], user_blocks=blocks)


def _uid_band(_: str, entropy: Entropy, *, kind: UidKind) -> VirtualBand:
    return UidBand(kind, entropy=entropy)


def _twin(_: str, __: Entropy, *, model: Ntag21xModel) -> VirtualBand:
    return VirtualNtag21x(uid=uid_of("twin"), model=model)


_UID_WORDS = {
    UidKind.FOUR: "a UID of four bytes, and nothing behind it",
    UidKind.SEVEN: "a UID of seven bytes, and nothing behind it",
    UidKind.TEN: "a UID of ten bytes, and nothing behind it",
    UidKind.ZERO: "a UID of zeros",
    UidKind.RANDOM: "another UID from 08 each time the field comes",
    UidKind.CHANGING: "another UID each time it is selected",
}

SAMPLES: tuple[Sample, ...] = (
    *(
        Sample(
            f"desfire-ev{ev}",
            f"DESFire EV{ev}",
            "keys 0 to 2, two files",
            partial(_desfire, ev=ev),
        )
        for ev in (1, 2, 3)
    ),
    Sample(
        "desfire-random", "DESFire EV2", "a random UID", partial(_desfire, ev=2, is_random=True)
    ),
    Sample(
        "desfire-fresh", "DESFire EV2", "as it is delivered: a DES key of zeros", _fresh_desfire
    ),
    *(
        Sample(
            f"desfire-ev{ev}-new",
            f"DESFire EV{ev}",
            "as it is delivered, and signed with the test key",
            partial(_new_desfire, ev=ev),
        )
        for ev in (2, 3)
    ),
    Sample("desfire-strange", "DESFire EV2", "keys of an unknown version", _unknown_desfire),
    Sample("ntag424", "NTAG 424 DNA", "keys 0 to 4, a message that stays", _ntag424),
    Sample(
        "ntag424-new",
        "NTAG 424 DNA",
        "as it is delivered, and signed with the test key",
        lambda name, entropy: VirtualNtag424(uid=uid_of(name), entropy=entropy),
    ),
    Sample(
        "ntag424-sun",
        "NTAG 424 DNA",
        "a message that changes at each tap, in AES",
        partial(_ntag424, sun=sun_file(is_lrp=False)),
    ),
    Sample(
        "ntag424-sun-part",
        "NTAG 424 DNA",
        "the same, with an encrypted part",
        partial(_ntag424, sun=sun_file(is_lrp=False, has_part=True)),
    ),
    Sample(
        "ntag424-sun-lrp",
        "NTAG 424 DNA",
        "a message that changes at each tap, in LRP",
        partial(_ntag424, sun=sun_file(is_lrp=True), is_lrp=True),
    ),
    Sample("ntag424-lrp", "NTAG 424 DNA", "speaks LRP", partial(_ntag424, is_lrp=True)),
    Sample("ntag424-random", "NTAG 424 DNA", "a random UID", partial(_ntag424, is_random=True)),
    Sample("ntag424-slow", "NTAG 424 DNA", "fifty wrong keys were tried on it", _slow_ntag424),
    Sample("ntag424-strange", "NTAG 424 DNA", "keys of an unknown version", _unknown_ntag424),
    *(
        Sample(
            model.name.lower(),
            model.name,
            "pages anybody reads",
            partial(_ntag21x, model=model),
        )
        for model in Ntag21xModel
    ),
    Sample(
        "ntag213-password",
        "NTAG213",
        "a password from page 10 on, a counter",
        _ntag213_password,
    ),
    Sample("ntag213-copied", "NTAG213", "the signature of another UID", _ntag213_copied),
    *(
        Sample(
            f"{model.name.lower()}-new",
            model.name,
            "as it is delivered, and signed with the test key",
            partial(_new_ntag21x, model=model),
        )
        for model in Ntag21xModel
    ),
    Sample("ultralight-c", "Ultralight C", "key 0 from page 10 on", _ultralight_c),
    Sample("ultralight-aes", "Ultralight AES", "key 0 from page 10 on", _ultralight_aes),
    Sample(
        "ultralight-aes-new",
        "Ultralight AES",
        "as it is delivered, and signed with the test key",
        lambda name, entropy: VirtualUltralightAes(uid=uid_of(name), entropy=entropy),
    ),
    Sample(
        "ultralight-aes-mac",
        "Ultralight AES",
        "the same, every message with a MAC",
        partial(_ultralight_aes, options=ultralight_aes.MESSAGING),
    ),
    Sample(
        "ultralight-aes-random",
        "Ultralight AES",
        "a random UID, told to key 1",
        partial(_ultralight_aes, options=ultralight_aes.MESSAGING | ultralight_aes.RANDOM_UID),
    ),
    Sample("felica", "FeliCa Lite-S", "a message in open blocks", _felica),
    Sample(
        "mifare-classic",
        "MIFARE Classic 1K",
        "keys as it is delivered",
        lambda name, _: VirtualClassic1K(uid=uid_of(name, 4)),
    ),
    Sample(
        "telephone",
        "telephone",
        "card emulation without an application for us",
        lambda name, _: VirtualPhone(uid=b"\x08" + uid_of(name, 3)),
    ),
    Sample(
        "telephone-message",
        "Type 4",
        "card emulation with a message",
        lambda name, _: VirtualType4(
            uid=b"\x08" + uid_of(name, 3), message=uri_message("type4")
        ),
    ),
    Sample(
        "telephone-yes",
        "telephone",
        "answers 9000 to everything",
        lambda _, entropy: VirtualObligingPhone(entropy=entropy),
    ),
    Sample(
        "bank-card",
        "bank card",
        "not ours to ask",
        lambda name, _: VirtualBankCard(uid=uid_of(name)),
    ),
    *(
        Sample(kind.value, "UID only", words, partial(_uid_band, kind=kind))
        for kind, words in _UID_WORDS.items()
    ),
    Sample(
        "twin-a", "NTAG213", "has the UID of twin-b", partial(_twin, model=Ntag21xModel.NTAG213)
    ),
    Sample(
        "twin-b", "NTAG215", "has the UID of twin-a", partial(_twin, model=Ntag21xModel.NTAG215)
    ),
)
"""Every kind, in the order it is listed."""


def sample_band(name: str, *, entropy: Entropy) -> VirtualBand:
    """The band with this name, or `NAME:N` for the Nth of its kind.

    Raises:
        KeyError: There is none.
    """
    kind, colon, number = name.partition(":")
    if colon and not (
        number.isascii() and number.isdigit() and 2 <= int(number) <= FURTHER_MAX
    ):
        raise KeyError(name)
    found = {sample.name: sample for sample in SAMPLES}[kind]
    return found.make(f"{kind}:{int(number)}" if colon else kind, entropy)
