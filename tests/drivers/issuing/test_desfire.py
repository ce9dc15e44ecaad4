"""A DESFire is issued whole, or left where it can be gone on with: torn at any command, of another, imitated, retired."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from drivers.chips.reading import read_band
from drivers.credential.layout import AID, REFERENCE_FILE, USES_FILE, USES_MAX
from drivers.errors import BandLeft
from drivers.issuing.desfire import DesfireBand
from drivers.issuing.errors import BandOfAnother, BandRejected, NotAsPlanned, NotGenuine
from drivers.issuing.plan import FactoryKey, Plan, Signature
from drivers.issuing.steps import Action, Step, steps_to_do, whole
from drivers.issuing.telling import COUNTS
from drivers.ports import LeasedKey
from drivers.proof import ProofKind
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import sample_band
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from tests.support.bands import ChipConnection, target_of
from tests.support.issuing import (
    GROUP,
    UID,
    VERSION,
    TestStationKeys,
    fresh,
    held,
    issued,
    means,
    signature,
    state_of,
    straight,
)

REFERENCE = b"R" * 16
OLD_PLAN = Plan(generation_min=1)


class Leased:
    """A kiosk that holds the group key and the key of the band."""

    def group_key(self) -> LeasedKey:
        return LeasedKey(GROUP, VERSION)

    def band_key(self, uid: bytes) -> LeasedKey:
        return LeasedKey(TestStationKeys().band_key(uid).value, VERSION)


@pytest.mark.parametrize("ev", [1, 2, 3])
@pytest.mark.parametrize("is_random", [True, False])
def test_an_issued_band_proves_itself_at_a_kiosk_and_nothing_of_the_factory_opens_it(
    ev: int, *, is_random: bool
) -> None:
    plan = Plan(generation_min=1, has_random_uid=is_random)
    band = fresh(ev=ev)

    issued(band, plan=plan)

    held(band, plan).check()
    chip = band.power_up()
    proof = read_band(ChipConnection(chip), target_of(chip), Leased(), SeededEntropy("kiosk"))
    assert (proof.kind, proof.uid, proof.band) == (ProofKind.MUTUAL, UID, REFERENCE)
    assert band.has_random_uid == is_random
    assert band.picc.key_settings == 0x09
    keys = (*band.applications[AID].keys, *band.picc.keys)
    assert bytes(16) not in keys
    assert len(set(keys)) == 4
    assert band.values[AID, USES_FILE.number] == USES_MAX


def test_a_chip_delivered_with_an_aes_key_is_issued_as_its_plan_says() -> None:
    band = VirtualDesfire(
        uid=UID, ev=2, applications=(), entropy=SeededEntropy("chip"), signature=signature()
    )

    issued(band, plan=replace(Plan(), factory_key=FactoryKey.AES))

    held(band).check()


def commands_of_an_issue(ev: int, plan: Plan) -> int:
    chip = fresh(ev=ev).power_up()
    connection = ChipConnection(chip)
    from drivers.issuing.desfire import DesfireBand

    work = DesfireBand(connection, target_of(chip), means(plan))
    work.look()
    work.finish(reference=REFERENCE, note=straight)
    return len(connection.sent)


@pytest.mark.parametrize("ev", [1, 2])
@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_an_issue_torn_at_any_command_is_gone_on_with_to_the_same_band(
    ev: int, kind: FaultKind
) -> None:
    untorn = fresh(ev=ev)
    issued(untorn, plan=OLD_PLAN)
    expected = state_of(untorn)
    count = commands_of_an_issue(ev, OLD_PLAN)
    assert count >= 40

    for at in range(1, count + 1):
        band = fresh(ev=ev)
        field, clock = Field(), FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
        torn = FaultyBand(band, Fault(kind, at), field=field, clock=clock)
        field.present(torn)
        with pytest.raises(BandLeft):
            issued(torn, plan=OLD_PLAN)

        issued(band, plan=OLD_PLAN)

        assert state_of(band) == expected, f"torn at command {at}"


def test_a_band_torn_again_and_again_is_whole_in_the_end() -> None:
    band, n_tries, at = fresh(), 0, 1
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))

    while True:
        field = Field()
        torn = FaultyBand(band, Fault(FaultKind.TEAR_ANSWER, at), field=field, clock=clock)
        field.present(torn)
        try:
            issued(torn)
        except BandLeft:
            n_tries, at = n_tries + 1, at + 7
        else:
            break

    held(band).check()
    assert n_tries > 5


def test_a_band_that_is_whole_is_only_looked_at() -> None:
    band = fresh()
    issued(band)
    before = state_of(band)

    standing = issued(band, reference=b"X" * 16)

    assert steps_to_do(standing, Plan()) == ()
    assert standing.reference == REFERENCE
    assert state_of(band) == before


def test_the_plan_of_a_fresh_band_is_every_step_in_order_and_the_random_uid_last() -> None:
    steps = whole(Plan())

    assert steps[:2] == (Step(Action.CREATE_APPLICATION), Step(Action.CHANGE_KEY, 0))
    assert steps[-1] == Step(Action.SET_RANDOM_UID)
    assert [step.name for step in steps if step.action is Action.CREATE_FILE] == [
        "create_file_1", "create_file_2", "create_file_3", "create_file_4",
    ]  # fmt: skip


@pytest.mark.parametrize("signed", [b"", bytes(56), signature(bytes(7))])
@pytest.mark.parametrize("ev", [2, 3])
def test_a_chip_its_maker_did_not_sign_is_refused_before_anything_is_written(
    signed: bytes, ev: int
) -> None:
    band = VirtualDesfire.fresh(uid=UID, ev=ev, entropy=SeededEntropy("chip"), signature=signed)
    before = state_of(band)

    with pytest.raises(NotGenuine):
        issued(band)

    assert state_of(band) == before


def test_an_ev1_without_a_signature_is_taken_unless_the_plan_requires_one() -> None:
    issued(fresh(ev=1), plan=OLD_PLAN)

    with pytest.raises(NotGenuine):
        issued(fresh(ev=1), plan=replace(OLD_PLAN, signature=Signature.REQUIRED))


OTHERS = (
    "ntag424", "ntag424-new", "ntag424-sun", "ntag424-sun-lrp", "ntag424-lrp", "ntag424-random",
    "telephone", "telephone-yes",
)  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_kind_of_chip_is_said_to_be_none_and_not_to_be_held_again(name: str) -> None:
    def acts(band: DesfireBand) -> tuple[Callable[[], object], ...]:
        return band.survey, band.check, band.told, partial(band.retire, straight)

    for number in range(4):
        other = sample_band(name, entropy=SeededEntropy("other"))
        with pytest.raises(BandRejected, match="this is no DESFire"):
            acts(held(other))[number]()


def test_an_older_chip_than_the_plan_takes_is_refused() -> None:
    with pytest.raises(BandRejected, match="EV1; the plan takes EV2"):
        issued(fresh(ev=1))


@pytest.mark.parametrize(
    "band",
    [
        VirtualDesfire(  # the chip's own key is another's
            uid=UID, ev=2, applications=(), entropy=SeededEntropy("a"), picc_key=b"k" * 16,
            picc_key_version=9, signature=signature(),
        ),
        VirtualDesfire(  # it says version 0 and is not zeros
            uid=UID, ev=2, applications=(), entropy=SeededEntropy("b"), picc_key=b"k" * 16,
            signature=signature(),
        ),
        VirtualDesfire(  # it says our version and is not ours
            uid=UID, ev=2, applications=(), entropy=SeededEntropy("c"), picc_key=b"k" * 16,
            picc_key_version=VERSION, signature=signature(),
        ),
        VirtualDesfire(  # another shop's band, of the same product
            uid=UID, ev=2, entropy=SeededEntropy("d"), picc_key=bytes(16), signature=signature(),
            applications=(VirtualApplication(AID, (b"1" * 16, b"2" * 16, b"3" * 16), (), 0x09, (1, 1, 1)),),
        ),
        VirtualDesfire(  # a random UID and no key of ours
            uid=UID, ev=2, applications=(), entropy=SeededEntropy("e"), picc_key=b"k" * 16,
            picc_key_version=VERSION, has_random_uid=True, signature=signature(),
        ),
    ],
)  # fmt: skip
def test_a_band_of_another_is_refused_before_anything_is_written(band: VirtualDesfire) -> None:
    before = state_of(band)
    plan = Plan(factory_key=FactoryKey.AES)

    with pytest.raises(BandOfAnother):
        issued(band, plan=plan)

    assert state_of(band) == before


def test_an_application_with_a_file_that_is_not_ours_is_refused() -> None:
    band = fresh()
    issued(band)
    application = band.applications[AID]
    odd = replace(application.files[0], number=9)
    strange = VirtualDesfire(
        uid=UID, ev=2, applications=(replace(application, files=(*application.files, odd)),),
        entropy=SeededEntropy("s"), picc_key=band.picc.keys[0], picc_key_version=VERSION,
        picc_key_settings=0x09, signature=signature(),
    )  # fmt: skip

    with pytest.raises(BandOfAnother, match="file 9"):
        issued(strange)


def test_a_half_issued_band_is_not_as_planned_and_says_what_is_still_to_do() -> None:
    band = fresh()
    work = held(band)
    done: list[str] = []

    def note(step: str, do: object) -> None:
        if step == "write_reference":
            raise BandLeft("torn")
        done.append(step)
        do()  # type: ignore[operator]

    work.look()
    with pytest.raises(BandLeft):
        work.finish(reference=REFERENCE, note=note)

    with pytest.raises(NotAsPlanned, match="write the band's id"):
        held(band).check()
    assert "change_key_2" in done


def test_a_key_of_zeros_that_is_left_on_a_band_is_found() -> None:
    band = fresh()
    issued(band)
    whole_one = band.applications[AID]
    keys = (whole_one.keys[0], whole_one.keys[1], whole_one.keys[2])
    leaky = VirtualDesfire(
        uid=UID, ev=2, entropy=SeededEntropy("z"), picc_key=bytes(16), picc_key_version=0,
        picc_key_settings=0x09, applications=(replace(whole_one, keys=keys),),
        signature=signature(),
    )  # fmt: skip

    with pytest.raises(NotAsPlanned, match="a key of zeros opens the chip itself"):
        held(leaky, Plan(factory_key=FactoryKey.AES)).check()


def test_what_a_band_says_is_read_for_people() -> None:
    band = fresh()
    issued(band)

    content = held(band).read()

    assert content.standing.reference == REFERENCE
    assert (content.uses, content.n_records, content.capsule) == (0, 0, bytes(256))


def test_of_a_retired_band_nothing_is_said_that_was_not_read() -> None:
    band = fresh()
    issued(band)
    held(band).retire(lambda _step, do: do())

    told = held(band).told()

    said = told.fields()
    assert [said[name] for name in ("band", "capsule", *COUNTS)] == [None] * 5
    assert told.lines() == (
        ("chip", "DESFire EV2"), ("band", "none"), ("random UID", "yes"),
    )  # fmt: skip


def test_a_retired_band_says_nothing_and_can_be_issued_again_under_another_id() -> None:
    band = fresh()
    issued(band)

    held(band).retire(lambda _step, do: do())

    assert not band.contents
    assert band.applications[AID].keys == tuple(
        key.value
        for key in (
            TestStationKeys().application_key(UID),
            TestStationKeys().group_key(),
            TestStationKeys().band_key(UID),
        )
    )
    assert not held(band).look().reference
    issued(band, reference=b"S" * 16)
    assert band.contents[AID, REFERENCE_FILE.number] == b"S" * 16
    held(band).check()


def test_a_retirement_torn_at_any_command_is_gone_on_with() -> None:
    chip_count = 60
    for at in range(1, chip_count):
        band = fresh()
        issued(band)
        field, clock = Field(), FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
        torn = FaultyBand(band, Fault(FaultKind.TEAR_ANSWER, at), field=field, clock=clock)
        field.present(torn)
        try:
            held(torn).retire(lambda _step, do: do())
        except BandLeft:
            left = {number for _, number in band.contents}
            assert left == set() or left >= {REFERENCE_FILE.number}, (
                "a capsule names its band too"
            )
            held(band).retire(lambda _step, do: do())
        assert not band.contents


def test_a_band_that_is_none_of_ours_is_not_retired() -> None:
    with pytest.raises(BandOfAnother):
        held(fresh()).retire(lambda _step, do: do())
