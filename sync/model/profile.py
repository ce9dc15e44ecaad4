"""All rows of one customer that this device holds, as a screen or a decision needs them."""

from dataclasses import dataclass
from typing import TypeVar

from sync.model.records import Case, Customer, Interaction, Record
from sync.model.row import Row

Body = TypeVar("Body", bound=Record)


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything held of one owner.

    Attributes:
        owner: Customer id.
        rows: All rows of this owner, the view over them already folded; no order promised.
    """

    owner: str
    rows: tuple[Row, ...]

    def of(self, kind: type[Body]) -> tuple[tuple[Row, Body], ...]:
        """Rows of one kind with their typed bodies; what was taken back is not among them."""
        return tuple(
            (row, row.body)
            for row in self.rows
            if isinstance(row.body, kind) and not _is_taken_back(row.body)
        )

    @property
    def customer(self) -> Customer | None:
        """The person; None when this device holds rows of theirs but not the person."""
        found = self.of(Customer)
        return found[0][1] if found else None

    @property
    def as_of(self) -> int:
        """The oldest age among the rows, microseconds; 0 without rows."""
        return min((row.as_of for row in self.rows), default=0)


def _is_taken_back(body: Record) -> bool:
    if isinstance(body, Interaction):
        return body.taken_back_at > 0
    return isinstance(body, Case) and body.state == "taken_back"
