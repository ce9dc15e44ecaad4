"""An NTAG 424 is issued whole, or left where it can be gone on with: torn at any command, of another, imitated, retired."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.chips.ntag424 import Ntag424
from drivers.chips.reading_ntag424 import read_ntag424
from drivers.credential.places import sun_key_of
from drivers.credential.sdm import message_of, verified
from drivers.errors import BandLeft
from drivers.issuing.desfire import DesfireBand, Means
from drivers.issuing.errors import (
    BandOfAnother,
    BandRejected,
    NotAsPlanned,
    NotGenuine,
    PlanMalformed,
)
from drivers.issuing.ntag424 import Ntag424Band, Standing
from drivers.issuing.plan import Chip, Plan, plan_of
from drivers.issuing.station import whole_of, work_of
from drivers.issuing.ultralight_aes import UltralightAesBand
from drivers.ports import LeasedKey
from drivers.proof import ProofKind
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.originality import NTAG424_TEST_KEY
from tests.support.bands import ChipConnection, target_of
from tests.support.issuing import GROUP, UID, VERSION, TestStationKeys, fresh, straight

REFERENCE = b"R" * 16
SIGNATURE = NTAG424_TEST_KEY.sign(UID)
LINK = "https://tap.example/b"
PLAN = Plan(chip=Chip.NTAG424, link=LINK)
STEPS = (
    "change_key_0", "change_key_1", "change_key_2", "change_key_3", "change_key_4",
    "write_link", "set_up_file_2", "set_up_file_3", "write_reference", "set_random_uid",
)  # fmt: skip

modes = pytest.mark.parametrize("is_lrp", [False, True], ids=["AES", "LRP"])


class Leased:
    """A kiosk that holds the group key and the key of the band."""

    def group_key(self) -> LeasedKey:
        return LeasedKey(GROUP, VERSION)

    def band_key(self, uid: bytes) -> LeasedKey:
        return LeasedKey(TestStationKeys().band_key(uid).value, VERSION)


def _fresh(*, is_lrp: bool = False, signature: bytes = SIGNATURE) -> VirtualNtag424:
    return VirtualNtag424(
        uid=UID, entropy=SeededEntropy("chip"), is_lrp=is_lrp, signature=signature
    )


def _held(band: VirtualBand, plan: Plan = PLAN) -> Ntag424Band:
    chip = band.power_up()
    means = Means(
        plan,
        TestStationKeys(),
        SeededEntropy("station"),
        lambda _: (NTAG424_TEST_KEY.public,),
    )
    return Ntag424Band(ChipConnection(chip), target_of(chip), means)


def _issued(band: VirtualBand, plan: Plan = PLAN) -> Standing:
    work = _held(band, plan)
    standing = work.look()
    work.finish(reference=REFERENCE, note=straight)
    return standing


def _state(band: VirtualNtag424) -> tuple[object, ...]:
    return (
        band.keys, band.key_versions, band.files, band.contents, band.has_random_uid,
    )  # fmt: skip


def _torn(band: VirtualNtag424, kind: FaultKind, at: int) -> FaultyBand:
    field, clock = Field(), FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    torn = FaultyBand(band, Fault(kind, at), field=field, clock=clock)
    field.present(torn)
    return torn


@modes
@pytest.mark.parametrize("is_random", [True, False])
def test_issued_band_proves_itself_at_a_kiosk_and_nothing_of_the_factory_opens_it(
    is_lrp: bool, is_random: bool
) -> None:
    plan = replace(PLAN, has_random_uid=is_random)
    band = _fresh(is_lrp=is_lrp)

    _issued(band, plan)

    _held(band, plan).check()
    chip = band.power_up()
    proof = read_ntag424(
        ChipConnection(chip), target_of(chip), Leased(), SeededEntropy("kiosk")
    )
    assert proof is not None
    assert (proof.kind, proof.uid, proof.band) == (ProofKind.MUTUAL, UID, REFERENCE)
    assert (proof.uses, band.has_random_uid) == (0, is_random)
    assert bytes(16) not in band.keys
    assert len(set(band.keys)) == 5


@modes
def test_telephone_finds_a_link_whose_message_verifies(is_lrp: bool) -> None:
    band = _fresh(is_lrp=is_lrp)
    _issued(band)
    chip = Ntag424(ChipConnection(band.power_up()), SeededEntropy("telephone"))
    chip.select()

    link = chip.read_link()

    key = TestStationKeys().band_key(UID).value
    sun = verified(message_of(link), meta_key=GROUP, file_key_of=lambda _: sun_key_of(key))
    assert link.startswith(LINK + "?e=")
    assert (sun.uid, sun.counter) == (UID, 1)


def test_plan_without_a_link_leaves_a_band_without_a_message() -> None:
    plan = replace(PLAN, link="")
    band = _fresh()

    _issued(band, plan)

    _held(band, plan).check()
    assert band.files[2].sdm is None
    assert (band.files[2].read, band.files[2].write) == (14, 0)


def test_plan_of_a_fresh_band_is_every_step_in_order_and_the_random_uid_last() -> None:
    steps = _held(_fresh()).survey().steps

    assert steps == whole_of(PLAN)
    assert tuple(step.name for step in steps) == STEPS
    assert all(step.words for step in steps)


@modes
@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_issue_torn_at_any_command_is_gone_on_with_to_the_same_band(
    is_lrp: bool, kind: FaultKind
) -> None:
    untorn = _fresh(is_lrp=is_lrp)
    _issued(untorn)
    expected = _state(untorn)
    at = 1
    while True:
        band = _fresh(is_lrp=is_lrp)
        try:
            _issued(_torn(band, kind, at))
        except BandLeft:
            _issued(band)
            assert _state(band) == expected, f"torn at command {at}"
            at += 1 if not is_lrp else 5
        else:
            break

    assert at > 30


def test_band_that_is_whole_is_only_looked_at() -> None:
    band = _fresh()
    _issued(band)
    before = _state(band)

    work = _held(band)
    found = work.survey()
    work.finish(reference=b"x" * 16, note=straight)

    assert (found.steps, found.reference) == ((), REFERENCE)
    assert _state(band) == before


@pytest.mark.parametrize("signature", [bytes(56), NTAG424_TEST_KEY.sign(UID[::-1])])
def test_chip_its_maker_did_not_sign_is_refused_before_anything_is_written(
    signature: bytes,
) -> None:
    band = _fresh(signature=signature)
    before = _state(band)

    with pytest.raises(NotGenuine):
        _held(band).look()

    assert _state(band) == before


def test_real_maker_is_asked_for_where_nobody_says_otherwise() -> None:
    chip = _fresh().power_up()
    means = Means(PLAN, TestStationKeys(), SeededEntropy("station"))

    with pytest.raises(NotGenuine):
        Ntag424Band(ChipConnection(chip), target_of(chip), means).look()


def test_band_with_somebody_elses_key_is_refused() -> None:
    for slot, version in ((0, 7), (2, 7), (0, 0)):
        band = _fresh()
        band.keys[slot], band.key_versions[slot] = b"\x77" * 16, version
        before = _state(band)

        with pytest.raises(BandOfAnother):
            _held(band).look()

        assert _state(band) == before


def test_fresh_keys_with_somebody_elses_settings_are_refused() -> None:
    band = _fresh()
    band.files[3] = replace(band.files[3], read=14)

    with pytest.raises(BandOfAnother):
        _held(band).look()


def test_desfire_and_telephones_are_no_ntag424() -> None:
    from hardware.virtual.phone import VirtualObligingPhone

    for band in (fresh(), VirtualObligingPhone(entropy=SeededEntropy("phone"))):
        with pytest.raises(BandRejected):
            _held(band).look()


def test_half_issued_band_is_not_as_planned_and_says_what_is_still_to_do() -> None:
    band = _fresh()
    work = _held(band)
    work.look()
    done: list[str] = []

    def half(step: str, do: Callable[[], None]) -> None:
        if len(done) < 4:
            do()
            done.append(step)

    work.finish(reference=REFERENCE, note=half)

    with pytest.raises(NotAsPlanned) as caught:
        _held(band).check()
    assert "write the band's id" in str(caught.value)
    assert "a key of zeros opens slot 4" in str(caught.value)


def test_key_that_only_says_it_is_ours_is_found() -> None:
    band = _fresh()
    _issued(band)
    band.keys[3] = bytes(16)

    with pytest.raises(NotAsPlanned) as caught:
        _held(band).check()

    assert "our key does not open slot 3" in str(caught.value)
    assert "a key of zeros opens slot 3" in str(caught.value)


def test_what_a_band_says_is_read_for_people() -> None:
    band = _fresh(is_lrp=True)
    _issued(band)

    told = dict(_held(band).told().lines())

    assert told == {
        "chip": "NTAG 424 DNA in LRP mode",
        "band": REFERENCE.hex(),
        "random UID": "yes",
        "capsule": "none",
        "readings": "0",
    }


def test_retired_band_says_nothing_and_can_be_issued_again_under_another_id() -> None:
    band = _fresh()
    _issued(band)

    found = _held(band).retire(straight)

    assert found.reference == REFERENCE
    assert not any(band.contents[3])
    assert _held(band).survey().reference == b""
    work = _held(band)
    work.look()
    work.finish(reference=b"S" * 16, note=straight)
    assert _held(band).check().reference == b"S" * 16


def test_retirement_torn_at_any_command_is_gone_on_with() -> None:
    at = 1
    while True:
        band = _fresh()
        _issued(band)
        try:
            _held(_torn(band, FaultKind.TEAR_ANSWER, at)).retire(straight)
        except BandLeft:
            _held(band).retire(straight)
            assert not any(band.contents[3]), at
            at += 1
        else:
            break

    assert at > 10


def test_band_that_is_none_of_ours_is_not_retired() -> None:
    with pytest.raises(BandOfAnother):
        _held(_fresh()).retire(straight)


@pytest.mark.parametrize(("chip", "kind"), [
    (Chip.DESFIRE, DesfireBand), (Chip.NTAG424, Ntag424Band), (Chip.ULTRALIGHT_AES, UltralightAesBand),
])  # fmt: skip
def test_station_has_work_and_steps_for_every_chip_a_plan_may_name(
    chip: Chip, kind: type
) -> None:
    powered = _fresh().power_up()
    means = Means(Plan(chip=chip), TestStationKeys(), SeededEntropy("station"))

    work = work_of(ChipConnection(powered), target_of(powered), means)

    assert isinstance(work, kind)
    assert whole_of(Plan(chip=chip))


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ('layout = 1\nchip = "ntag424"\nlink = "https://tap.example/b"', True),
        ('layout = 1\nchip = "ntag424"\nlink = ""', True),
        ('layout = 1\nchip = "desfire"\nlink = "https://tap.example/b"', False),
        ('layout = 1\nchip = "ntag424"\nlink = "http://tap.example/b"', False),
        ('layout = 1\nchip = "ntag424"\nlink = "https://tap.example/?b"', False),
        ('layout = 1\nchip = "ntag424"\nlink = 7', False),
        ('layout = 1\nchip = "ntag424"\nlink = "https://' + "x" * 113 + '"', False),
        ('layout = 1\nchip = "ultralight_aes"\nrandom_uid = true', True),
    ],
)
def test_plan_takes_a_link_that_fits_an_ntag424_and_no_other(text: str, is_good: bool) -> None:
    if is_good:
        assert whole_of(plan_of(text.encode()))
        return
    with pytest.raises(PlanMalformed):
        plan_of(text.encode())
