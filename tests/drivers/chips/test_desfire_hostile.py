"""A DESFire that tears, refuses, lies or is another: typed errors, the right delivery, nothing half-changed, no session.

Every operation is broken at every exchange in every way below; then the band comes back, and what it holds is held against
what the error said of the delivery.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import Desfire
from drivers.credential.layout import CommMode
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUnsupported,
    BandUntrusted,
    Delivery,
)
from hardware.entropy import SeededEntropy
from tests.support.desfire_bench import (
    AID,
    Bench,
    Spoil,
    backup,
    counted,
    recorded,
    standard,
)

FULL = CommMode.FULL
KINDS = ("aes", "2k3des", "ev2")
every_kind = pytest.mark.parametrize("kind", KINDS)


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something a chip is asked, after `prepare`."""

    name: str
    run: Callable[[Desfire], object]
    prepare: Callable[[Desfire], object] = lambda chip: None


def _everything(chip: Desfire) -> None:
    chip.credit(counted(FULL), 5)
    chip.add_record(recorded(FULL), b"r" * 20)
    chip.write(backup(FULL), b"d" * 64)


OPERATIONS = (
    Operation("uid", Desfire.card_uid),
    Operation("read", lambda chip: chip.read(standard(FULL), size=300)),
    Operation("read maced", lambda chip: chip.read(standard(CommMode.MAC), size=90)),
    Operation("write", lambda chip: chip.write(standard(FULL), b"w" * 300)),
    Operation("write maced", lambda chip: chip.write(standard(CommMode.MAC), b"w" * 90)),
    Operation("value", lambda chip: chip.value(counted(FULL))),
    Operation("credit", lambda chip: chip.credit(counted(FULL), 5)),
    Operation("record", lambda chip: chip.add_record(recorded(FULL), b"r" * 20)),
    Operation("commit", Desfire.commit, _everything),
    Operation("abort", Desfire.abort, _everything),
    Operation("key version", lambda chip: chip.key_version(1)),
    Operation("version", Desfire.version),
)
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)

PASSIVE = {
    "uid",
    "read",
    "read maced",
    "value",
    "credit",
    "record",
    "abort",
    "key version",
    "version",
}
"""Those after which the chip holds what it held."""

BREAKS: dict[str, Spoil] = {
    "left before": lambda answer: None,
    "status cut": lambda answer: answer[-1:],
    "nothing": lambda answer: b"",
    "AE": lambda answer: b"\x91\xae",
    "1E": lambda answer: b"\x91\x1e",
    "CA": lambda answer: b"\x91\xca",
    "phone": lambda answer: b"\x90\x00",
    "iso refusal": lambda answer: b"\x6d\x00",
    "longer than asked": lambda answer: bytes(257) + answer[-2:],
    "no mac": lambda answer: b"\x91\x00",
    "one byte less": lambda answer: answer[:-3] + answer[-2:],
    "one byte more": lambda answer: answer[:-2] + b"\x00" + answer[-2:],
    "one block more": lambda answer: answer[:-2] + bytes(16) + answer[-2:],
    "zeros": lambda answer: bytes(len(answer) - 2) + answer[-2:],
}


def held(bench: Bench) -> tuple[object, ...]:
    """What lasts on the chip, seen from its own side."""
    return bench.band.contents, bench.band.values, bench.band.records


@dataclasses.dataclass(frozen=True)
class Whole:
    """An operation that nothing breaks: how many exchanges it takes, and what the chip holds before and after."""

    n_exchanges: int
    before: tuple[object, ...]
    after: tuple[object, ...]


@functools.cache
def whole(kind: str, operation: Operation) -> Whole:
    bench = Bench(kind)
    operation.prepare(bench.chip)
    n_sent, before = len(bench.connection.sent), held(bench)
    operation.run(bench.chip)
    return Whole(len(bench.connection.sent) - n_sent, before, held(bench))


class Broken:
    """A bench whose operation gets a spoiled answer at its exchange `at`; unheard commands do not reach the chip."""

    def __init__(
        self, kind: str, operation: Operation, at: int, spoil: Spoil, *, is_heard: bool
    ) -> None:
        self.bench = Bench(kind)
        self.is_spoiled = True
        operation.prepare(self.bench.chip)

        def noted(answer: bytes) -> bytes | None:
            spoiled = spoil(answer)
            self.is_spoiled = spoiled != answer
            return spoiled

        self.bench.spoil_from_here(at, noted, is_heard=is_heard)

    def run(self, operation: Operation) -> BandError | None:
        """What the operation raises; None when there was nothing to spoil in that answer."""
        try:
            operation.run(self.bench.chip)
        except BandError as error:
            assert self.is_spoiled
            return error
        assert not self.is_spoiled, "believed what was spoiled"
        return None


