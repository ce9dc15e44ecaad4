"""How a DESFire is issued, verified, read and retired, from wherever it stands.

    look     who is it, whose keys are on it, what is there         nothing is written; a band of another is refused here
    do       the steps it lacks, each begun in the journal first    torn: look again, and do what it lacks
    check    every key of ours opens it, no key of zeros does       read back through the chip's own messages

Key versions say which key a slot holds: 0 the factory's zeros, ours what the key source gives. An authentication proves it.
Keys cross the air enciphered under the key of the session they are changed in; the first one of a chip under the factory's key,
which everybody knows: encode where nobody listens.

Source: MF3ICD81 and MF3D(H)x2 data sheets; NXP AN12343; AN10922.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from drivers.chips.desfire import PICC_AID, Desfire, KeyRefused
from drivers.chips.desfire_setup import DesfireSetup, KeyKind
from drivers.chips.framing import APPLICATION_NOT_FOUND, ILLEGAL_COMMAND, NATIVE_SW1, OK
from drivers.chips.identify import leasable_uid, speaks_iso_dep
from drivers.connection import Connection
from drivers.credential import layout
from drivers.credential.layout import AID, ALL_FILES, CAPSULE_FILE, REFERENCE_FILE, KeySlot
from drivers.credential.originality import Maker, is_signed
from drivers.errors import BandRefused, BandUnsupported
from drivers.issuing.carried import carried_in
from drivers.issuing.errors import BandOfAnother, BandRejected, NotAsPlanned, NotGenuine
from drivers.issuing.plan import FactoryKey, Plan, Signature
from drivers.issuing.ports import IssuedKey, StationKeys
from drivers.issuing.steps import (
    CHIP_KEY_SETTINGS,
    Action,
    Found,
    Standing,
    Step,
    differences,
    steps_to_do,
)
from drivers.issuing.telling import Told
from drivers.target import Target
from hardware.entropy import Entropy

READ_SIGNATURE: Final = 0x3C
SIGNATURE_SIZE: Final = 56
"""Read_Sig and the size of its answer. Source: NXP AN12343."""

DESFIRE_TYPE: Final = 0x01
"""Hardware type of DESFire in GetVersion. Source: MF3ICD81 data sheet, GetVersion."""

_GENERATIONS: Final = {0x00: 0, 0x01: 1, 0x12: 2, 0x22: 2, 0x33: 3}
"""Generation by the hardware's major version. Source: MF3ICD81, MF3D(H)x2 and MF3D(H)x3 data sheets, GetVersion."""

MAKERS: Final[dict[int, tuple[Maker, ...]]] = {
    1: (Maker.DESFIRE_EV1,),
    2: (Maker.DESFIRE_EV2, Maker.DESFIRE_EV2_XL),
    3: (Maker.DESFIRE_EV3,),
}
"""Whose signature a chip of a generation carries."""

ZERO_KEY: Final = bytes(16)
"""What a factory leaves. It opens a fresh chip; it is never written."""


def makers_keys(generation: int) -> tuple[bytes, ...]:
    """The public keys that sign chips of a generation."""
    return tuple(bytes.fromhex(maker.value) for maker in MAKERS.get(generation, ()))


@dataclass(frozen=True, slots=True)
class Means:
    """What the work on one band needs.

    Attributes:
        plan: What every band gets.
        keys: Where the keys come from.
        entropy: Where random numbers come from.
        public_keys: The makers' public keys by generation.
        is_only_read: Nothing will be written, so it does not matter who made the chip.
    """

    plan: Plan
    keys: StationKeys
    entropy: Entropy
    public_keys: Callable[[int], tuple[bytes, ...]] = makers_keys
    is_only_read: bool = False

    def need_signed(self, keys: tuple[bytes, ...], uid: bytes, signature: bytes) -> None:
        """Raise NotGenuine unless one of these keys, or in practice of the plan's, signed this UID."""
        trusted = self.plan.practice_keys or keys
        if self.is_only_read or any(is_signed(key, uid, signature) for key in trusted):
            return
        what = "the maker did not sign this chip's UID"
        if self.plan.is_practice:
            what = "this is no chip to practise with: the plan's keys did not sign its UID"
        raise NotGenuine(what)


