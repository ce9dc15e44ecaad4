"""A certificate for 127.0.0.1, made for one run of a bench or a test and thrown away with its folder."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import new_private_key

LIFE: Final = dt.timedelta(days=2)


def write_certificate(folder: Path, *, clock: Clock, entropy: Entropy) -> ssl.SSLContext:
    """Write `tls.crt` and `tls.key` into the folder; a client's context that trusts that certificate and no other."""
    key = new_private_key(entropy)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tapthread bench")])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(entropy.draw(16), "big") >> 1)
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ssl.create_default_context(cafile=str(folder / "tls.crt"))
