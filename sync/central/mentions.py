"""Where somebody who is erased is spoken of in the bytes of events: by their numbers, addresses, handles and ids, however spelled.

    number     +44 7700 900123, 0044 (0) 7700-900123, 07700 900 123, 7700900123; not by its last digits alone
    address    in capitals, in brackets, with a blank around the @, its domain as it is written or in ASCII; inside another
               address, as who sends or forwards mail for others writes it (VERP, SRS)
    handle     with or without @, at the end of an address of a page; one of a few letters only where it clearly is a handle
    id         another system's, from MENTION_MIN characters on, as a word of its own

Bytes are read as text, and again as what that is an encoding of: percent signs, JSON's and HTML's escapes, quoted-printable,
base64, UTF-16, wide and Arabic digits, signs nobody sees in between. A longer number that only holds these digits is another one; an eight-digit number that is
an order's by chance is taken for it: those bytes go too, and that is the smaller harm.
"""

import base64
import binascii
import html
import quopri
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_plus

import msgspec
import phonenumbers

from sync.central import events
from sync.central.sql import Connection
from sync.central.store import Store
from sync.central.transaction import Transaction

MENTION_MIN: Final = 8
"""Characters of another system's id from which it stands in an event only where it is meant."""

HANDLE_MIN: Final = 6
"""Characters of a handle from which it is one wherever it stands as a word."""

BARE_MIN: Final = 9
"""Digits of a national number from which it is one without anything before it."""

READINGS_MAX: Final = 60
"""Ways one event is read; more are encodings of encodings."""

SLICE: Final = 200
"""Events looked into at a time."""

SKEW_US: Final = 300 * 1_000_000
"""How far the clocks of two nodes may be apart, by which it is known what came since."""

_BETWEEN: Final = r"[\s().\-/_\u2010-\u2015\u2212\u00b7]{0,3}"
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[nrtbf\"\\/])")
_PLAIN: Final = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": " ",
    "f": " ",
    '"': '"',
    "\\": "\\",
    "/": "/",
}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_DIGITS: Final = {zero + n: str(n) for zero in (0x0660, 0x06F0, 0x0966) for n in range(10)}
_UNSEEN: Final = (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)  # fmt: skip
_PLAINER: Final[dict[int, str | None]] = {**_DIGITS, **dict.fromkeys(_UNSEEN)}
"""Digits as we write them; soft hyphens, joiners, marks of direction and of byte order go."""
_NO_DIGIT: Final = bytes(set(range(256)) - set(b"0123456789"))


class Mentions:
    """What names one person. Looks into bytes for it."""

    def __init__(self, terms: Iterable[str], refs: Iterable[str]) -> None:
        """For contact points as terms ("tel:+44...", "mailto:...", "x:tom_b"), and ids other systems have."""
        terms, refs = tuple(sorted(terms)), tuple(sorted(refs))
        self.key = (*terms, "", *refs)
        self._words: list[tuple[str, re.Pattern[str]]] = []
        self._numbers: list[tuple[bytes, re.Pattern[str]]] = []
        for term in terms:
            network, _, value = term.partition(":")
            if network == "tel":
                self._add_number(value)
            elif network == "mailto":
                self._add_word(value.rpartition("@")[0], _address(value))
            else:
                self._add_word(value, _handle(value))
                if value.isascii() and value.isdecimal() and len(value) >= MENTION_MIN:
                    self._add_number(f"+{value}")  # a network whose handles are numbers
        for ref in refs:
            if len(ref) >= MENTION_MIN:
                self._add_word(ref, _word(ref.casefold()))

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._words or self._numbers)

    def _add_word(self, core: str, pattern: str) -> None:
        self._words.append((core.casefold(), re.compile(pattern)))

    def _add_number(self, number: str) -> None:
        pattern, core = _number(number)
        self._numbers.append((core.encode(), re.compile(pattern)))

    def stand_in(self, content: bytes) -> bool:
        """Whether one of them stands in these bytes."""
        return any(self._are_in(text) for text in readings(content))

    def _are_in(self, text: str) -> bool:
        # What stands there at all is quick to say; whether it stands alone is not.
        if any(core in text and pattern.search(text) for core, pattern in self._words):
            return True
        if not self._numbers:
            return False
        digits = text.encode("ascii", "ignore").translate(None, _NO_DIGIT)
        return any(core in digits and pattern.search(text) for core, pattern in self._numbers)


class Looked(msgspec.Struct, frozen=True):
    """Events looked into before they are erased, while others wrote: for whom, which had it, and since when they may be new."""

    wanted: tuple[str, ...]
    found: tuple[tuple[str, str], ...]
    since: int


def look(store: Store, wanted: Mentions, *, now: int) -> Looked:
    """Look into all events that are nobody's so far, as it is known, while others write. Raises StoreError."""
    found: list[tuple[str, str]] = []
    last: tuple[str, str] | None = ("", "")
    while last is not None and wanted:
        with store.reading() as snapshot:
            last = _look_into(snapshot.sql, wanted, last, found, since=0)
    return Looked(wanted.key, tuple(found), now - SKEW_US)


