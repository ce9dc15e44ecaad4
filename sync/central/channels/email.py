"""E-mail as it comes out of a mailbox: what was written, the thread it is of, and what mail servers say of what we sent.

Nothing signs a mail, so it is taken only from a mailbox we read ourselves (`sync.central.mail`), never by HTTP. It is kept whole;
what is shown is without what it quotes and without what follows "-- ".

    secrets     those of the mailbox; none is used here
    options     addresses: our own: "service@shop.example, info@shop.example". What they send is ours; of what they pass on from
                    a form of the web shop, the customer is who is to be answered
                trusted: the name our own mail server signs its checks with (`Authentication-Results`); a sender it proved is proved
                numbers: "W-, C-": how numbers of orders and cases begin that customers name

A thread is the oldest mail that a mail refers to. A reply of a program (RFC 3834) is automatic. A report of a mail server
(RFC 3464) says what became of the mail it is about, by that one's Message-ID; one that says only "later" says nothing.

Source: RFC 5322 3.6.4 (threads), RFC 3834 5, RFC 3464 2.3, RFC 8601 2.2, RFC 2183 2.3.
"""

import email
import re
from collections.abc import Iterator
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Delivered, Point, Said, Who
from sync.central.channels.parts import (
    REF_MAX,
    clean,
    digest_of,
    instant,
    is_local,
    items_of,
    micros,
    number_in,
    text_of_html,
    tidy,
)

PARTS_MAX: Final = 50
"""Parts of one mail that are looked at; a mail of people has a handful."""

SHOWN_MAX: Final = 100_000
"""Characters that are read for what is quoted; what is longer is no letter."""

HEADER_MAX: Final = 8_000
"""Characters of a header that are read, its beginning. The library takes half a minute for one of a megabyte of semicolons."""

ACTIONS: Final = {
    "failed": "failed",
    "delivered": "delivered",
    "relayed": "sent",
    "expanded": "sent",
}
"""Ours by `Action` of a report; "delayed" is not the end. Source: RFC 3464 2.3.3."""

_ID: Final = re.compile(r"<([^<>\s]{1,200})>")
_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")
_REPLY: Final = re.compile(
    r"\s*((re|aw|sv|antw|rif|ref|fw|fwd|wg|tr)(\[\d+\])?\s*:\s*)+", re.IGNORECASE
)
_SAID: Final = re.compile(
    r"^(on|am|le|el|il|op|den|em|w dniu)\b.{0,300}\b(wrote|schrieb|a écrit|escribió|ha scritto|schreef|skrev|escreveu|napisał)\b.{0,100}:$",
    re.IGNORECASE,
)
_ORIGINAL: Final = re.compile(
    r"^(-{2,} ?(original message|ursprüngliche nachricht|message d'origine|mensaje original|forwarded message) ?-{2,}|_{20,})$",
    re.IGNORECASE,
)
_HEADS: Final = re.compile(r"^\*?(from|von|de|da|van)\*?:\*? .+", re.IGNORECASE)
_HEADS_MORE: Final = re.compile(
    r"^\*?(sent|gesendet|envoyé|enviado|inviato|verzonden|date|datum|to|an|à)\*?:",
    re.IGNORECASE,
)


