"""This device's identity: kept, found again, and said in words when it cannot be."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware import identity
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy, SystemEntropy
from hardware.errors import EnrolmentError
from hardware.identity import (
    KEY_FILE,
    PUBLIC_FILE,
    STORE_KEY_FILE,
    DeviceIdentity,
    lasting_bytes,
    lasting_key,
    store_key,
    thumbprint_of,
)

DISK = SystemDisk()
N_AT_ONCE = 8


def new(seed: str = "a") -> DeviceIdentity:
    return identity.create(
        store="harbour", role="kiosk", centre_url="http://c", centre_key="04",
        entropy=SeededEntropy(seed),
    )  # fmt: skip


def test_a_saved_identity_is_found_again(tmp_path: Path) -> None:
    made = new()

    identity.save(made, tmp_path, disk=DISK)
    found = identity.load(tmp_path, disk=DISK)

    assert (found.device_id, found.store, found.role) == (made.device_id, "harbour", "kiosk")
    assert (found.centre_url, found.centre_key) == ("http://c", "04")
    assert found.public_key == made.public_key


def test_the_id_of_a_device_is_the_thumbprint_of_its_key_and_two_devices_differ() -> None:
    assert new("a").device_id == thumbprint_of(new("a").private_key.public_key())
    assert new("a").device_id != new("b").device_id
    assert len(new().device_id) == 43


def test_what_a_device_signs_is_checked_with_its_public_key() -> None:
    made = new()

    raw = made.sign(b"message")

    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    made.private_key.public_key().verify(
        encode_dss_signature(r, s), b"message", ec.ECDSA(hashes.SHA256())
    )


def test_neither_the_public_file_nor_a_repr_shows_the_private_key(tmp_path: Path) -> None:
    made = new()
    identity.save(made, tmp_path, disk=DISK)
    number = made.private_key.private_numbers().private_value

    public = (tmp_path / PUBLIC_FILE).read_text()

    for secret in (str(number), f"{number:x}", "PRIVATE"):
        assert secret not in public
        assert secret not in repr(made)
    assert "private" not in repr(made)


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    identity.save(new(), tmp_path, disk=DISK)
    store_key(tmp_path, disk=DISK, entropy=SystemEntropy())

    for name in (KEY_FILE, STORE_KEY_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_device_without_files_is_told_to_enrol(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="not enrolled yet"):
        identity.load(tmp_path, disk=DISK)


@pytest.mark.parametrize("name", [KEY_FILE, PUBLIC_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    identity.save(new(), tmp_path, disk=DISK)
    (tmp_path / name).unlink()

    with pytest.raises(EnrolmentError, match=f"{name} is missing"):
        identity.load(tmp_path, disk=DISK)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("name", [KEY_FILE, PUBLIC_FILE])
@given(content=st.binary(max_size=300))
def test_a_damaged_file_is_named_whatever_is_in_it(
    tmp_path: Path, name: str, content: bytes
) -> None:
    identity.save(new(), tmp_path, disk=DISK)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(EnrolmentError, match=f"{name} is (damaged|another kind)"):
        identity.load(tmp_path, disk=DISK)


def test_the_key_of_another_device_is_noticed(tmp_path: Path) -> None:
    identity.save(new("a"), tmp_path, disk=DISK)
    identity.save(new("b"), tmp_path / "other", disk=DISK)
    (tmp_path / KEY_FILE).write_bytes((tmp_path / "other" / KEY_FILE).read_bytes())

    with pytest.raises(EnrolmentError, match="is not the key"):
        identity.load(tmp_path, disk=DISK)


@pytest.mark.parametrize("kind", ["rsa", "p384"])
def test_another_kind_of_key_is_noticed(tmp_path: Path, kind: str) -> None:
    identity.save(new(), tmp_path, disk=DISK)
    other = (
        rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        if kind == "rsa"
        else ec.generate_private_key(ec.SECP384R1())
    )
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / KEY_FILE).write_bytes(pem)

    with pytest.raises(EnrolmentError, match="another kind of key"):
        identity.load(tmp_path, disk=DISK)


def test_the_store_key_is_drawn_once_and_kept(tmp_path: Path) -> None:
    first = store_key(tmp_path, disk=DISK, entropy=SystemEntropy())
    second = store_key(tmp_path, disk=DISK, entropy=SystemEntropy())

    assert first == second
    assert len(first) == 32


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_store_key_is_said_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STORE_KEY_FILE).write_bytes(content)

    with pytest.raises(EnrolmentError, match="damaged"):
        store_key(tmp_path, disk=DISK, entropy=SystemEntropy())

    assert (tmp_path / STORE_KEY_FILE).read_bytes() == content


def test_a_lasting_key_is_the_same_every_time(tmp_path: Path) -> None:
    path = tmp_path / "centre.key"

    first = lasting_key(path, disk=DISK, entropy=SystemEntropy())
    second = lasting_key(path, disk=DISK, entropy=SystemEntropy())

    assert first.private_numbers() == second.private_numbers()


def test_who_draws_a_secret_at_the_same_moment_has_the_same_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "capsule-signing.key"
    gate = threading.Barrier(N_AT_ONCE)

    def drawn(_index: int) -> bytes:
        gate.wait()
        return lasting_bytes(path, size=32, disk=DISK, entropy=SystemEntropy())

    with ThreadPoolExecutor(N_AT_ONCE) as nodes:
        secrets = set(nodes.map(drawn, range(N_AT_ONCE)))

    assert secrets == {path.read_bytes()}
    assert [it.name for it in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600
