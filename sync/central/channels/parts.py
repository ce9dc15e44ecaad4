"""What several adapters need: signatures, vendors' JSON that says where it is wrong, times, money, text from markup.

Whatever is handed to anything here, only `Forged` or `Unmapped` leaves it.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from sync.central.channels.adapter import (
    REPLAY_WITHIN_S,
    Delivery,
    Event,
    Forged,
    NoSecret,
    Settings,
    Unmapped,
)
from sync.central.channels.facts import POINT_KINDS, AnyFact
from sync.model.records import CHANNELS

INTEGER_MAX: Final = 2**53 - 1
"""What JSON numbers hold exactly everywhere. Source: RFC 8259 section 6."""

REF_MAX: Final = 200
"""Characters of another system's id; they become keys of rows. The longest known, of WhatsApp messages, have 128."""

FIELDS_MAX: Final = 1_000
"""Of one form."""

AT_MAX: Final = 7_258_118_400_000_000
"""The year 2200: nothing that happened is later."""

WITHOUT_MINOR: Final = frozenset((
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
))  # fmt: skip
"""Currencies whose amounts have no decimals. Source: ISO 4217, list one."""

WITH_THREE_MINOR: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
"""Currencies with three decimals. Source: ISO 4217, list one."""

OURS: Final = "tapthread-signature"
"""Header of our own signatures."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SPACES: Final = re.compile(r"[ \t\r\f\v\xa0]+")
_LINES: Final = re.compile(r"\n{3,}")


# --- Signatures -------------------------------------------------------------


def secrets_of(settings: Settings, name: str) -> tuple[str, ...]:
    """The secret of this name, then older ones that still count: "signing", then all that begin with "signing_old".

    Raises NoSecret where there is none: without a secret nothing is believed.
    """
    older = sorted(one for one in settings.secrets if one.startswith(f"{name}_old"))
    found = tuple(settings.secrets[one] for one in (name, *older) if settings.secrets.get(one))
    if not found:
        has = ", ".join(sorted(settings.secrets)) or "none"
        raise NoSecret(
            f"there is no secret {name!r} (found: {has}), so nothing that is sent here can be believed"
        )
    return found


def check_mac(
    given: str,
    signed: bytes,
    secrets: Sequence[str],
    *,
    digest: str = "sha256",
    is_hex: bool = True,
) -> None:
    """Raise Forged unless `given` is the HMAC of `signed` under one of `secrets`, in hex or else in base64."""
    if not secrets:
        raise Forged("no secret of this channel is set, so nothing can be believed")
    if not given:
        raise Forged("not signed")
    try:
        mac = bytes.fromhex(given) if is_hex else b64decode(given, validate=True)
    except (ValueError, binascii.Error):
        raise Forged("the signature is not one") from None
    if not any(
        hmac.compare_digest(mac, hmac.digest(one.encode(), signed, digest)) for one in secrets
    ):
        raise Forged("the signature does not fit")


def check_shared(given: str, secrets: Sequence[str]) -> None:
    """Raise Forged unless `given` is one of `secrets`: for vendors that sign nothing."""
    if not secrets:
        raise Forged("no secret of this channel is set, so nothing can be believed")
    if not any(hmac.compare_digest(given.encode(), one.encode()) for one in secrets):
        raise Forged("the shared secret does not fit")


def check_time(told: str, now_s: int, *, within_s: int = REPLAY_WITHIN_S) -> None:
    """Raise Forged unless the signed time, in seconds since 1970, is about now."""
    if not re.fullmatch(r"[0-9]{1,12}", told):
        raise Forged("the time it was signed at is missing")
    if abs(now_s - int(told)) > within_s:
        raise Forged("signed too long ago, or in the future")


def check_hub(delivery: Delivery, settings: Settings) -> None:
    """Raise Forged unless Meta's signature over the body fits: `sha256=` and hex, under the secret `app`."""
    scheme, _, mac = header(delivery, "x-hub-signature-256").partition("=")
    check_mac(mac if scheme == "sha256" else "", delivery.body, secrets_of(settings, "app"))


