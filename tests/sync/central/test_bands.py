"""A band proved through the centre: by a virtual chip, over real signatures, and what the centre never answers for."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from drivers.chips.desfire import Desfire
from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.credential.handshake import Ev2Opened
from drivers.credential.kdf import SessionKeys
from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from drivers.credential.lrp_session import LrpOpened, LrpSession
from drivers.credential.mful import MfulSession
from drivers.credential.places import (
    MFUL_BAND,
    NTAG424_BAND,
    NTAG424_REFERENCE,
    REFERENCE_PAGE,
)
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from kiosk.band_keys import BandKeyFiles
from sync.central.bands import ASKS_MAX, ASKS_OF_BAND_MAX, Pace
from sync.central.centre import Centre
from sync.edge.band_auth import SIZES, BandStep, step_of
from sync.model.records import Band
from sync.model.row import row_of
from sync.model.signatures import band_label, unseal
from sync.model.wire import BandAnswer, BandRequest, band_of
from tests.support.bands import REFERENCE, UID, ChipConnection, band
from tests.support.centre import PlainDevice, code_of, new_device
from tests.support.chip_bands import Type2Connection, ntag424, ultralight_aes
from tests.support.shop import BAND, LENA

DATABASES = ("sqlite",)  # what is asked of the database is asked of both in `test_round_trip`
HEX = UID.hex()


def keys_of(centre: Centre) -> BandKeyFiles:
    keys = centre._band_keys
    assert isinstance(keys, BandKeyFiles)
    return keys


def chip_of(centre: Centre) -> Desfire:
    """The chip of Lena's band, in the field of some reader, its application selected."""
    keys = keys_of(centre)
    virtual = band(key=keys.band_key(UID)[0], group_key=keys.group)
    chip = Desfire(ChipConnection(virtual.power_up()), SeededEntropy("reader"))
    assert chip.select_application(AID).status == 0
    return chip


class Afar:
    """The reader's side of a proof from afar: a chip of a dialect in the field of some reader, and its session."""

    def __init__(self, centre: Centre, dialect: str) -> None:
        keys, entropy = keys_of(centre), SeededEntropy("reader")
        key = keys.band_key(UID)[0]
        self._dialect = dialect
        self._chip: Desfire | Ntag424 | UltralightAes
        if dialect == "mful":
            pages = ultralight_aes(key=key).power_up()
            self._chip = UltralightAes(Type2Connection(pages), entropy)
            self.challenge = self._chip.begin(MFUL_BAND).hex()
        elif dialect == "lrp":
            lrp = ntag424(key=key, group_key=keys.group, is_lrp=True)
            self._chip = Ntag424(ChipConnection(lrp.power_up()), entropy)
            assert self._chip.select()
            self.challenge = self._chip.begin_first(NTAG424_BAND).random.hex()
        else:
            ours = band(ev=1 if dialect == "ev1" else 2, key=key, group_key=keys.group)
            self._chip = Desfire(ChipConnection(ours.power_up()), entropy)
            assert self._chip.select_application(AID).status == 0
            slot = KeySlot.BAND.value
            older = dialect == "ev1"
            asked = self._chip.begin_aes(slot) if older else self._chip.begin_ev2_first(slot)
            assert asked is not None
            self.challenge = asked.hex()

    def answer(self, token: str) -> str:
        """What the chip says to the centre's answer."""
        return self._chip.answer_challenge(bytes.fromhex(token)).hex()

    def read(self, step: BandStep) -> bytes:
        """The band's reference, read in the session."""
        match self._chip:
            case UltralightAes() as chip:
                chip.adopt(MfulSession(step.keys))
                return chip.read(REFERENCE_PAGE)
            case Ntag424() as chip:
                session = LrpSession.of(LrpOpened(step.keys, step.ti))
                chip.adopt_lrp(session, slot=NTAG424_BAND)
                return chip.read(NTAG424_REFERENCE)
            case chip if self._dialect == "ev1":
                chip.adopt_ev1(step.keys, slot=KeySlot.BAND.value)
            case chip:
                both = SessionKeys(step.keys[:16], step.keys[16:])
                chip.adopt(Ev2Opened(both, step.ti), slot=KeySlot.BAND.value)
        return chip.read(REFERENCE_FILE)


def challenge_of(chip: Desfire) -> str:
    challenge = chip.begin_ev2_first(KeySlot.BAND.value)
    assert challenge is not None
    return challenge.hex()


@pytest.fixture
def linked(centre: Centre) -> Centre:
    centre.link_chip(BAND, UID)
    return centre


async def asked(device: PlainDevice, request: BandRequest) -> BandAnswer:
    body, request_id = await device.answered("/v1/band", request)
    return band_of(body, session_key=device.session_key, request_id=request_id)


async def refused(device: PlainDevice, request: BandRequest) -> str:
    got, _ = await device.post("/v1/band", request)
    return code_of(got)


