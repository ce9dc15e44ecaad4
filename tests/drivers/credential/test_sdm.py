"""SUN messages: the link that is parsed, what verifies, and what a counter says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.kdf import Aes
from drivers.credential.layout import CommMode
from drivers.credential.sdm import (
    COUNTER_MAX,
    LINK_SIZE_MAX,
    CounterPolicy,
    Freshness,
    Judgement,
    Names,
    file_mac,
    judged,
    message_of,
    opened,
    verified,
)
from drivers.credential.sdm_file import (
    FREE,
    NEVER,
    FileSettings,
    Sdm,
    SunKeys,
    link_file,
    settings_of,
)
from drivers.errors import BandMalformed, BandUntrusted
from drivers.ndef import records_of, uri_of

META_KEY, FILE_KEY = bytes(range(16)), bytes(range(16, 32))
UID = bytes.fromhex("04A1B2C3D4E5F6")
BASE = "https://tap.example/b?"


def _link(uid: bytes = UID, counter: int = 7, *, key: bytes = FILE_KEY) -> str:
    """A link as a chip in AES mode writes it."""
    plain = b"\xc7" + uid + counter.to_bytes(3, "little") + b"fill!"
    enciphered = Aes(META_KEY).encrypted(plain).hex().upper()
    return f"{BASE}e={enciphered}&c={file_mac(key, uid, counter, b'').hex().upper()}"


def _key_of(uid: bytes) -> bytes | None:
    return FILE_KEY if uid == UID else None


def test_link_of_the_chip_says_who_and_when() -> None:
    sun = verified(message_of(_link()), meta_key=META_KEY, file_key_of=_key_of)

    assert (sun.uid, sun.counter, sun.content, sun.is_lrp) == (UID, 7, b"", False)
    assert UID.hex() not in repr(sun)
    assert UID.hex() not in repr(message_of(_link())).lower()


def test_link_made_with_another_file_key_is_not_trusted() -> None:
    with pytest.raises(BandUntrusted):
        verified(message_of(_link(key=META_KEY)), meta_key=META_KEY, file_key_of=_key_of)


def test_link_made_with_another_meta_key_is_not_trusted() -> None:
    with pytest.raises(BandUntrusted):
        verified(message_of(_link()), meta_key=FILE_KEY, file_key_of=_key_of)


def test_link_of_a_band_without_a_key_is_not_trusted() -> None:
    link = _link(UID[::-1])

    assert opened(message_of(link), META_KEY) == (UID[::-1], 7)
    with pytest.raises(BandUntrusted):
        verified(message_of(link), meta_key=META_KEY, file_key_of=_key_of)


@pytest.mark.parametrize("at", [0, 5, 15])
def test_one_changed_digit_of_the_mac_is_not_trusted(at: int) -> None:
    link = _link()
    where = link.index("&c=") + 3 + at
    changed = "0" if link[where] != "0" else "1"

    with pytest.raises(BandUntrusted):
        verified(
            message_of(link[:where] + changed + link[where + 1 :]),
            meta_key=META_KEY,
            file_key_of=_key_of,
        )


def test_counter_of_another_message_does_not_fit_its_mac() -> None:
    older, newer = _link(counter=7), _link(counter=8)
    mixed = newer[: newer.index("&c=")] + older[older.index("&c=") :]

    with pytest.raises(BandUntrusted):
        verified(message_of(mixed), meta_key=META_KEY, file_key_of=_key_of)


def test_mac_is_made_over_the_digits_from_the_content_on() -> None:
    content = "AA" * 16
    link = f"{BASE}x=1&f={content}&y=2&c={'00' * 8}"

    message = message_of(link + f"&u={UID.hex()}&n=000001")

    assert message.mac_input == f"{content}&y=2&c=".encode()


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://tap.example/b",
        BASE,
        BASE + "e=" + "00" * 16,
        BASE + "c=" + "00" * 8,
        BASE + "e=" + "00" * 15 + "&c=" + "00" * 8,
        BASE + "e=" + "00" * 16 + "&c=" + "00" * 7,
        BASE + "e=" + "0" * 31 + "&c=" + "00" * 8,
        BASE + "e=" + "0g" * 16 + "&c=" + "00" * 8,
        BASE + "e=" + " 0" * 16 + "&c=" + "00" * 8,
        BASE + "e=" + "00" * 16 + "&e=" + "00" * 16 + "&c=" + "00" * 8,
        BASE + "e=" + "00" * 16 + "&c=" + "00" * 8 + "&u=" + "00" * 7,
        BASE + "u=" + "00" * 6 + "&n=000001&c=" + "00" * 8,
        BASE + "u=" + "00" * 7 + "&n=0001&c=" + "00" * 8,
        BASE + "e=" + "00" * 16 + "&f=" + "00" * 15 + "&c=" + "00" * 8,
        BASE + "e=" + "00" * 16 + "&c=" + "00" * 8 + "&f=" + "00" * 16,
        BASE + "e=" + "00" * 16 + "&c=" + "00" * 8 + "#ü",
        BASE + "e=" + "00" * 16 + "&c=" + "00" * 8 + "&x=" + "0" * LINK_SIZE_MAX,
        BASE + "e=\u0660\u0660" + "00" * 15 + "&c=" + "00" * 8,
    ],
)
def test_link_that_carries_no_message_is_malformed(link: str) -> None:
    with pytest.raises(BandMalformed):
        message_of(link)


_pieces = st.sampled_from(
    ["e=", "c=", "f=", "u=", "n=", "&", "?", "=", "00" * 8, "00" * 16, "0", "000001", UID.hex()]
)


@given(
    st.one_of(st.text(max_size=80), st.lists(_pieces, max_size=14).map("".join)), st.booleans()
)
def test_whatever_the_link_only_malformed_or_untrusted_is_raised(
    rest: str, has_base: bool
) -> None:
    link = BASE + rest if has_base else rest

    try:
        message = message_of(link)
        sun = verified(message, meta_key=META_KEY, file_key_of=lambda _: FILE_KEY)
    except (BandMalformed, BandUntrusted):
        return

    assert sun.uid == UID


def test_names_of_the_parameters_may_be_others() -> None:
    link = _link().replace("e=", "picc=").replace("&c=", "&cmac=")

    message = message_of(link, Names(picc="picc", mac="cmac"))

    assert opened(message, META_KEY) == (UID, 7)


@pytest.mark.parametrize(
    ("counter", "known", "judgement"),
    [
        (8, 7, Judgement(Freshness.FRESH, 8)),
        (107, 7, Judgement(Freshness.FRESH, 107)),
        (108, 7, Judgement(Freshness.LEAPT, 108)),
        (7, 7, Judgement(Freshness.REPEATED, 7)),
        (6, 7, Judgement(Freshness.STALE, 7)),
        (0, 7, Judgement(Freshness.STALE, 7)),
        (7, None, Judgement(Freshness.UNKNOWN, 7)),
        (COUNTER_MAX, COUNTER_MAX - 1, Judgement(Freshness.FRESH, COUNTER_MAX)),
        (COUNTER_MAX, COUNTER_MAX, Judgement(Freshness.REPEATED, COUNTER_MAX)),
    ],
)
def test_counter_says_how_fresh_a_message_is(
    counter: int, known: int | None, judgement: Judgement
) -> None:
    assert judged(counter, known, CounterPolicy(leap_max=100)) == judgement


@given(
    st.lists(st.integers(0, COUNTER_MAX), max_size=20), st.one_of(st.none(), st.integers(0, 9))
)
def test_no_message_is_ever_fresh_twice_and_what_is_known_never_falls(
    counters: list[int], known: int | None
) -> None:
    fresh = []
    for counter in counters:
        judgement = judged(counter, known)
        assert known is None or judgement.known >= known
        assert judgement.known >= counter or judgement.freshness is Freshness.STALE
        if judgement.is_fresh:
            fresh.append(counter)
        known = judgement.known

    assert len(set(fresh)) == len(fresh)
    assert fresh == sorted(fresh)


@given(st.integers(0, COUNTER_MAX))
def test_not_knowing_the_last_counter_is_never_fresh(counter: int) -> None:
    assert not judged(counter, None).is_fresh


@pytest.mark.parametrize(("counter", "known"), [(-1, 0), (COUNTER_MAX + 1, 0), (0, -1)])
def test_number_that_is_no_counter_is_our_own_mistake(counter: int, known: int) -> None:
    with pytest.raises(ValueError, match="three bytes"):
        judged(counter, known)


@pytest.mark.parametrize(("is_lrp", "digits"), [(False, 32), (True, 48)])
def test_link_file_has_zeros_where_the_chip_writes(is_lrp: bool, digits: int) -> None:
    content, sdm = link_file("https://tap.example/b", keys=SunKeys(1, 3), is_lrp=is_lrp)

    (record,) = records_of(content[2:])
    link = uri_of(record)

    assert int.from_bytes(content[:2], "big") == len(content) - 2
    assert link == BASE + "e=" + "0" * digits + "&c=" + "0" * 16
    assert sdm.picc_offset is not None
    assert sdm.mac_offset is not None
    assert content[: sdm.picc_offset].endswith(b"?e=")
    assert content[sdm.picc_offset :].startswith(b"0" * digits + b"&c=")
    assert content[sdm.mac_offset :] == b"0" * 16
    assert sdm.mac_input_offset == sdm.mac_offset


@pytest.mark.parametrize(
    "link", ["https://x.example/?a", "https://ü.example", "https://" + "x" * 120]
)
def test_link_that_does_not_fit_is_our_own_mistake(link: str) -> None:
    with pytest.raises(ValueError, match="120"):
        link_file(link, keys=SunKeys(1, 3))


_slots = st.integers(0, 4)
_offsets = st.integers(0, 255)


@given(
    st.sampled_from(list(CommMode)),
    st.tuples(*[st.integers(0, 15)] * 4),
    st.one_of(
        st.none(),
        st.builds(
            Sdm,
            meta_read=_slots,
            file_read=_slots,
            counter_read=st.integers(0, 15),
            picc_offset=_offsets,
            mac_input_offset=_offsets,
            mac_offset=_offsets,
            limit=st.one_of(st.none(), st.integers(1, COUNTER_MAX)),
        ),
        st.builds(
            Sdm,
            meta_read=_slots,
            file_read=_slots,
            counter_read=_slots,
            picc_offset=_offsets,
            mac_input_offset=_offsets,
            mac_offset=_offsets,
            enc_offset=_offsets,
            enc_size=st.just(32),
        ),
        st.builds(
            Sdm,
            meta_read=st.just(FREE),
            file_read=st.just(NEVER),
            counter_read=_slots,
            uid_offset=_offsets,
            counter_offset=st.one_of(st.none(), _offsets),
        ),
    ),
)
def test_settings_are_read_as_they_are_written(
    mode: CommMode, rights: tuple[int, int, int, int], sdm: Sdm | None
) -> None:
    wanted = FileSettings(mode, *rights, sdm=sdm, size=256)
    sent = wanted.to_bytes()

    assert settings_of(b"\x00" + sent[:3] + b"\x00\x01\x00" + sent[3:]) == wanted


@given(st.binary(max_size=48))
def test_whatever_the_settings_only_malformed_is_raised(answer: bytes) -> None:
    try:
        settings = settings_of(answer)
    except BandMalformed:
        return

    assert settings.size is not None