def hub_greeting(delivery: Delivery, settings: Settings) -> bytes | None:
    """Meta's challenge, where it asks for it with the word we agreed on; None for an ordinary delivery. Raises Forged."""
    if delivery.method != "GET":
        return None
    asked = query_of(delivery)
    if asked.get("hub.mode") != "subscribe" or "hub.challenge" not in asked:
        raise Forged("neither a delivery nor a question")
    check_shared(asked.get("hub.verify_token", ""), secrets_of(settings, "verify"))
    return asked["hub.challenge"].encode()


def query_of(delivery: Delivery) -> dict[str, str]:
    """What the address asks; of a name that stands twice the first."""
    try:
        pairs = parse_qsl(
            urlsplit(delivery.url).query, keep_blank_values=True, max_num_fields=FIELDS_MAX
        )
    except ValueError:
        return {}
    return dict(reversed(pairs))


def check_ours(delivery: Delivery, settings: Settings) -> None:
    """Raise Forged unless signed in our own way, "Tapthread-Signature: t=1789200000,v1=HEX", or read by us from a file.

    HEX is the HMAC-SHA256 of the time, a point and the body, with the secret `signing`.
    """
    if is_local(delivery):
        return
    told = dict(one.split("=", 1) for one in items_of(header(delivery, OURS)) if "=" in one)
    secrets = secrets_of(settings, "signing")
    check_time(told.get("t", ""), delivery.now)
    signed = f"{told['t']}.".encode() + delivery.body
    check_mac(told.get("v1", ""), signed, secrets)


def is_local(delivery: Delivery) -> bool:
    """Whether we fetched it ourselves, from a file or a mailbox; what came by HTTP never has such an address."""
    return delivery.url.startswith(("file:", "imap:", "imaps:"))


def header(delivery: Delivery, name: str) -> str:
    """The header, or ""."""
    return delivery.headers.get(name.lower(), "")


def digest_of(*parts: bytes) -> str:
    """An id for what has none: equal parts have equal ids."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{whole.hexdigest()[:40]}"


# --- Bodies -----------------------------------------------------------------


def decoded(body: bytes) -> Any:
    """Decoded JSON. Raises Unmapped."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unmapped(f"not JSON: {_broken(error, body)}") from None


_BYTE: Final = re.compile(r"(?:JSON is malformed: )?(.*) \(byte ([0-9]+)\)")


def _broken(error: Exception, body: bytes) -> str:
    """Where and how JSON breaks, in words; nothing of what stands in it."""
    found = _BYTE.fullmatch(str(error))
    if found:
        at = int(found[2])
        line = f", line {body.count(10, 0, at) + 1}" if 10 in body.strip() else ""
        return f"it breaks at byte {at + 1}{line}: {found[1]}"
    if not body:
        return "it is empty"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, msgspec.ValidationError):
        return "a number in it is out of range"
    try:
        body.decode()
    except UnicodeDecodeError as wrong:  # the reader counts from the text it is in
        return f"byte {wrong.start + 1} is no UTF-8"
    return f"it ends too soon, after {len(body)} bytes"


