"""Proves a band for a kiosk that has no key of it: answers its chip's challenge, and hands back the keys of one session.

    kiosk    1, UID, E(B)                  what the chip asks, in its dialect; this is AuthenticateEV2First
    centre   E(A B'), state                for the chip; the state is A and B, sealed
    kiosk    2, UID, E(TI A' caps), state  what the chip said to that
    centre   session keys, TI              sealed for the kiosk's own session

K_band stays with whoever keeps it (`ports.BandProver`), and no kiosk needs A and B. Any node can do the second step, in the
dialect of the first. The
centre answers for no band that is not in use: blocked, unlinked, retired and unknown ones get the same word. How often a
device may ask, and how often anybody may ask about one band, is limited on each node.
"""

import binascii
from collections import OrderedDict, deque
from threading import Lock
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.clock import Clock
from sync.central import band_rows
from sync.central.errors import BandNotProved
from sync.central.gate import denied
from sync.central.parts import Parts, decoded, key_of
from sync.central.ports import BandProver
from sync.model.ports import Request
from sync.model.signatures import band_label, seal
from sync.model.wire import BandAnswer, BandRequest, band_page

ACTIVE: Final = "active"
"""The one state of a band that is answered for."""

STATE_MS: Final = 2_000
"""How long the second step may take; the kiosk gives up after 400 ms."""

MINUTE_MS: Final = 60_000

ASKS_MAX: Final = 60
"""Bands one device may begin to ask about in a minute: twice what a queue at one reader can tap."""

ASKS_OF_BAND_MAX: Final = 12
"""How often in a minute anybody may begin to ask about one band; a wearer who taps every five seconds."""

PACED_MAX: Final = 50_000
"""Devices, and bands, whose asking a node remembers; the one that asked longest ago is forgotten first."""

RANDOM_SIZE: Final = 16
_NONCE_SIZE: Final = 12


class _State(msgspec.Struct, frozen=True, array_like=True):
    device: str
    uid: bytes
    rnd_a: bytes
    rnd_b: bytes
    at: int
    dialect: str


_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(_State)


class Pace:
    """How often each of many may do something in a minute; from any thread."""

    def __init__(self, clock: Clock, *, limit: int, kept_max: int = PACED_MAX) -> None:
        self._clock = clock
        self._limit = limit
        self._kept_max = kept_max
        self._lock = Lock()
        self._times: OrderedDict[str, deque[int]] = OrderedDict()

    def may(self, name: str) -> bool:
        """Whether it may once more; that is then counted."""
        now_ms = self._clock.ticks_ms()
        with self._lock:
            times = self._times.setdefault(name, deque())
            self._times.move_to_end(name)
            while times and times[0] <= now_ms - MINUTE_MS:
                times.popleft()
            if len(self._times) > self._kept_max:
                self._times.popitem(last=False)
            if len(times) >= self._limit:
                return False
            times.append(now_ms)
            return True


class Bands:
    """Answers band."""

    def __init__(
        self, parts: Parts, prover: BandProver | None, private_key: ec.EllipticCurvePrivateKey
    ) -> None:
        """Over the parts of one centre; without `prover` it can prove no band. States are sealed under a key from `private_key`."""
        self._parts = parts
        self._prover = prover
        number = private_key.private_numbers().private_value.to_bytes(32, "big")
        info = b"tapthread v1 band states"
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
        self._cipher = AESGCM(derived.derive(number))
        self._by_device = Pace(parts.clock, limit=ASKS_MAX)
        self._by_band = Pace(parts.clock, limit=ASKS_OF_BAND_MAX)

    def band(self, request: Request) -> bytes:
        """One step of the proof of a band; as `wire.band_page` writes it."""
        caller = self._parts.gate.admit("band", request)
        asked = decoded(request.body, BandRequest)
        if self._prover is None:
            raise denied("busy", "no band keys here")
        uid = _bytes_of(asked.uid)
        if asked.step == 1:
            self._refuse_haste(caller.device.id, asked.uid)
        self._refuse_out_of_use(uid)
        try:
            if asked.step == 1:
                answer = self._first(self._prover, caller.device.id, asked)
            else:
                answer = self._second(self._prover, caller.device.id, asked, key_of(caller))
        except BandNotProved as error:
            self._parts.counters.add("band.not_proved")
            raise denied("not_proved") from error
        self._parts.counters.add(f"band.step{asked.step}")
        return band_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def _first(self, prover: BandProver, device: str, asked: BandRequest) -> BandAnswer:
        uid, challenge = _bytes_of(asked.uid), _bytes_of(asked.data)
        rnd_a = self._parts.entropy.draw(RANDOM_SIZE)
        token, rnd_b = prover.answer_chip(uid, challenge, rnd_a, dialect=asked.dialect)
        state = _State(device, uid, rnd_a, rnd_b, self._parts.now, asked.dialect)
        nonce = self._parts.entropy.draw(_NONCE_SIZE)
        sealed = nonce + self._cipher.encrypt(nonce, _packed.encode(state), None)
        return BandAnswer(data=token.hex(), state=sealed.hex())

    def _second(
        self, prover: BandProver, device: str, asked: BandRequest, session_key: bytes
    ) -> BandAnswer:
        state, uid, dialect = self._opened(asked.state), _bytes_of(asked.uid), asked.dialect
        age_us = self._parts.now - state.at
        is_begun = (state.device, state.uid, state.dialect) == (device, uid, dialect)
        if not is_begun or not 0 <= age_us <= STATE_MS * 1_000:
            raise denied("not_allowed", "state")
        opened = prover.open_chip(
            uid, _bytes_of(asked.data), rnd_a=state.rnd_a, rnd_b=state.rnd_b, dialect=dialect
        )
        label = band_label(uid=asked.uid, ti=opened.ti.hex())
        keys = seal(opened.keys, session_key, label, self._parts.entropy)
        return BandAnswer(keys=keys, ti=opened.ti.hex())

    def _opened(self, sealed: str) -> _State:
        raw = _bytes_of(sealed)
        try:
            plain = self._cipher.decrypt(raw[:_NONCE_SIZE], raw[_NONCE_SIZE:], None)
            return _unpacked.decode(plain)
        except (InvalidTag, ValueError, msgspec.DecodeError) as error:
            raise denied("not_allowed", "state") from error

    def _refuse_haste(self, device: str, uid: str) -> None:
        if not self._by_device.may(device) or not self._by_band.may(uid):
            self._parts.counters.add("band.too_often")
            raise denied("too_often")

    def _refuse_out_of_use(self, uid: bytes) -> None:
        """The same word for all that are not answered for."""
        with self._parts.store.reading() as snapshot:
            band = band_rows.band_of_chip(snapshot.sql, uid)
        if band is None or band.state != ACTIVE or band.is_uid_only:
            self._parts.counters.add("band.out_of_use")
            raise denied("not_allowed", "band")


def _bytes_of(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise denied("malformed") from error
