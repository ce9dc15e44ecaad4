"""Signatures over a UID, as a factory writes them into a chip, made here with published test keys.

A real chip's signature verifies with its maker's public key; ours verify with these, so that whoever checks
signatures can be given chips that pass, chips that fail and chips of another maker. The UID itself, unhashed and
padded on the left, is the digest; the signature is r and s, each as long as the curve's field.

The curve arithmetic is plain and slow, and leaks its secret by its timing. For test keys only.

Sources: SEC 2 version 1.0, 2.7.1 (secp128r1); SEC 2 version 2.0, 2.5 and 2.6 (secp192r1, secp224r1); SEC 1, 4.1.3.
"""

import hashlib
from dataclasses import dataclass, field

Point = tuple[int, int] | None
"""A point by its coordinates; None is the one at infinity."""


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 - 3x + b over a prime field.

    Attributes:
        name: As standards call it.
        size: Bytes of a coordinate and of half a signature.
        prime, b: The field and the curve.
        base_x, base_y: The base point.
        order: Of the base point.
    """

    name: str
    size: int
    prime: int
    b: int
    base_x: int
    base_y: int
    order: int

    def _sum(self, one: Point, other: Point) -> Point:
        if one is None or other is None:
            return one or other
        (x1, y1), (x2, y2) = one, other
        if x1 == x2 and (y1 + y2) % self.prime == 0:
            return None
        if one == other:
            slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, self.prime)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.prime)
        x3 = (slope * slope - x1 - x2) % self.prime
        return x3, (slope * (x1 - x3) - y1) % self.prime

    def times(self, factor: int) -> tuple[int, int]:
        """The base point `factor` times; `factor` from 1 to the order less one."""
        gathered: Point = None
        addend: Point = (self.base_x, self.base_y)
        while factor:
            if factor & 1:
                gathered = self._sum(gathered, addend)
            addend = self._sum(addend, addend)
            factor >>= 1
        assert gathered is not None
        return gathered


SECP128R1 = Curve(
    "secp128r1",
    16,
    0xFFFFFFFDFFFFFFFFFFFFFFFFFFFFFFFF,
    0xE87579C11079F43DD824993C2CEE5ED3,
    0x161FF7528B899B2D0C28607CA52C5B86,
    0xCF5AC8395BAFEB13C02DA292DDED7A83,
    0xFFFFFFFE0000000075A30D1B9038A115,
)
SECP192R1 = Curve(
    "secp192r1",
    24,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFF,
    0x64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1,
    0x188DA80EB03090F67CBF20EB43A18800F4FF0AFD82FF1012,
    0x07192B95FFC8DA78631011ED6B24CDD573F977A11E794811,
    0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831,
)
SECP224R1 = Curve(
    "secp224r1",
    28,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000000000000000000000001,
    0xB4050A850C04B3ABF54132565044B0B7D7BFD8BA270B39432355FFB4,
    0xB70E0CBD6BB4BF7F321390B94A03C1D356C21122343280D6115C1D21,
    0xBD376388B5F723FB4C22DFE6CD4375A05A07476444D5819985007E34,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
)


@dataclass(frozen=True, slots=True)
class TestKey:
    """A factory's key pair for tests; its secret is public.

    Attributes:
        curve: Where it lives.
        secret: The factor of the base point.
    """

    __test__ = False  # A test runner takes names like this one for tests.

    curve: Curve
    secret: int = field(repr=False)

    @property
    def public(self) -> bytes:
        """The uncompressed point: 04, x, y. Source: SEC 1, 2.3.3."""
        x, y = self.curve.times(self.secret)
        size = self.curve.size
        return b"\x04" + x.to_bytes(size, "big") + y.to_bytes(size, "big")

    def sign(self, uid: bytes) -> bytes:
        """The two halves r and s over a UID; the same UID gives the same signature."""
        order, size = self.curve.order, self.curve.size
        seed = self.secret.to_bytes(size, "big") + uid
        nonce = (
            int.from_bytes(hashlib.shake_256(seed).digest(size + 8), "big") % (order - 1) + 1
        )
        r = self.curve.times(nonce)[0] % order
        s = pow(nonce, -1, order) * (int.from_bytes(uid, "big") + r * self.secret) % order
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


NTAG21X_TEST_KEY = TestKey(SECP128R1, 0x7461707468726561642D6E7461673231)
"""Signs the virtual NTAG21x. Public, protects nothing."""

ULTRALIGHT_AES_TEST_KEY = TestKey(SECP192R1, 0x7461707468726561642D756C747261616573)
"""Signs the virtual Ultralight AES. Public, protects nothing."""

NTAG424_TEST_KEY = TestKey(SECP224R1, 0x7461707468726561642D6E746167343234)
"""Signs the virtual NTAG 424 DNA. Public, protects nothing."""

DESFIRE_TEST_KEY = TestKey(SECP224R1, 0x7461707468726561642D64657366697265)
"""Signs the virtual DESFire. Public, protects nothing."""