def encoded(value: Any) -> bytes:
    """JSON of what was decoded, the same for equal values."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except (OverflowError, RecursionError, ValueError, TypeError):
        return repr(value).encode("utf-8", "replace")


def form_of(body: bytes) -> tuple[tuple[str, str], ...]:
    """Fields of an `application/x-www-form-urlencoded` body, in order. Raises Unmapped."""
    try:
        return tuple(
            parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=FIELDS_MAX,
            )
        )
    except ValueError:
        raise Unmapped("not a form") from None


class Json:
    """A place in decoded JSON. Asked for a type of thing by a dotted path, it has that, or nothing, or raises Unmapped.

    What is missing or null is "" or 0 or empty; what is of another type than asked for is not as the vendor documents it.
    """

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def at(self, path: str) -> "Json":
        """What is at this path; its value is None where nothing is."""
        here = self
        for name in path.split("."):
            if here.value is None:
                return Json(None, f"{self.path}.{path}".lstrip("."))
            if not isinstance(here.value, dict):
                raise here.wrong("an object")
            here = Json(here.value.get(name), f"{here.path}.{name}".lstrip("."))
        return here

    def wrong(self, wanted: str) -> Unmapped:
        """The error that this is not what was wanted."""
        told = (
            "nothing" if self.value is None else _TYPES.get(type(self.value), "something else")
        )
        return Unmapped(f"{self.path or 'the body'} is {told}, not {wanted}")

    def has(self, path: str) -> bool:
        """Whether something is there."""
        return self.at(path).value is not None

    def text(self, path: str, default: str = "") -> str:
        """Text, or the default."""
        found = self.at(path)
        if found.value is None:
            return default
        if not isinstance(found.value, str):
            raise found.wrong("text")
        return clean(found.value)

    def need_text(self, path: str) -> str:
        """Text that is not empty."""
        text = self.text(path)
        if not text:
            raise Unmapped(f"{self.at(path).path} is empty")
        return text

    def ref(self, path: str) -> str:
        """An id, which vendors write as text or as a number; "" for none."""
        found = self.at(path)
        if found.value is None:
            return ""
        if isinstance(found.value, bool) or not isinstance(found.value, str | int):
            raise found.wrong("an id")
        try:
            text = clean(str(found.value)).strip()
        except ValueError:  # a number of thousands of digits
            text = "-" * (REF_MAX + 1)
        if len(text) > REF_MAX:
            raise found.wrong(f"an id of at most {REF_MAX} characters")
        return text

    def need_ref(self, path: str) -> str:
        """An id that is there."""
        ref = self.ref(path)
        if not ref:
            raise Unmapped(f"{self.at(path).path} is missing")
        return ref

    def number(self, path: str, default: int = 0) -> int:
        """A whole number that every program can hold, or the default."""
        found = self.at(path)
        if found.value is None:
            return default
        if isinstance(found.value, bool) or not isinstance(found.value, int):
            raise found.wrong("a whole number")
        if abs(found.value) > INTEGER_MAX:
            raise found.wrong("a number of a size that occurs")
        return found.value

    def flag(self, path: str, *, default: bool = False) -> bool:
        """True or false, or the default."""
        found = self.at(path)
        if found.value is None:
            return default
        if not isinstance(found.value, bool):
            raise found.wrong("true or false")
        return found.value

    def each(self, path: str) -> Iterator["Json"]:
        """Elements of a list; none when it is not there."""
        found = self.at(path) if path else self
        if found.value is None:
            return
        if not isinstance(found.value, list):
            raise found.wrong("a list")
        for index, value in enumerate(found.value):
            yield Json(value, f"{found.path}[{index}]")

    def when(self, path: str) -> int:
        """A time as ISO 8601 text, or as seconds since 1970, in microseconds since 1970; 0 for none."""
        found = self.at(path)
        if isinstance(found.value, str):
            return instant(found.value, found.path) if found.value else 0
        return micros(self.number(path), found.path)

    def money(self, path: str, currency: str) -> int:
        """An amount in minor units, from text or a number in major ones; 0 for none."""
        found = self.at(path)
        if found.value is None or found.value == "":
            return 0
        if isinstance(found.value, bool) or not isinstance(found.value, str | int | float):
            raise found.wrong("an amount")
        return minor(str(found.value), currency, found.path)

    def amount(self, path: str) -> Decimal:
        """An amount in major units, exactly as told; 0 for none."""
        found = self.at(path)
        if found.value is None or found.value == "":
            return Decimal(0)
        if isinstance(found.value, bool) or not isinstance(found.value, str | int | float):
            raise found.wrong("an amount")
        return amount(str(found.value), found.path)

    def currency(self, path: str) -> str:
        """Three capital letters that are there."""
        text = self.need_text(path)
        if not _CURRENCY.fullmatch(text):
            raise self.at(path).wrong("a currency")
        return text


_TYPES: Final = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


Topics = Mapping[str, Callable[[Json, Settings], Iterator[AnyFact]]]
"""What a body of each topic says."""


def by_topic(topics: Topics, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
    """The facts of an event whose type is a topic. Raises Unmapped."""
    mapping = topics.get(event.type)
    if mapping is None:
        raise Unmapped(f"no mapping for the topic {event.type!r}")
    return tuple(mapping(Json(event.body), settings))


# --- Times, money, text -----------------------------------------------------


def instant(text: str, path: str = "the time") -> int:
    """Microseconds since 1970 of ISO 8601 text; one without an offset is UTC. Raises Unmapped."""
    try:
        when = datetime.fromisoformat(text.removesuffix(" UTC"))
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unmapped(f"{path} is not a time") from None
    at = (when - EPOCH) // timedelta(microseconds=1)
    if not 0 <= at <= AT_MAX:
        raise Unmapped(f"{path} is not a time that occurs")
    return at


def micros(seconds: int, path: str = "the time") -> int:
    """Microseconds since 1970 of seconds since 1970. Raises Unmapped."""
    if not 0 <= seconds <= AT_MAX // 1_000_000:
        raise Unmapped(f"{path} is not a time that occurs")
    return seconds * 1_000_000


def amount(text: str, path: str = "the amount") -> Decimal:
    """An exact amount in major units. Raises Unmapped."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise Unmapped(f"{path} is not an amount") from None
    if not value.is_finite() or value.adjusted() > 12 or abs(value) > INTEGER_MAX // 1_000:
        raise Unmapped(f"{path} is not an amount that occurs")
    return value