class Email:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "email"

    def verify(self, delivery: Delivery, settings: Settings) -> None:  # noqa: ARG002
        """Only from a mailbox of ours, or a file."""
        if not is_local(delivery):
            raise Forged("a mail is read from its mailbox, nobody sends one here")

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a mail, kept whole: each byte is a character of the text."""
        mail = _mail(delivery.body.decode("latin-1"))
        if not mail.keys():
            raise Unmapped("no header of a mail")
        own = _ids(mail, "message-id")
        type_ = "report" if _reported(mail) else "mail"
        at = min(_date(mail) or micros(delivery.now), micros(delivery.now))
        id_ = own[0] if own else digest_of(delivery.body)
        return (Event(id_, type_, at, delivery.body.decode("latin-1")),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """A report says what became of mails of ours; any other mail, what somebody wrote."""
        if not isinstance(event.body, str):
            raise Unmapped("no mail")
        mail = _mail(event.body)
        if event.type == "report":
            return tuple(_report(mail, event))
        letter = _letter(mail, event, settings)
        is_ours = letter.direction == "out" and mail.get("x-tapthread-id") is not None
        return () if is_ours else (letter,)  # ours, by `senders/smtp`: it is here already


ADAPTER: Final = Email()


# --- What somebody wrote ----------------------------------------------------


def _letter(mail: Message, event: Event, settings: Settings) -> Said:
    own = {address.casefold() for address in items_of(settings.options.get("addresses", ""))}
    sender, to = _people(mail, "from"), _people(mail, "to", "cc")
    is_ours = any(address.casefold() in own for _, address in sender)
    answer_to = [one for one in _people(mail, "reply-to") if one[1].casefold() not in own]
    is_passed_on = is_ours and bool(answer_to)
    is_out = is_ours and not is_passed_on
    others = (
        [one for one in to if one[1].casefold() not in own]
        if is_out
        else answer_to
        if is_passed_on
        else sender
    )
    if not others:
        raise Unmapped("neither from a customer nor to one")
    name, address = others[0]
    if address.partition("@")[0].casefold() in {"mailer-daemon", "postmaster"}:
        raise Unmapped("a mail server says something in words of its own")
    is_proved = not is_ours and _is_proved(mail, address, settings)
    subject, text = _header(mail, "subject"), _words(mail)
    refers = (*_ids(mail, "references"), *_ids(mail, "in-reply-to"))
    is_reply = bool(refers) or _REPLY.match(subject) is not None
    shown = "\n\n".join(one for one in ("" if is_reply else subject, text) if one) or subject
    return Said(
        ref=event.id,
        at=event.at,
        who=_who(name, address, is_proved=is_proved),
        channel="email",
        direction="out" if is_out else "in",
        by=(sender[0][0] or sender[0][1]) if sender else "",
        text=shown,
        thread=refers[0] if refers else event.id,
        about=number_in(f"{subject}\n{shown}", settings),
        is_automatic=_is_automatic(mail),
    )


def _who(name: str, address: str, *, is_proved: bool) -> Who:
    """A sender as their own program names them: "Maya Lindt", or "Lindt, Maya"."""
    family, comma, given = name.partition(",")
    if not comma:
        given, _, family = name.partition(" ")
    if "@" in name:
        given, family = "", ""
    return Who(
        given_name=given.strip(),
        family_name=family.strip(),
        points=(Point("email", address, is_verified=is_proved),),
    )


def _is_proved(mail: Message, address: str, settings: Settings) -> bool:
    """Whether our own mail server says that the sender's domain vouches for this mail (DMARC)."""
    server = settings.options.get("trusted", "").casefold()
    for told in mail.get_all("authentication-results", []):
        name, _, checks = str(told).partition(";")
        if server and name.split()[:1] and name.split()[0].casefold() == server:
            domain = address.rpartition("@")[2].casefold()
            words = checks.casefold().replace(";", " ").split()
            return "dmarc=pass" in words and f"header.from={domain}" in words
    return False


def _is_automatic(mail: Message) -> bool:
    """Whether a program wrote it. Source: RFC 3834 5, and what programs put that are older than it."""
    told = _header(mail, "auto-submitted").partition(";")[0].strip().casefold()
    old = _header(mail, "precedence").strip().casefold() in {
        "bulk",
        "junk",
        "list",
        "auto_reply",
    }
    marks = (
        "x-autoreply",
        "x-autorespond",
        "x-auto-response-suppress",
        "list-id",
        "list-unsubscribe",
    )
    is_null = str(mail.get("return-path", "")).strip() == "<>"
    return (
        told not in {"", "no"}
        or old
        or is_null
        or any(mail.get(name) is not None for name in marks)
    )


def _words(mail: Message) -> str:
    """What was written, without what it quotes; then what came along, by name."""
    plain, marked, along = "", "", []
    for part in _parts(mail):
        kind = part.get_content_type()
        name = _file_name(part)
        if name or kind.partition("/")[0] not in {"text", "multipart", "message"}:
            along.append(f"[{name or kind}]")
        elif kind == "text/plain" and not plain:
            plain = _text_of(part)
        elif kind == "text/html" and not marked:
            marked = _text_of(part)[: 3 * SHOWN_MAX]
    text = (
        unquoted(plain)
        if plain.strip()
        else unquoted(text_of_html(marked, without=frozenset(("blockquote",))))
    )
    return "\n".join(one for one in (text, *along) if one)


def unquoted(text: str) -> str:
    """A letter without the letters it answers, and without its sender's card after "-- "."""
    kept: list[str] = []
    lines = tidy(text[:SHOWN_MAX]).split("\n")
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if (
            line == "--"
            or _ORIGINAL.match(line)
            or (_HEADS.match(line) and _HEADS_MORE.match(following))
        ):
            break
        is_said = _SAID.match(line) or (following and _SAID.match(f"{line} {following}"))
        if (
            not line.startswith(">")
            and not is_said
            and not (kept and _SAID.match(f"{lines[index - 1]} {line}"))
        ):
            kept.append(line)
    return tidy("\n".join(kept))


# --- What mail servers say --------------------------------------------------


