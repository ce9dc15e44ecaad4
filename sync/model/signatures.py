"""Who sent a request, and the key both ends agree on: request signatures, session agreement, sealed keys.

Adapter over `http-message-signatures`, whose interface changes between majors: nobody else imports it. Pure.

    device                                              centre
      Agreement.begin()      -- hello, signed by the device's key, carries a fresh share -->   answer_share()
      Agreement.finish()     <-- session id, the centre's fresh share, proof --
      sign_in_session()      -- push, pull, leases, signed with the session key -->            authentic(), is_in_time()

The session key is HKDF over two P-256 agreements: fresh with fresh (nobody who takes either disk later can read what
was said: forward secrecy) and fresh with the centre's pinned key (only the centre can answer). No key crosses the wire.

Every signed request has the headers `x-req` (its id, echoed by the answer) and `device-seq` (an integer the device never
uses twice within a session; the centre refuses a repeated one). The caller sets both before signing.

A device with a wrong clock heals: each answer of the centre carries `x-server-time` (microseconds since 1970). A request
whose signature holds but whose time is outside `CLOCK_WINDOW_S` is answered `wrong_clock`; the device signs again with
`skew_ms`, the difference it learned. Inside a session it uses `HelloAnswer.server_time`, which the proof covers. A false time
given by somebody in between gains nothing: a `hello` answered to a replay is useless without the share's private half.
"""

import binascii
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
)
from http_message_signatures.algorithms import ECDSA_P256_SHA256, HMAC_SHA256

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import new_private_key, public_hex
from hardware.moments import micros_of
from sync.model import session_mac
from sync.model.errors import Malformed, NotTrusted
from sync.model.ports import Headers, Request
from sync.model.wire import Grant, HelloAnswer

CLOCK_WINDOW_S: Final = 300
"""How far the time of a signature may be from the centre's, either way."""

COMPONENTS: Final = ("@method", "@target-uri", "content-digest", "x-req", "device-seq")
"""What every signature covers; one that covers less is refused."""

DEVICE_TAG: Final = "tapthread-device"
SESSION_TAG: Final = "tapthread-session"
"""Which of the two kinds of signature this is; signed, so that one cannot pass for the other."""

_LABEL: Final = "tapthread"
_NONCE_SIZE: Final = 16
_NONCE_TEXT_MAX: Final = 64
_SIGNATURE_TEXT_MAX: Final = 1_024
"""Longer signature headers are refused unparsed; ours have about 230 characters."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class DeviceSigner(Protocol):
    """The device's own key, wherever it is kept."""

    @property
    def device_id(self) -> str:
        """Thumbprint of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 with SHA-256 over `message`: r and s, 32 bytes each."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose signature holds.

    Attributes:
        key_id: Device id or session id, as `tag` says.
        tag: DEVICE_TAG or SESSION_TAG.
        nonce: Drawn by the sender for this request alone.
        created: When it says it was signed, whole seconds since 1970.
    """

    key_id: str
    tag: str
    nonce: str
    created: int


KeyOf = Callable[[str, str], ec.EllipticCurvePublicKey | bytes | None]
"""From tag and key id to the key: a public key for DEVICE_TAG, 32 bytes for SESSION_TAG, None when there is none."""


@dataclass(slots=True)
class _Message:
    """A request as the library wants it."""

    method: str
    url: str
    headers: "_Fields"


class _Fields:
    """Header lines as the library wants them: repeated names are kept, so that a doubled header is noticed."""

    def __init__(self, lines: Headers) -> None:
        self.lines = list(lines)

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(self.lines)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.lines))

    def __contains__(self, name: str) -> bool:
        return any(line[0] == name.lower() for line in self.lines)

    def __setitem__(self, name: str, value: str) -> None:
        del self[name]
        self.lines.append((name.lower(), value))

    def __delitem__(self, name: str) -> None:
        self.lines = [line for line in self.lines if line[0] != name.lower()]


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, tag: str, key_of: KeyOf) -> None:
        self._tag = tag
        self._key_of = key_of

    def resolve_public_key(self, key_id: str) -> ec.EllipticCurvePublicKey | bytes | None:
        key = self._key_of(self._tag, key_id)
        # A public key given as bytes must never become the secret of an HMAC.
        is_right_kind = isinstance(key, bytes) == (self._tag == SESSION_TAG)
        return key if is_right_kind else None