@every_kind
@pytest.mark.parametrize("way", BREAKS)
def test_whatever_breaks_an_operation_the_error_says_what_is_known_of_it(
    kind: str, way: str
) -> None:
    for operation in OPERATIONS:
        before, after = whole(kind, operation).before, whole(kind, operation).after
        assert (before == after) == (operation.name in PASSIVE)
        for at in range(1, whole(kind, operation).n_exchanges + 1):
            for is_heard in (True, False):
                where = f"{operation.name}, exchange {at}, heard: {is_heard}"
                broken = Broken(kind, operation, at, BREAKS[way], is_heard=is_heard)

                error = broken.run(operation)

                now = held(broken.bench)
                assert now in (before, after), where
                if error is None:
                    continue
                if now == after != before:
                    # A status carries no MAC: made up, it says "refused" of what was done. So a commit is read back.
                    is_made_up = (
                        way in {"AE", "1E", "CA"} and error.delivery is Delivery.REFUSED
                    )
                    assert is_heard, where
                    assert error.delivery is Delivery.UNKNOWN or is_made_up, where
                assert not broken.bench.chip.is_open, where
                with pytest.raises(TypeError):
                    broken.bench.chip.card_uid()


@every_kind
def test_the_chip_is_as_it_was_whenever_a_write_of_several_frames_breaks_off(kind: str) -> None:
    n = whole(kind, OPERATIONS[3]).n_exchanges
    assert n > 1

    for at in range(1, n):
        broken = Broken(kind, OPERATIONS[3], at, lambda answer: None, is_heard=True)

        error = broken.run(OPERATIONS[3])

        assert isinstance(error, BandLeft)
        assert error.delivery is Delivery.NOT_SENT
        broken.bench.enter()
        assert broken.bench.chip.read(standard(FULL), size=300) == bytes(300)


