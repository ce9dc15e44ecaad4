"""What an issue does to a band, step by step and in order, and what of it is still to do: no chip is touched here.

    1  create_application   with keys of zeros
    2  change_key_0         K_app, at once: from here on nobody else can change anything in it
    3  create_file_N        each file of the layout
    4  change_key_1, _2     K_uid, K_band: they travel under K_app, not under a key everybody knows
    5  write_reference      the band's random id; it is in the journal before it is on the band
    6  change_key_chip      the chip's own key, from the factory's
    7  lock_chip            nobody else lists, makes or deletes applications
    8  set_random_uid       last: from here on only K_uid tells which band it is

A band that was torn away is looked at anew, and what it lacks is done. No step writes a key of zeros.
"""

from dataclasses import dataclass, field
from enum import Enum

from drivers.credential.layout import ALL_FILES, APPLICATION_KEY_SETTINGS, KeySlot
from drivers.issuing.plan import Plan

CHIP_KEY_SETTINGS = 0x09
"""Settings of the chip itself: its key and these settings may be changed, with its key; nothing is free.

Source: MF3ICD81 data sheet, ChangeKeySettings, PICC level.
"""


class Action(Enum):
    """What a step does. The values stand in journals."""

    CREATE_APPLICATION = "create_application"
    CHANGE_KEY = "change_key"
    CREATE_FILE = "create_file"
    WRITE_REFERENCE = "write_reference"
    CHANGE_CHIP_KEY = "change_key_chip"
    LOCK_CHIP = "lock_chip"
    SET_RANDOM_UID = "set_random_uid"
    WRITE_LINK = "write_link"  # NTAG 424
    SET_UP_FILE = "set_up_file"  # NTAG 424
    PROTECT = "protect"  # Ultralight AES
    LOCK_KEYS = "lock_keys"  # Ultralight AES


_NUMBERED = (Action.CHANGE_KEY, Action.CREATE_FILE, Action.SET_UP_FILE)

_WORDS = {
    Action.CREATE_APPLICATION: "make the application",
    Action.CHANGE_KEY: "put our key into slot {}",
    Action.CREATE_FILE: "make file {}",
    Action.WRITE_REFERENCE: "write the band's id",
    Action.CHANGE_CHIP_KEY: "put our key in place of the factory's",
    Action.LOCK_CHIP: "let nobody else make or delete applications",
    Action.SET_RANDOM_UID: "show a random UID from now on; this cannot be taken back",
    Action.WRITE_LINK: "write the link",
    Action.SET_UP_FILE: "say who may read and write file {}",
    Action.PROTECT: "ask for our key before anything is read or written",
    Action.LOCK_KEYS: "let nobody change the keys; this cannot be taken back",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `number` is a key slot or a file; 0 where there is none."""

    action: Action
    number: int = 0

    @property
    def name(self) -> str:
        """Its name in a journal."""
        value = self.action.value
        return f"{value}_{self.number}" if self.action in _NUMBERED else value

    @property
    def words(self) -> str:
        """What it does, for people."""
        return _WORDS[self.action].format(self.number)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a DESFire is.

    Attributes:
        uid: The true UID.
        generation: 1 for EV1, 2 for EV2 or later, by the command set it authenticated with; 3 where it says so as well.
        has_random_uid: It shows strangers another UID each time.
        is_chip_ours: Its own key is ours.
        chip_rights: Settings of the chip itself.
        has_application: Our application is there.
        our_slots: Key slots of it that hold our keys; the others hold zeros.
        rights: Settings of the application; 0 without one.
        files: Files of the layout that are there.
        reference: The band's id; empty when none was written yet.
    """

    uid: bytes = field(repr=False)
    generation: int
    has_random_uid: bool
    is_chip_ours: bool
    chip_rights: int
    has_application: bool = False
    our_slots: frozenset[int] = frozenset()
    rights: int = 0
    files: frozenset[int] = frozenset()
    reference: bytes = field(default=b"", repr=False)

    @property
    def is_untouched(self) -> bool:
        """Is it as the factory left it?"""
        return not self.is_chip_ours and not self.has_application


def steps_to_do(standing: Standing, plan: Plan) -> tuple[Step, ...]:
    """What this band still lacks, in order; nothing for one that is whole."""
    ours = standing.our_slots
    steps: list[Step] = []
    if not standing.has_application:
        steps.append(Step(Action.CREATE_APPLICATION))
    if KeySlot.APP.value not in ours:
        steps.append(Step(Action.CHANGE_KEY, KeySlot.APP.value))
    steps += [
        Step(Action.CREATE_FILE, file.number)
        for file in ALL_FILES
        if file.number not in standing.files
    ]
    steps += [
        Step(Action.CHANGE_KEY, slot.value)
        for slot in (KeySlot.UID, KeySlot.BAND)
        if slot.value not in ours
    ]
    if not standing.reference:
        steps.append(Step(Action.WRITE_REFERENCE))
    if not standing.is_chip_ours:
        steps.append(Step(Action.CHANGE_CHIP_KEY))
    if standing.chip_rights != CHIP_KEY_SETTINGS:
        steps.append(Step(Action.LOCK_CHIP))
    if plan.has_random_uid and not standing.has_random_uid:
        steps.append(Step(Action.SET_RANDOM_UID))
    return tuple(steps)


def whole(plan: Plan) -> tuple[Step, ...]:
    """Everything that is done to a band fresh from the factory."""
    fresh = Standing(
        uid=b"", generation=plan.generation_min, has_random_uid=False, is_chip_ours=False,
        chip_rights=0x0F,
    )  # fmt: skip
    return steps_to_do(fresh, plan)


def differences(standing: Standing, plan: Plan) -> tuple[str, ...]:
    """In words what keeps a band from being as planned; nothing for one that is."""
    found = [f"still to do: {step.words}" for step in steps_to_do(standing, plan)]
    if standing.has_application and standing.rights != APPLICATION_KEY_SETTINGS:
        found.append(f"the application's settings are {standing.rights:02X}")
    if standing.has_random_uid and not plan.has_random_uid:
        found.append(
            "it shows a random UID, which the plan does not want and nothing takes back"
        )
    if standing.generation < plan.generation_min:
        found.append(f"it is of generation {standing.generation}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Found:
    """A band at the station, of whatever chip, before anything is done to it.

    Attributes:
        uid: The true UID.
        reference: Its id; empty when none was written yet.
        steps: What it lacks.
        chip: Which chip, in words.
        obstacle: Why it must not be issued as it is; "" for nothing.
    """

    uid: bytes = field(repr=False)
    reference: bytes = field(repr=False)
    steps: tuple[Step, ...]
    chip: str
    obstacle: str = ""
