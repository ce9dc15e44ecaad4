"""Programs of several versions in one process: which forms of rows and which versions of operations each end knows.

Three kinds of rows have a form for each version of the program up to the fourth, and two kinds of operations a version.
Which program speaks is said by a context: each machine runs in one of its own. A form is made older by a mark in its body
that says how far, so that it can be seen who got what.
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from sync.model import registry
from sync.model.forms import Body, Form

Key = TypeVar("Key")
Value = TypeVar("Value")

PROGRAMS: Final = (1, 2, 3, 4)
"""Versions there are; the first and the last are further apart than what is converted."""

program: Final[ContextVar[int]] = ContextVar("program", default=PROGRAMS[0])
"""Whose turn it is."""

ROWS: Final = ("pickup", "interaction", "case")
OPERATIONS: Final = ("record_interaction", "note_case")

MARK: Final = "lowered"


def _lowered(form: int) -> Any:
    def to_the_form_before(body: Body) -> Body:
        return {**body, MARK: form - 1}

    return to_the_form_before


def in_form(body: bytes, form: int, wanted: int) -> bytes:
    """A body as it is in an older form, whoever made it that."""
    said = msgspec.json.decode(body)
    for older in range(form - 1, wanted - 1, -1):
        said[MARK] = older
    return msgspec.json.encode(said)


def _book(version: int) -> dict[str, Form]:
    if version == 1:
        return {}
    older = {form: _lowered(form) for form in range(2, version + 1)}
    return {kind: Form(version, older) for kind in ROWS}


class ByProgram(Mapping[Key, Value]):
    """What the program whose turn it is knows."""

    def __init__(self, of: Mapping[int, Mapping[Key, Value]]) -> None:
        """Args: `of` has one mapping for each version."""
        self._of = of

    def __getitem__(self, key: Key) -> Value:
        return self._of[program.get()][key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._of[program.get()])

    def __len__(self) -> int:
        return len(self._of[program.get()])


BOOKS: Final = {version: _book(version) for version in PROGRAMS}
FORMS: Final = ByProgram(BOOKS)
KINDS: Final = ByProgram({
    version: {
        name: replace(kind, v=version) if name in OPERATIONS else kind
        for name, kind in registry.KINDS.items()
    }
    for version in PROGRAMS
})  # fmt: skip
