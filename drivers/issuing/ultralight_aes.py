"""How an Ultralight AES is issued, verified, read and retired, from wherever it stands.

    1  change_key_1, _0   K_uid, K_band: four pages each, in clear on the air: encode where nobody listens
    2  write_reference    the band's random id; it is in the journal before it is on the band
    3  lock_keys          once both opened it: nobody changes them any more, for ever
    4  protect            last: K_band before anything is read or written, MACs, and a random UID where the plan has one

Until the last step everybody may write everything, so nothing needs a key and whatever was torn is written again. A key has no
version here; which one a slot holds is found by trying ours, the factory's zeros, and the three a torn write of ours leaves.

The counter that counts uses never goes back. So a chip whose counter has moved and that bears no id is refused: as a new band
it would look used.

Source: NXP MF0AES(H)20 data sheet, 8; `drivers.credential.places`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Final

from drivers.chips.desfire import KeyRefused
from drivers.chips.identify import has_true_uid
from drivers.chips.ntag21x import is_ultralight_aes
from drivers.chips.type2 import PAGE_SIZE, Type2
from drivers.chips.ultralight_aes import Protection, UltralightAes
from drivers.connection import Connection
from drivers.credential.layout import KEY_SIZE, REFERENCE_SIZE
from drivers.credential.originality import Maker
from drivers.credential.places import (
    CAPSULE_PAGE,
    CAPSULE_SIZE_PAGES,
    MFUL_BAND,
    MFUL_UID,
    REFERENCE_PAGE,
    USES_COUNTER,
)
from drivers.errors import BandRefused, BandSilent
from drivers.issuing.carried import Carried, carried_in
from drivers.issuing.desfire import Means
from drivers.issuing.errors import BandOfAnother, BandRejected, NotAsPlanned
from drivers.issuing.plan import Plan
from drivers.issuing.steps import Action, Found, Step
from drivers.issuing.telling import Told
from drivers.target import Target, Technology

Note = Callable[[str, Callable[[], None]], None]

CHIP: Final = "MIFARE Ultralight AES"

SIGNATURE_GENERATION: Final = 20
"""What `Means.public_keys` is asked for, where chips are virtual."""

MAKERS_KEYS: Final = (bytes.fromhex(Maker.ULTRALIGHT_AES.value),)
"""The public key of its maker."""

ZERO_KEY: Final = bytes(KEY_SIZE)
"""What the factory leaves; never written."""


class Held(Enum):
    """What a key slot holds."""

    FACTORY = "factory"
    OURS = "ours"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an Ultralight AES is.

    Attributes:
        uid: The true UID.
        has_random_uid: It shows strangers another UID each time.
        slots: What slot 0 and slot 1 hold.
        are_keys_locked: Nobody can change the keys any more.
        protection: How it guards itself.
        reference: The band's id; empty when none was written yet, or one was torn while it was.
        uses: What the counter of uses stands at.
    """

    uid: bytes = field(repr=False)
    has_random_uid: bool
    slots: tuple[Held, Held]
    are_keys_locked: bool
    protection: Protection
    reference: bytes = field(default=b"", repr=False)
    uses: int = 0


def protection_of(plan: Plan) -> Protection:
    """How a band of this plan guards itself.

    Failing authentications are not counted: a key of 128 bits is not guessed, and a count would let anybody end a band.
    """
    return Protection(
        has_random_uid=plan.has_random_uid,
        has_macs=True,
        first_page=REFERENCE_PAGE,
        needs_key_to_read=True,
        fails_max=0,
    )


def steps_to_do(standing: Standing, plan: Plan) -> tuple[Step, ...]:
    """What this band still lacks, in order; nothing for one that is whole."""
    steps = [
        Step(Action.CHANGE_KEY, slot)
        for slot in (MFUL_UID, MFUL_BAND)
        if standing.slots[slot] is not Held.OURS
    ]
    if not standing.reference:
        steps.append(Step(Action.WRITE_REFERENCE))
    if not standing.are_keys_locked:
        steps.append(Step(Action.LOCK_KEYS))
    if standing.protection != protection_of(plan):
        steps.append(Step(Action.PROTECT))
    return tuple(steps)


def whole(plan: Plan) -> tuple[Step, ...]:
    """Everything that is done to a band fresh from the factory."""
    delivered = replace(protection_of(plan), has_macs=False, first_page=0x3C)
    fresh = Standing(b"", has_random_uid=False, slots=(Held.FACTORY, Held.FACTORY),
                     are_keys_locked=False, protection=delivered)  # fmt: skip
    return steps_to_do(fresh, plan)