class _Verifier(HTTPMessageVerifier):
    """The library's, except that it does not ask the machine what time it is; `is_in_time` decides."""

    def validate_created_and_expires(
        self,
        sig_input: object,
        max_age: timedelta | None = None,  # noqa: ARG002  # the library's signature
    ) -> None:
        params = getattr(sig_input, "params", {})
        if type(params.get("created")) is not int or "expires" in params:
            raise HTTPMessageSignaturesException(
                "a signature has a time, and no end of its own"
            )


def sign_as_device(
    request: Request,
    *,
    identity: DeviceSigner,
    clock: Clock,
    entropy: Entropy,
    skew_ms: int = 0,
) -> Request:
    """The request with a signature of the device's key, for `hello`.

    Args:
        request: Has `x-req` and `device-seq`; a digest of its body is added.
        identity: The device's key.
        clock: Wall time, added to `skew_ms`.
        entropy: Where the nonce comes from.
        skew_ms: How far the centre's clock is ahead of ours, as learned from `x-server-time`.

    Raises:
        Malformed: a header that must be signed is missing.
    """
    return _signed(
        request,
        sign=identity.sign,
        algorithm=ECDSA_P256_SHA256,
        key_id=identity.device_id,
        tag=DEVICE_TAG,
        created=clock.now() + timedelta(milliseconds=skew_ms),
        nonce=entropy.draw(_NONCE_SIZE),
    )


def sign_in_session(
    request: Request,
    *,
    session: str,
    session_key: bytes,
    clock: Clock,
    entropy: Entropy,
    skew_ms: int = 0,
) -> Request:
    """The request with a MAC under the session key; arguments and errors as `sign_as_device`."""
    created, nonce = clock.now() + timedelta(milliseconds=skew_ms), entropy.draw(_NONCE_SIZE)
    signed = session_mac.signed(
        request, url=_normal(request.url), key_id=session, key=session_key,
        created_s=int(created.timestamp()), nonce=nonce.hex(),
    )  # fmt: skip
    return signed or _signed(
        request,
        sign=lambda message: hmac.digest(session_key, message, "sha256"),
        algorithm=HMAC_SHA256,
        key_id=session,
        tag=SESSION_TAG,
        created=created,
        nonce=nonce,
    )


def _signed(  # noqa: PLR0913  # one call shape for both kinds of key
    request: Request,
    *,
    sign: Callable[[bytes], bytes],
    algorithm: type[ECDSA_P256_SHA256] | type[HMAC_SHA256],
    key_id: str,
    tag: str,
    created: datetime,
    nonce: bytes,
) -> Request:
    message = _Message(request.method, _normal(request.url), _Fields(request.headers))
    for name in ("content-digest", "signature", "signature-input"):
        del message.headers[name]  # a request is signed again after its clock was healed
    signer = HTTPMessageSigner(signature_algorithm=algorithm)
    try:
        prepared = signer.prepare(
            message,
            key_id=key_id,
            created=created,
            nonce=nonce.hex(),
            label=_LABEL,
            tag=tag,
            covered_component_ids=COMPONENTS,
            body=request.body,
        )
        signer.apply(message, prepared, sign(prepared.signature_base))
    except HTTPMessageSignaturesException as error:
        raise Malformed(f"this request cannot be signed: {error}") from error
    return Request(request.method, request.url, tuple(message.headers.lines), request.body)


def authentic(request: Request, *, key_of: KeyOf) -> Verified:
    """Who signed this request; its time and whether it was seen before are for the caller. Raises NotTrusted."""
    offered = request.header("signature-input")
    if not offered or len(offered) + len(request.header("signature")) > _SIGNATURE_TEXT_MAX:
        raise NotTrusted("the request is not signed")
    plain = session_mac.offered(request, url=_normal(request.url))
    if plain is not None:
        key = _Keys(SESSION_TAG, key_of).resolve_public_key(plain.key_id)
        if not isinstance(key, bytes) or not plain.holds(key):
            raise NotTrusted("the signature does not hold")
        return Verified(plain.key_id, SESSION_TAG, plain.nonce, plain.created_s)
    tag = DEVICE_TAG if f'tag="{DEVICE_TAG}"' in offered else SESSION_TAG
    verifier = _Verifier(
        signature_algorithm=ECDSA_P256_SHA256 if tag == DEVICE_TAG else HMAC_SHA256,
        key_resolver=_Keys(tag, key_of),
    )
    try:
        results = verifier.verify(
            _Message(request.method, _normal(request.url), _Fields(request.headers)),
            max_age=None,
            expect_tag=tag,
            require_components=COMPONENTS,
            body=request.body,
        )
    except (HTTPMessageSignaturesException, ValueError) as error:
        raise NotTrusted("the signature does not hold") from error
    if len(results) != 1 or results[0].body is None:
        raise NotTrusted("the signature does not cover the body")
    nonce, created = results[0].nonce, results[0].parameters["created"]
    if not nonce or len(nonce) > _NONCE_TEXT_MAX or not isinstance(created, int):
        raise NotTrusted("the signature has no nonce of its own")
    return Verified(str(results[0].parameters["keyid"]), tag, nonce, created)


