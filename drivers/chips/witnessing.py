"""A use told to the reader process, carried out on the band that is there: opened with its own key, judged, written, said.

It is opened anew for it, which also drops whatever an earlier use left uncommitted. A chip that only counts cannot name the use
that was torn a moment ago: it stands there when the counter moved by one since and that one was not heard of, for only another
shop's reader, or with NTAG 424 a telephone, moves it too, and whoever asks says only for a moment what it stood at.
"""

from collections.abc import Callable
from typing import assert_never

from drivers.chips.counting import (
    Ntag424Uses,
    UltralightAesUses,
    UltralightCUses,
    is_counted,
)
from drivers.chips.desfire import Desfire
from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.chips.witness import (
    CounterWitness,
    DesfireWitness,
    Outcome,
    WitnessPlace,
    judged,
)
from drivers.credential.witness import (
    OPERATION_SIZE,
    Kind,
    Use,
    Witness,
    amount_class_of,
    mark_of,
    operation_tag,
    record_of,
    store_tag,
)
from drivers.errors import BandLeft, Delivery, DriverError, ReaderError
from drivers.lines import Use as Order
from drivers.lines import Used

TORN, UNDONE, UNSURE = "torn", "undone", "unsure"
"""Outcomes beside those of `witness.Outcome`, and the one for a band that cannot witness. Public: said by the reader process."""


Chip = Desfire | Ntag424 | UltralightAes | UltralightC


def witness_place_of(chip: Chip) -> WitnessPlace:
    """Where this chip remembers its uses; its session is of K_band."""
    match chip:
        case Desfire():
            return DesfireWitness(chip)
        case Ntag424():
            return CounterWitness(Ntag424Uses(chip))
        case UltralightAes():
            return CounterWitness(UltralightAesUses(chip))
        case UltralightC():
            return CounterWitness(UltralightCUses(chip))
        case _:
            assert_never(chip)


def carried_out(order: Order, *, key: bytes, place: Callable[[], WitnessPlace]) -> Used:
    """Carry out an order; whatever goes wrong is an outcome, for the page of the customer stands.

    Args:
        order: As it was told; what does not fit a band is an outcome too.
        key: K_band.
        place: Opens the band and says where it remembers.
    """
    try:
        use, heard = _use_of(order, key), tuple(_tag(each) for each in order.heard)
    except (
        ValueError
    ):  # a clock beyond 2106, for instance: it would not fit the next time either
        return Used(order.tap, order.operation, UNSURE)
    found: list[Witness] = []
    outcome = _outcome(order, use, heard, place, found)
    if outcome == TORN:
        return Used(order.tap, order.operation, outcome, stood=found[0].uses)
    other = _newest_other(found, use, heard) if outcome == Outcome.USED.value else None
    if other is None:
        return Used(order.tap, order.operation, outcome)
    return Used(order.tap, order.operation, outcome, at=other.at, store=other.store.hex())


def _newest_other(found: list[Witness], use: Use, heard: tuple[bytes, ...]) -> Use | None:
    """The newest use of the same right that we had not heard of; None where the band does not name one."""
    records = (each for witness in found for each in witness.records)
    return next(
        (each for each in records if each.mark == use.mark and each.operation not in heard),
        None,
    )


def _outcome(
    order: Order,
    use: Use,
    heard: tuple[bytes, ...],
    place: Callable[[], WitnessPlace],
    found: list[Witness],
) -> str:
    """What became of it; what the band said before is put into `found`."""
    try:
        there = place()
        before = there.read()
        found.append(before)
        if _is_counted_since(order, there, before):
            return str(Outcome.THERE.value)
        outcome = judged(
            before,
            use,
            amount=order.amount,
            free=order.free,
            heard=heard,
            n_heard=order.n_heard,
        )
    except DriverError as error:
        return _undone(error)
    if outcome is not Outcome.RECORDED:
        return str(outcome.value)
    try:
        there.add(use, before=before)
    except DriverError as error:
        return TORN if error.delivery is Delivery.UNKNOWN else _undone(error)
    return str(outcome.value)


def _is_counted_since(order: Order, there: WitnessPlace, before: Witness) -> bool:
    """Was this very use, torn a moment ago, counted by a chip that cannot name it?"""
    if order.stood is None or not isinstance(there, CounterWitness):
        return False
    is_one_unheard = before.uses == order.n_heard + 1
    return is_one_unheard and is_counted(before=order.stood, after=before.uses) is True


def _undone(error: DriverError) -> str:
    """Not written, for certain: can the customer do something about it, or will the band never witness?"""
    return UNDONE if isinstance(error, BandLeft | ReaderError) else UNSURE


def _use_of(order: Order, key: bytes) -> Use:
    """Raises ValueError for what does not fit a record."""
    use = Use(
        operation=operation_tag(order.operation),
        at=order.at,
        store=store_tag(order.store),
        kind=Kind(order.kind),
        amount_class=amount_class_of(order.amount),
        mark=mark_of(key, order.of),
    )
    record_of(use)
    return use


def _tag(text: str) -> bytes:
    tag = bytes.fromhex(text)
    if len(tag) != OPERATION_SIZE:
        raise ValueError("a tag is 8 bytes")
    return tag
