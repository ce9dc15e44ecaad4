"""What the staff strip says in one line: reader, network, age of the data, what is not settled; pure.

All of it always stays. Where the line is too narrow, spans and clock times give way, from the left.
"""

from dataclasses import dataclass, replace
from typing import Final

from kiosk.core.entries import MARKS, Tone
from kiosk.core.ports import Long, Standing
from kiosk.core.staff_words import DAY_US, SECOND_US, StaffWords

DATA_OLD_US: Final = DAY_US
"""Data older than this is said loudly; the cache lease warns at the same age."""

COMING: Final = ("rows", "snapshot")
"""What a first sync is made of, as `Long` calls it."""

GAP: Final = " · "
"""Between two pieces."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of the strip.

    Attributes:
        text: What it says where there is room.
        short: What it says where there is not; "" lets it go.
        tone: ALERT for what is wrong; else MUTED.
        is_first: It is the first to be short.
    """

    text: str
    short: str
    tone: Tone = Tone.MUTED
    is_first: bool = False


def pieces_of(standing: Standing, words: StaffWords, *, n_late: int = 0) -> tuple[Piece, ...]:
    """All four pieces, in their fixed order; the narrowest counter, 53 columns, shows each of them.

    Args:
        standing: How the device stands.
        words: What sentences are made with.
        n_late: How many customers wait past their promise, in all channels; said where there are any.
    """
    files = _wrong(f"strip.store.{standing.store_code}", "strip.store.other", words)
    more = (*_relay(standing, words), *_programs(standing, words), *_late(n_late, words))
    return (
        *_with_room(
            _part("reader", standing.reader, standing.reader_since, standing.now, words),
            _part("network", standing.network, standing.network_since, standing.now, words),
            more,
        ),
        *(() if standing.store_code == "ok" else (files,)),
        _synced(standing, words),
        *_waiting(standing, words),
    )


def fitted(pieces: tuple[Piece, ...], width: int) -> tuple[Piece, ...]:
    """The pieces that fit into `width` columns, with `text` as it is to be shown."""
    for shown in _shorter(pieces):
        if _width_of(shown) <= width:
            return shown
    return tuple(piece for piece in pieces if piece.tone is Tone.ALERT)


def _shorter(pieces: tuple[Piece, ...]) -> list[tuple[Piece, ...]]:
    """The same pieces, ever shorter: as they are, then one after another short, from the left."""
    steps = [pieces]
    for index, piece in sorted(enumerate(pieces), key=lambda pair: not pair[1].is_first):
        if piece.short != piece.text:
            last = steps[-1]
            short = Piece(piece.short, piece.short, piece.tone)
            steps.append((*last[:index], short, *last[index + 1 :]))
    return [tuple(piece for piece in step if piece.text) for step in steps]


def _width_of(pieces: tuple[Piece, ...]) -> int:
    return sum(len(piece.text) for piece in pieces) + len(GAP) * max(len(pieces) - 1, 0)


def _relay(standing: Standing, words: StaffWords) -> tuple[Piece, ...]:
    """Said where it is set and something is wrong with it; that it works is what everybody takes it for."""
    if standing.relay in ("off", "ok"):
        return ()
    return (_part("relay", standing.relay, standing.relay_since, standing.now, words),)


def _programs(standing: Standing, words: StaffWords) -> tuple[Piece, ...]:
    """Where this program or the centre's will soon be too old for the other."""
    if standing.update_at:
        before = words.moment(standing.update_at, now=standing.now)
        text = words.say("strip.update", before=before)
        return (replace(_alert(text, words.say("strip.update.short")), is_first=True),)
    if standing.n_unread_kinds:
        text = words.say("strip.centre_old")
        return (replace(_alert(text, words.say("strip.centre_old.short")), is_first=True),)
    return ()


def _late(n_late: int, words: StaffWords) -> tuple[Piece, ...]:
    """Customers who wait longer than was promised."""
    if not n_late:
        return ()
    text = words.say("strip.late", count=n_late)
    return (replace(_alert(text, words.say("strip.late.short", count=n_late)), is_first=True),)


def _with_room(reader: Piece, network: Piece, relay: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The parts; where a fifth piece is wrong, one that is well gives way to it on the narrowest counter."""
    if not relay:
        return (reader, network)
    giving = (
        replace(one, short="" if one.tone is Tone.MUTED else one.short)
        for one in (reader, network)
    )
    return (*giving, *relay)


def _part(part: str, code: str, since: int, now: int, words: StaffWords) -> Piece:
    if code == "ok":
        text = words.say(f"strip.{part}.ok")
        return Piece(text, text)
    wrong = words.either(
        f"strip.{part}.{code}", f"strip.{part}.other"
    )  # stays where it is narrow, its span goes
    narrow = f"strip.{part}.{code}.short"
    short = words.say(narrow) if words.has(narrow) else wrong
    if not since:
        return _alert(wrong, short)
    return _alert(words.say("strip.since", what=wrong, span=words.span(now - since)), short)


def _alert(text: str, short: str) -> Piece:
    """What is wrong, with the sign that says so without colour."""
    return Piece(f"{MARKS[Tone.ALERT]} {text}", f"{MARKS[Tone.ALERT]} {short}", Tone.ALERT)


def _wrong(sentence: str, otherwise: str, words: StaffWords) -> Piece:
    text = words.either(sentence, otherwise)
    return _alert(text, text)


def _synced(standing: Standing, words: StaffWords) -> Piece:
    coming = next((one for one in standing.long if one.what in COMING), None)
    if coming is not None:
        return _coming(coming, words)
    if standing.lease != "ok":
        return _lease(standing, words)
    if not standing.synced_at:
        text = words.say("strip.synced.never")
        return _alert(text, text)
    age = standing.now - standing.synced_at
    at = words.clock(standing.synced_at, now=standing.now)
    text = words.say("strip.synced", at=at, age=words.span(age))
    short = words.say("strip.synced.short", age=words.span(age))
    return _alert(text, short) if age > DATA_OLD_US else Piece(text, short)


def _coming(coming: Long, words: StaffWords) -> Piece:
    """How far the first sync is."""
    share = 100 * coming.n_done // max(coming.n_total, 1)
    short = words.say("strip.coming.short", share=share)
    if coming.left_s is None:
        text = words.say("strip.coming", share=share, total=f"{coming.n_total:,}")
    else:
        text = words.say(
            "strip.coming.left", share=share, total=f"{coming.n_total:,}",
            span=words.span(coming.left_s * SECOND_US),
        )  # fmt: skip
    return Piece(text, short)


def _lease(standing: Standing, words: StaffWords) -> Piece:
    """The centre was not heard for so long that people are soon, or already, not shown."""
    if standing.lease == "over":
        return _alert(words.say("strip.lease.over"), words.say("strip.lease.over.short"))
    age = words.span(standing.now - standing.synced_at)
    text = words.say("strip.lease.warned", age=age, left=words.span(standing.lease_left_us))
    return _alert(text, words.say("strip.synced.short", age=age))


def _waiting(standing: Standing, words: StaffWords) -> list[Piece]:
    if not standing.n_waiting and not standing.n_refused:
        text = words.say("strip.settled")
        return [Piece(text, text)]
    pieces = []
    if standing.n_waiting:
        text = words.say("strip.waiting", count=standing.n_waiting)
        pieces.append(Piece(text, text))
    if standing.n_refused:
        text = words.say("strip.refused", count=standing.n_refused)
        pieces.append(_alert(text, text))
    return pieces