def erase(transaction: Transaction, wanted: Mentions, looked: Looked | None = None) -> int:
    """Forget the bytes of events that are nobody's so far, as it is known, in which one of these stands; how many.

    Nobody took them yet, or believed them; or they say what became of a message, or nothing we keep. Of one whose bytes went
    before, the reason is looked at.

    Args:
        transaction: Where it is written.
        wanted: What is looked for.
        looked: What was found before; then only what came since is looked into, unless it was looked for something else.
    """
    is_known = looked is not None and looked.wanted == wanted.key
    found = list(looked.found) if looked is not None and is_known else []
    last: tuple[str, str] | None = ("", "")
    since = looked.since if looked is not None and is_known else 0
    while last is not None and wanted:
        last = _look_into(transaction.direct(), wanted, last, found, since=since)
    for channel, event_id in dict.fromkeys(found):
        events.settle(transaction, channel, event_id, events.ERASED)
    return len(set(found))


def _look_into(
    sql: Connection,
    wanted: Mentions,
    last: tuple[str, str],
    found: list[tuple[str, str]],
    *,
    since: int,
) -> tuple[str, str] | None:
    """Look into the next events; the last of them, None where there are no more."""
    lines = sql.all(
        "SELECT channel, id, raw, head, reason FROM event WHERE (channel, id) > (:channel, :id) AND came_at >= :since"
        " AND ((raw IS NOT NULL AND NOT EXISTS (SELECT 1 FROM event_of WHERE event_of.channel = event.channel"
        " AND event_of.id = event.id)) OR state IN ('waiting', 'held', 'forged')) ORDER BY channel, id LIMIT :limit",
        channel=last[0], id=last[1], since=since, limit=SLICE,
    )  # fmt: skip
    for channel, event_id, raw, head, reason in lines:
        content = b"\n".join((bytes(raw or b""), str(head).encode(), str(reason).encode()))
        if wanted.stand_in(content):
            found.append((str(channel), str(event_id)))
    return (str(lines[-1][0]), str(lines[-1][1])) if lines else None


# Reading


def readings(content: bytes) -> Iterator[str]:
    """These bytes as text, in small letters, each way they can be read."""
    waiting, seen = list(_texts(content)), set[str]()
    while waiting and len(seen) < READINGS_MAX:
        text = waiting.pop(0)
        if text in seen:
            continue
        seen.add(text)
        yield text.casefold() if text.isascii() else _plain(text)
        waiting += [other for other in _inside(text) if other not in seen]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_PLAINER).casefold()


def _texts(content: bytes) -> Iterator[str]:
    yield content.decode("utf-8", "replace")
    if content.count(0) > len(content) // 4:
        for encoding in ("utf-16-le", "utf-16-be"):
            yield content.decode(encoding, "ignore")


def _inside(text: str) -> Iterator[str]:
    """What a text is an encoding of."""
    if "%" in text or "+" in text:
        yield unquote_plus(text)
    if "\\" in text:
        yield _ESCAPE.sub(_unescaped, text)
    if "&" in text:
        yield html.unescape(text)
    if "=" in text:
        yield quopri.decodestring(text.encode()).decode("utf-8", "replace")
    found = [raw for run in _BASE64.findall(text) if (raw := _of_base64(run))]
    if found:
        yield "\n".join(found)


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if word[0] == "u" else _PLAIN[word]


def _of_base64(run: str) -> str:
    """What a run of letters holds, "" for what is no text."""
    packed = "".join(run.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4))
    except (binascii.Error, ValueError):
        return ""
    text = raw.decode("utf-8", "replace")
    # Words are letters too, and give noise; of what was packed most can be printed.
    n_odd = sum(not sign.isprintable() and not sign.isspace() for sign in text) + text.count(
        "\ufffd"
    )
    return text if n_odd * 2 <= len(text) else ""


# What is looked for


def _number(number: str) -> tuple[str, str]:
    """How a number may stand, and the digits that do in each of the ways."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        digits = number.lstrip("+")
        return rf"(?<![0-9]){_spaced(digits)}(?![0-9])", digits
    code, core = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    national = _only_digits(
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    )
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    trunk = (metadata.national_prefix if metadata else None) or "0"
    abroad = rf"(?:\+|00|011)?{_BETWEEN}{code}{_BETWEEN}(?:{trunk}{_BETWEEN})?"
    ways = [rf"{abroad}{_spaced(core)}", rf"{trunk}{_BETWEEN}{_spaced(core)}"]
    if len(core) >= BARE_MIN or national == core:
        ways.append(_spaced(core))
    if national.endswith(core):
        return rf"(?<![0-9])(?:{'|'.join(ways)})(?![0-9])", core
    ways.append(
        _spaced(national)
    )  # some countries write their mobile numbers otherwise at home
    tail = core[-6:] if national.endswith(core[-6:]) else ""
    return rf"(?<![0-9])(?:{'|'.join(ways)})(?![0-9])", tail


def _only_digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdecimal())


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)


def _address(address: str) -> str:
    name, _, domain = address.casefold().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = domain
    domains = "|".join(re.escape(one) for one in sorted({domain, ascii_domain}))
    local = re.escape(name)
    alone = rf"(?<![\w.+%-]){local}\s?@\s?(?:{domains})(?![\w-]|\.\w)"
    return rf"{alone}|(?<![\w.]){local}=(?:{domains})@|=(?:{domains})={local}@"


def _handle(name: str) -> str:
    word = re.escape(name.casefold())
    if len(name) >= HANDLE_MIN:
        return rf"(?<![\w.]){word}(?![\w])"
    return rf"[@/]{word}(?!\w)|(?<=[\"'=:>]){word}(?=[\"'<>&?,;}}\]\\]|\s*$)"


def _word(ref: str) -> str:
    return rf"(?<!\w){re.escape(ref)}(?!\w)"
