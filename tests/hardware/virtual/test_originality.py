"""Test signatures verify as published ones do; the verifier here is nobody's driver."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA224

from hardware.entropy import SeededEntropy
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.originality import (
    DESFIRE_TEST_KEY,
    NTAG21X_TEST_KEY,
    NTAG424_TEST_KEY,
    SECP128R1,
    ULTRALIGHT_AES_TEST_KEY,
    Curve,
    TestKey,
)
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from tests.hardware.virtual.chips import ask

UIDS = [bytes.fromhex("04112233445566"), bytes.fromhex("04FFEEDDCCBB80")]

VECTORS: list[dict[str, Any]] = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "nfc.json").read_text())[
        "vectors"
    ]
    if vector["group"] == "originality-signature"
]


def is_good_128(public: bytes, uid: bytes, signature: bytes) -> bool:
    """ECDSA over secp128r1 by points as fractions, which the signer does not use."""
    curve = SECP128R1
    key = int.from_bytes(public[1:17], "big"), int.from_bytes(public[17:], "big")
    r, s = int.from_bytes(signature[:16], "big"), int.from_bytes(signature[16:], "big")
    inverse = pow(s, -1, curve.order)
    one = ladder(curve, (curve.base_x, curve.base_y), int.from_bytes(uid, "big") * inverse)
    other = ladder(curve, key, r * inverse)
    x, _, z = added(curve, one, other)
    return x * pow(z, -2, curve.prime) % curve.prime % curve.order == r


def doubled(curve: Curve, point: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = point
    p = curve.prime
    m = 3 * (x - z * z) * (x + z * z)
    t = 4 * x * y * y
    x3 = (m * m - 2 * t) % p
    return x3, (m * (t - x3) - 8 * y**4) % p, 2 * y * z % p


def added(
    curve: Curve, one: tuple[int, int, int], other: tuple[int, int, int]
) -> tuple[int, int, int]:
    if not one[2] or not other[2]:
        return other if not one[2] else one
    p = curve.prime
    (x1, y1, z1), (x2, y2, z2) = one, other
    u1, u2, s1, s2 = x1 * z2 * z2 % p, x2 * z1 * z1 % p, y1 * z2**3 % p, y2 * z1**3 % p
    if u1 == u2:
        return doubled(curve, one) if s1 == s2 else (1, 1, 0)
    h, r = u2 - u1, s2 - s1
    x3 = (r * r - h**3 - 2 * u1 * h * h) % p
    return x3, (r * (u1 * h * h - x3) - s1 * h**3) % p, h * z1 * z2 % p


def ladder(curve: Curve, point: tuple[int, int], factor: int) -> tuple[int, int, int]:
    gathered = (1, 1, 0)
    for bit in f"{factor % curve.order:b}":
        gathered = doubled(curve, gathered)
        if bit == "1":
            gathered = added(curve, gathered, (*point, 1))
    return gathered


def is_good(curve: str, public: bytes, uid: bytes, signature: bytes) -> bool:
    if curve == "secp128r1":
        return is_good_128(public, uid, signature)
    size = len(signature) // 2
    known: ec.EllipticCurve = ec.SECP192R1() if curve == "secp192r1" else ec.SECP224R1()
    halves = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    # Said to be a digest of 28 bytes; of it as many bits count, from the left, as the curve's order has.
    digest = uid.rjust(size, b"\x00").ljust(28, b"\x00")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(known, public).verify(
            encode_dss_signature(*halves), digest, ec.ECDSA(Prehashed(SHA224()))
        )
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_the_verifier_of_these_tests_takes_every_published_signature(
    vector: dict[str, Any],
) -> None:
    inputs = vector["inputs"]
    fields = [bytes.fromhex(inputs[name]) for name in ("public_key", "uid", "signature_rs")]

    assert is_good(inputs["curve"], *fields)
    assert not is_good(inputs["curve"], fields[0], fields[1][::-1], fields[2])


@pytest.mark.parametrize(
    "key", [NTAG21X_TEST_KEY, ULTRALIGHT_AES_TEST_KEY, NTAG424_TEST_KEY, DESFIRE_TEST_KEY]
)
def test_a_test_key_signs_what_its_public_half_verifies(key: TestKey) -> None:
    for uid in UIDS:
        signature = key.sign(uid)

        assert len(signature) == 2 * key.curve.size
        assert is_good(key.curve.name, key.public, uid, signature)
        assert not is_good(key.curve.name, key.public, uid[::-1], signature)
    assert key.sign(UIDS[0]) == key.sign(UIDS[0]) != key.sign(UIDS[1])


def test_chips_read_out_the_signature_of_their_own_uid() -> None:
    uid = UIDS[0]
    ntag = VirtualNtag21x(uid=uid).power_up()
    ultralight = VirtualUltralightAes(uid=uid, entropy=SeededEntropy("sig")).power_up()

    signatures = ask(ntag, b"\x3c\x00"), ask(ultralight, b"\x3c\x00")

    assert is_good("secp128r1", NTAG21X_TEST_KEY.public, uid, signatures[0])
    assert is_good("secp192r1", ULTRALIGHT_AES_TEST_KEY.public, uid, signatures[1])


def test_no_key_shows_its_secret_when_it_is_written_down() -> None:
    assert f"{NTAG21X_TEST_KEY.secret}" not in repr(NTAG21X_TEST_KEY)
