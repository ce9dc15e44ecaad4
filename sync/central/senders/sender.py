"""What a sender is: a generator that asks for calls one after the other, is given their answers, and returns what came of it.

    calls = send(message, settings)
    answer = yield Call(...)          whoever runs it carries the call
    return Sent(ref) | Later(why) | Never(why)

A sender says in its docstring what happens when the answer to a call is lost: whether the vendor knows a message by our id, so
that sending again is the same as once; whether it can be asked whether it has the message (`unknown_at`, `is_again`); or neither: then
it says `Unsure`, nothing is sent again by itself, and a person decides. `is_again` is true of every attempt but the first.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Final

import msgspec

from sync.central.channels.adapter import Settings
from sync.model.records import Record

REASON_MAX: Final = 200
"""Characters of a vendor's own words that staff see."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent to a customer, or noted in another system.

    Attributes:
        id: Ours; the same for every attempt.
        kind: answer, one of the notices, or note.
        channel: Which of `records.CHANNELS`.
        to: Number in E.164 or address, "" where the thread says it.
        subject: Line above a mail.
        thread: That system's own name of the conversation, "" for none.
        replies_to: That system's own name of what it answers, "" for none.
        template: Name of an approved template, where free text may not be sent; `params` fill its places.
        language: BCP 47.
        is_again: There was an earlier attempt.
        unknown_at: When an attempt was made of which nobody knows whether it arrived, seconds since 1970; 0 for none.
        now_s: Seconds since 1970.
    """

    id: str
    kind: str
    channel: str
    text: str = field(repr=False)
    to: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    thread: str = ""
    replies_to: str = ""
    template: str = ""
    params: tuple[str, ...] = field(default=(), repr=False)
    language: str = "en"
    is_again: bool = False
    unknown_at: int = 0
    now_s: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """A change that another system is to hear.

    Attributes:
        id, type, subject, seq, at, body: As `changes.ChangeRecord` has them.
        record: What the row says now; None where there is none any more.
        names: What that system calls the subject: "order:5001", "inventory_item:77".
        now_s: Seconds since 1970.
    """

    id: str
    type: str
    subject: str
    seq: int
    at: int
    body: str
    now_s: int
    record: Record | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to a vendor. Its headers may hold a secret."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to a mail server.

    Attributes:
        security: tls | starttls | none.
    """

    host: str
    port: int
    security: str
    mail: EmailMessage = field(repr=False)
    to: str = field(repr=False)
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an HTTP status with its body, or a code of SMTP with its words. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as plain values; None for one that is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing came back.

    Attributes:
        reason: What happened, for staff.
        is_maybe_done: The call may have arrived all the same.
    """

    reason: str
    is_maybe_done: bool


AnyCall = Call | Mail
AnyReply = Reply | NoReply


@dataclass(frozen=True, slots=True)
class Sent:
    """The vendor has it. `ref` is its own name of it, by which it tells later what became of it."""

    ref: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, for a reason that passes.

    Attributes:
        after_ms: How long the vendor asks to wait, 0 when it does not say.
        is_whole: It is so for everything that goes this way, not for this message alone.
        is_unknown: Nobody knows whether this attempt arrived; the next is told so.
        is_looked_for: With `is_unknown`: this attempt only asked for the earlier one, of which nobody knows still.
    """

    reason: str
    after_ms: int = 0
    is_whole: bool = False
    is_unknown: bool = False
    is_looked_for: bool = False


@dataclass(frozen=True, slots=True)
class Unsure:
    """Nobody knows whether it arrived, and this vendor cannot be asked: a person decides whether it goes again.

    Attributes:
        is_whole: The vendor took it just now and did not answer: others would become the same.
    """

    reason: str
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """Not at all, for this reason; a person has to see."""

    reason: str


Outcome = Sent | Later | Unsure | Never
Steps = Generator[AnyCall, AnyReply, Outcome]


def later_of(reply: AnyReply, *, name: str) -> Later | None:
    """What is the same with every vendor: no answer, too many requests, its own fault; None for all else."""
    if isinstance(reply, NoReply):
        return Later(f"{name}: {reply.reason}", is_whole=True)
    if reply.status == 429:
        return Later(
            f"{name} asks to come later", after_ms=retry_after_ms(reply), is_whole=True
        )
    if reply.status >= 500 or reply.status in (408, 425):
        return Later(f"{name} failed (status {reply.status})", after_ms=retry_after_ms(reply))
    return None


def is_lost(reply: AnyReply) -> bool:
    """Whether a vendor may have done it and we were not told: no answer, or one of a gateway before it."""
    if isinstance(reply, NoReply):
        return reply.is_maybe_done
    return reply.status in (500, 502, 504) and not isinstance(reply.json(), dict)


RETRY_AFTER_MAX_S: Final = 3_600
"""How long a vendor may ask us to wait; more is taken for a mistake."""


def retry_after_ms(reply: Reply) -> int:
    """Milliseconds the vendor asks to wait; 0 when it does not say, or says it as a date. Source: RFC 9110, 10.2.3."""
    text = reply.headers.get("retry-after", "").strip()
    whole, _, _ = text.partition(".")
    if not whole.isascii() or not whole.isdigit() or len(whole) > 9:
        return 0
    return min(int(whole), RETRY_AFTER_MAX_S) * 1_000


def words_of(text: object) -> str:
    """A vendor's own words, of a size to show; "" for none."""
    said = text if isinstance(text, str) else ""
    return " ".join(said.split())[:REASON_MAX]


def at(value: Any, *path: str | int) -> Any:
    """What stands at a path of plain values; None where there is nothing."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def json_call(
    method: str, url: str, body: object, headers: Mapping[str, str] | None = None
) -> Call:
    """A request with a JSON body."""
    said = {"content-type": "application/json", "accept": "application/json", **(headers or {})}
    return Call(method, url, said, msgspec.json.encode(body))


def option(settings: Settings, name: str, default: str = "") -> str:
    """An option of a channel, without outer spaces."""
    return settings.options.get(name, default).strip()


def base_url(settings: Settings, default: str) -> str:
    """Where the vendor's service is: option `api_url`, else its documented address."""
    return (option(settings, "api_url") or default).rstrip("/")
