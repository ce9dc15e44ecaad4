"""Which form a body is written in, and how a newer one is turned into an older one for a program that reads no newer. Pure.

A record's form is counted from 1 by kind. Adding a field with a default is no new form: older programs ignore it. A change
they would misread is one, and comes with a converter from it to the form before. The centre stores each body with its form
and sends what a device reads, back to two forms; further back it sends the body as it is, and the device keeps it raw.
Where a converter has nothing to say in the older form, it says None: that row too goes as it is.

Today every record is in form 1. That of a case is so too though its promises became a history: `promise` says as before what was
promised last, and what was promised before it stands in fields of their own, which an older program keeps raw and shows
once it reads them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sync.model.errors import Malformed

KEPT: Final = 2
"""Forms before the newest that are still written: N-2..N."""

Body = dict[str, Any]
Older = Callable[[Body], Body | None]
"""From a body in one form to the same in the form before; None where that form cannot say it. Never changes its argument."""


@dataclass(frozen=True, slots=True)
class Form:
    """The forms of one kind.

    Attributes:
        newest: What this program writes.
        older: By form: the converter from it to the form before; one for each of the last KEPT.
    """

    newest: int = 1
    older: Mapping[int, Older] = field(default_factory=dict)

    def __post_init__(self) -> None:
        needed = range(max(self.newest - KEPT, 1) + 1, self.newest + 1)
        missing = [form for form in needed if form not in self.older]
        assert not missing, f"no converter from form {missing}"


FORMS: Final[Mapping[str, Form]] = MappingProxyType({})
"""Kinds whose newest form is not 1; register a converter here beside the change that needs it."""


def newest(kind: str, *, forms: Mapping[str, Form] | None = None) -> int:
    """The form this program writes a kind in."""
    known = FORMS if forms is None else forms
    return known[kind].newest if kind in known else 1


def reads(*, forms: Mapping[str, Form] | None = None) -> dict[str, int]:
    """What a hello says of this program: the newest form it reads, of kinds beyond form 1."""
    return {kind: form.newest for kind, form in (FORMS if forms is None else forms).items()}


def behind(device_reads: Mapping[str, int]) -> dict[str, int]:
    """The newest form a device reads, of those kinds of which this program writes a newer one."""
    return {
        kind: max(device_reads.get(kind, 1), 1)
        for kind, form in FORMS.items()
        if device_reads.get(kind, 1) < form.newest
    }


def is_readable(kind: str, form: int, *, forms: Mapping[str, Form] | None = None) -> bool:
    """Whether this program reads a body of that form; a newer one is kept raw."""
    return 1 <= form <= newest(kind, forms=forms)


def body_for(
    kind: str, body: bytes, form: int, wanted: int, *, forms: Mapping[str, Form] | None = None
) -> tuple[bytes, int]:
    """A body as a device that reads up to form `wanted` should get it, and its form.

    A body that device reads already is not touched, not even decoded. One that cannot be turned into a form it reads comes
    back as it is.

    Raises:
        Malformed: a body that has to be converted does not parse.
    """
    if form <= wanted:
        return body, form
    steps = [_step(kind, one, forms) for one in range(form, wanted, -1)]
    if None in steps:
        return body, form
    try:
        said: Body | None = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"a {kind} does not parse") from error
    for step in steps:
        said = None if said is None or step is None else step(said)
    return (body, form) if said is None else (msgspec.json.encode(said), wanted)


def degraded(
    device_reads: Mapping[str, int], *, forms: Mapping[str, Form] | None = None
) -> tuple[str, ...]:
    """Kinds that reach a device of these forms raw, because it is more than KEPT forms behind."""
    return tuple(
        sorted(
            kind
            for kind, form in (FORMS if forms is None else forms).items()
            if any(
                _step(kind, one, forms) is None
                for one in range(form.newest, device_reads.get(kind, 1), -1)
            )
        )
    )


def _step(kind: str, form: int, forms: Mapping[str, Form] | None) -> Older | None:
    known = (FORMS if forms is None else forms).get(kind)
    if known is None or not known.newest - KEPT < form <= known.newest:
        return None
    return known.older.get(form)
