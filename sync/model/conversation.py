"""What opens a conversation, continues, answers and closes it. Pure; the same for every channel.

    a message of a customer          opens a contact, and an answer is owed from then on, once
    more of them before an answer    continue it: three messages in a row are one contact
    "thanks", "ok"                   opens nothing
    an answer of a person            answers all of it; so does whoever calls the conversation solved
    an automatic reply               answers nothing; so does one that did not arrive
    what is said on the telephone    was said to somebody; a call that was lost, or that nobody took, is owed a call back
    an SMS, or words on a machine    are a message as in every other channel
    two calls lost within a day      are a case, unless somebody was reached between them

Contacts of one conversation are looked at together, in the order they happened, so it does not matter in which order they
were heard of.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import msgspec

from sync.model.records import LEFT, UNSENT, Case, Interaction, Promise
from sync.model.rules import case_number

DROPPED: Final = "dropped call"
MISSED: Final = "missed call"
"""Topics of calls that were lost. Public: stored."""

DAY_US: Final = 24 * 3_600 * 1_000_000
FOR_EVER: Final = 2**62

DROPPED_MIN: Final = 2
"""Lost calls within a day that make a case."""

CASE: Final = "dropped-"
"""How the id of such a case begins."""

THANKS_WORDS_MAX: Final = 8
"""A longer text says more than thanks."""

_THANKS: Final = frozenset(["thanks", "thank", "thankyou", "thx", "ty", "cheers", "ta", "much", "very", "so", "you", "u", "lot", "lots", "a", "many", "again", "all", "the", "for", "your", "help", "ok", "okay", "okey", "great", "perfect", "super", "good", "fine", "cool", "nice", "brilliant", "lovely", "got", "it", "will", "do", "bye", "goodbye", "danke", "dankeschön", "vielen", "dank", "schön", "sehr", "gut", "alles", "klar", "prima", "merci", "bien", "gracias", "muchas", "grazie", "mille", "obrigado", "obrigada", "bedankt", "dank", "je", "wel", "tak"])  # fmt: skip
_NEEDED: Final = frozenset(["thanks", "thank", "thankyou", "thx", "ty", "cheers", "ta", "ok", "okay", "okey", "great", "perfect", "super", "cool", "brilliant", "lovely", "danke", "dankeschön", "dank", "merci", "gracias", "grazie", "obrigado", "obrigada", "bedankt", "prima", "klar", "bye", "goodbye", "tak"])  # fmt: skip
_SIGNS_OF_THANKS: Final = frozenset("👍🙏❤🙂😀😊👌✅")


def is_thanks(text: str) -> bool:
    """Whether a message asks for nothing: thanks, an agreement, a thumb."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if "?" in plain:
        return False
    words = re.findall(r"[^\W_]+", plain)
    if not words:
        return not _SIGNS_OF_THANKS.isdisjoint(plain)
    return (
        len(words) <= THANKS_WORDS_MAX and set(words) <= _THANKS and bool(set(words) & _NEEDED)
    )


def settled(contacts: Sequence[Interaction], *, promise_us: int) -> tuple[Interaction, ...]:
    """Contacts of one conversation as they should be, those that are not so yet.

    Args:
        contacts: All of one conversation, in any order; what was recorded here by staff has no ":" in its id and is left as
            it is, but answers.
        promise_us: How long after it began a contact is to be answered.
    """
    shown = sorted(
        (it for it in contacts if not it.taken_back_at), key=lambda it: (it.at, it.id)
    )
    wanted: dict[str, tuple[int, int]] = {}
    waiting: list[Interaction] = []
    for contact in shown:
        waiting = _answered_by_op(waiting, contact.at, wanted)
        if _answers(contact):
            for one in waiting:
                wanted[one.id] = (wanted[one.id][0], contact.at)
            waiting = []
            if contact.direction == "in":
                wanted[contact.id] = (0, contact.at)  # somebody talked to them
        elif contact.direction == "in" and not contact.is_automatic and ":" in contact.id:
            is_opening = not waiting and not is_thanks(contact.text)
            wanted[contact.id] = (contact.at + promise_us if is_opening else 0, 0)
            if is_opening or waiting:
                waiting.append(contact)
    _answered_by_op(waiting, FOR_EVER, wanted)
    return tuple(
        _changed(contact, *wanted[contact.id]) for contact in shown if _differs(contact, wanted)
    )


def _answers(contact: Interaction) -> bool:
    if contact.is_closing:
        return True
    if contact.is_automatic or contact.delivery in UNSENT:
        return False
    if contact.channel == "phone" and contact.direction == "in":
        is_spoken = contact.topic not in (DROPPED, MISSED) and contact.form not in LEFT
        return is_spoken and ":" in contact.id
    return contact.direction == "out" and contact.topic not in (DROPPED, MISSED)


def _answered_by_op(
    waiting: list[Interaction], until: int, wanted: dict[str, tuple[int, int]]
) -> list[Interaction]:
    """What still waits at `until`, when staff here answered one of it before; then all of it is answered."""
    ops = [it.answered_at for it in waiting if it.answered_op and it.answered_at <= until]
    if not ops:
        return waiting
    for one in waiting:
        wanted[one.id] = (wanted[one.id][0], one.answered_at if one.answered_op else min(ops))
    return []


def _differs(contact: Interaction, wanted: dict[str, tuple[int, int]]) -> bool:
    if contact.id not in wanted:
        return False
    due_at, answered_at = wanted[contact.id]
    is_answered = contact.answered_op or contact.answered_at == answered_at
    return contact.due_at != due_at or not is_answered


def _changed(contact: Interaction, due_at: int, answered_at: int) -> Interaction:
    if contact.answered_op:
        return msgspec.structs.replace(contact, due_at=due_at)
    return msgspec.structs.replace(contact, due_at=due_at, answered_at=answered_at)


def dropped_cases(calls: Sequence[Interaction], *, promise_us: int) -> tuple[Case, ...]:
    """The cases that a customer's lost calls are; every call of theirs, in any order."""
    runs: list[list[Interaction]] = [[]]
    for call in sorted(calls, key=lambda it: (it.at, it.id)):
        if call.form in LEFT:
            continue
        if call.topic != DROPPED:
            if call.topic != MISSED:
                runs.append([])  # somebody was reached
            continue
        if runs[-1] and call.at - runs[-1][-1].at > DAY_US:
            runs.append([])
        runs[-1].append(call)
    return tuple(_case_of(run, promise_us) for run in runs if len(run) >= DROPPED_MIN)


def _case_of(run: Sequence[Interaction], promise_us: int) -> Case:
    digest = hashlib.sha256(run[0].id.encode()).hexdigest()
    second = run[1]
    return Case(
        id=f"{CASE}{digest[:24]}",
        number=case_number(digest),
        state="open",
        topic=f"{len(run)} calls lost",
        opened_at=second.at,
        channel="phone",
        promise=Promise("call centre", "call back", second.at + promise_us),
        next_step="call back",
    )
