"""Whether this program reads a row, and the rows that a program before it could not read. What is not read is kept raw.

A row whose body has a newer form than this program knows is not guessed at, even where it would decode. When a program
that reads more takes over the cache, what its predecessor kept raw is judged again, without a network.
"""

import hashlib
from typing import TYPE_CHECKING

from sync.model import forms
from sync.model.errors import Malformed
from sync.model.records import KINDS
from sync.model.row import body_of

if TYPE_CHECKING:
    from sync.edge.store import Transaction


def is_readable(kind: str, form: int, body: bytes) -> bool:
    """Whether the body is a record this program knows the form of."""
    if not is_known(kind=kind, form=form):
        return False
    try:
        body_of(kind, body)
    except Malformed:
        return False
    return True


def is_known(*, kind: str, form: int) -> bool:
    """Whether this program reads that form of that kind."""
    return kind in KINDS and forms.is_readable(kind, form)


def what_is_read() -> str:
    """Changes when this program reads other kinds, forms or fields than the one before."""
    words = (
        f"{kind} {forms.newest(kind)} {' '.join(struct.__struct_fields__)}"
        for kind, struct in sorted(KINDS.items())
    )
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def is_read_otherwise(file: "Transaction") -> bool:
    """Whether another program than this one judged what is kept raw."""
    return not file.read(
        "SELECT 1 FROM meta WHERE name = 'reads' AND value = ?", (what_is_read(),)
    )


def read_again(file: "Transaction") -> int:
    """Judge once more what is kept raw, and what a newer program read; how many rows this program now reads."""
    for kind, form in file.read("SELECT DISTINCT kind, form FROM row WHERE is_read = 1"):
        if not is_known(kind=kind, form=form):
            file.execute("UPDATE row SET is_read = 0 WHERE kind = ? AND form = ?", (kind, form))
    raw = file.read("SELECT n, kind, form, body, owner FROM row WHERE is_read = 0")
    readable = [
        (n, owner) for n, kind, form, body, owner in raw if is_readable(kind, form, body)
    ]
    file.many("UPDATE row SET is_read = 1 WHERE n = ?", ((n,) for n, _ in readable))
    file.many(
        "INSERT OR IGNORE INTO stale VALUES (?)",
        ((owner,) for owner in {owner for _, owner in readable} if owner),
    )
    file.execute("INSERT OR REPLACE INTO meta VALUES ('reads', ?)", (what_is_read(),))
    return len(readable)