def is_in_time(verified: Verified, now: datetime) -> bool:
    """Whether the signature is of now, give or take CLOCK_WINDOW_S."""
    return abs(micros_of(now) - verified.created * 1_000_000) <= CLOCK_WINDOW_S * 1_000_000


def verify(request: Request, *, key_of: KeyOf, now: datetime) -> Verified:
    """Who signed this request, just now. The caller still refuses what it saw before. Raises NotTrusted."""
    verified = authentic(request, key_of=key_of)
    if not is_in_time(verified, now):
        raise NotTrusted("the signature is of another time")
    return verified


@lru_cache(256)
def _normal(url: str) -> str:
    """The address as both ends write it: host in lower case, no default port, a path; "" for one never to be signed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not url.isascii() or not url.isprintable() or "#" in url or "@" in parts.netloc:
        return ""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if "?" in url else ""
    return f"{parts.scheme}://{host}{parts.path or '/'}{query}"


# Session agreement


def public_key_of(text: str) -> ec.EllipticCurvePublicKey:
    """The public key of 130 hex digits; a point that is not on the curve is refused. Raises NotTrusted."""
    try:
        raw = bytes.fromhex(text)
        if len(raw) != 65 or text != raw.hex():
            raise NotTrusted("a public key has 65 bytes in lower-case hex")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise NotTrusted("this is not a public key") from error


@dataclass(frozen=True, slots=True)
class Agreement:
    """The device's half of agreeing on a session key; good for one `hello`.

    Attributes:
        share: The fresh public key, for `HelloRequest.share`.
    """

    device: str
    share: str
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def begin(cls, *, device: str, entropy: Entropy) -> "Agreement":
        """Draw a fresh key pair."""
        private_key = new_private_key(entropy)
        return cls(device, public_hex(private_key.public_key()), private_key)

    def finish(self, answer: HelloAnswer, *, centre_key: str) -> bytes:
        """The session key, 32 bytes, once the centre proved that it holds the pinned key.

        Args:
            answer: The centre's answer to this `hello`.
            centre_key: The pinned public key, 130 hex digits.

        Raises:
            NotTrusted: the answer is not from the holder of that key, or was altered.
        """
        theirs, pinned = public_key_of(answer.share), public_key_of(centre_key)
        session_key = _session_key(
            self.private_key.exchange(ec.ECDH(), theirs),
            self.private_key.exchange(ec.ECDH(), pinned),
            (self.device, self.share, answer.share, centre_key, answer.session),
        )
        if not hmac.compare_digest(answer.proof.encode(), _proof(session_key, answer).encode()):
            raise NotTrusted("the centre does not hold the key this device knows it by")
        return session_key


@dataclass(frozen=True, slots=True)
class Shared:
    """What the centre's half agreed on before the session had a name; whoever seals the name may seal this in it.

    Attributes:
        device: Device id.
        theirs, ours: The two fresh public keys in hex.
        secret: Both agreements, 64 bytes; the session key follows from it and the name.
    """

    device: str
    theirs: str
    ours: str
    secret: bytes = field(repr=False)

    def session_key(self, session: str, *, centre_key: str) -> bytes:
        """The session key, 32 bytes. `centre_key` is the centre's lasting public key in hex."""
        context = (self.device, self.theirs, self.ours, centre_key, session)
        return _derived(self.secret, "session", *context)