async def test_a_chip_is_proved_in_two_steps_and_reads_go_on_without_the_centre(
    linked: Centre, kiosk: PlainDevice
) -> None:
    chip = chip_of(linked)

    first = await asked(kiosk, BandRequest(HEX, 1, challenge_of(chip)))
    last = chip.answer_challenge(bytes.fromhex(first.data))
    second = await asked(kiosk, BandRequest(HEX, 2, last.hex(), first.state))
    keys = unseal(second.keys, kiosk.session_key, band_label(uid=HEX, ti=second.ti))
    session = SessionKeys(keys[:16], keys[16:])
    chip.adopt(Ev2Opened(session, bytes.fromhex(second.ti)), slot=KeySlot.BAND.value)

    assert chip.read(REFERENCE_FILE) == REFERENCE
    assert chip.read(REFERENCE_FILE) == REFERENCE


@pytest.mark.parametrize("dialect", sorted(SIZES))
async def test_a_chip_of_each_dialect_is_proved_and_gets_the_keys_of_one_session(
    linked: Centre, kiosk: PlainDevice, dialect: str
) -> None:
    proof = Afar(linked, dialect)

    first = await asked(kiosk, BandRequest(HEX, 1, proof.challenge, dialect=dialect))
    last = proof.answer(first.data)
    second = await asked(kiosk, BandRequest(HEX, 2, last, first.state, dialect))
    step = step_of(
        second, session_key=kiosk.session_key, request=BandRequest(HEX, 2, last, "", dialect)
    )

    assert (len(step.keys), len(step.ti)) == SIZES[dialect]
    assert proof.read(step) == REFERENCE
    keys = keys_of(linked)
    told = msgspec.json.encode((first, second)).decode() + step.keys.hex()
    for secret in (keys.master, keys.group, keys.band_key(UID)[0]):
        assert secret.hex() not in told


@pytest.mark.parametrize("dialect", sorted(SIZES))
async def test_what_a_chip_said_once_proves_it_no_second_time(
    linked: Centre, kiosk: PlainDevice, dialect: str
) -> None:
    proof = Afar(linked, dialect)
    first = await asked(kiosk, BandRequest(HEX, 1, proof.challenge, dialect=dialect))
    last = proof.answer(first.data)

    again = await asked(kiosk, BandRequest(HEX, 1, proof.challenge, dialect=dialect))

    assert again.data != first.data
    replayed = BandRequest(HEX, 2, last, again.state, dialect)
    assert await refused(kiosk, replayed) == "not_proved"


@pytest.mark.parametrize("dialect", sorted(SIZES))
async def test_a_copy_of_any_dialect_is_not_proved_and_a_retired_band_not_answered_for(
    linked: Centre, kiosk: PlainDevice, dialect: str
) -> None:
    first = await asked(kiosk, BandRequest(HEX, 1, "00" * 16, dialect=dialect))
    for size in (15, 16, 32):
        wrong = BandRequest(HEX, 2, "00" * size, first.state, dialect)
        assert await refused(kiosk, wrong) == "not_proved"

    proof = Afar(linked, dialect)
    begun = await asked(kiosk, BandRequest(HEX, 1, proof.challenge, dialect=dialect))
    last = proof.answer(begun.data)
    linked.put_rows(
        [row_of(Band(id=BAND, state="retired"), owner=LENA, as_of=1, source="desk")]
    )

    for request in (
        BandRequest(HEX, 1, proof.challenge, dialect=dialect),
        BandRequest(HEX, 2, last, begun.state, dialect),
    ):
        assert await refused(kiosk, request) == "not_allowed"


async def test_a_step_in_another_dialect_than_it_was_begun_in_is_refused(
    linked: Centre, kiosk: PlainDevice
) -> None:
    proof = Afar(linked, "ev2")
    first = await asked(kiosk, BandRequest(HEX, 1, proof.challenge))
    last = proof.answer(first.data)

    for dialect in ("ev1", "lrp", "mful"):
        request = BandRequest(HEX, 2, last, first.state, dialect)
        assert await refused(kiosk, request) == "not_allowed"


async def test_neither_the_key_of_the_band_nor_our_random_number_is_in_what_a_kiosk_gets(
    linked: Centre, kiosk: PlainDevice
) -> None:
    chip = chip_of(linked)

    first = await asked(kiosk, BandRequest(HEX, 1, challenge_of(chip)))
    last = chip.answer_challenge(bytes.fromhex(first.data))
    second = await asked(kiosk, BandRequest(HEX, 2, last.hex(), first.state))

    keys = keys_of(linked)
    told = msgspec.json.encode((first, second)).decode()
    opened = unseal(second.keys, kiosk.session_key, band_label(uid=HEX, ti=second.ti)).hex()
    for secret in (keys.master, keys.group, keys.band_key(UID)[0]):
        assert secret.hex() not in told + opened


