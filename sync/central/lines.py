"""Lines of the tables that events are taken into, as one transaction keeps them: read in groups, changed in memory, written at once.

What is asked for together (`Wanted`) is read in one round trip; what is changed is written at the end, one statement a table
for all events of the transaction, so that an event alone costs few statements, and many at once hardly more than one.
Whoever changes such a table by a statement of his own has everything written first, and nothing of it is kept any longer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

from sync.central.sql import Connection
from sync.model.errors import Malformed

Line = tuple[Any, ...]
By = tuple[str, ...]
"""Columns that lines are asked for by."""

_Group = tuple[str, By, Line]
"""A table's name, columns, and the values lines have there."""

INT_END: Final = 2**63


@dataclass(frozen=True, eq=False)
class Table:
    """A table.

    Attributes:
        name: What its lines are called here: the table's own name, unless it is some lines of another one (`only`).
        columns: Of each line.
        key: Those that name a line.
        fixed: Those that stay as they were first written.
        only: From which table, and which of its lines; such a one is read only.
        asked: How lines are asked for, each with the beginning of the name that guards them; None where nothing does.
    """

    name: str
    columns: tuple[str, ...]
    key: By
    asked: Mapping[By, str | None]
    fixed: frozenset[str] = frozenset()
    only: tuple[str, str] = ("", "")

    @cached_property
    def upsert(self) -> str:
        """The statement that writes a line over what stood there."""
        names = ", ".join(self.columns)
        values = ", ".join(f":{name}" for name in self.columns)
        rest = ", ".join(
            f"{name} = excluded.{name}"
            for name in self.columns
            if name not in self.fixed.union(self.key)
        )
        what = f"UPDATE SET {rest}" if rest else "NOTHING"
        return (
            f"INSERT INTO {self.name} ({names}) VALUES ({values})"  # noqa: S608  # of the constants below
            f" ON CONFLICT ({', '.join(self.key)}) DO {what}"
        )

    def of(self, line: Line, columns: By) -> Line:
        """What a line has in these columns."""
        return tuple([line[index] for index in _places(self, columns)])


@lru_cache(maxsize=64)
def _places(table: Table, columns: By) -> tuple[int, ...]:
    return tuple(table.columns.index(name) for name in columns)


class Wanted(NamedTuple):
    """The lines that have these values in these columns."""

    table: Table
    by: By
    of: Line

    @property
    def lock(self) -> str:
        """The name that guards them, "" for none."""
        prefix = self.table.asked[self.by]
        return "" if prefix is None else prefix + "/".join(map(str, self.of))


def wanted(table: Table, **of: str) -> Wanted:
    """The lines of that table that have these values."""
    return Wanted(table, tuple(of), tuple(of.values()))


@lru_cache(maxsize=64)
def _select(table: Table, by: By) -> str:
    *first, last = by
    source, only = table.only
    whose = [*(f"{name} = :{name}" for name in first), f"{last} IN [:{last}]"]
    which = " AND ".join([*whose, *([only] if only else [])])
    return f"SELECT {', '.join(table.columns)} FROM {source or table.name} WHERE {which}"  # noqa: S608  # of the constants below


class Lines:
    """What one transaction knows of all such tables."""

    def __init__(self, change: Callable[[dict[Any, Any], Any, object], None]) -> None:
        """Nothing is known yet. `change` puts a value into a table in memory so that a part can take it back."""
        self._change = change
        self._groups: dict[_Group, dict[Line, Line]] = {}
        # Every table's own dict stays the same one, for `change` may put values back into it.
        self._unwritten: dict[Table, dict[Line, Line]] = defaultdict(dict)
        self._unwritten_of: dict[_Group, dict[Line, Line]] = {}

    def knows(self, one: Wanted) -> bool:
        """Whether it was read."""
        return (one.table.name, one.by, one.of) in self._groups

    def unknown(self, asked: Iterable[Wanted]) -> list[Wanted]:
        """Those of these that were not read yet, each once."""
        return [one for one in dict.fromkeys(asked) if not self.knows(one)]

    def questions(
        self, asked: Iterable[Wanted]
    ) -> list[tuple[list[Wanted], str, dict[str, Any]]]:
        """The statements that read these, few, and which of them each is for."""
        alike: dict[_Group, list[Wanted]] = defaultdict(list)
        for one in asked:
            alike[one.table.name, one.by, one.of[:-1]].append(one)
        return [
            (
                them,
                _select(them[0].table, by),
                {**dict(zip(by, first, strict=False)), by[-1]: [it.of[-1] for it in them]},
            )
            for (_, by, first), them in alike.items()
        ]

    def learn(self, asked: Sequence[Wanted], found: Iterable[Line]) -> None:
        """Keep what one of these statements found, with what was changed here; a part that is taken back did not ask."""
        table, by = asked[0].table, asked[0].by
        groups: dict[Line, dict[Line, Line]] = {one.of: {} for one in asked}
        for line in found:
            groups[table.of(line, by)][table.of(line, table.key)] = line
        for of, group in groups.items():
            place = (table.name, by, of)
            self._change(self._groups, place, {**group, **self._unwritten_of.get(place, {})})

    def known(self, one: Wanted) -> list[Line]:
        """Those lines, in the order of their keys; they were read."""
        group = self._groups[one.table.name, one.by, one.of]
        return [line for _, line in sorted(group.items())]

    def put(self, table: Table, line: Line) -> None:
        """Write a line, over what has its key. Raises Malformed for a value no database can hold."""
        _check(line)
        key = table.of(line, table.key)
        for by in table.asked:
            place = (table.name, by, table.of(line, by))
            group = self._groups.get(place)
            if group is not None:
                self._change(group, key, line)
            more = {**self._unwritten_of.get(place, {}), key: line}
            self._change(self._unwritten_of, place, more)
        self._change(self._unwritten[table], key, line)

    def unwritten(self, table: Table) -> Iterable[Line]:
        """Lines of a table that were changed and that the database does not have yet."""
        return self._unwritten[table].values()

    def __bool__(self) -> bool:
        """Whether something is to be written."""
        return any(self._unwritten.values())

    def write(self, sql: Connection) -> None:
        """Write what was changed, in the order of its keys, so that no two nodes wait for each other."""
        self._unwritten_of.clear()
        for table, lines in sorted(self._unwritten.items(), key=lambda it: it[0].name):
            ours = [line for _, line in sorted(lines.items())]
            lines.clear()
            values = [dict(zip(table.columns, line, strict=True)) for line in ours]
            sql.many(table.upsert, values)

    def forget(self) -> None:
        """Keep nothing that was read: the database may have something else now."""
        self._groups.clear()