@every_kind
@every_operation
def test_no_turned_bit_of_an_answer_is_believed(kind: str, operation: Operation) -> None:
    for at in range(1, whole(kind, operation).n_exchanges + 1):
        for bit in (0, 7, 13, 40, 63, -17, -24, -64):

            def turned(answer: bytes, bit: int = bit) -> bytes:
                content = bytearray(answer[:-2])
                if content:
                    content[bit // 8 % len(content)] ^= 1 << bit % 8
                else:
                    content += b"\x55"
                return bytes(content) + answer[-2:]

            broken = Broken(kind, operation, at, turned, is_heard=True)

            error = broken.run(operation)

            assert isinstance(error, BandUntrusted | BandMalformed | BandRefused)
            assert not broken.bench.chip.is_open


@pytest.mark.timeout(20)
@every_kind
@every_operation
@pytest.mark.parametrize("frame", [b"", b"more" * 12])
def test_a_chip_that_never_ends_is_given_up(
    kind: str, operation: Operation, frame: bytes
) -> None:
    bench = Bench(kind)
    operation.prepare(bench.chip)
    bench.spoil_from_here(1, lambda answer: frame + b"\x91\xaf", is_for_ever=True)
    n_before = len(bench.connection.sent)

    with pytest.raises(BandMalformed):
        operation.run(bench.chip)

    assert len(bench.connection.sent) - n_before < 30
    assert not bench.chip.is_open


@every_kind
def test_an_answer_from_before_does_not_pass_for_one_of_now(kind: str) -> None:
    """A chip whose command counter went back, or somebody who plays it again."""
    bench, heard = Bench(kind), []

    def listened(answer: bytes) -> bytes:
        heard.append(answer)
        return answer

    bench.spoil_from_here(1, listened)
    bench.chip.value(counted(FULL))
    bench.spoil_from_here(1, lambda answer: heard[0])

    with pytest.raises(BandUntrusted) as caught:
        bench.chip.value(counted(FULL))

    assert caught.value.delivery is Delivery.UNKNOWN


@every_kind
@pytest.mark.parametrize("size", range(8))
def test_a_mac_that_is_missing_or_cut_is_not_a_mac(kind: str, size: int) -> None:
    bench = Bench(kind)
    bench.spoil_from_here(1, lambda answer: answer[:size] + answer[-2:])

    with pytest.raises(BandUntrusted):
        bench.chip.credit(counted(FULL), 1)


@pytest.mark.parametrize("kind", ["aes", "2k3des", "3k3des", "ev2"])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("way", BREAKS)
def test_a_broken_authentication_opens_nothing(kind: str, at: int, way: str) -> None:
    bench = Bench(kind)
    bench.chip.select_application(AID)
    bench.spoil_from_here(at, BREAKS[way])

    with pytest.raises(BandError):
        bench.authenticate()

    assert not bench.chip.is_open


@pytest.mark.parametrize("kind", ["aes", "2k3des", "3k3des", "ev2"])
@settings(max_examples=40)
@given(challenge=st.binary(max_size=40), last=st.binary(max_size=40))
def test_a_chip_that_makes_up_its_half_of_an_authentication_opens_nothing(
    kind: str, challenge: bytes, last: bytes
) -> None:
    bench = Bench(kind)
    bench.chip.select_application(AID)
    made_up = iter((challenge + b"\x91\xaf", last + b"\x91\x00"))
    bench.spoil_from_here(1, lambda answer: next(made_up), is_for_ever=True)

    with pytest.raises((BandUntrusted, BandMalformed)):
        bench.authenticate()

    assert not bench.chip.is_open


@pytest.mark.parametrize("kind", ["aes", "2k3des", "3k3des", "ev2"])
def test_a_challenge_that_is_the_end_already_is_not_answered(kind: str) -> None:
    bench = Bench(kind)
    bench.chip.select_application(AID)
    n_sent = len(bench.connection.sent)
    bench.spoil_from_here(1, lambda answer: answer[:-1] + b"\x00", is_for_ever=True)

    with pytest.raises(BandRefused):
        bench.authenticate()

    assert len(bench.connection.sent) == n_sent + 1
    assert not bench.chip.is_open


def _instead_of(others: list[bytes], answer: bytes) -> bytes:
    """One of those, as long as there are any."""
    return others.pop() if others else answer


def test_each_authentication_has_a_random_number_of_its_own_however_slow_the_chip_is() -> None:
    bench, drawn = Bench("ev2"), list[bytes]()
    entropy = SeededEntropy("reader")

    class Telling:
        def draw(self, size: int) -> bytes:
            drawn.append(entropy.draw(size))
            return drawn[-1]

    chip = Desfire(bench.connection, Telling())
    chip.select_application(AID)
    for n_slow in (2, 0):
        slow = [b"\x91\xad"] * n_slow
        bench.spoil_from_here(1, functools.partial(_instead_of, slow), is_for_ever=True)
        with contextlib.suppress(BandError):
            chip.authenticate_ev2_first(1, bytes(16))

    assert len(drawn) == len(set(drawn)) == 2


@pytest.mark.parametrize("kind", ["aes", "2k3des", "3k3des", "ev2"])
def test_a_chip_that_sends_our_own_message_back_opens_nothing(kind: str) -> None:
    bench = Bench(kind)
    size = 8 if kind == "2k3des" else 16
    wanted = 32 if kind == "ev2" else size

    for start in range(0, 2 * size - wanted + 1, 8):
        bench.chip.select_application(AID)

        def mirrored(answer: bytes, start: int = start) -> bytes:
            token = bench.connection.sent[-1][5:-1]
            return token[start : start + wanted] + b"\x91\x00"

        bench.spoil_from_here(2, mirrored)
        with pytest.raises(BandUntrusted):
            bench.authenticate()


def test_two_chips_with_one_uid_are_told_apart_by_their_key() -> None:
    real, copy = Bench("ev2"), Bench("ev2", key=b"what a copy has!")
    assert real.band.uid == copy.band.uid

    copy_chip = Desfire(copy.connection, SeededEntropy("reader"))
    copy_chip.select_application(AID)

    with pytest.raises(BandUntrusted):
        copy_chip.authenticate_ev2_first(1, real.key)
    assert real.chip.card_uid() == real.band.uid


def test_a_phone_that_says_yes_to_everything_is_not_a_chip() -> None:
    bench = Bench("ev2")
    bench.spoil_from_here(1, lambda answer: b"\x90\x00", is_for_ever=True)

    with pytest.raises(BandUnsupported) as caught:
        bench.chip.select_application(AID)

    assert caught.value.delivery is Delivery.REFUSED


def test_a_band_that_left_says_so_and_nothing_is_sent_to_the_next() -> None:
    bench = Bench("ev2")
    bench.connection.is_dead = True

    with pytest.raises(BandLeft) as caught:
        bench.chip.commit()

    assert caught.value.delivery is Delivery.NOT_SENT
    assert not bench.chip.is_open
