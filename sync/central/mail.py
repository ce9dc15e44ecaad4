"""Mail servers: one mail out by SMTP, mails in by IMAP. The only importer of smtplib and imapclient; no library's exception leaves it.

    send    carries a mail of `senders.smtp` to its server; what the server said, or why it said nothing
    fetch   brings what is new in a mailbox, from a position on; nothing there is changed before it is durable here

A mail is given over when the server answered its last dot with 250. Where the line broke after that dot and before the
answer, nobody knows (`NoReply.is_maybe_done`).
"""

import imaplib
import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from sync.central.senders.sender import AnyReply, Mail, NoReply, Reply
from sync.model.errors import SyncError

Value = TypeVar("Value")

logging.getLogger("imapclient").setLevel(
    logging.WARNING
)  # below that it writes down every line of the wire

SEND_S: Final = 20
"""How long one step of a mail server may take; RFC 5321 allows minutes, and a queue of ours must not stand."""


def send(mail: Mail, *, context: ssl.SSLContext | None = None) -> AnyReply:
    """Give one mail to its server; blocks for several times SEND_S at most.

    Args:
        mail: With the server it goes to.
        context: Which certificates hold; the machine's own when None.

    Returns:
        The server's code and words: of the step that ended it.
    """
    is_given, done = False, None
    context = context or ssl.create_default_context()
    try:
        with _connected(mail, context) as server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.login:
                server.login(mail.login, mail.password)
            code, said = _begun(server, mail)
            if code >= 400:
                return Reply(code, body=said)
            is_given = True
            code, said = server.data(mail.mail.as_bytes())
            done = Reply(code, body=said)
    except smtplib.SMTPResponseException as error:
        # What it says to our goodbye takes nothing back.
        return done or Reply(int(error.smtp_code), body=_bytes(error.smtp_error))
    except smtplib.SMTPNotSupportedError:
        return NoReply(
            "it offers neither the encryption nor the login we need", is_maybe_done=False
        )
    except ssl.SSLError:
        return NoReply("its certificate does not hold", is_maybe_done=is_given)
    except (smtplib.SMTPException, OSError):
        return done or NoReply("it does not answer", is_maybe_done=is_given)
    else:
        return done


def _connected(mail: Mail, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=SEND_S, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=SEND_S)


def _begun(server: smtplib.SMTP, mail: Mail) -> tuple[int, bytes]:
    """The envelope; the answer that ended it, or the last good one."""
    server.ehlo_or_helo_if_needed()
    code, said = server.mail(mail.mail["From"].addresses[0].addr_spec)
    if code < 400:
        code, said = server.rcpt(mail.to)
    return code, said


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode(errors="replace")


# In, by IMAP

FETCH_S: Final = 30
"""How long one answer of a mailbox's server may take."""

FETCH_MAX: Final = 200
"""Mails of one call, so that others are served between."""

MAIL_SIZE_MAX: Final = 10 * 1_048_576
"""Bytes of a mail that are fetched, from its beginning; what comes along with it may be cut, its words are in front."""

AFTER: Final = ("keep", "seen", "delete")
"""What is done with a mail that is durable here: nothing, marked as read, or deleted."""

IMAP_PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}


