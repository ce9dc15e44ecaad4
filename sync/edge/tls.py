"""Which certificates of a centre count: those of one or two pinned authorities, valid at a time this device trusts.

A kiosk whose battery is flat starts in 1970, and one whose clock was set ahead lives in ten years: by the machine's own clock no
certificate would hold. So the library checks chain, name and use, and the time is checked here, against the later of the clock
and the latest time the centre ever told (never earlier: an old certificate does not come back to life).
"""

import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

PINNED_MAX: Final = 2
"""Authorities that may be pinned at once: the one in use, and the one that follows it."""

_NO_CHECK_TIME: Final = 0x200000
"""Leaves times to us. Source: OpenSSL, x509_vfy.h, X509_V_FLAG_NO_CHECK_TIME."""

TrustedNow = Callable[[], datetime]
"""The time that counts: aware, UTC, never earlier than the latest the centre told."""


class CertificateFileError(Exception):
    """A pinned file is missing, unreadable or holds no certificate; the sentence names it."""


class _TimedObject(ssl.SSLObject):
    """A connection whose handshake also checks the time of the certificate."""

    def do_handshake(self) -> None:
        super().do_handshake()
        raw = self.getpeercert(binary_form=True)
        context = self.context
        assert isinstance(context, _TimedContext)
        if raw is not None:
            context.check_time(raw)


class _TimedContext(ssl.SSLContext):
    """A client's context whose time is ours."""

    sslobject_class = _TimedObject
    trusted_now: TrustedNow

    def check_time(self, raw: bytes) -> None:
        """Raises SSLCertVerificationError for a certificate that is over or has not begun."""
        certificate = x509.load_der_x509_certificate(raw)
        now = self.trusted_now()
        if now > certificate.not_valid_after_utc:
            raise _not_now("certificate has expired")
        if now < certificate.not_valid_before_utc:
            raise _not_now("certificate is not yet valid")


def pinned(files: Sequence[Path], *, trusted_now: TrustedNow) -> ssl.SSLContext:
    """Trust these authorities and no other; with no file, those this machine knows.

    Args:
        files: PEM, one or two.
        trusted_now: The time certificates are judged by.

    Raises:
        CertificateFileError: a file does not do.
    """
    if len(files) > PINNED_MAX:
        raise CertificateFileError(f"at most {PINNED_MAX} authorities can be pinned")
    context = _TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    context.trusted_now = trusted_now
    for path in files:
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise CertificateFileError(
                f"{path} holds no certificate this device can use"
            ) from error
    if not files:
        context.load_default_certs()
    return context


def check(files: Sequence[Path]) -> None:
    """Raises CertificateFileError where these files cannot be pinned."""
    pinned(files, trusted_now=_never)


def _never() -> datetime:
    raise AssertionError("nothing is connected")


def _not_now(reason: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, reason)
    error.verify_message = reason
    return error