def rounded(value: Decimal, currency: str) -> int:
    """The nearest minor units of an amount; a half goes up."""
    places = 0 if currency in WITHOUT_MINOR else 3 if currency in WITH_THREE_MINOR else 2
    return int(value.scaleb(places).quantize(Decimal(1), ROUND_HALF_UP))


def minor(text: str, currency: str, path: str = "the amount") -> int:
    """Minor units of an amount written in major ones: "31.92" EUR is 3192, "3192" JPY is 3192. Raises Unmapped."""
    return rounded(amount(text, path), currency)


def clean(text: str) -> str:
    """Text without what no database and no screen can hold: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def clean_all(value: Any) -> Any:
    """Decoded JSON with every text in it clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_all(one) for one in value]
    if isinstance(value, dict):
        return {clean(name): clean_all(one) for name, one in value.items()}
    return value


_BLOCKS: Final = frozenset((
    "address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "table", "tr", "ul",
))  # fmt: skip
_NO_TEXT: Final = frozenset(("script", "style", "title"))
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")


def text_of_html(markup: str, *, without: frozenset[str] = frozenset()) -> str:
    """The words of HTML as plain text, one line a block, without what is in elements of these names.

    Not `html.parser`: that of Python 3.11 takes minutes for 100 kB of tags that do not end. This looks at each character once.
    """
    words: list[str] = []
    lower, here, n_without = markup.lower(), 0, 0
    while (start := markup.find("<", here)) >= 0:
        if not n_without:
            words.append(_words_of(markup[here:start]))
        is_comment = markup.startswith("<!--", start)
        end = markup.find("-->" if is_comment else ">", start)
        if end < 0:
            here = len(markup) if is_comment or n_without else start
            break
        here = end + (3 if is_comment else 1)
        tag = _TAG.match(markup, start)
        if tag is None:
            if not markup.startswith(("<!", "<?", "</"), start):
                words.append("<")  # no tag: "a < b"
                here = start + 1
            continue
        is_end, name = bool(tag[1]), tag[2].lower()
        if name in _NO_TEXT and not is_end:
            end = lower.find(f"</{name}", here)
            here = end if end >= 0 else len(markup)
        elif name in without:
            n_without = max(0, n_without - 1) if is_end else n_without + 1
        if name in _BLOCKS:
            words.append("\n")
    if not n_without:
        words.append(_words_of(markup[here:]))
    return tidy("".join(words))


