"""The brand's own keys in a PKCS#11 token: what fills `BandKeys` and `CapsuleSigner` of `sync.central.ports` where a module keeps them.

    tapthread-band-master-1    AES-128, sensitive, never extractable: every K_band follows from it (AN10922)
    tapthread-band-group-1     AES-128, extractable: K_uid, which every kiosk is told anyway
    tapthread-capsule-1        Ed25519, sensitive, never extractable: signs what bands carry; where the token knows EdDSA

To prove a band from afar no key of it leaves the token either: K_band is derived from the master key *in* the token, as an
object of one session that may not be read, and the chip's messages are enciphered and deciphered by it there. What comes out
is what is lent to a store: the CMAC that is K_band, sealed for that store by the caller; and the same for one sum at a time
for an NTAG 424 in LRP mode, because no token knows LRP.

    AN10922      K_band = CMAC(master, 01 || M), M of 19 bytes, so two blocks, the second padded
    in a token   X = E(master, block 1);  K_band = E(master, X xor block 2 xor K2)      CKM_AES_ECB_ENCRYPT_DATA
    lent         the same as CKM_AES_CMAC

K2 is the subkey of the CMAC that pads. X and K2 pass through this process: neither is a key, and neither gives one back.

The only importer of `pkcs11`, which tells the module that it is called by one thread at a time: so one lock is around all of
it, and a proof takes its ten calls under it. A token that went away is looked for again at every call.
Source: PKCS#11 3.0, 2.10 (AES), 2.15 (key derivation by encryption) and 2.3.14 (EdDSA); NXP AN10922, 2.2; NIST SP 800-38B.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    NoSuchKey,
    PinIncorrect,
    PinLenRange,
    PinLocked,
    PKCS11Error,
)

from drivers.credential.afar import Dialect, KeyKeeper, answer_chip, open_chip
from drivers.credential.capsule import signed
from drivers.credential.kdf import BLOCK, ZERO
from drivers.credential.layout import KEY_SIZE, band_id_of_uid, diversification_input
from hardware.errors import EnrolmentError
from kiosk.band_keys import KEY_VERSION, not_proved, touch_judged, touch_of
from kiosk.capsule_signing import capsule_of
from sync.central.errors import BandKeysAway
from sync.central.ports import CapsuleWords, ChipSession, Touch, TouchJudgement

log = logging.getLogger(__name__)

MASTER_LABEL: Final = f"tapthread-band-master-{KEY_VERSION}"
GROUP_LABEL: Final = f"tapthread-band-group-{KEY_VERSION}"

CAPSULE_LABEL: Final = f"tapthread-capsule-{KEY_VERSION}"
EDWARDS_25519: Final = bytes.fromhex("06032B6570")
"""The curve as CKA_EC_PARAMS, an object identifier in DER. Source: RFC 8410, 3."""

POINT_SIZE: Final = 32
"""Bytes of a public key; a token may put two bytes of DER before it. Source: RFC 8032, 5.1.5."""

KEY_BITS: Final = 8 * KEY_SIZE
_DIVERSIFIES: Final = b"\x01"
_PADDING: Final = b"\x80"
_CARRY: Final = 0x87
"""Source: NIST SP 800-38B, 5.3, R128."""


class _TokenCipher:
    """AES with a key that stays in the token; fills `drivers.credential.kdf.BlockCipher`."""

    size = BLOCK

    def __init__(self, key: Any) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "_TokenCipher(<hidden>)"

    def block(self, plain: bytes) -> bytes:
        """One block on its own."""
        return bytes(self._key.encrypt(plain, mechanism=Mechanism.AES_ECB))

    def encrypted(self, plain: bytes, iv: bytes = ZERO) -> bytes:
        """CBC of whole blocks."""
        return bytes(self._key.encrypt(plain, mechanism=Mechanism.AES_CBC, mechanism_param=iv))

    def decrypted(self, enciphered: bytes, iv: bytes = ZERO) -> bytes:
        """CBC of whole blocks, the other way."""
        return bytes(
            self._key.decrypt(enciphered, mechanism=Mechanism.AES_CBC, mechanism_param=iv)
        )


class TokenBandKeys:
    """Keys of bands in one token. Close it; any thread."""

    def __init__(self, module: Path, *, label: str, pin: str) -> None:
        """Args: `module` is the PKCS#11 library, `label` the token's, `pin` of its user. Made by `open`."""
        self._module = module
        self._label = label
        self._pin = pin
        self._using = Lock()
        self._session: Any = None
        self._master: Any = None
        self._group: bytes = b""

    def __repr__(self) -> str:
        return f"TokenBandKeys({self._label})"

    @classmethod
    def open(
        cls, module: Path, *, label: str, pin: str, bring: tuple[bytes, bytes] | None = None
    ) -> "TokenBandKeys":
        """Open the keys in a token; made in it when it has none.

        Args:
            module: The PKCS#11 library.
            label: Of the token.
            pin: Of its user.
            bring: Master and group key that were in files until now; None to let the token draw them.

        Raises:
            EnrolmentError: no such library or token, a wrong PIN, no room, or keys are brought to a token that has others.
        """
        keys = cls(module, label=label, pin=pin)
        try:
            keys._session = keys._opened()
            keys._make(keys._session, bring)
            keys._group = keys._read_group(keys._session)
            keys._master = _found(keys._session, MASTER_LABEL)
        except (PinIncorrect, PinLocked, PinLenRange) as error:
            keys.close()
            raise EnrolmentError(f"the token {label} does not take that PIN") from error
        except (PKCS11Error, RuntimeError) as error:
            keys.close()
            raise EnrolmentError(
                f"the token {label} cannot be used ({type(error).__name__})"
            ) from error
        return keys

    def touch(self, link: str) -> Touch:
        """What a link shown by a band says. Raises BandNotProved, BandKeysAway."""
        return touch_of(link, self)

    def judged(self, counter: int, known: int | None) -> TouchJudgement:
        """What its counter says."""
        return touch_judged(counter, known)

    def close(self) -> None:
        """Log out and close the session; harmless when done twice."""
        session, self._session, self._master = self._session, None, None
        if session is not None:
            _close(session)

    # What `sync.central.ports` asks for

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid` and its version."""
        return self._group, KEY_VERSION

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band`, to be lent, and its version. Raises BandMalformed for a UID that is none, BandKeysAway."""
        message = _DIVERSIFIES + diversification_input(uid)
        with self._used() as master:
            return bytes(master.sign(message, mechanism=Mechanism.AES_CMAC)), KEY_VERSION

    def uid_hash(self, uid: bytes) -> str:
        """The name a leased key is filed under. Raises BandMalformed for a UID that is none."""
        return band_id_of_uid(self._group, uid)

    def answer_chip(
        self, uid: bytes, challenge: bytes, rnd_a: bytes, *, dialect: str
    ) -> tuple[bytes, bytes]:
        """Answer the challenge of a chip; what to send to it, and its random number. Raises BandNotProved, BandKeysAway."""
        with not_proved():
            return answer_chip(self._keeper(uid), Dialect(dialect), challenge, rnd_a)

    def open_chip(
        self, uid: bytes, last: bytes, *, rnd_a: bytes, rnd_b: bytes, dialect: str
    ) -> ChipSession:
        """The session that the chip's last message opens. Raises BandNotProved, BandKeysAway."""
        with not_proved():
            opened = open_chip(
                self._keeper(uid), Dialect(dialect), last, rnd_a=rnd_a, rnd_b=rnd_b
            )
        return ChipSession(opened.keys, opened.ti)

    def _keeper(self, uid: bytes) -> KeyKeeper:
        return KeyKeeper(lambda: self._cipher(uid), lambda: self.band_key(uid)[0])

    # The key for capsules

    @property
    def knows_capsules(self) -> bool:
        """Can this token keep a key that signs capsules? Raises BandKeysAway."""
        with self._used():
            known = self._session.token.slot.get_mechanisms()
        return {Mechanism.EDDSA, Mechanism.EC_EDWARDS_KEY_PAIR_GEN} <= set(known)

    @property
    def has_capsule_key(self) -> bool:
        """Does the token hold one? Raises BandKeysAway."""
        with self._used():
            return _has(self._session, CAPSULE_LABEL, ObjectClass.PRIVATE_KEY)

    def capsule_key(self, bring: bytes | None = None) -> "TokenCapsuleKey":
        """The key that signs capsules; made in the token when it has none.

        Args:
            bring: The 32 bytes that were in a file until now; None to let the token draw it.

        Raises:
            EnrolmentError: the token has another one than is brought.
            BandKeysAway: it does not answer, or knows no EdDSA.
        """
        brought = None if bring is None else Ed25519PrivateKey.from_private_bytes(bring)
        with self._used():
            if not _has(self._session, CAPSULE_LABEL, ObjectClass.PRIVATE_KEY):
                _make_capsule_key(self._session, brought)
            found = _found(self._session, CAPSULE_LABEL, ObjectClass.PUBLIC_KEY)
            public = bytes(found[Attribute.EC_POINT])[-POINT_SIZE:]
        if brought is not None and brought.public_key().public_bytes_raw() != public:
            raise EnrolmentError("the token has another key for capsules than is brought")
        return TokenCapsuleKey(self, public)

    def sign_capsule(self, content: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes, made in the token. Raises BandKeysAway."""
        with self._used():
            key = _found(self._session, CAPSULE_LABEL, ObjectClass.PRIVATE_KEY)
            return bytes(key.sign(content, mechanism=Mechanism.EDDSA))

    # In the token

    @contextmanager
    def _cipher(self, uid: bytes) -> Iterator[_TokenCipher]:
        """A cipher with the band's key, which is in the token as long as the block and cannot be read."""
        first, second = _blocks_of(_DIVERSIFIES + diversification_input(uid))
        with self._used() as master:
            chain = bytes(master.encrypt(first, mechanism=Mechanism.AES_ECB))
            zeros = bytes(master.encrypt(ZERO, mechanism=Mechanism.AES_ECB))
            key = master.derive_key(
                KeyType.AES,
                KEY_BITS,
                store=False,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
                mechanism_param=_xor(_xor(chain, second), _doubled(_doubled(zeros))),
                template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
            try:
                yield _TokenCipher(key)
            finally:
                key.destroy()

    @contextmanager
    def _used(self) -> Iterator[Any]:
        """The master key in the token, for one piece of work at a time; after a failure it is opened anew. Raises BandKeysAway."""
        with self._using:
            try:
                if self._session is None:
                    self._session = self._opened_again()
                    self._master = _found(self._session, MASTER_LABEL)
                yield self._master
            except (PKCS11Error, RuntimeError) as error:
                self.close()
                log.error("token failed", extra={"cause": type(error).__name__})  # noqa: TRY400  # the trace may hold what it worked on
                raise BandKeysAway(
                    "the token with the keys of bands does not answer"
                ) from error

    def _opened_again(self) -> Any:
        try:
            return self._opened()
        except PKCS11Error:
            pkcs11.lib(str(self._module)).reinitialize()  # it may have been put back in
            return self._opened()

    def _opened(self) -> Any:
        token = pkcs11.lib(str(self._module)).get_token(token_label=self._label)
        return token.open(rw=True, user_pin=self._pin)

    def _make(self, session: Any, bring: tuple[bytes, bytes] | None) -> None:
        has_master, has_group = (_has(session, label) for label in (MASTER_LABEL, GROUP_LABEL))
        if bring is not None and (has_master or has_group):
            self._check_brought(session, bring)
            return
        if not has_group:
            self._make_one(session, GROUP_LABEL, bring and bring[1], _OF_GROUP)
        if not has_master:  # last: a token with it is complete
            self._make_one(session, MASTER_LABEL, bring and bring[0], _OF_MASTER)

    @staticmethod
    def _make_one(
        session: Any, label: str, value: bytes | None, template: dict[Attribute, Any]
    ) -> None:
        named = {Attribute.LABEL: label, Attribute.TOKEN: True, **template}
        if value is None:
            session.generate_key(KeyType.AES, KEY_BITS, store=True, template=named)
            log.info("band key made in the token")
            return
        session.create_object({
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.VALUE: value,
            **named,
        })  # fmt: skip
        log.info("band key brought into the token")

    @staticmethod
    def _check_brought(session: Any, bring: tuple[bytes, bytes]) -> None:
        """The token has keys: they must be those that were brought, or half the bands would be of another shop."""
        from drivers.credential.kdf import Aes

        for label, value in zip((MASTER_LABEL, GROUP_LABEL), bring, strict=True):
            key = _found(session, label)
            if bytes(key.encrypt(ZERO, mechanism=Mechanism.AES_ECB)) != Aes(value).block(ZERO):
                raise EnrolmentError("the token has other keys than those that were brought")

    @staticmethod
    def _read_group(session: Any) -> bytes:
        return bytes(_found(session, GROUP_LABEL)[Attribute.VALUE])


@dataclass(frozen=True, slots=True)
class TokenCapsuleKey:
    """Signs capsules with a key in a token. Any thread; closed with the keys it was opened by.

    Attributes:
        keys: The token.
        public_key: 32 bytes.
        older: Public keys of the same brand that signed before and still count.
    """

    keys: TokenBandKeys = field(repr=False)
    public_key: bytes
    older: tuple[bytes, ...] = ()

    def public_keys(self) -> tuple[bytes, ...]:
        """The key that signs, then older ones."""
        return (self.public_key, *self.older)

    def signed(self, words: CapsuleWords, *, uid: bytes, band: bytes, size: int) -> bytes:
        """The capsule of a band, with as many of the words as fit. Raises BandKeysAway, ValueError where not even none fit."""
        return signed(
            capsule_of(words, size, band=band),
            uid=uid,
            band=band,
            public_key=self.public_key,
            sign=self.keys.sign_capsule,
        )


def _make_capsule_key(session: Any, brought: Ed25519PrivateKey | None) -> None:
    """The private half comes last: a token with it has both."""
    public = {Attribute.LABEL: CAPSULE_LABEL, Attribute.TOKEN: True, **_OF_CAPSULE_PUBLIC}
    private = {Attribute.LABEL: CAPSULE_LABEL, Attribute.TOKEN: True, **_OF_CAPSULE_PRIVATE}
    if _has(session, CAPSULE_LABEL, ObjectClass.PUBLIC_KEY):
        _found(session, CAPSULE_LABEL, ObjectClass.PUBLIC_KEY).destroy()
    if brought is None:
        curve = {Attribute.EC_PARAMS: EDWARDS_25519}
        made = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
        made.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            public_template=public,
            private_template=private,
        )
        log.info("capsule key made in the token")
        return
    common = {Attribute.KEY_TYPE: KeyType.EC_EDWARDS, Attribute.EC_PARAMS: EDWARDS_25519}
    point = brought.public_key().public_bytes_raw()
    session.create_object({
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.EC_POINT: b"\x04" + bytes((POINT_SIZE,)) + point,
        **common, **public,
    })  # fmt: skip
    session.create_object({
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.VALUE: brought.private_bytes_raw(),
        **common, **private,
    })  # fmt: skip
    log.info("capsule key brought into the token")


_OF_CAPSULE_PUBLIC: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: False,
    Attribute.VERIFY: True,
}

