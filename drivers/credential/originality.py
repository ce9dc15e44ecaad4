"""Whether the maker of a chip signed its UID: ECDSA over the bare UID, with the public keys the maker published.

The signature never changes and can be read by anybody, so it says that the maker made this UID, not that this chip is the
one that was made. It is worth something where a chip is encoded: an imitation with another UID has no signature.

    secp128r1   32 bytes   NTAG 21x, Ultralight EV1, Classic EV1
    secp192r1   48 bytes   Ultralight AES, NTAG 223 and 224 DNA
    secp224r1   56 bytes   DESFire EV1 to EV3 and Light, NTAG 424 DNA, Plus EV1

Only public numbers go through this arithmetic, so it need not hide how long it takes.
Source: SEC 1 version 2.0, 4.1.4; SEC 2 version 1.0, 2.4.1; SEC 2 version 2.0, 2.2 and 2.3; NXP AN11350, AN12196.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from drivers.credential.layout import UID_SIZES


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve y2 = x3 - 3x + b over the numbers modulo p.

    Attributes:
        p, b: The field and the constant.
        n: Order of the base point.
        base: The base point.
        size: Bytes of a coordinate.
    """

    p: int
    b: int
    n: int
    base: tuple[int, int]
    size: int


SECP128R1 = Curve(
    p=0xFFFFFFFDFFFFFFFFFFFFFFFFFFFFFFFF,
    b=0xE87579C11079F43DD824993C2CEE5ED3,
    n=0xFFFFFFFE0000000075A30D1B9038A115,
    base=(0x161FF7528B899B2D0C28607CA52C5B86, 0xCF5AC8395BAFEB13C02DA292DDED7A83),
    size=16,
)
"""Source: SEC 2 version 1.0, 2.4.1."""

SECP192R1 = Curve(
    p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFF,
    b=0x64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831,
    base=(
        0x188DA80EB03090F67CBF20EB43A18800F4FF0AFD82FF1012,
        0x07192B95FFC8DA78631011ED6B24CDD573F977A11E794811,
    ),
    size=24,
)
"""Source: SEC 2 version 2.0, 2.2.2."""

SECP224R1 = Curve(
    p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000000000000000000000001,
    b=0xB4050A850C04B3ABF54132565044B0B7D7BFD8BA270B39432355FFB4,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
    base=(
        0xB70E0CBD6BB4BF7F321390B94A03C1D356C21122343280D6115C1D21,
        0xBD376388B5F723FB4C22DFE6CD4375A05A07476444D5819985007E34,
    ),
    size=28,
)
"""Source: SEC 2 version 2.0, 2.3.2."""

CURVES = {32: SECP128R1, 48: SECP192R1, 56: SECP224R1}
"""The curve of a signature, by its bytes."""


class Maker(Enum):
    """A kind of chip whose UIDs one key signs; the value is that public key, uncompressed.

    Source: NXP AN11350 (NTAG 21x), AN12196 (NTAG 424), AN12343 (DESFire Light) and their siblings.
    """

    NTAG21X = "04494E1A386D3D3CFE3DC10E5DE68A499B1C202DB5B132393E89ED19FE5BE8BC61"
    ULTRALIGHT_EV1 = "0490933BDCD6E99B4E255E3DA55389A827564E11718E017292FAF23226A96614B8"
    CLASSIC_EV1 = "044F6D3F294DEA5737F0F46FFEE88A356EED95695DD7E0C27A591E6F6F65962BAF"
    ULTRALIGHT_AES = (
        "0453BF8C49B7BD9FE3207A91513B9C1D238ECAB07186B772104AB535F7D3AE63CF"
        "7C7F3DD0D169DA3E99E43C6399621A86"
    )
    NTAG22X = (
        "0485D5B9353B4FAA77581BA2AE96630C5876D6E8603308ABE9A81A0B506F52D02D"
        "04FEE6F2D365B3DEE7B9FAD9133E2976"
    )
    DESFIRE_LIGHT = (
        "040E98E117AAA36457F43173DC920A8757267F44CE4EC5ADD3C54075571AEBBF7B"
        "942A9774A1D94AD02572427E5AE0A2DD36591B1FB34FCF3D"
    )
    DESFIRE_EV1 = (
        "04BB5D514F7050025C7D0F397310360EEC91EAF792E96FC7E0F496CB4E669D414F"
        "877B7B27901FE67C2E3B33CD39D1C797715189AC951C2ADD"
    )
    DESFIRE_EV2 = (
        "04B304DC4C615F5326FE9383DDEC9AA892DF3A57FA7FFB3276192BC0EAA252ED45"
        "A865E3B093A3D0DCE5BE29E92F1392CE7DE321E3E5C52B3A"
    )
    DESFIRE_EV2_XL = (
        "04CD5D45E50B1502F0BA4656FF37669597E7E183251150F9574CC8DA56BF01C7AB"
        "E019E29FEA48F9CE22C3EA4029A765E1BC95A89543BAD1BC"
    )
    DESFIRE_EV3 = (
        "041DB46C145D0A36539C6544BD6D9B0AA62FF91EC48CBC6ABAE36E0089A46F0D08"
        "C8A715EA40A63313B92E90DDC1730230E0458A33276FB743"
    )
    NTAG424 = (
        "048A9B380AF2EE1B98DC417FECC263F8449C7625CECE82D9B916C992DA209D6842"
        "2B81EC20B65A66B5102A61596AF3379200599316A00A1410"
    )
    PLUS_EV1 = (
        "044409ADC42F91A8394066BA83D872FB1D16803734E911170412DDF8BAD1A4DADF"
        "D0416291AFE1C748253925DA39A5F39A1C557FFACD34C62E"
    )


