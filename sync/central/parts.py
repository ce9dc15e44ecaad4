"""What all calls of the centre share, and how a request's body becomes a value."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Never, TypeVar

import msgspec

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.moments import micros_of
from sync.central.batch import Batch
from sync.central.counters import Counters
from sync.central.feed import Bell
from sync.central.gate import Caller, Gate, Sessions, denied
from sync.central.lines import Wanted
from sync.central.store import Store
from sync.central.transaction import Transaction

Value = TypeVar("Value")

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NUL: Final = b"\\u0000"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one open centre."""

    store: Store
    batch: Batch
    gate: Gate
    sessions: Sessions
    clock: Clock
    entropy: Entropy
    counters: Counters
    bell: Bell

    @property
    def now(self) -> int:
        """Microseconds since 1970."""
        return micros_of(self.clock.now())

    def write(
        self,
        change: Callable[[Transaction], Value],
        *,
        keys: Iterable[str] = (),
        lines: Iterable[Wanted] = (),
    ) -> Value:
        """Do one change durably; `keys` and `lines` are what it will ask for. Raises what it raises, or StoreError."""

        def work(transaction: Transaction) -> Callable[[], Value]:
            value = change(transaction)
            return lambda: value

        return self.batch.run(work, keys=keys, lines=lines)


def key_of(caller: Caller) -> bytes:
    """The session key of a caller inside a session."""
    assert caller.session is not None  # only hello comes without one
    return caller.session.key


def decoded(body: bytes, shape: type[Value]) -> Value:
    """A request body as a value. Raises CentreRefused `malformed` for anything else, however it is broken.

    A name that stands twice in one object has no meaning two programs would agree on, so it is refused wherever it
    stands; so are half of a surrogate pair and the character 0, which not every database can keep.
    """
    try:
        text = body.decode()  # raw parts inside are kept as text and must be text
        value = msgspec.json.decode(body, type=shape)
        if _NUL in body:
            raise denied("malformed", "a character that is none")
        # Read and written again it is what it was: then nothing in it stands twice, and there is nothing else to ask.
        if msgspec.json.encode(msgspec.json.decode(body)) != body:
            found = _strict(text)
            if _SURROGATE.search(body):
                json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise denied("malformed") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise denied("malformed", "a name stands twice")
    return found


def _no_number(_text: str) -> Never:
    raise denied("malformed", "a number that is none")


_strict: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_number, parse_float=str, parse_int=str
).decode  # fmt: skip
