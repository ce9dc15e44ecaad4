"""A real Dovecot of our own on loopback: a process with a folder and a configuration of its own, mail for anybody who logs in."""

import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwnam, getpwuid

from imapclient import IMAPClient

PROGRAM = "/usr/sbin/dovecot"
PASSWORD = "open-sesame"
READY_S = 20


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running one; `port` is plain, `tls_port` is TLS, for whoever trusts it as `trusting` does."""

    port: int
    tls_port: int
    folder: Path
    trusting: ssl.SSLContext

    @contextmanager
    def mailbox(self, name: str = "tom") -> Iterator[IMAPClient]:
        """Another program at the same mailboxes."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False)
        client.login(name, PASSWORD)
        try:
            yield client
        finally:
            client.logout()

    def put(self, *mails: bytes, mailbox: str = "INBOX", name: str = "tom") -> None:
        """Deliver mails."""
        with self.mailbox(name) as client:
            if not client.folder_exists(mailbox):
                client.create_folder(mailbox)
            for mail in mails:
                client.append(mailbox, mail)

    def seen(self, mailbox: str = "INBOX", name: str = "tom") -> dict[int, bool]:
        """Each mail's UID, and whether it is marked as read."""
        with self.mailbox(name) as client:
            client.select_folder(mailbox, readonly=True)
            told = client.fetch(client.search("ALL"), ["FLAGS"])
            return {uid: rb"\Seen" in one[b"FLAGS"] for uid, one in told.items()}


@contextmanager
def running(certificate: Path, key: Path, trusting: ssl.SSLContext) -> Iterator[Dovecot]:
    """Run one in a folder of its own, which others may look into: run by root, it gives root's rights away."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        Path(name).chmod(0o755)
        with _running(Path(name), certificate, key, trusting) as server:
            yield server


@contextmanager
def _running(
    folder: Path, certificate: Path, key: Path, trusting: ssl.SSLContext
) -> Iterator[Dovecot]:
    us = getpwuid(os.getuid())
    owner = getpwnam("mail") if us.pw_uid == 0 else us
    port, tls_port = _free_port(), _free_port()
    mail = folder / "mail"
    mail.mkdir()
    os.chown(mail, owner.pw_uid, owner.pw_gid)
    configuration = folder / "dovecot.conf"
    configuration.write_text(
        f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
default_internal_user = {"dovecot" if us.pw_uid == 0 else us.pw_name}
default_login_user = {"dovenull" if us.pw_uid == 0 else us.pw_name}
mail_location = maildir:{mail}/%u
mail_fsync = never
first_valid_uid = 1
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={mail}/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
namespace inbox {{
  inbox = yes
}}
"""
    )
    process = subprocess.Popen([PROGRAM, "-F", "-c", str(configuration)])
    try:
        _wait_for(port, process, folder / "log")
        yield Dovecot(port, tls_port, folder, trusting)
    finally:
        process.terminate()
        process.wait(READY_S)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.02)
    raise AssertionError(log.read_text() if log.exists() else "dovecot did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