class MailboxAway(SyncError):
    """A mailbox cannot be read now; the sentence says why. Later it may."""

    code = "mailbox_away"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose mailboxes are read, and where.

    Attributes:
        security: tls | starttls | none.
        after: One of AFTER.
    """

    host: str
    port: int
    security: str
    login: str
    password: str = field(repr=False)
    after: str = "keep"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a mailbox was read: the last mail's UID, within one validity of its UIDs. Source: RFC 3501 2.3.1.1."""

    validity: int = 0
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A mail as its server has it. `came_at` is seconds since 1970, 0 when the server does not say."""

    uid: int
    size: int
    came_at: int
    body: bytes = field(repr=False)


def fetch(
    account: Account,
    mailbox: str,
    place: Place,
    take: Callable[[Fetched, Place], None],
    *,
    context: ssl.SSLContext | None = None,
) -> Place:
    """Bring what is new in a mailbox, oldest first, FETCH_MAX at most; blocks for several times FETCH_S at most.

    Args:
        account: Whose it is.
        mailbox: Its name there: "INBOX".
        place: How far it was read. Where the server counts anew, everything is brought again.
        take: Called with each mail and the place behind it; when it returns, the mail is durable here. What it raises ends this.
        context: Which certificates hold; the machine's own when None.

    Returns:
        How far it is read now.

    Raises:
        MailboxAway: what was taken until then stays taken.
    """
    with _opened(account, context or ssl.create_default_context()) as client:
        told = _asked(lambda: client.select_folder(mailbox, readonly=account.after == "keep"))
        validity = _asked(lambda: int(told[b"UIDVALIDITY"]))
        last = place.uid if place.validity == validity else 0
        place = Place(validity, last)
        # "n:*" also finds the last mail where none is newer: RFC 3501 6.4.8.
        found = _asked(lambda: client.search(["UID", f"{last + 1}:*"]))
        for uid in sorted(uid for uid in found if uid > last)[:FETCH_MAX]:
            mail = _fetched(client, uid)
            place = Place(validity, uid)
            if mail is None:  # deleted meanwhile
                continue
            take(mail, place)
            _settled(client, uid, account.after)
        return place


def _fetched(client: IMAPClient, uid: int) -> Fetched | None:
    """One mail, without marking it as read."""
    wanted = [f"BODY.PEEK[]<0.{MAIL_SIZE_MAX}>", "RFC822.SIZE", "INTERNALDATE"]
    told: dict[bytes, Any] = _asked(lambda: client.fetch([uid], wanted)).get(uid, {})
    body = next(
        (told[name] for name in (b"BODY[]<0>", b"BODY[]") if isinstance(told.get(name), bytes)),
        None,
    )
    if body is None:
        return None
    came = told.get(b"INTERNALDATE")
    came_at = int(came.timestamp()) if isinstance(came, datetime) and came.tzinfo else 0
    size = told.get(b"RFC822.SIZE")
    return Fetched(uid, size if isinstance(size, int) else len(body), came_at, body)


def _settled(client: IMAPClient, uid: int, after: str) -> None:
    """What the account wants to become of a mail that is durable here."""
    if after == "seen":
        _asked(lambda: client.add_flags([uid], [rb"\Seen"], silent=True))
    elif after == "delete":
        _asked(lambda: client.delete_messages([uid], silent=True))
        if client.has_capability(
            "UIDPLUS"
        ):  # else a mail that somebody else marked would go too
            _asked(lambda: client.uid_expunge([uid]))


@contextmanager
def _opened(account: Account, context: ssl.SSLContext) -> Iterator[IMAPClient]:
    tls = context if account.security == "tls" else None
    client = _asked(
        lambda: IMAPClient(
            account.host, account.port, ssl=tls is not None, ssl_context=tls, timeout=FETCH_S
        )
    )
    client.normalise_times = False
    try:
        if account.security == "starttls":
            _asked(lambda: client.starttls(context))
        _asked(lambda: client.login(account.login, account.password))
        yield client
    finally:
        _left(client)


def _left(client: IMAPClient) -> None:
    """Say goodbye, where somebody still listens."""
    try:
        client.logout()
    except (IMAPClientError, imaplib.IMAP4.error, OSError):
        with suppress(OSError):  # closed already
            client.shutdown()


def _asked(ask: Callable[[], Value]) -> Value:
    """What the server answers. Raises MailboxAway for whatever else the library has of it."""
    try:
        return ask()
    except (
        IMAPClientError,
        imaplib.IMAP4.error,
        OSError,
        KeyError,
        ValueError,
        TypeError,
    ) as error:
        raise MailboxAway(_why(error)) from error


def _why(error: Exception) -> str:
    """Why, in words of ours where the server's could hold a password."""
    if isinstance(error, ssl.SSLError):
        return "its certificate does not hold"
    if isinstance(error, imaplib.IMAP4.abort | OSError):
        return "it does not answer"
    if isinstance(error, KeyError | ValueError | TypeError):
        return "what it says is no IMAP"
    return f"it refused: {str(error)[:100]}"
