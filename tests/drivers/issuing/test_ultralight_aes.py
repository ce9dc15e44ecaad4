"""An Ultralight AES is issued whole, or left where it can be gone on with: torn at any command, of another, imitated."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.chips.reading_pages import read_pages
from drivers.errors import BandError, BandLeft
from drivers.issuing.desfire import Means
from drivers.issuing.errors import BandOfAnother, BandRejected, NotAsPlanned, NotGenuine
from drivers.issuing.plan import Chip, Plan
from drivers.issuing.ultralight_aes import Standing, UltralightAesBand, whole
from drivers.ports import LeasedKey
from drivers.proof import ProofKind
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.originality import ULTRALIGHT_AES_TEST_KEY
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from tests.support.bands import target_of
from tests.support.chip_bands import Type2Connection, ntag21x, type2_target, ultralight_c
from tests.support.issuing import GROUP, UID, VERSION, TestStationKeys, fresh, straight

REFERENCE = b"R" * 16
SIGNATURE = ULTRALIGHT_AES_TEST_KEY.sign(UID)
PLAN = Plan(chip=Chip.ULTRALIGHT_AES)
STEPS = ("change_key_1", "change_key_0", "write_reference", "lock_keys", "protect")


class Leased:
    """A kiosk that holds the group key and the key of the band."""

    def group_key(self) -> LeasedKey:
        return LeasedKey(GROUP, VERSION)

    def band_key(self, uid: bytes) -> LeasedKey:
        return LeasedKey(TestStationKeys().band_key(uid).value, VERSION)


def _fresh(
    *, signature: bytes = SIGNATURE, counters: tuple[int, int, int] = (0, 0, 0)
) -> VirtualUltralightAes:
    return VirtualUltralightAes(
        uid=UID, entropy=SeededEntropy("chip"), signature=signature, counters=counters
    )


def _held(band: VirtualBand, plan: Plan = PLAN) -> UltralightAesBand:
    chip = band.power_up()
    means = Means(
        plan,
        TestStationKeys(),
        SeededEntropy("station"),
        lambda _: (ULTRALIGHT_AES_TEST_KEY.public,),
    )
    return UltralightAesBand(Type2Connection(chip), type2_target(chip), means)


def _issued(band: VirtualBand, plan: Plan = PLAN) -> Standing:
    work = _held(band, plan)
    standing = work.look()
    work.finish(reference=REFERENCE, note=straight)
    return standing


def _state(band: VirtualUltralightAes) -> tuple[object, ...]:
    return bytes(band.pages.content), tuple(band.counters)


def _torn(band: VirtualUltralightAes, kind: FaultKind, at: int) -> FaultyBand:
    field, clock = Field(), FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    torn = FaultyBand(band, Fault(kind, at), field=field, clock=clock)
    field.present(torn)
    return torn


@pytest.mark.parametrize("is_random", [True, False])
def test_issued_band_proves_itself_at_a_kiosk(is_random: bool) -> None:
    plan = replace(PLAN, has_random_uid=is_random)
    band = _fresh()

    _issued(band, plan)

    _held(band, plan).check()
    chip = band.power_up()
    proof = read_pages(
        Type2Connection(chip), type2_target(chip), Leased(), SeededEntropy("kiosk")
    )
    assert (proof.kind, proof.uid, proof.band) == (ProofKind.MUTUAL, UID, REFERENCE)
    assert (chip.anticollision.uid != UID) is is_random
    assert proof.uses == 0


def test_plan_of_a_fresh_band_is_every_step_in_order_and_the_protection_last() -> None:
    steps = _held(_fresh()).survey().steps

    assert tuple(step.name for step in steps) == STEPS
    assert steps == whole(PLAN)
    assert all(step.words for step in steps)


@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_issue_torn_at_any_command_is_gone_on_with_to_the_same_band(kind: FaultKind) -> None:
    untorn = _fresh()
    _issued(untorn)
    expected = _state(untorn)
    at = 1
    while True:
        band = _fresh()
        try:
            _issued(_torn(band, kind, at))
        except BandLeft:
            _issued(band)
            assert _state(band) == expected, f"torn at command {at}"
            at += 1
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


def test_random_uid_can_be_taken_back() -> None:
    band, plan = _fresh(), replace(PLAN, has_random_uid=False)
    _issued(band)

    _issued(band, plan)

    assert _held(band, plan).check().uid == UID
    assert band.power_up().anticollision.uid == UID


@pytest.mark.parametrize("signature", [bytes(48), ULTRALIGHT_AES_TEST_KEY.sign(UID[::-1])])
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
        UltralightAesBand(Type2Connection(chip), type2_target(chip), means).look()


@pytest.mark.parametrize(
    "band",
    [
        VirtualUltralightAes(
            uid=UID, entropy=SeededEntropy("o"), data_key=b"o" * 16, signature=SIGNATURE
        ),
        VirtualUltralightAes(
            uid=UID, entropy=SeededEntropy("o"), uid_key=b"o" * 16, signature=SIGNATURE
        ),
        VirtualUltralightAes(
            uid=UID, entropy=SeededEntropy("o"), options=0x02, signature=SIGNATURE
        ),
        VirtualUltralightAes(
            uid=UID,
            entropy=SeededEntropy("o"),
            data_key=b"o" * 16,
            options=0x02,
            auth_first=4,
            access=0x80,
            signature=SIGNATURE,
        ),
        VirtualUltralightAes(
            uid=UID,
            entropy=SeededEntropy("o"),
            uid_key=b"o" * 16,
            options=0x03,
            auth_first=4,
            access=0x80,
            signature=SIGNATURE,
        ),
    ],
    ids=["slot 0", "slot 1", "MACs", "protected", "random UID"],
)
def test_band_of_another_is_refused_before_anything_is_written(
    band: VirtualUltralightAes,
) -> None:
    before = _state(band)

    with pytest.raises(BandOfAnother):
        _held(band).look()

    assert _state(band) == before


def test_new_band_whose_counter_has_moved_would_look_used_and_is_refused() -> None:
    work = _held(_fresh(counters=(0, 0, 3)))

    found = work.survey()

    assert "would look used" in found.obstacle
    with pytest.raises(BandRejected, match="used"):
        work.finish(reference=REFERENCE, note=straight)


def test_used_band_is_retired_even_when_it_was_torn_and_is_not_issued_again() -> None:
    band = _fresh()
    _issued(band)
    band.counters[2] = 5
    with pytest.raises(BandLeft):
        _held(_torn(band, FaultKind.TEAR_ANSWER, 20)).retire(straight)

    _held(band).retire(straight)

    assert REFERENCE[:4] not in bytes(band.pages.content)
    assert "would look used" in _held(band).survey().obstacle
    with pytest.raises(BandRejected, match="used"):
        _issued(band)


@pytest.mark.parametrize("band", [ntag21x(), ultralight_c()])
def test_other_bands_of_pages_are_refused(band: VirtualBand) -> None:
    with pytest.raises(BandRejected):
        _held(band).look()


def test_desfire_is_refused() -> None:
    chip = fresh().power_up()
    means = Means(PLAN, TestStationKeys(), SeededEntropy("station"))

    with pytest.raises(BandRejected):
        UltralightAesBand(Type2Connection(chip), target_of(chip), means).look()


def test_half_issued_band_is_not_as_planned_and_says_what_is_still_to_do() -> None:
    band = _fresh()
    work = _held(band)
    work.look()
    done: list[str] = []

    def half(step: str, do: Callable[[], None]) -> None:
        if len(done) < 3:
            do()
            done.append(step)

    work.finish(reference=REFERENCE, note=half)

    with pytest.raises(NotAsPlanned, match="let nobody change the keys"):
        _held(band).check()


def test_what_a_band_says_is_read_for_people() -> None:
    band = _fresh()
    _issued(band)

    assert dict(_held(band).told().lines()) == {
        "chip": "MIFARE Ultralight AES",
        "band": REFERENCE.hex(),
        "random UID": "yes",
        "capsule": "none",
        "uses": "0",
    }


def test_retired_band_says_nothing_any_more() -> None:
    band = _fresh()
    _issued(band)

    found = _held(band).retire(straight)

    assert found.reference == REFERENCE
    assert _held(band).survey().reference == b""
    assert REFERENCE[:4] not in bytes(band.pages.content)


def test_retirement_torn_at_any_command_is_gone_on_with() -> None:
    at = 1
    while True:
        band = _fresh()
        _issued(band)
        try:
            _held(_torn(band, FaultKind.TEAR_ANSWER, at)).retire(straight)
        except BandLeft:
            _held(band).retire(straight)
            assert REFERENCE[:4] not in bytes(band.pages.content), at
            at += 3
        else:
            break

    assert at > 30


def test_band_that_is_none_of_ours_is_not_retired() -> None:
    with pytest.raises((BandOfAnother, BandError)):
        _held(_fresh()).retire(straight)


def test_chip_that_says_it_wrote_the_id_and_did_not_is_found() -> None:
    class Forgetful(Type2Connection):
        def transmit(self, command: bytes) -> bytes:
            if command[:2] == b"\xa2\x05":
                return b"\x0a"
            return super().transmit(command)

    chip = _fresh().power_up()
    means = Means(
        PLAN,
        TestStationKeys(),
        SeededEntropy("station"),
        lambda _: (ULTRALIGHT_AES_TEST_KEY.public,),
    )
    work = UltralightAesBand(Forgetful(chip), type2_target(chip), means)
    work.look()

    with pytest.raises(NotAsPlanned, match="not what was written"):
        work.finish(reference=REFERENCE, note=straight)
