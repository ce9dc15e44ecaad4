"""A band proved through the centre: by a virtual chip, over real signatures, and what the centre never answers for."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from drivers.chips.desfire import Desfire
from drivers.credential.handshake import Ev2Opened
from drivers.credential.kdf import SessionKeys
from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from kiosk.band_keys import BandKeyFiles
from sync.central.bands import ASKS_MAX, ASKS_OF_BAND_MAX, Pace
from sync.central.centre import Centre
from sync.model.records import Band
from sync.model.row import row_of
from sync.model.signatures import band_label, unseal
from sync.model.wire import BandAnswer, BandRequest, band_of
from tests.support.bands import REFERENCE, UID, ChipConnection, band
from tests.support.centre import PlainDevice, code_of, new_device
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
