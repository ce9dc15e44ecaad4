"""Signatures and the session key: what was changed is refused, what was agreed on is shared, and nobody else has it."""

import hmac
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from http_message_signatures import HTTPMessageSignaturesException
from http_message_signatures.algorithms import HMAC_SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import identity
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.identity import new_private_key, public_hex, thumbprint_of
from hardware.moments import micros_of, moment_of
from sync.model import signatures
from sync.model.errors import Malformed, NotTrusted
from sync.model.ports import Request
from sync.model.signatures import (
    CLOCK_WINDOW_S,
    DEVICE_TAG,
    SESSION_TAG,
    Agreement,
    answer_share,
    authentic,
    group_label,
    lease_label,
    public_key_of,
    seal,
    sign_as_device,
    sign_in_session,
    unseal,
    verify,
)
from sync.model.wire import Grant, HelloAnswer

NOON = moment_of(1_767_787_200_000_000)
CLOCK = FixedClock(NOON)
ENTROPY = SeededEntropy("signatures")
DEVICE = identity.create(
    store="harbour",
    role="kiosk",
    centre_url="http://centre.test",
    centre_key="",
    entropy=ENTROPY,
)
SESSION_KEY = bytes(range(32))
PLAIN = Request(
    "POST",
    "http://centre.test:8490/v1/push?a=b",
    (("content-type", "application/json"), ("x-req", "req-1"), ("device-seq", "17")),
    b'{"ops":[]}',
)


def key_of(tag: str, key_id: str) -> ec.EllipticCurvePublicKey | bytes | None:
    keys: dict[tuple[str, str], ec.EllipticCurvePublicKey | bytes] = {
        (DEVICE_TAG, DEVICE.device_id): DEVICE.private_key.public_key(),
        (SESSION_TAG, "s-1"): SESSION_KEY,
    }
    return keys.get((tag, key_id))


def by_device(request: Request = PLAIN, **more: int) -> Request:
    return sign_as_device(request, identity=DEVICE, clock=CLOCK, entropy=ENTROPY, **more)


def in_session(request: Request = PLAIN) -> Request:
    return sign_in_session(
        request, session="s-1", session_key=SESSION_KEY, clock=CLOCK, entropy=ENTROPY
    )


SIGNED = {"device": by_device(), "session": in_session()}
both = pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED)


def test_a_request_signed_by_the_device_is_the_devices() -> None:
    verified = verify(by_device(), key_of=key_of, now=NOON)

    assert (verified.key_id, verified.tag) == (DEVICE.device_id, DEVICE_TAG)
    assert verified.created == micros_of(NOON) // 1_000_000


def test_a_request_signed_in_a_session_is_the_sessions() -> None:
    verified = verify(in_session(), key_of=key_of, now=NOON)

    assert (verified.key_id, verified.tag) == ("s-1", SESSION_TAG)


def test_no_two_signatures_have_the_same_nonce() -> None:
    nonces = {verify(in_session(), key_of=key_of, now=NOON).nonce for _ in range(20)}

    assert len(nonces) == 20


def test_signing_again_replaces_the_signature() -> None:
    again = in_session(by_device())

    assert [name for name, _ in again.headers].count("signature") == 1
    assert verify(again, key_of=key_of, now=NOON).tag == SESSION_TAG


@pytest.mark.parametrize("missing", ["x-req", "device-seq"])
def test_a_request_without_what_must_be_signed_cannot_be_signed(missing: str) -> None:
    headers = tuple(line for line in PLAIN.headers if line[0] != missing)

    with pytest.raises(Malformed):
        by_device(Request(PLAIN.method, PLAIN.url, headers, PLAIN.body))


@both
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_what_is_signed_is_refused(
    signed: Request, data: st.DataObject
) -> None:
    names = ("x-req", "device-seq", "content-digest", "signature-input", "signature")
    places = ["method", "url", "body", *names]
    place = data.draw(st.sampled_from(places))
    header_values = dict(signed.headers)
    before = {
        "method": signed.method.encode(),
        "url": signed.url.encode(),
        "body": signed.body,
    }.get(place) or header_values[place].encode()
    index = data.draw(st.integers(0, len(before) - 1))
    byte = data.draw(st.integers(0x21, 0x7E).filter(lambda it: it != before[index]))
    after = before[:index] + bytes([byte]) + before[index + 1 :]
    is_host = place == "url" and index < len("http://centre.test")
    if is_host and after.lower() == before.lower():
        return  # scheme and host say the same in capitals
    text = after.decode()
    changed = Request(
        text if place == "method" else signed.method,
        text if place == "url" else signed.url,
        tuple((name, text if name == place else value) for name, value in signed.headers),
        after if place == "body" else signed.body,
    )
    if _says_the_same(place, before.decode(), text):
        return

    with pytest.raises(NotTrusted):
        verify(changed, key_of=key_of, now=NOON)