def answer_share(
    hello_share: str,
    *,
    device: str,
    centre: ec.EllipticCurvePrivateKey,
    answer: HelloAnswer,
    entropy: Entropy,
    name: Callable[[Shared], str] | None = None,
) -> tuple[HelloAnswer, bytes]:
    """The centre's half: its answer with share and proof filled in, and the session key.

    Args:
        hello_share: `HelloRequest.share`.
        device: Device id, as its signature was verified.
        centre: The centre's lasting key.
        answer: Everything but share and proof; without `name` also its session is used.
        entropy: Where the fresh key comes from.
        name: Gives the session its id.

    Raises:
        NotTrusted: the device's share is not a public key.
    """
    theirs, fresh = public_key_of(hello_share), new_private_key(entropy)
    secret = fresh.exchange(ec.ECDH(), theirs) + centre.exchange(ec.ECDH(), theirs)
    shared = Shared(device, hello_share, public_hex(fresh.public_key()), secret)
    session = name(shared) if name else answer.session
    key = shared.session_key(session, centre_key=public_hex(centre.public_key()))
    unproved = msgspec.structs.replace(answer, session=session, share=shared.ours, proof="")
    return msgspec.structs.replace(unproved, proof=_proof(key, unproved)), key


def statement_of(session_key: bytes, *, device: str, state: str, server_time: int) -> str:
    """What a centre says of a device that is not to hold anything any more, so that nobody else can say it: HMAC, hex.

    Over device id, state and time, each after its length in 4 bytes, under a key of its own derived from the session key.
    """
    return _mac(_derived(session_key, "state"), (device, state, str(server_time)))


def holds_statement(answer: HelloAnswer, session_key: bytes, *, device: str) -> bool:
    """Whether the centre itself says in this answer that the device is in `answer.state`; check its proof first."""
    said = statement_of(
        session_key, device=device, state=answer.state, server_time=answer.server_time
    )
    return bool(answer.state) and hmac.compare_digest(said.encode(), answer.statement.encode())


def _session_key(fresh: bytes, pinned: bytes, context: tuple[str, ...]) -> bytes:
    return _derived(fresh + pinned, "session", *context)


def _derived(secret: bytes, *context: str) -> bytes:
    """32 bytes for one purpose. Source: RFC 5869; each part of the context is preceded by its length."""
    info = b"".join(
        len(part).to_bytes(2, "big") + part
        for part in (text.encode() for text in ("tapthread v1", *context))
    )
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def _proof(session_key: bytes, answer: HelloAnswer) -> str:
    """HMAC over everything in the answer a device acts on."""
    key = _derived(session_key, "proof")
    parts = (answer.session, answer.share, answer.store, str(answer.server_time))
    grants = tuple(text for grant in answer.grants for text in _texts_of(grant))
    return _mac(key, (*parts, *grants))


def _mac(key: bytes, texts: tuple[str, ...]) -> str:
    mac = hmac.new(key, digestmod="sha256")
    for text in texts:
        raw = text.encode()
        mac.update(len(raw).to_bytes(4, "big") + raw)
    return mac.hexdigest()


def _texts_of(grant: Grant) -> tuple[str, str, str]:
    return (grant.id, grant.epoch, str(grant.head))


# Sealed keys


def lease_label(*, uid: str, version: int, until: int) -> str:
    """What a sealed band key is sealed for: the fields of its `Lease`."""
    return f"lease/{uid}/{version}/{until}"


def band_label(*, uid: str, ti: str) -> str:
    """What the sealed keys of one session with a band are sealed for."""
    return f"band/{uid}/{ti}"


def group_label(version: int) -> str:
    """What the sealed group key is sealed for."""
    return f"group/{version}"


def snapshot_label(*, scope: str, seq: int) -> str:
    """What the key of a snapshot is sealed for."""
    return f"snap/{scope}/{seq}"


def seal(key: bytes, session_key: bytes, label: str, entropy: Entropy) -> str:
    """A key, readable only in this session and only under this label: nonce, ciphertext and tag in hex.

    Source: NIST SP 800-38D; 12 random bytes of nonce, far fewer than 2^32 of them in a session.
    """
    nonce = entropy.draw(12)
    cipher = AESGCM(_derived(session_key, "seal"))
    return (nonce + cipher.encrypt(nonce, key, label.encode())).hex()


def unseal(sealed: str, session_key: bytes, label: str) -> bytes:
    """The key again. Raises NotTrusted when it was not sealed in this session under this label."""
    try:
        raw = binascii.unhexlify(sealed)
        if len(raw) < 12 + 16:
            raise NotTrusted("too short for a sealed key")
        return AESGCM(_derived(session_key, "seal")).decrypt(raw[:12], raw[12:], label.encode())
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise NotTrusted("a sealed key does not open") from error
