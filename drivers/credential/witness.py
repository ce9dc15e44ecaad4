"""What a band remembers of its own use, so that a shop that heard nothing from another one refuses the second use.

A record of `layout.WITNESS_FILE`, 32 bytes:

     0   8   operation   the random end of the operation's id
     8   4   when        Unix time in seconds, high byte first
    12   2   store       a tag of the store, only to tell staff that it was another one
    14   1   kind        what was done, see `Kind`
    15   1   amount      class of the amount: it was less than 2 to this power, 0 for no amount
    16  16   mark        CMAC with K_band over the key of the entitlement or account

The mark says which entitlement to a shop that holds the band's lease, and nothing to anybody else. Beside the records a
value counts all uses, in the same transaction: it tells how many records there should be, so that what a cyclic file has
forgotten is known to be forgotten. A chip with only a counter has uses and no records: that something happened, not what.

    heard of all uses                    nothing more was used          0
    every unheard use has its record     those with the mark count      n
    an unheard use has no record         nobody can say                 None, and None refuses
    heard of more uses than there are    not the band it was            None

A mark holds as long as the band's key does: what an issuing station changes the key of is a new band, or its older uses
are no longer told apart.

Whoever asks says which operations it has heard of that were witnessed by this band; they may have come in any order.
"""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from drivers.credential.kdf import BLOCK, cmac
from drivers.credential.layout import KEY_SIZE, WITNESS_FILE
from drivers.errors import BandMalformed

OPERATION_SIZE = 8
"""Bytes that stand for an operation on a band."""

UUID_SIZE = 16
"""Bytes of an operation's id. Source: RFC 9562, 4."""

STORE_SIZE = 2
"""Bytes that stand for a store on a band."""

TIME_MAX = 0xFFFFFFFF
"""Seconds that fit a record: until the year 2106."""

AMOUNT_CLASS_MAX = 63
"""Amounts are signed numbers of 64 bits."""

_LABEL = b"tapthread witness 1\x00"
"""Keeps these CMACs apart from every other use of the key; not of whole blocks, as no message of a session begins so."""


class Kind(Enum):
    """What was done. The values are on bands: never given to anything else."""

    REDEEMED = 1  # a use of an entitlement, or points
    SPENT = 2  # money
    HANDED_OVER = 3  # a parcel or an order
    TAKEN_BACK = 4  # an undone one of the above; what it gave back waits for the centre


@dataclass(frozen=True, slots=True)
class Use:
    """One record.

    Attributes:
        operation: 8 bytes, as `operation_tag` makes them.
        at: Unix time, seconds.
        store: 2 bytes, as `store_tag` makes them.
        kind: What was done; None for a number this version does not know.
        amount_class: The amount was less than 2 to this power; 0 for none.
        mark: 16 bytes, as `mark_of` makes them.
    """

    operation: bytes
    at: int
    store: bytes
    kind: Kind | None
    amount_class: int
    mark: bytes = field(repr=False)

    @property
    def amount_below(self) -> int:
        """The amount was less than this; 1 for none."""
        return 1 << self.amount_class


@dataclass(frozen=True, slots=True)
class Witness:
    """What was read of a band.

    Attributes:
        uses: How often it was used, by its value file or counter.
        records: The uses it can name, the newest first.
    """

    uses: int
    records: tuple[Use, ...] = ()

    def has(self, operation: bytes) -> bool:
        """Is there a record of this operation?"""
        return any(hmac.compare_digest(each.operation, operation) for each in self.records)

    def unheard(
        self, heard: Collection[bytes], *, n_heard: int | None = None
    ) -> tuple[Use, ...] | None:
        """The uses that whoever asks has not heard of, the newest first.

        Args:
            heard: Tags of the operations that are known to have been witnessed by this band, the newest at least.
            n_heard: How many are known in all; None when `heard` has them all.

        Returns:
            None when nobody can say: there are more than the records name, or fewer uses than heard of.
        """
        found = tuple(each for each in self.records if each.operation not in heard)
        n_known = len(heard) if n_heard is None else n_heard
        return found if len(found) == self.uses - n_known else None


