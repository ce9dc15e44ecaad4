"""What a chip meant by the status it answered: every one it has is said in words, and any other that it is not known."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers import status
from drivers.chips.desfire import Desfire, KeyRefused
from drivers.chips.felica import Felica
from drivers.chips.ntag21x import Ntag21x
from drivers.chips.ntag424 import Ntag424
from drivers.chips.type2 import Type2
from drivers.chips.ultralight_aes import UltralightAes
from drivers.errors import BandRefused, Delivery
from drivers.readers.opening import opened
from drivers.status import UNKNOWN, meaning_of, shown
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual import desfire_core, desfire_iso, felica, ntag424_core, type2
from hardware.virtual.catalogue import sample_band
from tests.support.virtual_reader import VirtualReader, virtual_reader  # noqa: F401  # fixtures

NATIVE_OF_CHIPS = {
    "NO_CHANGES", "OUT_OF_MEMORY", "ILLEGAL_COMMAND", "INTEGRITY_ERROR", "NO_SUCH_KEY",
    "LENGTH_ERROR", "PERMISSION_DENIED", "PARAMETER_ERROR", "APPLICATION_NOT_FOUND",
    "AUTHENTICATION_DELAY", "AUTHENTICATION_ERROR", "BOUNDARY_ERROR", "COMMAND_ABORTED",
    "COUNT_ERROR", "DUPLICATE_ERROR", "FILE_NOT_FOUND", "MORE", "OK",
}  # fmt: skip
"""What the virtual chips, which were written without the table, call their own."""


def test_each_status_a_virtual_chip_has_is_in_the_table_of_its_kind() -> None:
    native = {
        vars(chip)[name]
        for chip in (desfire_core, ntag424_core)
        for name in NATIVE_OF_CHIPS & set(vars(chip))
    }
    iso = {
        int.from_bytes(said, "big")
        for said in vars(desfire_iso).values()
        if isinstance(said, bytes) and len(said) == 2 and said[0] >> 4 in (6, 9)
    } | {
        ntag424_core.WRONG_LENGTH, ntag424_core.NOT_SATISFIED, ntag424_core.NOT_NOW,
        ntag424_core.NOT_FOUND, ntag424_core.WRONG_PARAMETERS, ntag424_core.WRONG_INSTRUCTION,
        ntag424_core.WRONG_CLASS,
    }  # fmt: skip
    flags = {
        felica.WRONG_SERVICE_COUNT, felica.WRONG_BLOCK_COUNT, felica.WRONG_SERVICE,
        felica.WRONG_BLOCK,
    }  # fmt: skip

    assert len(native) == len(NATIVE_OF_CHIPS)
    assert native <= set(status.NATIVE)
    assert len(iso) == 10
    assert iso <= set(status.ISO)
    assert {flag[1] for flag in flags} <= set(status.FELICA)
    assert {type2.NAK[0], type2.NAK_OVERFLOW[0], type2.ACK[0]} <= set(status.NAKS)


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (0x919D, "permission denied"),
        (0x91BE, "boundary error"),
        (0x91F0, "file not found"),
        (0x91AE, "authentication error"),
        (0x911E, "integrity error"),
        (0x91CA, "command aborted"),
        (0x910E, "out of memory"),
        (0x91A0, "application not found"),
        (0x6A82, "file or application not found"),
        (0x6982, "security status not satisfied"),
        (0x9000, "done"),
        (0x63C2, "not verified, 2 more tries"),
        (0x6C00, "wrong Le, 256 bytes are there"),
        (0x01A6, "no such service"),
        (0xFFA8, "no such block"),
        (0x0, "invalid argument"),
        (0x4, "a counter is at its end"),
    ],
)
def test_a_status_says_what_the_chip_meant(number: int, meaning: str) -> None:
    assert meaning_of(number).startswith(meaning)


@pytest.mark.parametrize("number", [0x91FE, 0x0123, 0x80, 0x9123, 0x0F, 0x1234, 0xFFFF])
def test_a_status_that_is_in_no_table_says_so(number: int) -> None:
    assert meaning_of(number) == UNKNOWN == "not a status that is known here"


def test_an_iso_status_of_which_only_the_kind_is_known_says_both() -> None:
    assert meaning_of(0x6AF7) == "wrong parameters; F7 is not known here"


def test_the_tables_do_not_overlap_so_that_a_number_alone_says_whose_it_is() -> None:
    firsts = {number >> 8 for number in status.ISO} | set(status.ISO_KINDS) | {0x91, 0x00}

    assert not firsts & status.FELICA_FIRST
    assert all(meaning_of(number) for number in range(0x10000))


def test_a_refusal_as_text_says_reason_number_and_meaning() -> None:
    refused = BandRefused("the file stays as it is", status=0x919D)

    assert str(refused) == "the file stays as it is (919D, permission denied)"
    assert (refused.status, refused.meaning) == (0x919D, "permission denied")
    assert str(BandRefused(status=0x4)).startswith("4, a counter is at its end")
    assert str(BandRefused("no reason is known")) == "no reason is known"
    assert BandRefused("no reason is known").meaning == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("desfire-ev2", "91A0, application not found"),
        ("felica", "FFA6, no such service"),
        ("ntag213", "0, invalid argument"),
    ],
)
def test_whoever_catches_the_refusal_of_a_chip_reads_what_it_meant(
    virtual_reader: VirtualReader,  # noqa: F811  # a fixture
    name: str,
    said: str,
) -> None:
    virtual_reader.field.present(sample_band(name, entropy=SeededEntropy(name)))
    with opened(f"pn532:{virtual_reader.path}", SystemClock()) as reader:
        target = None
        while target is None:
            target = reader.wait_for_target(500)
        connection = reader.connect(target)

        ask: Callable[[], object] = {
            "desfire-ev2": lambda: Desfire(connection, SeededEntropy("me")).select(b"\1\2\3"),
            "felica": lambda: Felica(connection, target.uid).read(0, 1, service=0x1108),
            "ntag213": lambda: Type2(connection).read(0xF0),
        }[name]

        with pytest.raises(BandRefused) as caught:
            ask()

    assert said in str(caught.value)
    assert meaning_of(caught.value.status) == caught.value.meaning


class Answering:
    """A chip that says one thing to everything."""

    generation = 1

    def __init__(self, answer: str) -> None:
        self._answer = bytes.fromhex(answer)

    def transmit(self, _command: bytes) -> bytes:
        return self._answer


def test_a_key_that_is_refused_is_told_from_one_that_was_not_looked_at_yet() -> None:
    def refused(answer: str) -> list[Any]:
        found: list[Any] = []
        for begin in (
            Desfire(Answering(answer), SeededEntropy("me")).begin_aes,
            Ntag424(Answering(answer), SeededEntropy("me")).begin_first,
        ):
            with pytest.raises((KeyRefused, BandRefused)) as caught:
                begin(0)
            found.append(caught.value)
        return found

    wrong, early = refused("91AE"), refused("91AD")

    assert {type(each) for each in wrong} == {KeyRefused}
    assert {type(each) for each in early} == {BandRefused}
    assert {shown(each.status) for each in wrong} == {"91AE"}
    assert {shown(each.status) for each in early} == {"91AD"}
    assert "one with no right to this" in wrong[0].meaning
    assert str(wrong[0]) == f"the chip refuses to authenticate (91AE, {wrong[0].meaning})"
    assert wrong[0].delivery is Delivery.REFUSED


def test_a_refused_key_says_what_a_chip_without_iso_dep_answered() -> None:
    with pytest.raises(KeyRefused) as aes:
        UltralightAes(Answering("04"), SeededEntropy("me")).answer_challenge(bytes(32))
    with pytest.raises(KeyRefused) as ntag:
        Ntag21x(Answering("04")).unlock(bytes(4), bytes(2))
    with pytest.raises(KeyRefused) as other:
        Ntag21x(Answering("0102")).unlock(bytes(4), bytes(2))

    assert aes.value.meaning == ntag.value.meaning == meaning_of(0x4)
    assert (other.value.status, other.value.meaning) == (0, "")