async def test_a_copy_that_does_not_hold_the_key_is_not_proved(
    linked: Centre, kiosk: PlainDevice
) -> None:
    first = await asked(kiosk, BandRequest(HEX, 1, "00" * 16))

    assert await refused(kiosk, BandRequest(HEX, 2, "00" * 32, first.state)) == "not_proved"
    assert await refused(kiosk, BandRequest(HEX, 2, "00" * 31, first.state)) == "not_proved"
    assert await refused(kiosk, BandRequest(HEX, 1, "00" * 15)) == "not_proved"


@pytest.mark.parametrize("state", ["blocked", "unlinked", "retired"])
async def test_the_centre_answers_for_no_band_that_is_out_of_use(
    linked: Centre, kiosk: PlainDevice, state: str
) -> None:
    chip = chip_of(linked)
    first = await asked(kiosk, BandRequest(HEX, 1, challenge_of(chip)))
    last = chip.answer_challenge(bytes.fromhex(first.data))

    linked.put_rows([row_of(Band(id=BAND, state=state), owner=LENA, as_of=1, source="desk")])

    assert await refused(kiosk, BandRequest(HEX, 2, last.hex(), first.state)) == "not_allowed"
    assert await refused(kiosk, BandRequest(HEX, 1, "00" * 16)) == "not_allowed"


async def test_a_chip_nobody_knows_gets_the_same_word_as_a_blocked_one(
    linked: Centre, kiosk: PlainDevice
) -> None:
    assert await refused(kiosk, BandRequest("04000000000000", 1, "00" * 16)) == "not_allowed"


async def test_a_step_that_was_begun_by_another_device_or_for_another_band_is_refused(
    linked: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    other = PlainDevice(new_device(linked), http)
    await other.hello()
    linked.put_rows([row_of(Band(id="b2", state="active"), owner=LENA, as_of=1, source="desk")])
    linked.link_chip("b2", UID[::-1])
    chip = chip_of(linked)
    first = await asked(kiosk, BandRequest(HEX, 1, challenge_of(chip)))
    last = chip.answer_challenge(bytes.fromhex(first.data)).hex()

    assert await refused(other, BandRequest(HEX, 2, last, first.state)) == "not_allowed"
    another = BandRequest(UID[::-1].hex(), 2, last, first.state)
    assert await refused(kiosk, another) == "not_allowed"
    altered = first.state[:-2] + ("00" if first.state[-2:] != "00" else "01")
    assert await refused(kiosk, BandRequest(HEX, 2, last, altered)) == "not_allowed"
    assert await refused(kiosk, BandRequest(HEX, 2, last, "")) == "not_allowed"
    assert (await asked(kiosk, BandRequest(HEX, 2, last, first.state))).keys


async def test_one_band_is_not_asked_about_without_end(
    linked: Centre, kiosk: PlainDevice
) -> None:
    for _ in range(ASKS_OF_BAND_MAX):
        assert (await asked(kiosk, BandRequest(HEX, 1, "00" * 16))).data

    assert await refused(kiosk, BandRequest(HEX, 1, "00" * 16)) == "too_often"
    assert await refused(kiosk, BandRequest(HEX.upper(), 1, "00" * 16)) == "malformed"


async def test_one_device_does_not_ask_without_end_whatever_it_asks_about(
    linked: Centre, kiosk: PlainDevice
) -> None:
    words = [
        await refused(kiosk, BandRequest(f"04{number:012x}", 1, "00" * 16))
        for number in range(ASKS_MAX + 1)
    ]

    assert words == ["not_allowed"] * ASKS_MAX + ["too_often"]


def test_who_asked_too_often_may_again_after_a_minute_and_the_quietest_is_forgotten() -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    pace = Pace(clock, limit=2, kept_max=2)

    tried = [pace.may("a"), pace.may("a"), pace.may("a")]
    clock.sleep_ms(60_000)
    again = pace.may("a")
    names = [pace.may("b"), pace.may("c")]

    assert (tried, again, names) == ([True, True, False], True, [True, True])
    assert len(pace._times) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"uid":"zz","step":1,"data":"00"}',
        b'{"uid":"04A1B2C3D4E5F6","step":1,"data":"00"}',
        b'{"uid":"04a1b2c3d4e5f6","step":3,"data":"00"}',
        b'{"uid":"04a1b2c3d4e5f6","step":1,"data":""}',
        b'{"uid":"04a1b2c3d4e5f6","step":1,"data":"000"}',
        b'{"uid":"04a1b2c3d","step":1,"data":"00"}',
        b'{"uid":"04a1b2c3d4e5f6","step":1,"data":"00","dialect":"iso"}',
    ],
)
async def test_what_is_no_step_is_malformed(kiosk: PlainDevice, body: bytes) -> None:
    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/band", body)))

    assert code_of(got) == "malformed"


async def test_a_display_may_not_have_bands_proved(
    linked: Centre, http: httpx.AsyncClient
) -> None:
    display = PlainDevice(new_device(linked, role="display"), http)
    await display.hello()

    assert await refused(display, BandRequest(HEX, 1, "00" * 16)) == "not_allowed"
