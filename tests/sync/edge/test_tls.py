"""Whose certificate counts, and when: real handshakes on loopback, with authorities made for the test."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kiosk.settings import SettingsError, load
from sync.edge.tls import CertificateFileError, pinned
from sync.edge.transport import HttpTransport
from sync.model.errors import CentreCertificate
from sync.model.ports import Request, Response
from tests.support.serving import closed

NOW = dt.datetime(2026, 1, 7, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Authority:
    """Signs certificates; `path` is its own."""

    path: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def made(cls, folder: Path, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = cls(folder / f"{name}.pem", key, subject)
        certificate = made.signed(subject, key.public_key(), is_authority=True)
        made.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return made

    def signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool = False,
        until: dt.datetime = NOW + DAY, host: str = "127.0.0.1",
    ) -> x509.Certificate:  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - 20 * DAY).not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip

    def server(self, folder: Path, **fields: object) -> ssl.SSLContext:
        """What a centre with a certificate of this authority serves with."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "centre")])
        certificate = self.signed(subject, key.public_key(), **fields)  # type: ignore[arg-type]
        path = folder / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority.made(tmp_path, "ours")


@pytest.fixture
def next_one(tmp_path: Path) -> Authority:
    return Authority.made(tmp_path, "next")


@asynccontextmanager
async def serving(tls: ssl.SSLContext) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The address of a centre, and what it was told."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with closed(server):
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


async def asked(url: str, *authorities: Authority, now: dt.datetime = NOW) -> Response:
    files = [one.path for one in authorities]
    transport = HttpTransport(pinned(files, trusted_now=lambda: now))
    try:
        request = Request("POST", f"{url}/v1/hello", (("x-req", "r1"),), b"{}")
        return await transport.send(request, deadline_ms=5_000, size_max=1_000)
    finally:
        await transport.close()


async def test_a_certificate_of_the_pinned_authority_counts_by_the_time_this_device_trusts(
    tmp_path: Path, ours: Authority
) -> None:
    async with serving(ours.server(tmp_path)) as (url, _):
        response = await asked(url, ours)

    assert response.body == b"ok", "whatever the clock of this machine says"


async def test_while_one_authority_follows_the_other_both_count(
    tmp_path: Path, ours: Authority, next_one: Authority
) -> None:
    for authority in (ours, next_one):
        async with serving(authority.server(tmp_path)) as (url, _):
            assert (await asked(url, ours, next_one)).status == 200


@pytest.mark.parametrize("trouble", ["another authority", "over", "not begun", "another host"])
async def test_a_certificate_that_does_not_hold_is_said_and_nothing_is_sent(
    trouble: str, tmp_path: Path, ours: Authority, next_one: Authority
) -> None:
    now = {"over": NOW + 2 * DAY, "not begun": NOW - 30 * DAY}.get(trouble, NOW)
    authority = next_one if trouble == "another authority" else ours
    host = "127.0.0.2" if trouble == "another host" else "127.0.0.1"

    async with serving(authority.server(tmp_path, host=host)) as (url, heard):
        with pytest.raises(CentreCertificate) as error:
            await asked(url, ours, now=now)

    assert error.value.code == "centre_certificate"
    assert heard == []


async def test_without_a_pin_a_certificate_nobody_knows_does_not_count(
    tmp_path: Path, ours: Authority
) -> None:
    async with serving(ours.server(tmp_path)) as (url, heard):
        with pytest.raises(CentreCertificate):
            await asked(url)

    assert heard == []


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n"])
def test_a_file_that_holds_no_certificate_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CertificateFileError, match=r"ca\.pem"):
        pinned([path], trusted_now=lambda: NOW)


def test_the_setting_names_one_or_two_files_that_do(
    tmp_path: Path, ours: Authority, next_one: Authority
) -> None:
    both = {"HOME": "/nowhere", "TAPTHREAD_CENTRE_CA": f"{ours.path}:{next_one.path}"}
    three = {**both, "TAPTHREAD_CENTRE_CA": f"{ours.path}:{next_one.path}:{ours.path}"}
    missing = {**both, "TAPTHREAD_CENTRE_CA": str(tmp_path / "no.pem")}

    settings = load(environment=both)

    assert settings.centre_ca_files == (ours.path, next_one.path)
    for environment in (three, missing):
        with pytest.raises(SettingsError, match="centre_ca"):
            load(environment=environment)