def is_text(text: str) -> bool:
    """Whether any database can hold it."""
    return "\0" not in text and (
        text.isascii() or text.encode("utf-8", "ignore").decode() == text
    )


def clean(text: str, size: int) -> str:
    """Text from outside as a database can hold it, cut to so many characters; markup stays text."""
    plain = text.replace("\0", "").encode("utf-8", "replace").decode()
    return plain if len(plain) <= size else f"{plain[: size - 1]}…"


def check_texts(*texts: str) -> None:
    """Raises Malformed for a text no database can hold."""
    if not all(map(is_text, texts)):
        raise Malformed("a text no database can hold")


def _check(line: Line) -> None:
    for value in line:
        if isinstance(value, str) and not is_text(value):
            raise Malformed("a text no database can hold")
        if isinstance(value, int) and not -INT_END <= value < INT_END:
            raise Malformed("a number no database can hold")


# The tables

OWNER: Final = "owner/"
"""How the name begins that guards everything of a customer."""

EVENT: Final = Table(
    "event",
    ("channel", "id", "type", "state", "reason", "at", "came_at", "n_tries", "next_at", "n_more", "form", "head", "raw"),
    ("channel", "id"),
    {("channel", "id"): "event/"},
    frozenset(["type", "at", "came_at", "form", "head", "raw"]),
)  # fmt: skip
EVENT_OF: Final = Table("event_of", ("channel", "id", "owner"), ("channel", "id", "owner"), {})
ALIAS: Final = Table(
    "alias",
    ("channel", "ref", "owner", "at"),
    ("channel", "ref"),
    {("channel", "ref"): "alias/", ("owner",): None},
    frozenset(["owner", "at"]),
)
NAMED: Final = Table(
    "named", ("channel", "ref", "key"), ("channel", "ref"), {("channel", "ref"): None}
)
POINT: Final = Table(
    "point",
    ("term", "owner", "kind", "is_verified", "channel", "at"),
    ("term", "owner"),
    {("owner",): OWNER},
)
SAID: Final = Table(
    "said", ("owner", "field", "value", "at", "stamp"), ("owner", "field"), {("owner",): OWNER}
)
TOLD_AT: Final = Table("told_at", ("key", "at", "channel", "event"), ("key",), {("key",): None})
ORIGIN: Final = Table("origin", ("key", "owner"), ("key",), {("key",): None})
FOLDED: Final = Table(
    "folded", ("owner", "kept"), ("owner",), {("owner",): None, ("kept",): None}
)
LIKENESS: Final = Table(
    "likeness",
    ("one", "other", "state", "risk_ppm", "why", "by_whom", "at"),
    ("one", "other"),
    {("one",): None, ("other",): None},
)
ERASURE: Final = Table("erasure", ("owner", "at"), ("owner",), {("owner",): OWNER})
FORGOTTEN: Final = Table("forgotten", ("mark", "at"), ("mark",), {("mark",): None})
CHANNEL: Final = Table(
    "channel",
    ("name", "state", "reason", "changed_at", "position", "promise_s"),
    ("name",),
    {("name",): None},
)
SUBSCRIBER: Final = Table("subscriber", ("name", "state"), ("name",), {("state",): None})
DOC: Final = (
    "key", "kind", "owner", "scope", "version", "as_of", "source", "body", "term", "form",
)  # fmt: skip
"""Columns of rows as they are stored, the key first."""

MADE: Final = ("contact", "join", "likeness")
"""Kinds of rows that `joins` makes of what records tell, which are read together."""

_DOCS: Final = Table("doc", DOC, ("key",), {("owner", "kind"): None}, only=("doc", ""))
_MADE: Final = Table(
    "made", DOC, ("key",), {("owner",): None}, only=("doc", "kind IN ('contact', 'join', 'likeness')")
)  # fmt: skip


def docs_of(owner: str, *kinds: str) -> list[Wanted]:
    """The rows of a customer of these kinds as they are stored; what is changed of them, `Transaction.put` keeps."""
    more = [wanted(_DOCS, owner=owner, kind=kind) for kind in kinds if kind not in MADE]
    return [wanted(_MADE, owner=owner), *more] if set(kinds) & set(MADE) else more
