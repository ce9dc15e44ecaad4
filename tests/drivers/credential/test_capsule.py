"""A capsule fits its place, holds for one chip, one band and one time, and an independent COSE library says the same."""

import dataclasses
import warnings
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.reading import FIRST_SIZE
from drivers.credential.capsule import (
    DAYS_MAX,
    FULL_SIZE,
    HEAD_SIZE,
    KEY_ID_SIZE,
    MINIMAL_SIZE,
    PARTS_SIZE_MAX,
    Capsule,
    CapsuleRefused,
    Why,
    bound_to,
    contained,
    contained_behind,
    fitted,
    n_missing_behind,
    named,
    read_unverified,
    signed,
    size_of,
    verified,
    writes,
)
from drivers.credential.cbor import Tagged, Value, decoded, decoded_first, encoded
from drivers.credential.places import CAPSULE_SIZE_NTAG424
from drivers.errors import BandError, BandMalformed
from tests.support.bands import REFERENCE, UID
from tests.support.capsules import (
    DAY,
    ISSUED,
    LENA,
    LENA_BEFORE,
    OTHER,
    PRIVATE,
    PUBLIC,
    SECOND,
    made,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own imports, not ours
    from pycose.algorithms import EdDSA
    from pycose.headers import KID, Algorithm
    from pycose.keys.okp import OKPKey
    from pycose.messages.sign1message import Sign1Message

OKP: Any = OKPKey
KEY = OKP(crv="Ed25519", x=PUBLIC, d=PRIVATE.private_bytes_raw())

CAPSULES = st.builds(
    Capsule,
    issued_at=st.integers(0, (1 << 32) - 1).map(lambda seconds: seconds * SECOND),
    days=st.integers(1, DAYS_MAX),
    seq=st.integers(1, (1 << 32) - 1),
    is_waiting=st.booleans(),
    is_owed=st.booleans(),
    language=st.sampled_from(["", "en", "de", "zh-Hant-HK"]),
    name=st.text(max_size=12),
    parts=st.lists(st.binary(max_size=15), max_size=3).map(
        lambda contents: b"".join(bytes((0x30 | len(one),)) + one for one in contents)
    ),
    band=st.sampled_from([b"", REFERENCE]),
)


def library_of(raw: bytes) -> Any:
    """What the library makes of it. Since cbor2 6 a tag holds frozen values, which its own `decode` does not take."""
    assert cbor2.loads(raw).tag == 18
    message: Any = Sign1Message.from_cose_obj(cbor2.loads(raw[1:]), True)
    message.key = KEY
    message.external_aad = bound_to(UID, REFERENCE)
    return message


def held(raw: bytes, **changed: Any) -> Capsule:
    asked: dict[str, Any] = {"keys": (PUBLIC,), "uid": UID, "band": REFERENCE, "now": ISSUED}
    return verified(raw, **{**asked, **changed})


def why(raw: bytes, **changed: Any) -> Why:
    with pytest.raises(CapsuleRefused) as refused:
        held(raw, **changed)
    return refused.value.why


def remade(payload: Value, *, protected: Value | None = None, unprotected: Any = None) -> bytes:
    """A capsule of these claims, signed as it should be."""
    kept = decoded(made())
    assert isinstance(kept, Tagged)
    assert isinstance(kept.value, tuple)
    header = kept.value[0] if protected is None else encoded(protected)
    assert isinstance(header, bytes)
    body = encoded(payload)
    message = encoded(("Signature1", header, bound_to(UID, REFERENCE), body))
    return encoded(Tagged((header, unprotected or {}, body, PRIVATE.sign(message))))


# What it says, and how large it is


def test_a_capsule_says_what_was_put_into_it() -> None:
    assert held(made()) == LENA


@given(CAPSULES)
@settings(max_examples=60)
def test_every_capsule_that_fits_comes_back(capsule: Capsule) -> None:
    kept = fitted(capsule, FULL_SIZE)
    raw = made(kept)

    assert len(raw) == size_of(kept) <= FULL_SIZE
    assert held(raw, now=kept.issued_at) == kept


def test_the_minimal_one_takes_at_most_128_bytes_and_the_full_one_256() -> None:
    longest = dataclasses.replace(
        LENA, seq=(1 << 32) - 1, days=DAYS_MAX, name="Ñ" * 30, parts=b"\x0fcase and number." * 3
    )
    bare = Capsule(ISSUED, 90, 300)
    named = dataclasses.replace(LENA, parts=b"", seq=300)

    assert len(made(bare)) == 90
    assert len(made(named)) == 99
    assert len(made(dataclasses.replace(LENA, seq=300))) == 113
    assert len(made(dataclasses.replace(LENA, seq=300, band=REFERENCE))) == 130
    assert len(made(dataclasses.replace(LENA_BEFORE, seq=300))) == 160
    assert len(made(fitted(longest, MINIMAL_SIZE))) <= MINIMAL_SIZE
    assert len(made(fitted(longest, FULL_SIZE))) <= FULL_SIZE


def test_a_capsule_of_common_length_is_read_from_a_desfire_in_one_command() -> None:
    common = dataclasses.replace(LENA, seq=300, band=REFERENCE, name="Alexander")

    assert len(made(common)) <= HEAD_SIZE + FIRST_SIZE


def test_a_capsule_of_before_with_words_and_every_number_in_it_is_still_believed() -> None:
    before: dict[int, Value] = {
        0: 1, 1: ISSUED // SECOND, 2: 90, 3: 7, 4: 3, 5: "en", 6: "Lena", 7: LENA_BEFORE.line,
    }  # fmt: skip

    assert held(remade(before)) == held(made(LENA_BEFORE)) == LENA_BEFORE


@pytest.mark.parametrize("band", [b"", REFERENCE])
def test_a_capsule_of_before_with_parts_is_believed_and_its_band_named(band: bytes) -> None:
    before: dict[int, Value] = {
        0: 2 if band else 1, 1: ISSUED // SECOND, 2: 30, 3: 7, 4: 3, 5: "en", 6: "Lena", 7: LENA.parts,
    }  # fmt: skip
    raw = remade({**before, 8: band} if band else before)

    assert held(raw) == dataclasses.replace(LENA, days=30, band=band)
    assert named(raw) == (band or None)


def test_what_says_nothing_is_left_out_at_the_end_and_only_there() -> None:
    bare = Capsule(ISSUED, 90, 7)

    assert made(bare) == remade((3, ISSUED // SECOND, 7))
    assert made(dataclasses.replace(bare, band=REFERENCE)) == remade(
        (4, REFERENCE, ISSUED // SECOND, 7)
    )
    assert made(dataclasses.replace(bare, days=30)) == remade(
        (3, ISSUED // SECOND, 7, 0, "", "", b"", 30)
    )


def test_a_capsule_has_room_for_so_many_bytes_of_parts_and_no_more() -> None:
    whole = dataclasses.replace(LENA, parts=b"\x31\x01" * (PARTS_SIZE_MAX // 2))

    assert held(made(whole)).parts == whole.parts
    with pytest.raises(ValueError, match="too long"):
        made(dataclasses.replace(whole, parts=whole.parts + b"\x50"))


def test_the_thread_is_told_once() -> None:
    with pytest.raises(ValueError, match="once"):
        made(dataclasses.replace(LENA, line="1 pick-up"))


@pytest.mark.parametrize("size", [CAPSULE_SIZE_NTAG424, MINIMAL_SIZE, FULL_SIZE])
@given(capsule=CAPSULES)
@settings(max_examples=40)
def test_what_is_said_shrinks_to_the_place(capsule: Capsule, size: int) -> None:
    capsule = dataclasses.replace(capsule, band=capsule.band if size == FULL_SIZE else b"")

    small = fitted(capsule, size)

    assert size_of(small) <= size
    assert capsule.name.startswith(small.name)
    assert set(_cut_apart(small.parts)) <= set(_cut_apart(capsule.parts))
    assert (small.seq, small.is_waiting, small.is_owed) == (
        capsule.seq,
        capsule.is_waiting,
        capsule.is_owed,
    )


def _cut_apart(parts: bytes) -> list[bytes]:
    if not parts:
        return []
    size = 1 + parts[0] % 16
    return [parts[:size], *_cut_apart(parts[size:])]


def test_as_many_whole_parts_are_kept_as_fit_and_the_name_stays_as_long_as_it_can() -> None:
    wordy = dataclasses.replace(LENA, name="Maximiliana")
    case, pickup = _cut_apart(wordy.parts)
    size = size_of(wordy)

    assert fitted(wordy, size) == wordy
    assert fitted(wordy, size - 1).parts == case
    assert fitted(wordy, size - len(pickup) - 1).parts == pickup
    assert fitted(wordy, size - 1).name == "Maximiliana"
    assert fitted(wordy, MINIMAL_SIZE) == wordy
    assert fitted(LENA, CAPSULE_SIZE_NTAG424) == LENA
    assert fitted(dataclasses.replace(LENA, seq=300), CAPSULE_SIZE_NTAG424).parts == case
    assert fitted(wordy, CAPSULE_SIZE_NTAG424).parts == pickup
    assert fitted(dataclasses.replace(wordy, parts=case[:-1]), FULL_SIZE).parts == b""
    with pytest.raises(ValueError, match="no capsule fits"):
        fitted(wordy, 80)


def test_a_line_of_words_loses_whole_parts_and_is_on_no_small_chip() -> None:
    parts = "case C-4711 by phone, promise Fri 27 Nov", "1 pick-up", "wrote by whatsapp 3 Nov"
    wordy = dataclasses.replace(LENA_BEFORE, line="; ".join(parts), name="Maximiliana")
    size = size_of(wordy)

    assert fitted(wordy, size) == wordy
    assert fitted(wordy, size - 1).line == "; ".join(parts[:2])
    assert fitted(wordy, MINIMAL_SIZE).line == ""
    assert fitted(wordy, CAPSULE_SIZE_NTAG424).name == "Maximiliana"


def test_a_name_is_never_cut_within_a_letter() -> None:
    named = dataclasses.replace(LENA, parts=b"", name="éééééé")

    for size in range(96, 128):
        assert set(fitted(named, size).name) <= {"é"}


def test_a_capsule_shows_none_of_its_words_when_it_is_printed() -> None:
    assert "Lena" not in repr(LENA)
    assert "4711" not in repr(LENA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issued_at": ISSUED + 1},
        {"issued_at": -SECOND},
        {"days": 0},
        {"days": DAYS_MAX + 1},
        {"seq": 0},
        {"seq": 1 << 32},
        {"name": "x" * 61},
        {"line": "x" * 141},
        {"language": "x" * 12},
        {"name": "\ud800"},
    ],
)
def test_what_no_capsule_may_say_is_never_signed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        made(dataclasses.replace(LENA, **wrong))


# An independent library


@given(CAPSULES)
@settings(max_examples=30)
def test_pycose_verifies_what_we_sign(capsule: Capsule) -> None:
    message = library_of(made(fitted(capsule, FULL_SIZE)))

    assert message.verify_signature()
    assert message.uhdr == {}


def test_pycose_refuses_what_we_signed_for_another_chip() -> None:
    message = library_of(made())
    message.external_aad = bound_to(UID[:-1] + b"\x00", REFERENCE)

    assert not message.verify_signature()


def test_we_verify_what_pycose_signs_and_it_signs_the_same_bytes() -> None:
    ours = library_of(made())

    theirs: Any = Sign1Message(
        phdr={Algorithm: EdDSA, KID: ours.phdr[KID]}, payload=ours.payload
    )
    theirs.external_aad = bound_to(UID, REFERENCE)
    theirs.key = KEY
    raw = theirs.encode()

    assert held(raw) == LENA
    assert raw == made()


# Whose it is, and when


def test_another_chip_another_band_another_key_are_no_one() -> None:
    raw = made()

    assert why(raw, uid=bytes.fromhex("04A1B2C3D4E5F7")) is Why.SIGNATURE
    assert why(raw, band=bytes(16)) is Why.SIGNATURE
    assert why(raw, keys=(OTHER.public_key().public_bytes_raw(),)) is Why.KEY
    assert why(raw, keys=()) is Why.KEY
    assert why(made(private=OTHER)) is Why.KEY


def test_a_uid_that_is_a_part_of_uid_and_reference_does_not_hold_either() -> None:
    longer, shorter = UID + REFERENCE[:3], REFERENCE[3:] + bytes(3)

    assert why(made(), uid=longer, band=shorter) is Why.SIGNATURE
    with pytest.raises(BandMalformed):
        held(made(), uid=UID + REFERENCE[:1], band=REFERENCE[1:])


def test_the_right_one_of_several_keys_is_found() -> None:
    keys = (OTHER.public_key().public_bytes_raw(), PUBLIC)

    assert held(made(), keys=keys) == LENA


def test_a_capsule_holds_from_a_day_before_it_was_issued_to_its_last_microsecond() -> None:
    raw = made()

    assert held(raw, now=ISSUED - DAY) == LENA
    assert why(raw, now=ISSUED - DAY - 1) is Why.EARLY
    assert held(raw, now=ISSUED + 90 * DAY - 1) == LENA
    assert why(raw, now=ISSUED + 90 * DAY) is Why.OVER


def test_an_older_sequence_than_the_band_had_is_superseded() -> None:
    assert held(made(), seq_min=7) == LENA
    assert why(made(), seq_min=8) is Why.SUPERSEDED


@given(st.data())
@settings(max_examples=150)
def test_no_changed_capsule_holds(data: st.DataObject) -> None:
    raw = bytearray(made())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BandError):
        held(bytes(raw))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_our_own_words(raw: bytes) -> None:
    for read in (held, read_unverified, contained):
        try:
            read(raw)
        except (BandMalformed, CapsuleRefused):
            continue
        assert read is contained


SAID: tuple[Value, ...] = (3, ISSUED // SECOND, 7)
CLAIMS: dict[int, Value] = {0: 1, 1: ISSUED // SECOND, 2: 90, 3: 7, 6: "Lena"}


def test_a_version_we_do_not_know_is_not_guessed_at() -> None:
    assert held(remade(CLAIMS)).name == "Lena"
    assert why(remade({**CLAIMS, 0: 3})) is Why.VERSION
    assert why(remade({0: 3, 1: "of another shape"})) is Why.VERSION
    assert held(remade(SAID)).seq == 7
    assert why(remade((5, *SAID[1:]))) is Why.VERSION
    assert why(remade((1, "of another shape"))) is Why.VERSION
    with pytest.raises(BandMalformed):
        read_unverified(remade({**CLAIMS, 0: 3}))


def test_a_capsule_with_room_for_it_names_its_band_and_an_older_one_does_not() -> None:
    naming = dataclasses.replace(LENA, band=REFERENCE)

    assert held(made(naming)) == naming
    assert named(made(naming)) == REFERENCE
    assert named(made()) is None
    assert len(made(naming)) == len(made()) + 17


def test_a_capsule_that_names_another_band_than_it_is_signed_for_is_no_one() -> None:
    assert why(made(dataclasses.replace(LENA, band=bytes(16)))) is Why.SIGNATURE


@given(st.binary(max_size=300))
def test_whom_any_bytes_name_is_sixteen_bytes_or_nobody(raw: bytes) -> None:
    assert len(named(raw) or bytes(16)) == 16


@pytest.mark.parametrize("head", ["830450", "A80002", "A90002"])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 18, 40])
def test_a_payload_that_begins_like_one_names_sixteen_bytes_or_nobody(
    head: str, size: int
) -> None:
    payload = bytes.fromhex(head) + bytes(range(1, size + 1))

    for whole in (payload, payload + b"\x08\x50" + bytes(range(size))):
        raw = bytes(12) + b"\xa0\x58" + bytes((len(whole),)) + whole + b"\x58\x40" + bytes(64)

        assert named(raw) is None or len(named(raw) or b"") == 16


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, 9: "new"},
        {**CLAIMS, 0: 2},
        {**CLAIMS, 8: REFERENCE},
        {**CLAIMS, 0: 2, 8: REFERENCE[:15]},
        {**CLAIMS, 0: 2, 8: "of another kind"},
        {**CLAIMS, -1: 0},
        {**CLAIMS, 4: 4},
        {**CLAIMS, 4: 0},
        {**CLAIMS, 6: ""},
        {**CLAIMS, 6: b"Lena"},
        {**CLAIMS, 6: "x" * 61},
        {**CLAIMS, 2: 0},
        {**CLAIMS, 3: -1},
        {**CLAIMS, 1: 1 << 32},
        {**CLAIMS, 1: "now"},
        {key: CLAIMS[key] for key in (0, 1, 2)},
        (3, 2),
        (3, 2, 0),
        (*SAID, "", "", b"", 0),
        (*SAID, 3, ""),
        (*SAID, 4),
        (*SAID, 3, "en", b"Lena"),
        (*SAID, 3, "en", "x" * 61),
        (*SAID, 3, "en", "Lena", "a line"),
        (*SAID, 3, "en", "Lena", b"\x31\x01", 90),
        (*SAID, 3, "en", "Lena", b"\x31\x01", 367),
        (*SAID, 3, "en", "Lena", b"\x31\x01", 30, 1),
        (3, 1 << 32, 7),
        (3, "now", 7),
        (3, REFERENCE, ISSUED // SECOND, 7),
        (4, REFERENCE[:15], ISSUED // SECOND, 7),
        (4, b"", ISSUED // SECOND, 7),
        (4, ISSUED // SECOND, 7),
        (4,),
        ("3", ISSUED // SECOND, 7),
        (),
        7,
    ],
)
def test_claims_that_are_none_are_refused_though_they_are_signed(claims: Any) -> None:
    with pytest.raises(BandMalformed) as refused:
        held(remade(claims))

    assert not isinstance(refused.value, CapsuleRefused)


@pytest.mark.parametrize(
    "header",
    [{}, {1: -8}, {1: -7, 4: b"kkkk"}, {1: -8, 4: b"k"}, {1: -8, 4: b"kkkk", 2: (1,)}, 7],
)
def test_another_header_is_refused_though_it_is_signed(header: Any) -> None:
    with pytest.raises(BandMalformed):
        held(remade(CLAIMS, protected=header))


def test_nothing_stands_in_the_header_that_is_not_signed() -> None:
    with pytest.raises(BandMalformed):
        held(remade(CLAIMS, unprotected={4: b"kkkk"}))


def test_a_signature_of_something_else_by_our_key_is_no_capsule() -> None:
    payload = encoded(CLAIMS)
    kept: Any = decoded(made())
    message = encoded(("Signature1", kept.value[0], UID + REFERENCE, payload))
    raw = encoded(Tagged((kept.value[0], {}, payload, PRIVATE.sign(message))))

    assert why(raw) is Why.SIGNATURE


def test_a_token_that_signs_wrongly_is_found_out() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        signed(LENA, uid=UID, band=REFERENCE, public_key=PUBLIC, sign=lambda _: b"x" * 63)


# On the band


@pytest.mark.parametrize("size", [CAPSULE_SIZE_NTAG424, MINIMAL_SIZE, FULL_SIZE])
def test_what_is_written_is_found_again(size: int) -> None:
    raw = made(fitted(LENA, size))
    place = bytearray(b"\xaa" * size)

    for offset, content in writes(raw, size):
        place[offset : offset + len(content)] = content

    assert contained(bytes(place)) == raw


@settings(max_examples=300)
@given(at=st.integers(0, 200), value=st.integers(0, 255), size=st.integers(0, 256))
def test_where_a_capsule_ends_is_what_taking_it_apart_says(
    at: int, value: int, size: int
) -> None:
    place = bytearray(made().ljust(256, b"\x00"))
    place[at] = value
    content = bytes(place[:size])

    try:
        _, end = decoded_first(content)
        expected = content[:end] if not any(content[end:]) else None
    except BandMalformed:
        expected = None

    try:
        found = contained(content)
    except BandMalformed:
        found = None
    assert found == (expected if content and content[0] else None)


def test_an_empty_place_and_a_cleared_one_hold_none() -> None:
    place = bytearray(made().ljust(FULL_SIZE, b"\x00"))

    for offset, content in writes(b"", FULL_SIZE):
        place[offset : offset + len(content)] = content

    assert bytes(place) == bytes(FULL_SIZE)
    assert contained(bytes(place)) is None
    assert contained(b"") is None


def test_what_stands_behind_a_capsule_makes_it_none_of_ours() -> None:
    with pytest.raises(BandMalformed, match="follows"):
        contained(made() + b"\x00\x01")


@pytest.mark.parametrize("unit", [1, 4, 16])
@pytest.mark.parametrize("old", [None, dataclasses.replace(LENA_BEFORE, seq=6, line="x" * 100)])
def test_a_write_torn_at_any_unit_leaves_the_old_one_the_new_one_or_none(
    old: Capsule | None, unit: int
) -> None:
    size = FULL_SIZE
    before = b"" if old is None else made(old)
    raw = made()
    parts = [
        (offset + at, content[at : at + unit])
        for offset, content in writes(raw, size, unit=unit)
        for at in range(0, len(content), unit)
    ]
    found = []
    for n_written in range(len(parts) + 1):
        place = bytearray(before.ljust(size, b"\x00"))
        for at, content in parts[:n_written]:
            place[at : at + len(content)] = content
        found.append(contained(bytes(place)))

    assert found[0] == (before or None)
    assert set(found[1:-1]) <= {None}
    assert found[-1] == raw


@pytest.mark.parametrize("n_bytes", range(0, FULL_SIZE + 33, 3))
def test_a_write_torn_at_any_byte_leaves_nothing_believed_to_who_reads_behind_the_head(
    n_bytes: int,
) -> None:
    before, raw = made(dataclasses.replace(LENA, seq=6, name="Maximiliana")), made()
    place, left = bytearray(before.ljust(FULL_SIZE, b"\x00")), n_bytes
    for offset, content in writes(raw, FULL_SIZE, unit=16):
        place[offset : offset + min(left, len(content))] = content[:left]
        left = max(left - len(content), 0)

    try:
        found = contained_behind(bytes(place[HEAD_SIZE:]))
    except BandMalformed:
        found = None

    if found not in (None, before, raw):
        with pytest.raises(CapsuleRefused):  # within the key id, of which nobody has that key
            held(found)
    assert (found == before) == (n_bytes <= HEAD_SIZE)
    assert (found == raw) == (n_bytes >= FULL_SIZE + 16)


@given(size=st.integers(0, FULL_SIZE - HEAD_SIZE), name=st.text(max_size=30))
def test_what_was_read_behind_the_head_tells_what_is_missing(size: int, name: str) -> None:
    raw = made(dataclasses.replace(fitted(dataclasses.replace(LENA, name=name), FULL_SIZE)))
    content = raw.ljust(FULL_SIZE, b"\x00")[HEAD_SIZE : HEAD_SIZE + size]

    n_missing = n_missing_behind(content)

    assert n_missing == (max(len(raw) - HEAD_SIZE - size, 0) if size > 6 else 0)


@given(st.binary(max_size=FULL_SIZE))
def test_what_any_bytes_say_is_missing_is_within_the_place(content: bytes) -> None:
    content = content[: FULL_SIZE - HEAD_SIZE]

    assert 0 <= n_missing_behind(content) <= FULL_SIZE - HEAD_SIZE - len(content)
    assert n_missing_behind(b"kkkk\xa0\x58\xff" + content) == 0


def test_a_capsule_that_says_nothing_is_read_behind_its_head_like_any_other() -> None:
    least = Capsule(ISSUED, 90, 1)
    raw = made(least)
    first = raw[HEAD_SIZE:].ljust(127, b"\x00")

    assert len(raw) == 88
    assert (n_missing_behind(first), contained_behind(first), named(raw)) == (0, raw, None)
    assert held(raw) == read_unverified(raw) == least


@pytest.mark.parametrize("n_read", [7, 127, FULL_SIZE - HEAD_SIZE])
def test_no_length_a_band_tells_leads_beyond_its_place(n_read: int) -> None:
    left = FULL_SIZE - HEAD_SIZE - n_read
    for length in range(256):
        told = (b"kkkk\xa0\x58" + bytes((length,))).ljust(n_read, b"\x01")
        missing = n_missing_behind(told)

        assert 0 <= missing <= left
        assert missing in (0, KEY_ID_SIZE + 3 + length + 2 + 64 - n_read)


def test_behind_no_key_id_nothing_is_missing() -> None:
    assert n_missing_behind(bytes(4) + b"\xa0\x58\x80" + bytes(120)) == 0


def test_what_is_read_behind_the_head_is_the_capsule_or_none() -> None:
    place = made().ljust(FULL_SIZE, b"\x00")

    assert contained_behind(place[HEAD_SIZE:]) == contained(place) == made()
    assert contained_behind(bytes(FULL_SIZE)) is None
    assert contained_behind(b"") is None
    with pytest.raises(BandMalformed):
        contained_behind(place[HEAD_SIZE:-1] + b"\x01")


def test_a_place_that_is_too_small_takes_nothing() -> None:
    with pytest.raises(ValueError, match="fit"):
        writes(made(), len(made()) - 1)
