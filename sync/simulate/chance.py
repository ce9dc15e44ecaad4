"""What a seed decides: draws by name, so that one part's draws do not shift another's."""

from collections.abc import Sequence
from typing import TypeVar

from hardware.entropy import Entropy, SeededEntropy

Value = TypeVar("Value")


class Chance:
    """Draws of one part of the simulation."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    @classmethod
    def of(cls, seed: int, name: str) -> "Chance":
        """The draws of this part under this seed."""
        return cls(SeededEntropy(f"{seed}/{name}"))

    def below(self, limit: int) -> int:
        """0 to `limit` - 1."""
        return int.from_bytes(self._entropy.draw(6), "big") % max(1, limit)

    def between(self, low: int, high: int) -> int:
        """`low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def hits(self, percent: int) -> bool:
        """True so many times in a hundred."""
        return self.below(100) < percent

    def pick(self, values: Sequence[Value]) -> Value:
        """One of them."""
        return values[self.below(len(values))]

    def weighted(self, values: Sequence[tuple[Value, int]]) -> Value:
        """One of them, each as often as its weight says."""
        at = self.below(sum(weight for _, weight in values))
        for value, weight in values:
            at -= weight
            if at < 0:
                return value
        raise ValueError("no weights")