def _says_the_same(place: str, before: str, after: str) -> bool:
    """Base64 has spare bits before its padding, and another label names the same signature in both headers only."""
    if place not in ("signature", "content-digest"):
        return False
    import base64
    import binascii

    def value(text: str) -> bytes:
        try:
            return base64.b64decode(text.partition("=:")[2].rstrip(":"))
        except binascii.Error:
            return b""

    return before.partition("=:")[0] == after.partition("=:")[0] and value(before) == value(
        after
    )


@both
@pytest.mark.parametrize("cut", [0, 1, -1])
def test_a_body_that_is_longer_or_shorter_is_refused(signed: Request, cut: int) -> None:
    body = {0: b"", 1: signed.body + b" ", -1: signed.body[:-1]}[cut]

    with pytest.raises(NotTrusted):
        verify(replace(signed, body=body), key_of=key_of, now=NOON)


@both
@pytest.mark.parametrize("name", ["x-req", "device-seq", "content-digest"])
def test_a_signed_header_that_comes_twice_is_refused(signed: Request, name: str) -> None:
    with pytest.raises(NotTrusted):
        verify(signed.with_headers((name, signed.header(name))), key_of=key_of, now=NOON)


@both
@pytest.mark.parametrize(
    "name", ["signature", "signature-input", "content-digest", "x-req", "device-seq"]
)
def test_a_request_that_lacks_a_part_of_its_signature_is_refused(
    signed: Request, name: str
) -> None:
    headers = tuple(line for line in signed.headers if line[0] != name)

    with pytest.raises(NotTrusted):
        verify(replace(signed, headers=headers), key_of=key_of, now=NOON)


def by_library(request: Request) -> Request:
    """Signed in the session by the library, which writes every form."""
    return signatures._signed(
        request, sign=lambda message: hmac.digest(SESSION_KEY, message, "sha256"),
        algorithm=HMAC_SHA256, key_id="s-1", tag=SESSION_TAG, created=NOON, nonce=b"n" * 16,
    )  # fmt: skip


def of_library(request: Request) -> str:
    """What the library alone says of a signature: the session, or that it does not hold."""
    verifier = signatures._Verifier(
        signature_algorithm=HMAC_SHA256, key_resolver=signatures._Keys(SESSION_TAG, key_of)
    )
    try:
        (result,) = verifier.verify(
            signatures._Message(
                request.method,
                signatures._normal(request.url),
                signatures._Fields(request.headers),
            ),
            max_age=None,
            expect_tag=SESSION_TAG,
            require_components=signatures.COMPONENTS,
            body=request.body,
        )
    except (HTTPMessageSignaturesException, ValueError):
        return "no"
    return "no" if result.body is None else str(result.parameters["keyid"])


def test_both_ways_to_sign_in_a_session_write_the_same() -> None:
    entropy = SeededEntropy("fixed")
    entropy.draw = lambda size: b"n" * size  # type: ignore[method-assign]

    ours = sign_in_session(
        PLAIN, session="s-1", session_key=SESSION_KEY, clock=CLOCK, entropy=entropy
    )

    assert sorted(ours.headers) == sorted(by_library(PLAIN).headers)


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["x-req", "device-seq", "content-digest", "signature-input", "signature", "accept"]),
    value=TEXT, at=st.integers(0, 400), is_added=st.booleans(), body=st.binary(max_size=8),
)  # fmt: skip
def test_what_is_taken_at_a_glance_is_what_the_library_takes(
    name: str, value: str, at: int, is_added: bool, body: bytes
) -> None:
    signed = in_session(replace(PLAIN, body=body))
    if is_added:
        changed = replace(signed, headers=(*signed.headers, (name, value)))
    else:
        lines = [
            (one, text[:at] + value + text[at + len(value) :] if one == name else text)
            for one, text in signed.headers
        ]
        changed = replace(signed, headers=tuple(lines))

    try:
        ours = authentic(changed, key_of=key_of).key_id
    except NotTrusted:
        ours = "no"

    if ours != "no":
        assert of_library(changed) == ours


def _covering(*components: str) -> Request:
    """Signed rightly, but over less than must be."""
    before = signatures.COMPONENTS
    try:
        signatures.COMPONENTS = components  # type: ignore[misc,assignment]
        return by_library(PLAIN)
    finally:
        signatures.COMPONENTS = before  # type: ignore[misc]


@pytest.mark.parametrize("left_out", ["@method", "@target-uri", "x-req", "device-seq"])
def test_a_signature_that_covers_less_is_refused(left_out: str) -> None:
    every = ("@method", "@target-uri", "content-digest", "x-req", "device-seq")
    weak = _covering(*(it for it in every if it != left_out))

    with pytest.raises(NotTrusted):
        verify(weak, key_of=key_of, now=NOON)


