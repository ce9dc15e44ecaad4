"""Bands of this shop that are no DESFire, as virtual chips, and a reader's field for chips without ISO-DEP."""

from collections.abc import Callable

from drivers.credential.places import (
    CONTENT_FILE,
    NTAG424_APP,
    NTAG424_BAND,
    NTAG424_SUN,
    NTAG424_UID,
    password_of,
    sun_key_of,
)
from drivers.credential.sdm_file import SunKeys, link_file
from drivers.errors import BandLeft, BandSilent, Delivery
from drivers.target import Target, Technology
from hardware.entropy import SeededEntropy
from hardware.virtual.band import PoweredChip, Reselectable
from hardware.virtual.messaging import Mode
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.ntag424 import Ntag424File, VirtualNtag424, delivered_files
from hardware.virtual.sdm import COUNTED, TEXT, UID_SHOWN, Sdm
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band_key

ISSUING_KEYS = bytes(range(32, 48)), bytes(range(48, 64))
"""K_app and the key of the slot that is not used, on the NTAG 424 of these tests."""

CAPSULE = bytes.fromhex("D28440A041005840") + bytes(range(64))
"""Has the shape of a signed capsule; nothing here looks into it."""

LINK = "https://tap.example/b"


def ntag424(
    *,
    uid: bytes = UID,
    key: bytes | None = None,
    group_key: bytes = GROUP_KEY,
    is_random: bool = False,
    is_lrp: bool = False,
    counter: int = 0,
    reference: bytes = REFERENCE,
) -> VirtualNtag424:
    """A band as `drivers.credential.places` says."""
    content, sdm = link_file(LINK, keys=SunKeys(NTAG424_UID, NTAG424_SUN), is_lrp=is_lrp)
    capability, link, _ = delivered_files(content)
    shown = Sdm(
        options=UID_SHOWN | COUNTED | TEXT,
        meta=sdm.meta_read,
        file=sdm.file_read,
        counter=sdm.counter_read,
        picc_at=sdm.picc_offset,
        mac_from=sdm.mac_input_offset,
        mac_at=sdm.mac_offset,
    )
    rights = {"read": 14, "write": NTAG424_APP, "read_write": NTAG424_APP, "change": 0}
    link_of_ours = Ntag424File(
        2, link.iso_id, Mode.PLAIN, **rights, content=link.content, sdm=shown
    )
    held = (reference + CAPSULE).ljust(CONTENT_FILE.size, b"\0")
    content_file = Ntag424File(
        number=CONTENT_FILE.number,
        iso_id=0xE105,
        mode=Mode(CONTENT_FILE.mode.value),
        read=CONTENT_FILE.read,
        write=CONTENT_FILE.write,
        read_write=CONTENT_FILE.read_write,
        change=CONTENT_FILE.change,
        content=held,
    )
    held_key = band_key(uid) if key is None else key
    keys = {
        NTAG424_APP: ISSUING_KEYS[0],
        NTAG424_UID: group_key,
        NTAG424_BAND: held_key,
        NTAG424_SUN: sun_key_of(held_key),
    }
    return VirtualNtag424(
        uid=uid,
        entropy=SeededEntropy("ntag424"),
        keys=tuple(keys.get(slot, ISSUING_KEYS[1]) for slot in range(5)),
        files=(capability, link_of_ours, content_file),
        is_lrp=is_lrp,
        has_random_uid=is_random,
        counter=counter,
    )


def ultralight_aes(
    *,
    uid: bytes = UID,
    key: bytes | None = None,
    is_random: bool = False,
    reference: bytes = REFERENCE,
) -> VirtualUltralightAes:
    """A band as `drivers.credential.places` says, with MACs."""
    return VirtualUltralightAes(
        uid=uid,
        entropy=SeededEntropy("ultralight aes"),
        data_key=band_key(uid) if key is None else key,
        uid_key=GROUP_KEY,
        user_pages=reference + CAPSULE,
        auth_first=0x04,
        options=0x03 if is_random else 0x02,
        access=0x80,
    )


def ultralight_c(*, uid: bytes = UID, key: bytes | None = None) -> VirtualUltralightC:
    """A band as `drivers.credential.places` says."""
    return VirtualUltralightC(
        uid=uid,
        entropy=SeededEntropy("ultralight c"),
        key=band_key(uid) if key is None else key,
        user_pages=REFERENCE + CAPSULE,
        auth_first=0x04,
        is_read_open=False,
    )


def ntag21x(*, uid: bytes = UID, signature: bytes | None = None) -> VirtualNtag21x:
    """A band as `drivers.credential.places` says."""
    password, answer = password_of(band_key(uid))
    return VirtualNtag21x(
        uid=uid,
        user_pages=REFERENCE,
        password=password,
        pack=answer,
        auth_first=0x04,
        signature=signature,
    )


READ_0 = b"\x30\x00"
"""What any Type 2 band answers that is there; a reader selects it again instead."""

Spoil = Callable[[int, bytes | None], bytes | None]
"""Gets the number of the exchange from 1 and the answer; returns what arrives, None when nothing does."""


class Type2Connection:
    """Straight to a chip without ISO-DEP, as a reader keeps it: after a refusal or a silence it is selected anew.

    A chip with a random UID cannot be told from another one then, so it has left.
    """

    def __init__(self, chip: PoweredChip, spoil: Spoil | None = None) -> None:
        self._chip = chip
        self._spoil = spoil
        self.sent: list[bytes] = []
        self.generation = 1
        self.has_left = False

    def transmit(self, command: bytes) -> bytes:
        """One command, its answer."""
        if self.has_left:
            raise BandLeft("it has left", delivery=Delivery.NOT_SENT)
        self.sent.append(command)
        answer = self._chip.exchange(command)
        if self._spoil is not None:
            answer = self._spoil(len(self.sent), answer)
        if answer is not None and answer != b"" and (len(answer) > 1 or answer == b"\x0a"):
            return answer
        if isinstance(self._chip, Reselectable):
            self._chip.reselected()
        if answer:
            return answer
        is_found_again = len(self._chip.anticollision.uid) > 4 and self._chip.exchange(READ_0)
        if is_found_again:
            raise BandSilent("it fell silent")
        self.has_left = True
        raise BandLeft("it fell silent")


def type2_target(chip: PoweredChip) -> Target:
    """What a PN532 would say of a chip without ISO-DEP."""
    seen = chip.anticollision
    return Target(Technology.TYPE_2, seen.uid, b"", 1, seen.sak)
