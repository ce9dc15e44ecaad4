"""How an NTAG 424 DNA is issued, verified, read and retired, from wherever it stands.

    1  change_key_0        K_app, at once: from here on nobody else can change anything
    2  change_key_1 .. 4   K_uid, K_band, K_sun, and into slot 4 a key nobody keeps
    3  write_link          the link, zeros where the chip will write; only where the plan has one
    4  set_up_file_2       free to read, K_app writes, and the SUN message where there is a link
    5  set_up_file_3       K_uid reads, K_band writes, enciphered
    6  write_reference     the band's random id; it is in the journal before it is on the band
    7  set_random_uid      last: from here on only K_uid tells which band it is

Key versions say which key a slot holds: 0 the factory's zeros, ours what the key source gives. An authentication proves it.
The chip speaks AES or LRP, whichever it was switched to before; issuing switches neither on nor off.

Source: NXP NT4H2421Gx data sheet rev 3.0; `drivers.credential.places`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from drivers.chips.desfire import KeyRefused
from drivers.chips.identify import leasable_uid, speaks_iso_dep
from drivers.chips.ntag424 import KEY_COUNT, LINK_FILE, Ntag424
from drivers.connection import Connection
from drivers.credential.layout import KEY_SIZE, REFERENCE_SIZE, BandFile, CommMode
from drivers.credential.originality import Maker
from drivers.credential.places import (
    CONTENT_FILE,
    NTAG424_APP,
    NTAG424_BAND,
    NTAG424_REFERENCE,
    NTAG424_SPARE,
    NTAG424_SUN,
    NTAG424_UID,
    sun_key_of,
)
from drivers.credential.sdm_file import (
    FREE,
    LINK_FILE_SIZE,
    FileSettings,
    SunKeys,
    link_file,
)
from drivers.errors import BandRefused, BandUnsupported
from drivers.issuing.carried import Carried, carried_in
from drivers.issuing.desfire import Means
from drivers.issuing.errors import BandOfAnother, BandRejected, NotAsPlanned
from drivers.issuing.plan import Plan
from drivers.issuing.ports import IssuedKey
from drivers.issuing.steps import Action, Found, Step
from drivers.issuing.telling import Told
from drivers.target import Target

Note = Callable[[str, Callable[[], None]], None]

ZERO_KEY: Final = bytes(KEY_SIZE)
"""What the factory leaves. It opens a fresh chip; it is never written."""

CHIP: Final = "NTAG 424 DNA"

NTAG_TYPE: Final = 0x04
NTAG424_MAJOR: Final = 0x30
"""Hardware type and major version in GetVersion. Source: NXP NT4H2421Gx data sheet rev 3.0, table 54."""

SIGNATURE_GENERATION: Final = 424
"""What `Means.public_keys` is asked for, where chips are virtual."""

MAKERS_KEYS: Final = (bytes.fromhex(Maker.NTAG424.value),)
"""The public key of its maker."""

CONTENT_SETTINGS: Final = FileSettings(
    mode=CONTENT_FILE.mode,
    read=CONTENT_FILE.read,
    write=CONTENT_FILE.write,
    read_write=CONTENT_FILE.read_write,
    change=CONTENT_FILE.change,
    size=CONTENT_FILE.size,
)
"""How file 3 is set up."""

FACTORY_CONTENT: Final = FileSettings(CommMode.FULL, 2, 3, 3, 0, size=CONTENT_FILE.size)
FACTORY_LINK: Final = FileSettings(CommMode.PLAIN, FREE, FREE, FREE, 0, size=LINK_FILE_SIZE)
"""How the factory leaves files 3 and 2. Source: NXP NT4H2421Gx data sheet rev 3.0, 8.2.3.1."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an NTAG 424 is.

    Attributes:
        uid: The true UID.
        has_random_uid: It shows strangers another UID each time.
        our_slots: Key slots that hold our keys; the others hold zeros.
        link: How file 2 is set up.
        content: How file 3 is set up.
        reference: The band's id; empty when none was written yet.
    """

    uid: bytes = field(repr=False)
    has_random_uid: bool
    our_slots: frozenset[int]
    link: FileSettings
    content: FileSettings
    reference: bytes = field(default=b"", repr=False)


def link_settings(plan: Plan, *, is_lrp: bool) -> tuple[bytes, FileSettings]:
    """What file 2 holds and how it is set up, as the plan says; nothing and no SUN message without a link."""
    app = NTAG424_APP
    if not plan.link:
        return b"", FileSettings(CommMode.PLAIN, FREE, app, app, app, size=LINK_FILE_SIZE)
    keys = SunKeys(meta=NTAG424_UID, mac=NTAG424_SUN)
    content, sdm = link_file(plan.link, keys=keys, is_lrp=is_lrp)
    settings = FileSettings(CommMode.PLAIN, FREE, app, app, app, sdm=sdm, size=LINK_FILE_SIZE)
    return content, settings


def steps_to_do(standing: Standing, plan: Plan, *, is_lrp: bool) -> tuple[Step, ...]:
    """What this band still lacks, in order; nothing for one that is whole."""
    steps = [
        Step(Action.CHANGE_KEY, slot)
        for slot in range(KEY_COUNT)
        if slot not in standing.our_slots
    ]
    content, link = link_settings(plan, is_lrp=is_lrp)
    if standing.link != link:
        steps += [Step(Action.WRITE_LINK)] if content else []
        steps.append(Step(Action.SET_UP_FILE, LINK_FILE))
    if standing.content != CONTENT_SETTINGS:
        steps.append(Step(Action.SET_UP_FILE, CONTENT_FILE.number))
    if not standing.reference:
        steps.append(Step(Action.WRITE_REFERENCE))
    if plan.has_random_uid and not standing.has_random_uid:
        steps.append(Step(Action.SET_RANDOM_UID))
    return tuple(steps)


def whole(plan: Plan) -> tuple[Step, ...]:
    """Everything that is done to a band fresh from the factory."""
    fresh = Standing(
        b"",
        has_random_uid=False,
        our_slots=frozenset(),
        link=FACTORY_LINK,
        content=FACTORY_CONTENT,
    )
    return steps_to_do(fresh, plan, is_lrp=False)


class Ntag424Band:
    """One NTAG 424 in the field of an encoder station. Used by one thread, for one activation.

    Every method raises what `Ntag424` raises, and BandRejected where this band is not to be touched.
    """

    def __init__(self, connection: Connection, target: Target, means: Means) -> None:
        self._target = target
        self._means = means
        self._chip = Ntag424(connection, means.entropy)
        self._slot: int | None = None
        self._is_lrp = False
        self._standing: Standing | None = None

    # --- looking

    def look(self) -> Standing:
        """Who it is and how far it is. Writes nothing.

        Raises:
            NotGenuine: its maker did not sign its UID.
            BandOfAnother: it holds keys or settings that are neither ours nor as the factory left them.
            BandRejected: it is no NTAG 424.
        """
        self._need_ntag424()
        self._select()
        signature = self._chip.signature()
        shown = leasable_uid(self._target)
        uid = shown if shown is not None else self._hidden_uid()
        keys = self._means.public_keys(SIGNATURE_GENERATION) or MAKERS_KEYS
        self._means.need_signed(keys, uid, signature)
        ours = frozenset(
            slot for slot, key in self._keys_of(uid).items() if self._is_ours(slot, key)
        )
        self._open(NTAG424_APP, uid, ours)
        self._is_lrp = self._chip.is_lrp
        if self._chip.card_uid() != uid:
            raise BandOfAnother("the band shows another UID than the chip has")
        found = Standing(
            uid=uid,
            has_random_uid=shown is None,
            our_slots=ours,
            link=self._chip.file_settings(LINK_FILE),
            content=self._chip.file_settings(CONTENT_FILE.number),
        )
        self._check_settings(found)
        if found.content == CONTENT_SETTINGS and NTAG424_BAND in ours:
            self._open(NTAG424_BAND, uid, ours)
            reference = self._chip.read(NTAG424_REFERENCE)
            if any(reference):
                found = _with_reference(found, reference)
        self._standing = found
        return found

    def _need_ntag424(self) -> None:
        if not speaks_iso_dep(self._target):
            raise BandRejected(f"this is no {CHIP}")
        try:
            version = self._chip.version()
        except (BandUnsupported, BandRefused) as error:
            raise BandRejected(f"this is no {CHIP}") from error
        if (version.hardware_type & 0x0F, version.hardware_major) != (
            NTAG_TYPE,
            NTAG424_MAJOR,
        ):
            raise BandRejected(f"this is no {CHIP}")

    def _hidden_uid(self) -> bytes:
        """The true UID of a chip that shows a random one: through K_uid, or through the factory's key."""
        group = self._means.keys.group_key()
        version = self._chip.key_version(NTAG424_UID)
        key = group.value if version == group.version else ZERO_KEY
        try:
            self._chip.authenticate_first(NTAG424_UID, key)
        except KeyRefused as error:
            raise BandOfAnother(
                "it shows a random UID, and no key of ours tells which band it is"
            ) from error
        uid = self._chip.card_uid()
        self._chip.close()
        self._select()
        return uid

    def _keys_of(self, uid: bytes) -> dict[int, IssuedKey]:
        """Our key of every slot. That of the slot nobody uses is drawn from K_app: it is never lent to anybody."""
        keys = self._means.keys
        band, app = keys.band_key(uid), keys.application_key(uid)
        return {
            NTAG424_APP: app,
            NTAG424_UID: keys.group_key(),
            NTAG424_BAND: band,
            NTAG424_SUN: IssuedKey(sun_key_of(band.value), band.version),
            NTAG424_SPARE: IssuedKey(sun_key_of(app.value), app.version),
        }

    def _is_ours(self, slot: int, key: IssuedKey) -> bool:
        """Does the slot say it holds our key? An authentication proves it later."""
        version = self._chip.key_version(slot)
        if version not in (0, key.version):
            raise BandOfAnother(
                f"a key on it has version {version}, which is neither ours nor a factory's"
            )
        return version == key.version

    def _check_settings(self, found: Standing) -> None:
        _, link = link_settings(self._means.plan, is_lrp=self._is_lrp)
        if NTAG424_APP in found.our_slots:
            return
        if found.link not in (FACTORY_LINK, link) or found.content != FACTORY_CONTENT:
            raise BandOfAnother("its files are set up as neither we nor the factory do")

    def _seen(self) -> Standing:
        """What `look` saw in this activation: with a session open, the chip does not say a second time what it is."""
        return self._standing or self.look()

    # --- doing

    def survey(self) -> Found:
        """`look`, and what follows from it. Raises as `look`."""
        return self._found(self.look())

    def _found(self, standing: Standing) -> Found:
        steps = steps_to_do(standing, self._means.plan, is_lrp=self._is_lrp)
        return Found(standing.uid, standing.reference, steps, CHIP)

    def finish(self, *, reference: bytes, note: Note) -> None:
        """Do what the band lacks, a step at a time, after `survey` in the same activation.

        Args:
            reference: The band's id, for a band that has none yet.
            note: Told of each step.
        """
        standing = self._standing
        if standing is None:
            raise TypeError("the band must be looked at first")
        done = set(standing.our_slots)
        for step in steps_to_do(standing, self._means.plan, is_lrp=self._is_lrp):
            note(step.name, partial(self._do, step, standing.uid, done, reference))

    def _do(self, step: Step, uid: bytes, done: set[int], reference: bytes) -> None:
        ours = frozenset(done)
        match step.action:
            case Action.CHANGE_KEY:
                self._change_key(step.number, uid, ours)
                done.add(step.number)
            case Action.WRITE_LINK:
                content, _ = link_settings(self._means.plan, is_lrp=self._is_lrp)
                self._open(NTAG424_APP, uid, ours)
                self._chip.write(_LINK, content)
            case Action.SET_UP_FILE:
                self._set_up(step.number, uid, ours)
            case Action.WRITE_REFERENCE:
                self._open(NTAG424_BAND, uid, ours)
                self._chip.write(NTAG424_REFERENCE, reference)
                if self._chip.read(NTAG424_REFERENCE) != reference:
                    raise NotAsPlanned("the band's id is not what was written")
            case Action.SET_RANDOM_UID:
                self._open(NTAG424_APP, uid, ours)
                self._chip.hide_uid()
            case _:
                raise TypeError("no step of this chip")

    def _change_key(self, slot: int, uid: bytes, ours: frozenset[int]) -> None:
        key = self._keys_of(uid)[slot]
        self._open(NTAG424_APP, uid, ours)
        self._chip.change_key(slot, key.value, version=key.version, old=ZERO_KEY)
        if slot == NTAG424_APP:
            # The answer to a change of the session's own key proves nothing.
            self._slot = None
            self._open(NTAG424_APP, uid, ours | {slot})

    def _set_up(self, number: int, uid: bytes, ours: frozenset[int]) -> None:
        _, link = link_settings(self._means.plan, is_lrp=self._is_lrp)
        wanted = link if number == LINK_FILE else CONTENT_SETTINGS
        self._open(NTAG424_APP, uid, ours)
        if number == CONTENT_FILE.number:
            # What the factory left there is no band's id; once set up, only K_band writes.
            self._wipe(uid, ours)
        self._chip.change_file_settings(number, wanted)

    def _wipe(self, uid: bytes, ours: frozenset[int]) -> None:
        """Zeros over what stands where the reference belongs, with the key that may write there as delivered."""
        self._open(NTAG424_SUN, uid, ours)
        self._chip.write(_DELIVERED, bytes(REFERENCE_SIZE))
        self._open(NTAG424_APP, uid, ours)

    # --- checking

    def check(self) -> Found:
        """Is it whole, by its own messages: every key of ours opens it, and no key of zeros does. Writes nothing.

        Raises:
            NotAsPlanned: it differs; with all differences.
        """
        standing = self.look()
        steps = steps_to_do(standing, self._means.plan, is_lrp=self._is_lrp)
        wrong = [f"still to do: {step.words}" for step in steps]
        if standing.has_random_uid and not self._means.plan.has_random_uid:
            wrong.append(
                "it shows a random UID, which the plan does not want and nothing takes back"
            )
        wrong += self._slots_that_differ(standing)
        if wrong:
            raise NotAsPlanned(*wrong)
        return self._found(standing)

    def _slots_that_differ(self, standing: Standing) -> list[str]:
        wrong = []
        for slot, key in self._keys_of(standing.uid).items():
            if slot in standing.our_slots and not self._opens(slot, key.value):
                wrong.append(f"our key does not open slot {slot}")
            if self._opens(slot, ZERO_KEY):
                wrong.append(f"a key of zeros opens slot {slot}")
        return wrong

    def _opens(self, slot: int, key: bytes) -> bool:
        self._slot = None
        try:
            self._chip.authenticate_first(slot, key)
        except (KeyRefused, BandRefused):
            return False
        return True

    def told(self) -> Told:
        """What it says. Writes nothing."""
        standing = self._seen()
        capsule: Carried | None = None
        counts: tuple[tuple[str, int | None], ...] = ()
        if standing.reference:
            capsule = carried_in(self._chip.read(CONTENT_FILE, offset=REFERENCE_SIZE))
        if standing.link.sdm is not None:
            self._open(NTAG424_APP, standing.uid, standing.our_slots)
            counts = (("readings", self._chip.read_counter(LINK_FILE)),)
        return Told(
            chip=CHIP + (" in LRP mode" if self._is_lrp else ""),
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
        if NTAG424_APP not in standing.our_slots or NTAG424_BAND not in standing.our_slots:
            raise BandOfAnother("it is no band of ours")
        if standing.content == CONTENT_SETTINGS:
            note("wipe_file_3", partial(self._wipe_content, standing))
        return Found(standing.uid, standing.reference, (), CHIP)

    def _wipe_content(self, standing: Standing) -> None:
        """The reference first: from then on no kiosk knows it."""
        self._open(NTAG424_BAND, standing.uid, standing.our_slots)
        self._chip.write(CONTENT_FILE, bytes(REFERENCE_SIZE))
        self._chip.write(
            CONTENT_FILE, bytes(CONTENT_FILE.size - REFERENCE_SIZE), offset=REFERENCE_SIZE
        )

    # --- opening

    def _select(self) -> None:
        self._slot = None
        if not self._chip.select():
            raise BandRefused("the chip does not select its application")

    def _open(self, slot: int, uid: bytes, ours: frozenset[int]) -> None:
        """A session with a slot, as it stands or opened anew, by our key where the slot holds it."""
        if self._slot == slot and self._chip.is_open:
            return
        key = self._keys_of(uid)[slot].value if slot in ours else ZERO_KEY
        self._slot = None
        try:
            self._chip.authenticate_first(slot, key)
        except KeyRefused as error:
            whose = "our key" if slot in ours else "the factory's key"
            raise BandOfAnother(f"{whose} does not open slot {slot}") from error
        self._slot = slot


_LINK: Final = BandFile(
    LINK_FILE, LINK_FILE_SIZE, CommMode.PLAIN, read=FREE, write=FREE, read_write=FREE, change=0
)
"""File 2 as it is written: in clear, for what stands in it everybody reads."""

_DELIVERED: Final = BandFile(
    CONTENT_FILE.number,
    CONTENT_FILE.size,
    CommMode.FULL,
    read=2,
    write=3,
    read_write=3,
    change=0,
)
"""File 3 as the factory leaves it."""


def _with_reference(found: Standing, reference: bytes) -> Standing:
    return Standing(
        found.uid, found.has_random_uid, found.our_slots, found.link, found.content, reference
    )
