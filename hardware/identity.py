"""Who this device is to its centre: its key pair, and what it knows of the centre. And the key of its databases.

    device.json   public: device id, store, role, address of the centre, the centre's pinned key
    device.key    the private key, PEM, mode 0600; never leaves the device
    store.key     32 bytes for the encrypted databases, mode 0600, outside of them

A file is the least of the places a key can be in; a TPM or PKCS#11 key has the same two names, `device_id` and `sign`.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.errors import EnrolmentError

PUBLIC_FILE: Final = "device.json"
KEY_FILE: Final = "device.key"
STORE_KEY_FILE: Final = "store.key"
STORE_KEY_SIZE: Final = 32

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the P-256 base point. Source: NIST SP 800-186, 3.2.1.3."""


class _Public(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What device.json says."""

    device: str
    store: str
    role: str
    centre_url: str
    centre_key: str


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """This device as its centre knows it. Its `repr` shows nothing of the private key.

    Attributes:
        device_id: RFC 7638 thumbprint of the public key, 43 characters.
        store: Id of the store it stands in.
        role: What it may ask for: kiosk, counter, ...
        centre_url: Where the centre is, for example "https://centre.example:8443".
        centre_key: The centre's public key, 65 uncompressed bytes in hex, pinned at enrolment.
    """

    device_id: str
    store: str
    role: str
    centre_url: str
    centre_key: str
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public_key(self) -> str:
        """The public key, 65 uncompressed bytes in hex."""
        return public_hex(self.private_key.public_key())

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 with SHA-256: r and s, 32 bytes each. Source: RFC 9421, 3.3.4."""
        r, s = decode_dss_signature(self.private_key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def create(
    *, store: str, role: str, centre_url: str, centre_key: str, entropy: Entropy
) -> DeviceIdentity:
    """A new identity with a new key; it is nobody until `save` and until a centre approves it."""
    private_key = new_private_key(entropy)
    return DeviceIdentity(
        thumbprint_of(private_key.public_key()),
        store,
        role,
        centre_url,
        centre_key,
        private_key,
    )


def save(identity: DeviceIdentity, folder: Path, *, disk: Disk) -> None:
    """Keep the identity in `folder`, key first. Raises DiskFull, DiskFault."""
    pem = identity.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )  # the file's mode protects it
    public = _Public(
        identity.device_id,
        identity.store,
        identity.role,
        identity.centre_url,
        identity.centre_key,
    )
    disk.write(folder / KEY_FILE, pem, private=True)
    disk.write(folder / PUBLIC_FILE, msgspec.json.encode(public) + b"\n")


def load(folder: Path, *, disk: Disk) -> DeviceIdentity:
    """The identity kept in `folder`.

    Raises:
        EnrolmentError: it is missing or damaged; the sentence says which and what to do.
        DiskFault: the file is there and cannot be read.
    """
    public_raw, pem = disk.read(folder / PUBLIC_FILE), disk.read(folder / KEY_FILE)
    if public_raw is None and pem is None:
        raise EnrolmentError("This device is not enrolled yet. Enrol it with its centre.")
    if public_raw is None or pem is None:
        missing = PUBLIC_FILE if public_raw is None else KEY_FILE
        raise EnrolmentError(f"{missing} is missing. Enrol this device again.")
    try:
        public = msgspec.json.decode(public_raw, type=_Public)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EnrolmentError(f"{PUBLIC_FILE} is damaged. Enrol this device again.") from error
    private_key = _private_key_of(pem)
    if thumbprint_of(private_key.public_key()) != public.device:
        raise EnrolmentError(
            f"{KEY_FILE} is not the key {PUBLIC_FILE} speaks of. Enrol this device again."
        )
    return DeviceIdentity(
        public.device,
        public.store,
        public.role,
        public.centre_url,
        public.centre_key,
        private_key,
    )


def store_key(folder: Path, *, disk: Disk, entropy: Entropy) -> bytes:
    """The 32 bytes the databases in `folder` are encrypted with, drawn on the first call.

    Raises:
        EnrolmentError: the file is damaged; it is never replaced by itself, because what is encrypted would be lost.
        DiskFull, DiskFault: it cannot be kept or read.
    """
    return lasting_bytes(
        folder / STORE_KEY_FILE, size=STORE_KEY_SIZE, disk=disk, entropy=entropy
    )


def lasting_bytes(path: Path, *, size: int, disk: Disk, entropy: Entropy) -> bytes:
    """The `size` secret bytes kept at `path`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
    kept = disk.read(path)
    if kept is None:
        kept = disk.keep(path, entropy.draw(size))
    if len(kept) != size:
        raise EnrolmentError(f"{path.name} is damaged. Put back the file from a copy.")
    return kept


def lasting_key(path: Path, *, disk: Disk, entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """The private key kept at `path`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
    pem = disk.read(path)
    if pem is not None:
        return _private_key_of(pem, name=path.name)
    drawn = new_private_key(entropy)
    pem = drawn.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _private_key_of(disk.keep(path, pem), name=path.name)


def _private_key_of(pem: bytes, *, name: str = KEY_FILE) -> ec.EllipticCurvePrivateKey:
    try:
        private_key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnrolmentError(f"{name} is damaged. Enrol this device again.") from error
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(
        private_key.curve, ec.SECP256R1
    ):
        raise EnrolmentError(f"{name} is another kind of key. Enrol this device again.")
    return private_key


def new_private_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """A P-256 key pair out of 40 random bytes: 64 bits more than needed, so that no value is likelier.

    Source: FIPS 186-5, A.2.1 (extra random bits).
    """
    return ec.derive_private_key(
        int.from_bytes(entropy.draw(40), "big") % (_ORDER - 1) + 1, ec.SECP256R1()
    )


def public_hex(key: ec.EllipticCurvePublicKey) -> str:
    """A public key as 65 uncompressed bytes in hex. Source: SEC 1, 2.3.3."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()


def thumbprint_of(key: ec.EllipticCurvePublicKey) -> str:
    """The id of a key, 43 characters. Source: RFC 7638, 3; RFC 7518, 6.2.1."""
    numbers = key.public_numbers()
    x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    jwk = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return _base64url(hashlib.sha256(jwk.encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