@pytest.mark.parametrize("off_s", [CLOCK_WINDOW_S + 1, -CLOCK_WINDOW_S - 1, 86_400 * 365])
def test_a_signature_of_another_time_is_refused(off_s: int) -> None:
    with pytest.raises(NotTrusted):
        verify(by_device(), key_of=key_of, now=NOON + timedelta(seconds=off_s))


@pytest.mark.parametrize("off_s", [0, CLOCK_WINDOW_S, -CLOCK_WINDOW_S])
def test_a_signature_within_the_window_is_taken(off_s: int) -> None:
    verified = verify(by_device(), key_of=key_of, now=NOON + timedelta(seconds=off_s))

    assert verified.key_id == DEVICE.device_id


def test_a_device_that_learned_the_time_signs_with_it() -> None:
    later = NOON + timedelta(days=400)
    healed = by_device(skew_ms=400 * 86_400_000)

    assert verify(healed, key_of=key_of, now=later).key_id == DEVICE.device_id


def test_a_key_nobody_knows_is_refused() -> None:
    with pytest.raises(NotTrusted):
        verify(by_device(), key_of=lambda _tag, _key: None, now=NOON)


def test_a_public_key_never_serves_as_the_secret_of_a_session() -> None:
    pem = public_hex(DEVICE.private_key.public_key()).encode()
    forged = sign_in_session(
        PLAIN, session=DEVICE.device_id, session_key=pem, clock=CLOCK, entropy=ENTROPY
    )

    def confused(tag: str, key_id: str) -> ec.EllipticCurvePublicKey | bytes | None:
        return DEVICE.private_key.public_key()

    with pytest.raises(NotTrusted):
        verify(forged, key_of=confused, now=NOON)
    with pytest.raises(NotTrusted):
        verify(by_device(), key_of=lambda _tag, _key: pem, now=NOON)


@settings(max_examples=200, deadline=None)
@given(
    offered=st.text(max_size=120),
    signature=st.text(max_size=120),
    url=st.text(max_size=40) | st.just("http://centre.test/v1/push"),
)
def test_whatever_a_stranger_sends_as_signature_is_refused_and_nothing_else_is_raised(
    offered: str, signature: str, url: str
) -> None:
    request = Request(
        "POST",
        url,
        (*PLAIN.headers, ("signature-input", offered), ("signature", signature)),
        PLAIN.body,
    )

    with pytest.raises(NotTrusted):
        authentic(request, key_of=key_of)


@pytest.mark.parametrize(
    ("signed_for", "received_as"),
    [
        ("http://centre.test:80/v1/push", "http://centre.test/v1/push"),
        ("https://centre.test:443/v1/push", "https://CENTRE.test/v1/push"),
        ("http://centre.test", "http://centre.test/"),
        ("http://[::1]:8490/v1/push", "http://[::1]:8490/v1/push"),
    ],
)
def test_two_ways_to_write_one_address_are_one(signed_for: str, received_as: str) -> None:
    signed = in_session(replace(PLAIN, url=signed_for))

    verified = verify(replace(signed, url=received_as), key_of=key_of, now=NOON)

    assert verified.key_id == "s-1"


@pytest.mark.parametrize(
    "url", ["http://a@centre.test/", "http://centre.test/#x", "ftp://", "x"]
)
def test_an_address_that_says_more_than_where_is_never_signed(url: str) -> None:
    with pytest.raises(Malformed):
        in_session(replace(PLAIN, url=url))


# Agreement

CENTRE = new_private_key(ENTROPY)
CENTRE_HEX = public_hex(CENTRE.public_key())
HALF = HelloAnswer(
    session="s-9", share="", proof="", store="harbour", server_time=7,
    grants=(Grant("g", "e", 1), Grant("s:harbour", "e", 2)),
)  # fmt: skip


def agreed(centre: ec.EllipticCurvePrivateKey = CENTRE) -> tuple[Agreement, HelloAnswer, bytes]:
    agreement = Agreement.begin(device="d-1", entropy=ENTROPY)
    answer, key = answer_share(
        agreement.share, device="d-1", centre=centre, answer=HALF, entropy=ENTROPY
    )
    return agreement, answer, key


def test_both_ends_have_the_same_key_and_it_is_in_no_message() -> None:
    agreement, answer, key = agreed()

    assert agreement.finish(answer, centre_key=CENTRE_HEX) == key
    assert len(key) == 32
    assert key.hex() not in repr(answer) + agreement.share


def test_every_hello_has_a_key_of_its_own() -> None:
    assert len({agreed()[2] for _ in range(5)}) == 5


