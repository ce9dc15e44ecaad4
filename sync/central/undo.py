"""Changes of tables in memory, noted so that they can be taken back and made again."""

from collections.abc import Iterable
from typing import Any, Final

Table = dict[Any, Any]
Change = tuple[Table, Any, object]
"""A table, a name in it, and what it is to have."""


class _Absent:
    """What a name had before it had anything."""


_ABSENT: Final = _Absent()


class Undo:
    """What was changed since it began to note it."""

    def __init__(self) -> None:
        """Nothing is noted until `is_noting`."""
        self.is_noting = False
        self._changes: list[Change] = []

    def __len__(self) -> int:
        """How many changes are noted."""
        return len(self._changes)

    def set(self, table: Table, name: Any, value: object) -> None:
        """Change what a name has."""
        if self.is_noting:
            self._changes.append((table, name, table.get(name, _ABSENT)))
        table[name] = value

    def back_to(self, begins: int) -> list[Change]:
        """Take back all but the first so many changes; what it takes to make them again."""
        again: list[Change] = []
        while len(self._changes) > begins:
            change = self._changes.pop()
            again.append(_put(change))
        again.reverse()
        return again

    def make(self, again: Iterable[Change]) -> None:
        """Make changes again that were taken back."""
        for change in again:
            self._changes.append(_put(change))

    def forget(self) -> None:
        """Nothing of this is taken back any more."""
        self._changes.clear()


def _put(change: Change) -> Change:
    """Make a change; the one that takes it back."""
    table, name, value = change
    back = (table, name, table.get(name, _ABSENT))
    if isinstance(value, _Absent):
        table.pop(name, None)
    else:
        table[name] = value
    return back
