"""What we promised on a case: every promise made there, and what became of each. Pure.

    owed     its time is not over
    moved    promised anew before its time was over, for no earlier time: the newer one stands in its place
    broken   its time went by. Whoever promises again then adds a promise; the broken one stays broken, and owed until it is kept
    kept     what was promised was done, or the case was solved; kept after its time it was broken too

A case holds the promise made last as `promise`, where programs that know of one alone look for it, and those before it as
`earlier`. Together they are one set, sorted by when each was made: in which order they arrive makes no difference. When
something is kept, all that was promised before is. Taken back, a promise leaves the set and a keeping its mark, whatever came
between: none that can be taken back is ever let go. A case has room for PROMISES_MAX of ours; what is promised beyond becomes a
case of its own. Of what other systems told, which nobody takes back, the one due first stays and the newest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from sync.model.records import Case, Kept, Promise

PROMISES_MAX: Final = 32
"""Promises of one case that we made, and as many that other systems told of."""

KEPT_MAX: Final = 256
"""Keepings of one case that are remembered, the newest."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was promised on a case, how many of these were broken, and when the first of those was due."""

    n_promised: int
    n_broken: int
    broken_at: int = 0


def made(case: Case) -> tuple[Promise, ...]:
    """Every promise of a case, the one made first before the others."""
    return () if case.promise is None else (*case.earlier, case.promise)


def standing(case: Case) -> tuple[Promise, ...]:
    """What is still to be kept, the earliest due first."""
    found = [it for it in made(case) if not it.kept_at and not _is_moved(it, case)]
    return tuple(sorted(found, key=lambda it: (it.due_at, it.at, it.op)))


def pressing(case: Case) -> Promise | None:
    """What is to be kept first: a broken promise before the one that was made after it."""
    return next(iter(standing(case)), None)


def again(case: Case) -> Promise | None:
    """What was promised last, where that is not what presses most."""
    found = standing(case)
    newest = max(found, key=_when, default=None)
    return newest if newest is not None and newest is not found[0] else None


def tally(case: Case, *, now: int) -> Tally:
    """How often we promised on this case, and broke it; `now` in microseconds since 1970."""
    promises = made(case)
    broken = [it.due_at for it in promises if _is_broken(it, case, now)]
    return Tally(len(promises), len(broken), min(broken, default=0))


def is_full(case: Case) -> bool:
    """Whether there is no room for another promise of ours."""
    return sum(bool(it.op) for it in made(case)) >= PROMISES_MAX


# How they change


def with_promise(case: Case, promise: Promise) -> Case:
    """The case with one promise more; the same one again adds nothing."""
    others = [it for it in made(case) if not _is_same(it, promise)]
    return _with(case, (*others, promise), case.kept)


def with_kept(case: Case, op: str, at: int) -> Case:
    """The case with all kept that was promised until `at`."""
    marks = {it.op: it for it in (*case.kept, Kept(op, at))}
    return _with(case, made(case), marks.values())


def without(case: Case, op: str) -> Case:
    """The case as if this operation had promised and kept nothing."""
    promises = (
        msgspec.structs.replace(it, kept_at=0, kept_op="") if it.kept_op == op else it
        for it in made(case)
        if it.op != op
    )
    return _with(case, promises, (it for it in case.kept if it.op != op))


def joined(case: Case, known: Case) -> Case:
    """The case with what was promised and kept on it as it was known before."""
    new = (it for it in made(case) if not any(_is_same(it, old) for old in made(known)))
    return _with(case, (*made(known), *new), {*case.kept, *known.kept})


def _with(case: Case, promises: Iterable[Promise], marks: Iterable[Kept]) -> Case:
    kept = tuple(sorted(marks, key=lambda it: (it.at, it.op)))[-KEPT_MAX:]
    found = sorted((_settled(it, kept) for it in promises), key=_when)
    told = [it for it in found if not it.op]
    if len(told) > PROMISES_MAX:
        first = min(told, key=lambda it: (it.due_at, *_when(it)))
        newest = told[-PROMISES_MAX:]
        stay = newest if first in newest else [first, *newest[1:]]
        found = [it for it in found if it.op or it in stay]
    last = found[-1] if found else None
    return msgspec.structs.replace(case, promise=last, earlier=tuple(found[:-1]), kept=kept)


def _settled(promise: Promise, marks: Iterable[Kept]) -> Promise:
    """The promise as kept by the first mark after it; one that another system says was kept stays so."""
    if promise.kept_at and not promise.kept_op:
        return promise
    found = [it for it in marks if it.at >= promise.at]
    if promise.kept_op:  # its mark may be among those that were let go
        found.append(Kept(promise.kept_op, promise.kept_at))
    first = min(found, key=lambda it: (it.at, it.op), default=Kept("", 0))
    return msgspec.structs.replace(promise, kept_at=first.at, kept_op=first.op)


def _when(promise: Promise) -> tuple[int, str]:
    return promise.at, promise.op


def _is_same(one: Promise, other: Promise) -> bool:
    """Whether both are one promise: made by one operation, or told by another system in the same words."""
    if one.op or other.op:
        return one.op == other.op
    return (one.by, one.text, one.due_at) == (other.by, other.text, other.due_at)


def _is_moved(promise: Promise, case: Case) -> bool:
    return any(
        _when(it) > _when(promise) and it.at <= promise.due_at <= it.due_at for it in made(case)
    )


def _is_broken(promise: Promise, case: Case, now: int) -> bool:
    until = promise.kept_at or now
    return 0 < promise.due_at < until and not _is_moved(promise, case)