def _reported(mail: Message) -> bool:
    return mail.get_content_type() == "multipart/report" and any(
        part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}
        for part in _parts(mail)
    )


def _report(mail: Message, event: Event) -> Iterator[AnyFact]:
    """What became of the mail a report is about: the worst of what it says of each who was to get it."""
    states, reason = set[str](), ""
    for part in _parts(mail):
        action = _header(part, "action").strip().casefold()
        if action in ACTIONS:
            states.add(ACTIONS[action])
        if action == "failed":
            told = _header(part, "diagnostic-code") or _header(part, "status")
            reason = reason or re.sub(r"^\s*smtp\s*;\s*", "", told, flags=re.IGNORECASE)
    about = _about(mail)
    if not states:
        return
    if not about:
        raise Unmapped("a report that does not say about which mail")
    state = next(one for one in ("failed", "delivered", "sent") if one in states)
    yield Delivered(ref=about, at=event.at, state=state, reason=tidy(reason))


def _about(mail: Message) -> str:
    """Message-ID of the mail a report has in its last part, whole or only its head."""
    for part in _parts(mail):
        if (
            part is not mail
            and part.get("message-id")
            and part.get_content_type() != "message/delivery-status"
        ):
            ids = _ids(part, "message-id")
            if ids:
                return ids[0]
        if part.get_content_type() in {"text/rfc822-headers", "message/rfc822-headers"}:
            ids = _ids(_mail(_text_of(part)), "message-id")
            if ids:
                return ids[0]
    return ""


# --- Reading what is broken -------------------------------------------------


class _Short(Compat32):
    """Reads a mail without the ends of headers that nobody writes."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_MAX]


_SHORT: Final = _Short()


def _mail(text: str) -> Message:
    """A mail of latin-1 text. The parser takes anything; what is wrong with it stays as it was."""
    return email.message_from_bytes(text.encode("latin-1", "replace"), policy=_SHORT)


def _parts(mail: Message) -> Iterator[Message]:
    """The mail and its parts, outside in, at most PARTS_MAX."""
    todo = [mail]
    for _ in range(PARTS_MAX):
        if not todo:
            return
        part = todo.pop(0)
        yield part
        payload = part.get_payload()
        if isinstance(payload, list):
            todo[:0] = [one for one in payload if isinstance(one, Message)]


def _header(mail: Message, name: str) -> str:
    """A header as people read it: decoded words, one line, "" for none."""
    return _read(str(mail.get(name, ""))[:HEADER_MAX])


def _read(told: str) -> str:
    try:
        words = decode_header(told)
    except (HeaderParseError, ValueError, LookupError):  # a broken encoded word
        words = [(told, None)]
    text = "".join(
        _decoded(one, charset) if isinstance(one, bytes) else one for one, charset in words
    )
    return clean(" ".join(text.split()))


def _people(mail: Message, *names: str) -> list[tuple[str, str]]:
    """(name, address) of everyone in these headers. What is encoded in a name is never an address."""
    found: list[tuple[str, str]] = []
    for told in (str(one)[:HEADER_MAX] for name in names for one in mail.get_all(name, [])):
        with suppress(
            RecursionError, IndexError, ValueError
        ):  # brackets in brackets in brackets
            found += getaddresses([told])
    return [
        (_read(name).strip("\"' "), address)
        for name, address in found
        if _ADDRESS.fullmatch(address)
    ]


def _ids(mail: Message, name: str) -> tuple[str, ...]:
    """Message ids in a header, without their brackets, oldest first."""
    return tuple(_ID.findall(_header(mail, name).replace(" ", " ")))


def _date(mail: Message) -> int:
    try:
        return instant(parsedate_to_datetime(_header(mail, "date")).isoformat())
    except (Unmapped, ValueError, TypeError, OverflowError, IndexError):
        return 0


def _file_name(part: Message) -> str:
    """Name of what came along, "" for what is text to read."""
    try:
        name, place = part.get_filename() or "", part.get_content_disposition()
    except (ValueError, TypeError, LookupError, AttributeError):
        return "file"
    if not name:
        return "file" if place == "attachment" else ""
    return _read(str(name)[:HEADER_MAX])[:REF_MAX]


def _text_of(part: Message) -> str:
    """Text of a part in whatever encoding it says, or else is in."""
    try:
        body = part.get_payload(decode=True)
        charset = part.get_content_charset()
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError):
        return ""
    return clean(_decoded(body, charset)) if isinstance(body, bytes) else ""


def _decoded(body: bytes, charset: str | None) -> str:
    for one in (charset, "utf-8"):
        try:
            if one:
                return body.decode(one)
        except (LookupError, ValueError):
            continue
    return body.decode("cp1252", "replace")
