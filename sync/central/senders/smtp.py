"""E-mail by SMTP: a plain text of ours, in the thread of the customer's own mail.

    secrets     smtp_password
    options     smtp_host, smtp_port (587, 465 for `tls`, 25 for `none`), smtp_security: starttls | tls | none, smtp_login,
                from: the shop's address as customers see it, `Harbour <hello@shop.example>`,
                domain: behind the @ of our message ids; without it that of `from`

Our message id is the same for every attempt (`<ID@domain>`): a mail whose answer was lost is sent again, and mail programs show
two mails of one id once, though nobody has to. A server that answers 5xx will not take it; 4xx passes.

Source: RFC 5321 (4.2.1 for codes), RFC 5322 (3.6.4 for In-Reply-To and References), RFC 3834 (Auto-Submitted is left out:
a person wrote it, or it concerns one order).
"""

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final

from email_validator import validate_email

from sync.central.channels.adapter import Settings
from sync.central.senders.sender import (
    Later,
    Mail,
    Message,
    Never,
    NoReply,
    Outcome,
    Reply,
    Sent,
    Steps,
    option,
    words_of,
)

SERVES: Final = ("email",)
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
SUBJECT_MAX: Final = 150
NOT_LET_IN: Final = frozenset({530, 534, 535, 538})
"""Codes about us and not about the mail. Source: RFC 4954, 6."""


def is_ready(settings: Settings) -> bool:
    """Whether mail can go out through this channel."""
    return bool(option(settings, "smtp_host") and option(settings, "from"))


def send(message: Message, settings: Settings) -> Steps:
    """Send one mail."""
    security = option(settings, "smtp_security", "starttls")
    if security not in PORTS:
        return Never(f"smtp_security is none of {', '.join(PORTS)}")
    try:
        mail = mail_of(message, settings)
    except (ValueError, HeaderParseError) as error:
        return Never(f"the address cannot be written to: {words_of(str(error))}")
    port = option(settings, "smtp_port")
    reply = yield Mail(
        host=option(settings, "smtp_host"),
        port=int(port) if port.isdigit() else PORTS[security],
        security=security,
        mail=mail,
        to=mail["To"].addresses[0].addr_spec,
        login=option(settings, "smtp_login"),
        password=settings.secrets.get("smtp_password", ""),
    )
    return _outcome(reply, mail["Message-ID"].strip("<>"))


def _outcome(reply: Reply | NoReply, ref: str) -> Outcome:
    if isinstance(reply, NoReply):
        return Later(f"the mail server: {reply.reason}", is_whole=not reply.is_maybe_done)
    said = words_of(reply.body.decode(errors="replace"))
    if 200 <= reply.status < 300:
        return Sent(ref)
    if reply.status in NOT_LET_IN:
        return Later(f"the mail server does not let us in: {said}", is_whole=True)
    if 500 <= reply.status < 600:
        return Never(f"the mail server refused it: {reply.status} {said}")
    return Later(f"the mail server: {reply.status} {said}")


def mail_of(message: Message, settings: Settings) -> EmailMessage:
    """The mail as it goes out. Raises ValueError for an address that is none."""
    name, address = parseaddr(option(settings, "from"))
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(name, addr_spec=address)
    mail["To"] = Address(_line(message.name), addr_spec=_ascii(message.to.strip()))
    mail["Subject"] = _line(message.subject)
    domain = option(settings, "domain") or address.rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["X-Tapthread-Id"] = message.id  # by this we know it again in a mailbox of our own
    if message.replies_to:
        mail["In-Reply-To"] = _id(message.replies_to)
    references = dict.fromkeys(
        _id(ref) for ref in (message.thread, message.replies_to) if "@" in ref
    )
    if references:
        mail["References"] = " ".join(references)
    mail.set_content(message.text)
    return mail


def _ascii(address: str) -> str:
    """An address as servers without SMTPUTF8 take it: the domain in its IDNA form. Raises ValueError for one that has none."""
    if not all(address.rpartition("@")[::2]):
        raise ValueError("it has no name or no domain")
    if address.isascii():
        return address
    checked = validate_email(address, check_deliverability=False, test_environment=True)
    if checked.ascii_email is None:
        raise ValueError("its name has other letters than a to z")
    return checked.ascii_email


def _id(ref: str) -> str:
    return f"<{''.join(ref.split()).strip('<>')}>"


def _line(text: str) -> str:
    return " ".join(text.split())[:SUBJECT_MAX]