def mark_of(key: bytes, entitlement: str) -> bytes:
    """What stands for an entitlement or account on the band with this K_band.

    Args:
        key: 16 bytes.
        entitlement: Its key in the records, for instance "entitlement/7f3a".

    Raises:
        ValueError: our own mistake: the key is not 16 bytes.
    """
    if len(key) != KEY_SIZE:
        raise ValueError("a key is 16 bytes")
    return cmac(key, _LABEL + entitlement.encode())


def operation_tag(operation: str) -> bytes:
    """The last 8 bytes of an operation's id, the random ones. Raises ValueError for what is no UUID.

    Source: RFC 9562, 4 and 5.7.
    """
    raw = bytes.fromhex(operation.replace("-", ""))
    if len(raw) != UUID_SIZE:
        raise ValueError("the id of an operation is a UUID")
    return raw[-OPERATION_SIZE:]


def store_tag(store: str) -> bytes:
    """Two bytes that are the same for the same store and, mostly, others for another."""
    return hashlib.sha256(store.encode()).digest()[:STORE_SIZE]


def amount_class_of(amount: int) -> int:
    """The smallest class an amount fits. Raises ValueError, our own mistake, for a negative one or one beyond 63 bits."""
    if amount < 0 or amount.bit_length() > AMOUNT_CLASS_MAX:
        raise ValueError("an amount on a band is 0 to 63 bits")
    return amount.bit_length()


def record_of(use: Use) -> bytes:
    """The 32 bytes of a record. Raises ValueError, our own mistake, for values that do not fit."""
    sizes = (len(use.operation), len(use.store), len(use.mark))
    if sizes != (OPERATION_SIZE, STORE_SIZE, BLOCK) or use.kind is None:
        raise ValueError("a record is 8, 4, 2, 1, 1 and 16 bytes")
    if not 0 <= use.at <= TIME_MAX or not 0 <= use.amount_class <= AMOUNT_CLASS_MAX:
        raise ValueError("a record holds a time until 2106 and a class up to 63")
    numbers = bytes((use.kind.value, use.amount_class))
    return use.operation + use.at.to_bytes(4, "big") + use.store + numbers + use.mark


def use_of(record: bytes) -> Use:
    """The use a record stands for. Raises BandMalformed for what is none."""
    if len(record) != WITNESS_FILE.size:
        raise BandMalformed("a record of a use is 32 bytes")
    kinds = {each.value: each for each in Kind}
    if record[14] == 0 or record[15] > AMOUNT_CLASS_MAX:
        raise BandMalformed("a record of a use has a kind from 1 and a class up to 63")
    return Use(
        operation=record[:8],
        at=int.from_bytes(record[8:12], "big"),
        store=record[12:14],
        kind=kinds.get(record[14]),
        amount_class=record[15],
        mark=record[16:],
    )


def is_recorded(witness: Witness, use: Use, *, before: Witness) -> bool | None:
    """Whether a use was recorded, by what the band says after a write of unknown delivery.

    Args:
        witness: What the band says now.
        use: What was to be recorded.
        before: What the band said before it.

    Returns:
        None when nobody can say: the band has forgotten that far back, or is not the band it was.
    """
    if witness.has(use.operation):
        return True
    n_since = witness.uses - before.uses
    return False if 0 <= n_since <= len(witness.records) else None


def uses_of(witness: Witness, mark: bytes, *, heard: Collection[bytes]) -> int | None:
    """How often an entitlement was used that whoever asks has not heard of.

    Args:
        witness: What the band says.
        mark: Of the entitlement, as `mark_of` makes it.
        heard: As in `Witness.unheard`.

    Returns:
        None when nobody can say; whoever must not give twice refuses then.
    """
    unheard = witness.unheard(heard)
    return None if unheard is None else len(_with_mark(unheard, mark))


def spent_at_most(
    witness: Witness, mark: bytes, *, heard: Collection[bytes], n_heard: int | None = None
) -> int | None:
    """The most that can have been taken from an account that whoever asks has not heard of. As `uses_of`."""
    unheard = witness.unheard(heard, n_heard=n_heard)
    if unheard is None:
        return None
    return sum(each.amount_below - 1 for each in _with_mark(unheard, mark))


def _with_mark(uses: tuple[Use, ...], mark: bytes) -> list[Use]:
    taken = (each for each in uses if each.kind is not Kind.TAKEN_BACK)
    return [each for each in taken if hmac.compare_digest(each.mark, mark)]
