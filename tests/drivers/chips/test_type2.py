"""Type 2 bands in clear: NTAG 21x and what is like it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import KeyRefused
from drivers.chips.ntag21x import MODELS, Ntag21x, model_of
from drivers.chips.type2 import Type2, uid_of_pages
from drivers.credential.originality import KEYS, Maker, maker_of
from drivers.credential.places import REFERENCE_PAGE, password_of
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandSilent,
    BandUnsupported,
)
from drivers.ndef import uri_message, uri_of
from hardware.entropy import SeededEntropy
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.originality import NTAG21X_TEST_KEY
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.bands import REFERENCE, UID, band_key
from tests.support.chip_bands import Spoil, Type2Connection, ntag21x

LINK = "https://tap.example/b"


def _chip(
    band: VirtualNtag21x | None = None, spoil: Spoil | None = None
) -> tuple[Ntag21x, Type2Connection]:
    connection = Type2Connection((band or ntag21x()).power_up(), spoil)
    return Ntag21x(connection), connection


def test_signature_of_the_maker_costs_one_exchange() -> None:
    chip, connection = _chip()
    keys = {**KEYS, Maker.NTAG21X: NTAG21X_TEST_KEY.public}

    signature = chip.signature()

    assert maker_of(UID, signature, keys) is Maker.NTAG21X
    assert len(connection.sent) == 1


def test_imitation_has_no_signature_of_the_maker() -> None:
    chip, _ = _chip()

    assert maker_of(UID, chip.signature()) is None


def test_signature_of_another_uid_is_not_its_own() -> None:
    other = bytes.fromhex("04E10CDA993C80")
    copied = ntag21x(signature=NTAG21X_TEST_KEY.sign(other))
    chip, _ = _chip(copied)

    maker = maker_of(UID, chip.signature(), {Maker.NTAG21X: NTAG21X_TEST_KEY.public})

    assert maker is None


@pytest.mark.parametrize("model", list(Ntag21xModel))
def test_model_is_what_the_chip_says(model: Ntag21xModel) -> None:
    chip, _ = _chip(VirtualNtag21x(uid=UID, model=model))

    assert chip.model().name.replace(" ", "") == model.name


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0004030101000B03", "Ultralight EV1"),
        ("0004040101000B03", "NTAG 210"),
        ("0004030104000F03", None),
        ("0005040201000F03", None),
        ("0004070201000F03", None),
    ],
    ids=["EV1", "210", "AES", "another maker", "another type"],
)
def test_model_is_known_by_type_and_size(version: str, name: str | None) -> None:
    model = model_of(bytes.fromhex(version))

    assert (model.name if model else None) == name


def test_no_model_puts_its_password_into_user_memory() -> None:
    assert all(model.configuration >= model.user_end for model in MODELS.values())


def test_reference_is_free_to_read_and_not_to_write() -> None:
    chip, _ = _chip()

    assert chip.read(REFERENCE_PAGE) == REFERENCE
    with pytest.raises(BandRefused):
        chip.write(REFERENCE_PAGE, b"abcd")


def test_password_opens_for_writing() -> None:
    chip, _ = _chip()

    chip.unlock(*password_of(band_key(UID)))
    chip.write(REFERENCE_PAGE, b"abcd")

    assert chip.read(REFERENCE_PAGE)[:4] == b"abcd"


def test_chip_that_answers_another_word_to_the_password_is_refused() -> None:
    password, _ = password_of(band_key(UID))
    chip, _ = _chip()

    with pytest.raises(KeyRefused):
        chip.unlock(password, b"\x12\x34")


def test_wrong_password_opens_nothing() -> None:
    chip, _ = _chip()

    with pytest.raises((KeyRefused, BandLeft)):
        chip.unlock(b"nope", b"\x00\x00")
    with pytest.raises(BandRefused):
        chip.write(REFERENCE_PAGE, b"abcd")


def test_fresh_chip_is_guarded_and_counts() -> None:
    band = VirtualNtag21x(uid=UID, user_pages=REFERENCE)
    password, answer = password_of(band_key(UID))
    station, _ = _chip(band)
    model = station.model()

    station.guard(model, password=password, answer=answer, first_page=REFERENCE_PAGE)

    chip, _ = _chip(band)
    assert chip.read(REFERENCE_PAGE) == REFERENCE
    assert chip.read_counter() == 1
    with pytest.raises(BandRefused):
        chip.write(REFERENCE_PAGE, b"abcd")
    chip.unlock(password, answer)
    chip.write(REFERENCE_PAGE, b"abcd")


def test_counter_that_is_switched_off_is_not_told() -> None:
    chip, _ = _chip(VirtualNtag21x(uid=UID))

    with pytest.raises((BandRefused, BandSilent)):
        chip.read_counter()


def test_uid_in_the_first_pages_is_checked() -> None:
    first = Type2(Type2Connection(ntag21x().power_up())).read(0)

    assert uid_of_pages(first) == uid_of_pages(first[:9]) == UID
    with pytest.raises(BandMalformed):
        uid_of_pages(first[:2] + b"\x00" + first[3:])
    with pytest.raises(BandMalformed):
        uid_of_pages(bytes(16))
    with pytest.raises(BandMalformed):
        uid_of_pages(first[:8])


def test_link_on_a_band_is_read_with_no_more_exchanges_than_it_takes() -> None:
    message = uri_message(LINK)
    pages = b"\x03" + bytes((len(message),)) + message + b"\xfe"
    chip, connection = _chip(VirtualNtag21x(uid=UID, user_pages=pages))

    (record,) = chip.ndef()

    assert uri_of(record) == LINK
    assert len(connection.sent) == 2


def test_fresh_band_holds_no_records() -> None:
    chip, connection = _chip(VirtualNtag21x(uid=UID))

    assert chip.ndef() == ()
    assert len(connection.sent) == 1


def test_band_that_is_not_formatted_holds_no_ndef() -> None:
    chip, _ = _chip(spoil=lambda number, answer: b"\0" * 16)

    with pytest.raises(BandUnsupported):
        chip.ndef()


def test_band_that_promises_too_much_is_malformed_and_soon_done() -> None:
    endless = b"\xe1\x10\xff\x00" + b"\x03\xff\xff\xfe" + bytes(8)
    chip, connection = _chip(spoil=lambda number, answer: endless)

    with pytest.raises(BandMalformed):
        chip.ndef()

    assert len(connection.sent) < 70


def test_chip_that_does_not_know_its_version_is_silent_and_still_there() -> None:
    band = VirtualUltralightC(uid=UID, entropy=SeededEntropy("c"), user_pages=REFERENCE)
    chip = Type2(Type2Connection(band.power_up()))

    with pytest.raises((BandSilent, BandRefused)):
        chip.version()

    assert chip.read(REFERENCE_PAGE) == REFERENCE


def test_many_pages_are_read_in_frames_of_128_bytes() -> None:
    band = VirtualNtag21x(uid=UID, user_pages=bytes(range(140)))
    chip, connection = _chip(band)

    content = chip.read_many(4, 35)

    assert content == bytes(range(140))
    assert len(connection.sent) == 2


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_whatever_a_chip_answers_only_errors_of_ours_are_raised(answers: list[bytes]) -> None:
    class Foreign:
        generation = 1
        n_sent = 0

        def transmit(self, command: bytes) -> bytes:
            self.n_sent += 1
            return answers[self.n_sent % len(answers)]

    connection = Foreign()
    chip = Ntag21x(connection)

    for ask in (
        chip.model,
        chip.signature,
        chip.ndef,
        chip.read_counter,
        lambda: chip.read_many(0, 40),
        lambda: chip.unlock(b"abcd", b"ef"),
        lambda: chip.write(4, b"abcd"),
    ):
        try:
            ask()
        except BandError:
            continue

    assert connection.n_sent < 100


@pytest.mark.parametrize(("first", "count"), [(0, 0), (-1, 4), (250, 7)])
def test_pages_that_are_not_there_are_our_own_mistake(first: int, count: int) -> None:
    chip, connection = _chip()

    with pytest.raises(ValueError, match="0 to 255"):
        chip.read_many(first, count)

    assert connection.sent == []


@pytest.mark.parametrize("version", [b"", bytes(7), b"\x01" + bytes(7), bytes(9)])
def test_version_that_does_not_parse_is_malformed(version: bytes) -> None:
    with pytest.raises(BandMalformed):
        model_of(version)


@pytest.mark.parametrize("model", list(Ntag21xModel))
def test_password_of_every_model_is_put_where_the_chip_looks_for_it(
    model: Ntag21xModel,
) -> None:
    band = VirtualNtag21x(uid=UID, model=model)
    password, answer = password_of(band_key(UID))
    station, _ = _chip(band)

    station.guard(station.model(), password=password, answer=answer, first_page=4)

    chip, _ = _chip(band)
    chip.unlock(password, answer)


def test_password_of_another_size_is_our_own_mistake() -> None:
    chip, connection = _chip()

    for wrong in ((b"abc", b"ef"), (b"abcd", b"e")):
        with pytest.raises(ValueError, match="password"):
            chip.unlock(*wrong)
    assert connection.sent == []