class UltralightAesBand:
    """One Ultralight AES in the field of an encoder station. Used by one thread, for one activation.

    Every method raises what `UltralightAes` raises, and BandRejected where this band is not to be touched.
    """

    def __init__(self, connection: Connection, target: Target, means: Means) -> None:
        self._connection = connection
        self._target = target
        self._means = means
        self._standing: Standing | None = None

    # --- looking

    def look(self) -> Standing:
        """Who it is and how far it is. Writes nothing.

        Raises:
            NotGenuine: its maker did not sign its UID.
            BandOfAnother: it holds keys that are neither ours nor as the factory left them.
            BandRejected: it is no Ultralight AES.
        """
        self._need_ultralight_aes()
        if not has_true_uid(self._target):
            self._standing = self._look_inside(self._hidden_uid(), is_hidden=True)
            return self._standing
        uid = self._target.uid
        protection = self._open_protection()
        if protection is None:
            self._standing = self._look_inside(uid, is_hidden=False)
            return self._standing
        self._standing = self._look_unprotected(uid, protection)
        return self._standing

    def _need_ultralight_aes(self) -> None:
        if self._target.technology is not Technology.TYPE_2:
            raise BandRejected(f"this is no {CHIP}")
        try:
            version = Type2(self._connection).version()
        except (BandSilent, BandRefused) as error:
            raise BandRejected(f"this is no {CHIP}") from error
        if not is_ultralight_aes(version):
            raise BandRejected(f"this is no {CHIP}")

    def _hidden_uid(self) -> bytes:
        chip = self._chip()
        try:
            chip.authenticate(MFUL_UID, self._means.keys.group_key().value)
        except KeyRefused as error:
            raise BandOfAnother(
                "it shows a random UID, and no key of ours tells which band it is"
            ) from error
        return chip.uid()

    def _open_protection(self) -> Protection | None:
        """How it guards itself, read without a key; None when it guards even that."""
        chip = self._chip()
        try:
            return chip.protection()
        except BandRefused:
            return None

    def _look_inside(self, uid: bytes, *, is_hidden: bool) -> Standing:
        """A band that asks for its key before anything is read: it must be ours."""
        chip = self._opened(MFUL_BAND, uid)
        protection = chip.protection()
        are_locked = chip.are_keys_locked()
        self._check_signature(uid, chip.signature())
        reference = chip.read(REFERENCE_PAGE)
        uses = chip.read_counter(USES_COUNTER)
        return Standing(
            uid=uid,
            has_random_uid=is_hidden,
            slots=(Held.OURS, Held.OURS if is_hidden else self._held(MFUL_UID, uid)),
            are_keys_locked=are_locked,
            protection=protection,
            reference=_whole(reference),
            uses=uses,
        )

    def _look_unprotected(self, uid: bytes, protection: Protection) -> Standing:
        if protection.has_macs or protection.has_random_uid:
            raise BandOfAnother("it is set up as neither we nor the factory do")
        chip = self._chip()
        self._check_signature(uid, chip.signature())
        are_locked = chip.are_keys_locked()
        reference = chip.read(REFERENCE_PAGE)
        in_slot_1 = self._held(MFUL_UID, uid)
        # Slot 0 last: it stays open, for the counter may ask for it already.
        slots = self._held(MFUL_BAND, uid), in_slot_1
        if are_locked and any(each is not Held.OURS for each in slots):
            raise BandOfAnother("its keys are not ours, and locked")
        has_begun = any(each is not Held.FACTORY for each in slots)
        return Standing(
            uid=uid,
            has_random_uid=False,
            slots=slots,
            are_keys_locked=are_locked,
            protection=protection,
            # What stands there before our keys do is the factory's or somebody's, and no id of ours.
            reference=_whole(reference) if has_begun else b"",
            uses=self._chip().read_counter(USES_COUNTER),
        )

    def _check_signature(self, uid: bytes, signature: bytes) -> None:
        keys = self._means.public_keys(SIGNATURE_GENERATION) or MAKERS_KEYS
        self._means.need_signed(keys, uid, signature)

    def _held(self, slot: int, uid: bytes) -> Held:
        """Which key the slot holds, by trying. Raises BandOfAnother when it is none of those it may be."""
        ours = self._key_of(slot, uid)
        stored = ours[::-1]
        torn = [
            (stored[:size] + ZERO_KEY[size:])[::-1]
            for size in range(PAGE_SIZE, KEY_SIZE, PAGE_SIZE)
        ]
        tries = [
            (ours, Held.OURS),
            (ZERO_KEY, Held.FACTORY),
            *((key, Held.TORN) for key in torn),
        ]
        for key, held in tries:
            try:
                self._chip().authenticate(slot, key)
            except KeyRefused:
                continue
            return held
        raise BandOfAnother(f"slot {slot} holds a key that is neither ours nor a factory's")

    def _key_of(self, slot: int, uid: bytes) -> bytes:
        keys = self._means.keys
        return (keys.band_key(uid) if slot == MFUL_BAND else keys.group_key()).value

    def _seen(self) -> Standing:
        """What `look` saw in this activation: with a session open, the chip does not say a second time what it is."""
        return self._standing or self.look()

    # --- doing

    def survey(self) -> Found:
        """`look`, and what follows from it. Raises as `look`."""
        standing = self.look()
        steps = steps_to_do(standing, self._means.plan)
        return Found(standing.uid, standing.reference, steps, CHIP, _obstacle(standing))

    def finish(self, *, reference: bytes, note: Note) -> None:
        """Do what the band lacks, a step at a time, after `survey` in the same activation.

        Args:
            reference: The band's id, for a band that has none yet.
            note: Told of each step.

        Raises:
            BandRejected: its counter has moved and it bears no id.
        """
        standing = self._standing
        if standing is None:
            raise TypeError("the band must be looked at first")
        if _obstacle(standing):
            raise BandRejected(_obstacle(standing))
        for step in steps_to_do(standing, self._means.plan):
            note(step.name, partial(self._do, step, standing, reference))

    def _do(self, step: Step, standing: Standing, reference: bytes) -> None:
        uid = standing.uid
        is_guarded = standing.protection.has_macs
        chip = self._opened(MFUL_BAND, uid) if is_guarded else self._chip()
        match step.action:
            case Action.CHANGE_KEY:
                if not standing.reference:
                    # From the first key of ours on, what stands here is taken for the band's id.
                    chip.write(REFERENCE_PAGE, bytes(PAGE_SIZE))
                chip.write_key(step.number, self._key_of(step.number, uid))
                self._need_opened(step.number, uid, has_macs=is_guarded)
            case Action.WRITE_REFERENCE:
                # Its first page comes last, so that a torn one is none.
                chip.write_pages(REFERENCE_PAGE + 1, reference[PAGE_SIZE:])
                chip.write(REFERENCE_PAGE, reference[:PAGE_SIZE])
                if chip.read(REFERENCE_PAGE) != reference:
                    raise NotAsPlanned("the band's id is not what was written")
            case Action.LOCK_KEYS:
                for slot in (MFUL_BAND, MFUL_UID):
                    self._need_opened(slot, uid, has_macs=is_guarded)
                chip = self._opened(MFUL_BAND, uid) if is_guarded else self._chip()
                chip.lock_keys()
            case Action.PROTECT:
                chip.protect(protection_of(self._means.plan))
            case _:
                raise TypeError("no step of this chip")

    # --- checking

    def check(self) -> Found:
        """Is it whole, by its own messages: both our keys open it. Writes nothing.

        Raises:
            NotAsPlanned: it differs; with all differences.
        """
        standing = self.look()
        steps = steps_to_do(standing, self._means.plan)
        if steps:
            raise NotAsPlanned(*(f"still to do: {step.words}" for step in steps))
        return Found(standing.uid, standing.reference, steps, CHIP)

    def told(self) -> Told:
        """What it says. Writes nothing."""
        standing = self._seen()
        capsule: Carried | None = None
        counts: tuple[tuple[str, int | None], ...] = ()
        if standing.reference and standing.protection.has_macs:
            chip = self._opened(MFUL_BAND, standing.uid)
            pages = chip.read_pages(CAPSULE_PAGE, CAPSULE_SIZE_PAGES // PAGE_SIZE)
            capsule = carried_in(pages)
            counts = (("uses", chip.read_counter(USES_COUNTER)),)
        return Told(
            chip=CHIP,
            band=standing.reference.hex(),
            has_random_uid=standing.has_random_uid,
            capsule=capsule,
            counts=counts,
        )

    # --- the end of a band

    def retire(self, note: Note) -> Found:
        """Take everything a kiosk reads off the band; its keys stay ours, so that nobody else can make it speak.

        Raises:
            BandOfAnother: its keys are not ours.
        """
        standing = self._seen()
        if standing.slots[MFUL_BAND] is not Held.OURS or not standing.protection.has_macs:
            raise BandOfAnother("it is no band of ours")
        note("wipe_pages", partial(self._wipe, standing.uid))
        return Found(standing.uid, standing.reference, (), CHIP)

    def _wipe(self, uid: bytes) -> None:
        """The reference first: from then on no kiosk knows it."""
        chip = self._opened(MFUL_BAND, uid)
        chip.write_pages(REFERENCE_PAGE, bytes(REFERENCE_SIZE))
        chip.write_pages(CAPSULE_PAGE, bytes(CAPSULE_SIZE_PAGES))

    # --- opening

    def _chip(self) -> UltralightAes:
        """The chip without a session, which a fresh one needs for nothing."""
        return UltralightAes(self._connection, self._means.entropy)

    def _opened(self, slot: int, uid: bytes) -> UltralightAes:
        """A session with MACs, by our key."""
        return self._need_opened(slot, uid, has_macs=True)

    def _need_opened(self, slot: int, uid: bytes, *, has_macs: bool) -> UltralightAes:
        chip = self._chip()
        try:
            chip.authenticate(slot, self._key_of(slot, uid), has_macs=has_macs)
        except KeyRefused as error:
            raise BandOfAnother(f"our key does not open slot {slot}") from error
        return chip


def _whole(reference: bytes) -> bytes:
    """The reference, empty when its first page was not written."""
    return reference if any(reference[:PAGE_SIZE]) else b""


def _obstacle(standing: Standing) -> str:
    if not standing.reference and standing.uses:
        return "its counter has moved: as a new band it would look used"
    return ""