@dataclass(frozen=True, slots=True)
class Content:
    """What a band of ours says, for people at a station.

    Attributes:
        standing: How far it is.
        capsule: What stands where the capsule belongs; None where it was not read.
        uses: How often it was used by its own count; None when it has no count.
        n_records: Uses it remembers one by one; None when it has no place for them.
    """

    standing: Standing
    capsule: bytes | None = field(default=None, repr=False)
    uses: int | None = None
    n_records: int | None = None


Note = Callable[[str, Callable[[], None]], None]
"""Told of every step with what does it: says it is begun, does it, says it is done."""


class DesfireBand:
    """One DESFire in the field of an encoder station. Used by one thread, for one activation.

    Every method raises what `Desfire` raises, and BandRejected where this band is not to be touched.
    """

    def __init__(self, connection: Connection, target: Target, means: Means) -> None:
        self._target = target
        self._means = means
        self._chip = Desfire(connection, means.entropy)
        self._setup = DesfireSetup(self._chip)
        self._standing: Standing | None = None

    # --- looking

    def look(self) -> Standing:
        """Who it is and how far it is. Writes nothing.

        Raises:
            NotGenuine: its maker's signature is wrong, or missing where there is always one.
            BandOfAnother: it holds keys or files that are neither ours nor as the factory left them.
            BandRejected: it is no DESFire, or older than the plan takes.
        """
        claimed = self._generation_claimed()
        signature = self._signature()
        shown = leasable_uid(self._target)
        uid = shown if shown is not None else self._hidden_uid()
        self._check_signature(signature, uid, claimed)
        is_chip_ours = self._is_ours(
            KeySlot.APP.value, self._means.keys.chip_key(uid), PICC_AID
        )
        self._open_chip(uid, is_ours=is_chip_ours)
        if self._chip.card_uid() != uid:
            raise BandOfAnother("the band shows another UID than the chip has")
        rights = self._setup.key_settings().rights
        found = Standing(
            uid=uid, generation=claimed, has_random_uid=shown is None,
            is_chip_ours=is_chip_ours, chip_rights=rights,
        )  # fmt: skip
        self._standing = self._look_inside(found) if self._has_application() else found
        return self._standing

    def _generation_claimed(self) -> int:
        if not speaks_iso_dep(self._target):
            raise BandRejected("this is no DESFire")
        try:
            self._select(PICC_AID)
            version = self._chip.version()
        except BandUnsupported as error:
            raise BandRejected("this is no DESFire") from error
        except BandRefused as error:
            if error.status != NATIVE_SW1 << 8 | ILLEGAL_COMMAND:
                raise
            # An NTAG 424 speaks native commands too, and has no applications to select.
            raise BandRejected("this is no DESFire") from error
        generation = _GENERATIONS.get(version.hardware_major & 0x7F, 0)
        if version.hardware_type & 0x0F != DESFIRE_TYPE or not generation:
            raise BandRejected("this is no DESFire EV1, EV2 or EV3")
        if generation < self._means.plan.generation_min:
            raise BandRejected(
                f"this is a DESFire EV{generation}; the plan takes EV{self._means.plan.generation_min} and later"
            )
        return generation

    def _signature(self) -> bytes:
        """The maker's signature; empty when the chip does not know the command."""
        try:
            signature = self._chip.ask(READ_SIGNATURE, b"\x00")
        except BandRefused as error:
            if error.status == NATIVE_SW1 << 8 | ILLEGAL_COMMAND:
                return b""
            raise
        if len(signature) != SIGNATURE_SIZE:
            raise NotGenuine("the maker's signature has the wrong size")
        return signature

    def _check_signature(self, signature: bytes, uid: bytes, generation: int) -> None:
        if not signature and not self._means.is_only_read:
            if generation > 1 or self._means.plan.signature is Signature.REQUIRED:
                raise NotGenuine("the chip has no signature of its maker")
            return
        self._means.need_signed(self._means.public_keys(generation), uid, signature)

    def _hidden_uid(self) -> bytes:
        """The true UID of a chip that shows a random one: through K_uid, or through the factory's key."""
        group = self._means.keys.group_key()
        if self._has_application() and self._is_ours(KeySlot.UID.value, group, AID):
            self._open(KeySlot.UID.value, group.value, whose="the group key")
            return self._chip.card_uid()
        if self._versions(PICC_AID)(KeySlot.APP.value) == 0:
            self._open_chip(b"", is_ours=False)
            return self._chip.card_uid()
        raise BandOfAnother("it shows a random UID, and no key of ours tells which band it is")

    def _versions(self, aid: bytes) -> Callable[[int], int]:
        self._select(aid)
        return self._chip.key_version

    def _is_ours(self, slot: int, key: IssuedKey, aid: bytes) -> bool:
        """Does the slot say it holds our key? An authentication proves it later."""
        version = self._versions(aid)(slot)
        if version not in (0, key.version):
            raise BandOfAnother(
                f"a key on it has version {version}, which is neither ours nor a factory's"
            )
        return version == key.version

    def _has_application(self) -> bool:
        status = self._chip.select_application(AID).status
        if status not in (OK, APPLICATION_NOT_FOUND):
            raise BandRefused(
                "the chip does not say whether it has the application",
                status=NATIVE_SW1 << 8 | status,
            )
        return status == OK

    def _look_inside(self, found: Standing) -> Standing:
        keys = self._keys_of(found.uid)
        slots = frozenset(slot for slot, key in keys.items() if self._is_ours(slot, key, AID))
        app = KeySlot.APP.value
        self._open(
            app, keys[app].value if app in slots else ZERO_KEY, whose="the application's key"
        )
        is_ev2 = self._chip.is_ev2
        settings = self._setup.key_settings()
        if settings.key_count != layout.KEY_COUNT or settings.kind is not KeyKind.AES:
            raise BandOfAnother("its application has other keys than ours")
        files = self._files()
        reference = b""
        if app in slots and KeySlot.BAND.value in slots and REFERENCE_FILE.number in files:
            self._open(
                KeySlot.BAND.value, keys[KeySlot.BAND.value].value, whose="the band's key"
            )
            reference = self._chip.read(REFERENCE_FILE)
        if found.generation > 1 and not is_ev2:
            raise NotGenuine("it says it is an EV2 or later and does not authenticate as one")
        return Standing(
            uid=found.uid, generation=found.generation, has_random_uid=found.has_random_uid,
            is_chip_ours=found.is_chip_ours, chip_rights=found.chip_rights, has_application=True,
            our_slots=slots, rights=settings.rights, files=files,
            reference=reference if any(reference) else b"",
        )  # fmt: skip

    def _files(self) -> frozenset[int]:
        """The files that are there; each is as the layout says, and there is no other."""
        layouts = {file.number: file for file in ALL_FILES}
        numbers = frozenset(self._setup.file_ids())
        for number in sorted(numbers):
            expected = layouts.get(number)
            if expected is None:
                raise BandOfAnother(f"its application has a file {number}, which is not ours")
            found = self._setup.file_settings(number).file
            if isinstance(expected, layout.ValueFile) and isinstance(found, layout.ValueFile):
                # The first value is not told.
                is_same = _without_start(found) == _without_start(expected)
            else:
                is_same = found == expected
            if not is_same:
                raise BandOfAnother(
                    f"file {number} of its application is not as the layout says"
                )
        return numbers

    def _keys_of(self, uid: bytes) -> dict[int, IssuedKey]:
        keys = self._means.keys
        return {
            KeySlot.APP.value: keys.application_key(uid),
            KeySlot.UID.value: keys.group_key(),
            KeySlot.BAND.value: keys.band_key(uid),
        }

    # --- doing

    def survey(self) -> Found:
        """`look`, and what follows from it. Raises as `look`."""
        return self._found(self.look())

    def _found(self, standing: Standing) -> Found:
        steps = steps_to_do(standing, self._means.plan)
        return Found(standing.uid, standing.reference, steps, _chip_of(standing))

    def finish(self, *, reference: bytes, note: Note) -> None:
        """Do what the band lacks, a step at a time, after `look` in the same activation.

        Args:
            reference: The band's id, for a band that has none yet.
            note: Told of each step.
        """
        standing = self._standing
        if standing is None:
            raise TypeError("the band must be looked at first")
        for step in steps_to_do(standing, self._means.plan):
            note(step.name, partial(self._do, step, standing, reference))

    def _do(self, step: Step, standing: Standing, reference: bytes) -> None:
        uid, keys = standing.uid, self._means.keys
        match step.action:
            case Action.CREATE_APPLICATION:
                self._open_chip(uid, is_ours=standing.is_chip_ours)
                self._setup.create_application(
                    AID, rights=layout.APPLICATION_KEY_SETTINGS, key_count=layout.KEY_COUNT
                )
            case Action.CREATE_FILE:
                self._open_own(uid)
                self._setup.create_file(next(f for f in ALL_FILES if f.number == step.number))
            case Action.CHANGE_KEY:
                self._change_key(step.number, uid)
            case Action.WRITE_REFERENCE:
                self._write_reference(uid, reference)
            case Action.CHANGE_CHIP_KEY:
                self._open_chip(uid, is_ours=False)
                key = keys.chip_key(uid)
                self._setup.change_key(
                    KeySlot.APP.value, key.value, version=key.version, kind=KeyKind.AES
                )
                self._open_chip(uid, is_ours=True)
            case Action.LOCK_CHIP:
                self._open_chip(uid, is_ours=True)
                self._setup.change_key_settings(CHIP_KEY_SETTINGS)
            case Action.SET_RANDOM_UID:
                self._open_chip(uid, is_ours=True)
                self._setup.set_configuration(has_random_uid=True)
            case Action.WRITE_LINK | Action.SET_UP_FILE | Action.PROTECT | Action.LOCK_KEYS:
                raise TypeError("a DESFire has no such step")

    def _change_key(self, slot: int, uid: bytes) -> None:
        key = self._keys_of(uid)[slot]
        if slot == KeySlot.APP.value:
            self._select(AID)
            self._open(slot, ZERO_KEY, whose="the factory's key")
            self._setup.change_key(slot, key.value, version=key.version)
            self._open_own(
                uid
            )  # the answer to a change of the session's own key proves nothing
            return
        self._open_own(uid)
        self._setup.change_key(slot, key.value, version=key.version, old=ZERO_KEY)

    def _write_reference(self, uid: bytes, reference: bytes) -> None:
        self._select(AID)
        band = self._means.keys.band_key(uid)
        self._open(KeySlot.BAND.value, band.value, whose="the band's key")
        self._chip.write(REFERENCE_FILE, reference)
        if self._chip.read(REFERENCE_FILE) != reference:
            raise NotAsPlanned("the band's id is not what was written")

    # --- checking

    def check(self) -> Found:
        """Is it whole, by its own messages: every key of ours opens it, and no key of zeros does. Writes nothing.

        Raises:
            NotAsPlanned: it differs; with all differences.
        """
        standing = self.look()
        wrong = list(differences(standing, self._means.plan))
        if standing.has_application:
            wrong += self._keys_that_fail(standing)
            wrong += self._zeros_that_open()
        if wrong:
            raise NotAsPlanned(*wrong)
        return self._found(standing)

    def _keys_that_fail(self, standing: Standing) -> list[str]:
        """`look` has opened the chip and K_app, and K_band where there is a reference; K_uid is tried here, and reads it."""
        if KeySlot.UID.value not in standing.our_slots or not standing.reference:
            return []
        self._select(AID)
        group = self._means.keys.group_key()
        self._open(KeySlot.UID.value, group.value, whose="the group key")
        if self._chip.read(REFERENCE_FILE) != standing.reference:
            return ["the group key reads another id than the band's key"]
        return []

    def _zeros_that_open(self) -> list[str]:
        self._select(AID)
        opened = [
            f"slot {slot.value}" for slot in KeySlot if self._opens(slot.value, is_des=False)
        ]
        self._select(PICC_AID)
        if self._opens(KeySlot.APP.value, is_des=False) or self._opens(
            KeySlot.APP.value, is_des=True
        ):
            opened.append("the chip itself")
        return [f"a key of zeros opens {what}" for what in opened]

    def _opens(self, slot: int, *, is_des: bool) -> bool:
        try:
            if is_des:
                self._chip.authenticate_iso(slot, ZERO_KEY)
            elif not self._chip.authenticate_ev2_first(slot, ZERO_KEY):
                self._chip.authenticate_aes(slot, ZERO_KEY)
        except (KeyRefused, BandRefused):
            return False
        return True

    def told(self) -> Told:
        """What it says. Writes nothing."""
        content = self.read()
        standing = content.standing
        counts: tuple[tuple[str, int | None], ...] = ()
        if standing.reference:
            counts = (("uses", content.uses), ("uses_remembered", content.n_records))
        return Told(
            chip=_chip_of(standing),
            band=standing.reference.hex(),
            has_random_uid=standing.has_random_uid,
            capsule=None if content.capsule is None else carried_in(content.capsule),
            counts=counts,
        )

    def read(self) -> Content:
        """The same with how far it is; of one without an id only that."""
        standing = self.look()
        if not standing.reference:
            return Content(standing)
        self._select(AID)
        band = self._means.keys.band_key(standing.uid)
        self._open(KeySlot.BAND.value, band.value, whose="the band's key")
        files = standing.files
        capsule = self._chip.read(CAPSULE_FILE) if CAPSULE_FILE.number in files else None
        uses = None
        if layout.USES_FILE.number in files:
            uses = layout.USES_FILE.start - self._chip.value(layout.USES_FILE)
        self._open_own(standing.uid)
        n_records = None
        if layout.WITNESS_FILE.number in files:
            n_records = self._setup.file_settings(layout.WITNESS_FILE.number).n_records
        return Content(standing, capsule, uses, n_records)

    # --- the end of a band

    def retire(self, note: Note) -> Found:
        """Take everything a kiosk reads off the band; its keys stay ours, so that nobody else can make it speak.

        Files are deleted one at a time, the capsule and the reference first, which name the band: from then on no kiosk knows
        it. Torn, it is gone on with.

        Raises:
            BandOfAnother: our application is not on it, or its keys are not ours.
        """
        standing = self.look()
        if KeySlot.APP.value not in standing.our_slots:
            raise BandOfAnother("it is no band of ours")
        for number in sorted(
            standing.files, key=lambda each: (each != CAPSULE_FILE.number, each)
        ):
            note(f"delete_file_{number}", partial(self._delete, standing.uid, number))
        self._open_own(standing.uid)
        if self._setup.file_ids():
            raise NotAsPlanned("files are left on it")
        return Found(standing.uid, standing.reference, (), _chip_of(standing))

    def _delete(self, uid: bytes, number: int) -> None:
        self._open_own(uid)
        self._setup.delete_file(number)

    # --- opening

    def _select(self, aid: bytes) -> None:
        status = self._chip.select_application(aid).status
        if status != OK:
            raise BandRefused(
                "the chip does not select what it must have", status=NATIVE_SW1 << 8 | status
            )

    def _open_own(self, uid: bytes) -> None:
        """A session with K_app, as it stands or opened anew."""
        if self._chip.aid == AID and self._chip.slot == KeySlot.APP.value:
            return
        self._select(AID)
        key = self._means.keys.application_key(uid)
        self._open(KeySlot.APP.value, key.value, whose="the application's key")

    def _open_chip(self, uid: bytes, *, is_ours: bool) -> None:
        self._select(PICC_AID)
        if is_ours:
            self._open(
                KeySlot.APP.value, self._means.keys.chip_key(uid).value, whose="the chip's key"
            )
        elif self._means.plan.factory_key is FactoryKey.AES:
            self._open(KeySlot.APP.value, ZERO_KEY, whose="the factory's key")
        else:
            try:
                self._chip.authenticate_iso(KeySlot.APP.value, ZERO_KEY)
            except KeyRefused as error:
                raise BandOfAnother("the factory's key does not open it") from error

    def _open(self, slot: int, key: bytes, *, whose: str) -> None:
        """Authenticate with AES, by the newest command the chip knows."""
        try:
            if not self._chip.authenticate_ev2_first(slot, key):
                self._chip.authenticate_aes(slot, key)
        except KeyRefused as error:
            raise BandOfAnother(f"{whose} does not open it") from error


def _chip_of(standing: Standing) -> str:
    return f"DESFire EV{standing.generation}"


def _without_start(file: layout.ValueFile) -> tuple[object, ...]:
    return (
        file.number,
        file.lower,
        file.upper,
        file.mode,
        file.access_rights,
        file.has_limited_credit,
    )