_OF_CAPSULE_PRIVATE: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DERIVE: False,
}

_OF_MASTER: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: False,
    Attribute.SIGN: True,
    Attribute.VERIFY: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: True,
}

_OF_GROUP: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
    Attribute.ENCRYPT: True,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}


def _found(session: Any, label: str, kind: ObjectClass = ObjectClass.SECRET_KEY) -> Any:
    """The key with this label. Raises NoSuchKey, EnrolmentError."""
    named = {Attribute.CLASS: kind, Attribute.LABEL: label}
    keys = list(
        session.get_objects(named)
    )  # to the end: a search that is left open is in the way of the next call
    if len(keys) > 1:
        raise EnrolmentError(f"the token has two keys {label}")
    if not keys:
        raise NoSuchKey(label)
    return keys[0]


def _has(session: Any, label: str, kind: ObjectClass = ObjectClass.SECRET_KEY) -> bool:
    try:
        _found(session, label, kind)
    except NoSuchKey:
        return False
    return True


def _close(session: Any) -> None:
    try:
        session.close()
    except (PKCS11Error, RuntimeError):
        log.debug("session of the token was closed already")


def _blocks_of(message: bytes) -> tuple[bytes, bytes]:
    """Both blocks of the CMAC of AN10922, the second padded. Source: NXP AN10922, 2.2.1: always two."""
    padded = message + _PADDING
    padded += bytes(2 * BLOCK - len(padded))
    return padded[:BLOCK], padded[BLOCK:]


def _doubled(block: bytes) -> bytes:
    """Source: NIST SP 800-38B, 6.1."""
    number = int.from_bytes(block, "big") << 1
    if number >> 8 * BLOCK:
        number = (number ^ _CARRY) & ((1 << 8 * BLOCK) - 1)
    return number.to_bytes(BLOCK, "big")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
