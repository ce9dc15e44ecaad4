"""There is one encoding of each value, and the decoder takes no other; an independent library agrees."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.cbor import SIZE_MAX, Tagged, decoded, encoded
from drivers.errors import BandMalformed

LEAVES = (
    st.integers(min_value=-(2**64), max_value=2**64 - 1)
    | st.binary(max_size=30)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.integers(-300, 300), inner, max_size=4)
    ),
    max_leaves=6,
)
SHORT_KEYS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.integers(-24, 23), inner, max_size=4)
    ),
    max_leaves=6,
)
"""The library orders keys by their length first, as RFC 7049 did; of one byte both orders are one."""


def deepness(value: object) -> int:
    if isinstance(value, tuple):
        return 1 + max((deepness(item) for item in value), default=0)
    if isinstance(value, dict):
        return 1 + max((deepness(item) for item in value.values()), default=1)
    return 1


@given(VALUES)
def test_a_value_comes_back_from_its_encoding(value: object) -> None:
    raw = encoded(value)  # type: ignore[arg-type]

    if len(raw) <= SIZE_MAX and deepness(value) <= 4:
        assert decoded(raw) == value
    else:
        with pytest.raises(BandMalformed):
            decoded(raw)


@given(SHORT_KEYS)
def test_an_independent_library_writes_the_same_bytes(value: object) -> None:
    assert encoded(value) == cbor2.dumps(value, canonical=True)  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_written_as_it_should_be_or_are_refused(raw: bytes) -> None:
    try:
        value = decoded(raw)
    except BandMalformed:
        return

    assert encoded(value) == raw
    assert cbor2.loads(raw) == plain(value)


def plain(value: object) -> object:
    """As the library has it."""
    if isinstance(value, Tagged):
        return cbor2.CBORTag(18, frozen(value.value))
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def frozen(value: object) -> object:
    """As the library has it within a tag: it must be hashable."""
    found = plain(value)
    return tuple(frozen(item) for item in value) if isinstance(value, tuple) else found


def test_keys_stand_in_the_order_of_their_bytes() -> None:
    assert encoded({-1: 3, 100: 2, 10: 1}) == bytes.fromhex("a30a0118640220 03")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("", "nothing"),
        ("1800", "a number of two bytes that needs one"),
        ("190017", "three that needs one"),
        ("1a00000100", "five that needs three"),
        ("1b00000000ffffffff", "nine that needs five"),
        ("1c", "a reserved length"),
        ("5f4100ff", "bytes of unknown length"),
        ("9fff", "an array of unknown length"),
        ("bfff", "a map of unknown length"),
        ("a200000000", "a key that stands twice"),
        ("a201000000", "keys out of order"),
        ("a1410000", "a key that is not a number"),
        ("f4", "false"),
        ("f6", "null"),
        ("f90000", "half a float"),
        ("fb0000000000000000", "a float"),
        ("c101", "a tag for a time"),
        ("d81800", "tag 24"),
        ("d93f0100", "a tag of three bytes"),
        ("d81200", "tag 18 written too long"),
        ("61ff", "text that is no UTF-8"),
        ("63eda080", "half of a surrogate pair"),
        ("8181818100", "five deep"),
        ("0000", "something behind the value"),
        ("4200", "less than is said"),
        ("9a7fffffff", "an array of two thousand million"),
        ("ba7fffffff", "such a map"),
        ("5b7fffffffffffffff", "bytes without end"),
        ("ff", "a lone end"),
    ],
)
def test_what_is_not_the_one_way_is_refused(raw: str, what: str) -> None:
    with pytest.raises(BandMalformed):
        decoded(bytes.fromhex(raw))


def test_four_deep_is_read_and_256_bytes_are_and_one_more_of_either_is_not() -> None:
    deep, wide = bytes.fromhex("81818100"), encoded(bytes(SIZE_MAX - 2))

    assert decoded(deep) == (((0,),),)
    assert len(wide) == SIZE_MAX
    assert decoded(wide) == bytes(SIZE_MAX - 2)
    with pytest.raises(BandMalformed, match="too long"):
        decoded(encoded(bytes(SIZE_MAX - 1)))
    with pytest.raises(BandMalformed, match="deeply"):
        decoded(bytes.fromhex("d2") + deep)


def test_tag_18_is_the_tag_of_the_library_too() -> None:
    raw = encoded(Tagged((b"", 1)))

    assert decoded(raw) == Tagged((b"", 1))
    assert cbor2.loads(raw) == cbor2.CBORTag(18, (b"", 1))