def _words_of(text: str) -> str:
    return _SPACES.sub(" ", unescape(text).replace("\n", " "))


def tidy(text: str) -> str:
    """Text without spaces at the ends of lines, and without more than one empty line in a row."""
    lines = "\n".join(line.strip() for line in text.replace("\r\n", "\n").split("\n"))
    return _LINES.sub("\n\n", lines).strip()


# --- Options of a channel ---------------------------------------------------


def items_of(option: str) -> tuple[str, ...]:
    """What a list with commas holds."""
    return tuple(one.strip() for one in option.split(",") if one.strip())


def pairs_of(option: str) -> dict[str, str]:
    """What a list like "65432=harbour, 65433=mill" maps."""
    pairs = (one.partition("=") for one in items_of(option))
    return {left.strip(): right.strip() for left, _, right in pairs}


def number_in(text: str, settings: Settings) -> str:
    """The first number of an order or a case that a text names, by the option `numbers`: "W-, C-"; "" for none."""
    for start in items_of(settings.options.get("numbers", "")):
        found = re.search(rf"(?<!\w){re.escape(start)}[0-9]{{1,12}}(?!\w)", text, re.IGNORECASE)
        if found:
            return start + found[0][len(start) :]
    return ""


# --- Our own event form -----------------------------------------------------


def fact_of(told: Any) -> AnyFact:
    """A fact of decoded JSON in our own form (`facts.AnyFact`). Raises Unmapped for one that says what cannot be."""
    try:
        fact: AnyFact = msgspec.convert(clean_all(told), AnyFact)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Unmapped(str(error)) from None
    check_fact(fact)
    return fact


def check_fact(fact: AnyFact) -> None:
    """Raise Unmapped for a fact with an id, a time, a number or a word that cannot be."""
    if not 0 < len(fact.ref) <= REF_MAX or any(
        not 0 < len(one) <= REF_MAX for one in fact.also
    ):
        raise Unmapped(f"ref and also have 1 to {REF_MAX} characters")
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if name == "at" or name.endswith("_at") or name == "until":
            if not 0 <= value <= AT_MAX:
                raise Unmapped(f"{name} is not a time in microseconds since 1970")
        elif isinstance(value, int) and abs(value) > INTEGER_MAX:
            raise Unmapped(f"{name} is no number of a size that occurs")
        allowed = _WORDS.get((type(fact).__name__, name)) or _WORDS.get(("", name))
        if allowed and value not in allowed:
            raise Unmapped(f"{name} is one of: {', '.join(allowed)}")
    for point in fact.who.points if fact.who else ():
        if point.kind not in POINT_KINDS:
            raise Unmapped(f"the kind of a point is one of: {', '.join(POINT_KINDS)}")


_ORDER_STATES: Final = (
    "placed",
    "paid",
    "ready",
    "shipped",
    "delivered",
    "collected",
    "returned",
    "cancelled",
)
_WORDS: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("", "channel"): CHANNELS,
    ("", "sensitivity"): ("normal", "gift", "sensitive"),
    ("", "direction"): ("in", "out", "note"),
    ("Called", "state"): ("answered", "dropped", "missed"),
    ("Bought", "state"): _ORDER_STATES,
    ("Became", "state"): _ORDER_STATES,
    ("Parcel", "state"): ("expected", "ready", "handed_over", "returned"),
    ("Problem", "state"): ("open", "solved"),
    ("Delivered", "state"): ("sent", "delivered", "read", "failed"),
}
"""Words a field may hold, by the name of its fact, "" for any."""


def number_of(settings: Settings, name: str, default: int) -> int:
    """An option that is a number. Raises Unmapped for one that is none: what came waits until it is."""
    text = settings.options.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Unmapped(f"the option {name} of this channel is no number")
    return int(text)