def test_a_centre_with_another_key_is_not_trusted() -> None:
    agreement, answer, _ = agreed(new_private_key(ENTROPY))

    with pytest.raises(NotTrusted):
        agreement.finish(answer, centre_key=CENTRE_HEX)


def test_an_answer_to_another_hello_is_not_trusted() -> None:
    agreement, _, _ = agreed()
    _, answer, _ = agreed()

    with pytest.raises(NotTrusted):
        agreement.finish(answer, centre_key=CENTRE_HEX)


def test_an_answer_to_another_device_is_not_trusted() -> None:
    agreement, answer, _ = agreed()

    with pytest.raises(NotTrusted):
        replace(agreement, device="d-2").finish(answer, centre_key=CENTRE_HEX)


OTHER_SHARE = public_hex(new_private_key(ENTROPY).public_key())


@pytest.mark.parametrize(
    "altered",
    [
        {"session": "s-8"},
        {"share": OTHER_SHARE},
        {"proof": "0" * 64},
        {"proof": ""},
        {"proof": "\u00e9"},
        {"store": "lakeside"},
        {"server_time": 8},
        {"grants": (Grant("g", "e", 1),)},
        {"grants": (Grant("g", "e", 1), Grant("s:harbour", "e", 3))},
        {"grants": (Grant("g", "other", 1), Grant("s:harbour", "e", 2))},
        {"share": ""},
        {"share": "04" + "00" * 64},
    ],
)
def test_an_answer_altered_on_its_way_is_not_trusted(altered: dict[str, object]) -> None:
    import msgspec

    agreement, answer, _ = agreed()

    with pytest.raises(NotTrusted):
        agreement.finish(msgspec.structs.replace(answer, **altered), centre_key=CENTRE_HEX)


def test_who_takes_the_centres_lasting_key_later_cannot_make_the_session_key() -> None:
    agreement, answer, key = agreed()
    seen, stolen = public_key_of(agreement.share), CENTRE
    others = {
        answer_share(
            agreement.share,
            device="d-1",
            centre=stolen,
            answer=HALF,
            entropy=SeededEntropy(seed),
        )[1]
        for seed in ("a", "b")
    }

    # All a thief can compute of this exchange is the pinned half; it alone does not make the key.
    half = stolen.exchange(ec.ECDH(), seen)
    assert key not in others
    assert half not in key
    assert key != half
    assert agreement.finish(answer, centre_key=CENTRE_HEX) == key


def test_no_repr_shows_a_private_key() -> None:
    agreement = agreed()[0]

    assert "private" not in repr(agreement)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=140) | st.binary(max_size=66).map(bytes.hex))
def test_what_is_no_public_key_is_not_trusted(text: str) -> None:
    try:
        key = public_key_of(text)
    except NotTrusted:
        return
    assert public_hex(key) == text


def test_the_id_of_a_key_is_its_thumbprint() -> None:
    # given: the RFC has no vector for P-256; the form was computed by hand for the base point of the curve
    import base64
    import hashlib

    one = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    x = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    y = bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    texts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (x, y)]
    form = f'{{"crv":"P-256","kty":"EC","x":"{texts[0]}","y":"{texts[1]}"}}'

    digest = hashlib.sha256(form.encode()).digest()

    assert thumbprint_of(one) == base64.urlsafe_b64encode(digest).decode().rstrip("=")


# Sealed keys


@given(
    key=st.binary(max_size=64),
    session_key=st.binary(min_size=32, max_size=32),
    label=st.text(max_size=40),
)
def test_a_sealed_key_opens_in_its_session_under_its_label(
    key: bytes, session_key: bytes, label: str
) -> None:
    assert unseal(seal(key, session_key, label, ENTROPY), session_key, label) == key


@given(data=st.data())
def test_a_sealed_key_opens_nowhere_else(data: st.DataObject) -> None:
    label = lease_label(uid="uid-1", version=0, until=9)
    sealed = seal(b"k" * 16, SESSION_KEY, label, SeededEntropy("sealed"))
    index = data.draw(st.integers(0, len(sealed) - 1))
    digit = data.draw(
        st.sampled_from("0123456789abcdefxé").filter(lambda it: it != sealed[index])
    )

    for other in (sealed[:index] + digit + sealed[index + 1 :], sealed[:index], "", "zz"):
        with pytest.raises(NotTrusted):
            unseal(other, SESSION_KEY, label)
    with pytest.raises(NotTrusted):
        unseal(sealed, bytes(32), label)
    for wrong in (
        group_label(0),
        lease_label(uid="uid-2", version=0, until=9),
        lease_label(uid="uid-1", version=0, until=10),
    ):
        with pytest.raises(NotTrusted):
            unseal(sealed, SESSION_KEY, wrong)