_Triple = tuple[int, int, int]


def is_signed(public_key: bytes, uid: bytes, signature: bytes) -> bool:
    """Did the holder of `public_key` sign this UID? False for anything that does not fit. Takes about 3 ms.

    Args:
        public_key: 04, x and y.
        uid: 4, 7 or 10 bytes.
        signature: r and s, each as long as a coordinate.
    """
    curve = CURVES.get(len(signature))
    if curve is None or len(uid) not in UID_SIZES:
        return False
    point = _point(curve, public_key)
    r = int.from_bytes(signature[: curve.size], "big")
    s = int.from_bytes(signature[curve.size :], "big")
    if point is None or not (0 < r < curve.n and 0 < s < curve.n):
        return False
    inverse = pow(s, -1, curve.n)
    first = int.from_bytes(uid, "big") * inverse % curve.n
    second = r * inverse % curve.n
    x, _, z = _combined(curve, first, second, point)
    if not z:
        return False
    return x * pow(z, -2, curve.p) % curve.p % curve.n == r


def is_public_key(key: bytes) -> bool:
    """Is this a public key that can sign UIDs: a point of one of the curves, uncompressed?"""
    curve = CURVES.get(len(key) - 1)
    return curve is not None and _point(curve, key) is not None


KEYS: Mapping[Maker, bytes] = MappingProxyType(
    {maker: bytes.fromhex(maker.value) for maker in Maker}
)
"""The public key of every maker."""


def maker_of(uid: bytes, signature: bytes, keys: Mapping[Maker, bytes] = KEYS) -> Maker | None:
    """Whose key signed this UID; None when it is nobody's we know. At most seven verifications, about 10 ms.

    Args:
        uid: 4, 7 or 10 bytes.
        signature: As the chip tells it.
        keys: Public keys to try; those of the makers but where chips are virtual.
    """
    for maker, key in keys.items():
        if len(key) == len(signature) + 1 and is_signed(key, uid, signature):
            return maker
    return None


def _point(curve: Curve, public_key: bytes) -> tuple[int, int] | None:
    if len(public_key) != 2 * curve.size + 1 or public_key[0] != 0x04:
        return None
    x = int.from_bytes(public_key[1 : 1 + curve.size], "big")
    y = int.from_bytes(public_key[1 + curve.size :], "big")
    if x >= curve.p or y >= curve.p or (y * y - x * x * x + 3 * x - curve.b) % curve.p:
        return None
    return x, y


def _combined(curve: Curve, first: int, second: int, point: tuple[int, int]) -> _Triple:
    """`first` times the base point plus second times `point`, bit by bit for both at once."""
    base = (*curve.base, 1)
    other = (*point, 1)
    either = (None, base, other, _sum(curve, base, other))
    total = (0, 1, 0)
    for at in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        total = _double(curve, total)
        term = either[(first >> at & 1) | (second >> at & 1) << 1]
        if term is not None:
            total = _sum(curve, total, term)
    return total


def _double(curve: Curve, point: _Triple) -> _Triple:
    """Twice a point. Jacobian coordinates: x over z2, y over z3; z is 0 for the point at infinity."""
    x, y, z = point
    p = curve.p
    if not z or not y:
        return 0, 1, 0
    square = y * y % p
    middle = 4 * x * square % p
    slope = 3 * (x - z * z) * (x + z * z) % p
    new_x = (slope * slope - 2 * middle) % p
    return new_x, (slope * (middle - new_x) - 8 * square * square) % p, 2 * y * z % p


def _sum(curve: Curve, left: _Triple, right: _Triple) -> _Triple:
    (x1, y1, z1), (x2, y2, z2) = left, right
    p = curve.p
    if not z1:
        return right
    if not z2:
        return left
    squared1, squared2 = z1 * z1 % p, z2 * z2 % p
    u1, u2 = x1 * squared2 % p, x2 * squared1 % p
    s1, s2 = y1 * squared2 * z2 % p, y2 * squared1 * z1 % p
    if u1 == u2:
        return _double(curve, left) if s1 == s2 else (0, 1, 0)
    h, r = u2 - u1, s2 - s1
    squared = h * h % p
    cubed = h * squared % p
    middle = u1 * squared % p
    x = (r * r - cubed - 2 * middle) % p
    return x, (r * (middle - x) - s1 * cubed) % p, h * z1 * z2 % p
