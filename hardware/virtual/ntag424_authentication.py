"""Authentication of an NTAG 424: 71 and 77, in AES and in LRP.

    AES   E(RndB)  ->  E(RndA RndB')         ->  E(TI RndA' capabilities), or E(RndA') after 77
    LRP   01 RndB  ->  RndA MAC(RndA RndB)   ->  E(TI capabilities) MAC(RndB RndA and that), or the MAC alone after 77

A wrong answer is counted for its key, which is locked at a thousand; a good one forgives ten. After fifty in a row the key
is slow: it is to be asked again until its delay is over (91AD), and that again after each wrong answer, whatever field
powers it. How often is not in the data sheet; real tags of others were seen to need about three.

Source: NT4H2421Gx data sheet rev 3.0, 9.1.5, 9.2.5 and 10.4.
"""

import hmac

from hardware.virtual.band import turned
from hardware.virtual.lrp import ENCRYPTION_KEY as LRP_ENCRYPTION_KEY
from hardware.virtual.lrp import MAC_KEY, Lrp, LrpSession, session_master
from hardware.virtual.messaging import (
    BLOCK_SIZE,
    ZERO_IV,
    Ev2Session,
    decrypted,
    encrypted,
    ev2_session_keys,
    rotated,
)
from hardware.virtual.ntag424_core import (
    AUTHENTICATION_DELAY,
    AUTHENTICATION_ERROR,
    LENGTH_ERROR,
    MORE,
    NO_SUCH_KEY,
    OK,
    PERMISSION_DENIED,
    Answer,
    Core,
    Refused,
    expect_size,
)
from hardware.virtual.sdm import KEY_COUNT

WRONG_MAX, WRONG_FORGIVEN = 1_000, 10
"""Wrong authentications after which a key is locked; how many a good one makes undone. Source: data sheet, table 50."""

IN_ROW_MAX = 50
"""Wrong authentications in a row after which a key is slow. Source: NXP AN12196, 7.4."""

DELAYS = 3
"""How often a slow key says so before it takes another answer."""


class Authentication:
    """The two commands that begin a session.

    Attributes:
        nonce_turn: By how many bytes the reader's nonce is turned left in the proof; 1 is right.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.nonce_turn = 1

    def first(self, data: bytes) -> Answer:
        """71: key number, length of the reader's capabilities, capabilities (padded with zeros to 6)."""
        if len(data) < 2 or len(data) != 2 + data[1] or data[1] > 6:
            raise Refused(LENGTH_ERROR)
        wanted = data[2:].ljust(6, b"\x00")
        key = self._key_for_authentication(data[0])
        wants_lrp = bool(wanted[0] & 0x02)
        if self._core.band.is_lrp and not wants_lrp:
            raise Refused(PERMISSION_DENIED)
        self._core.end_session()
        transaction = self._core.band.entropy.draw(4)
        head = transaction, self._core.band.capabilities + wanted
        if self._core.band.is_lrp:
            return self._challenge_lrp(data[0], key, head, counter=0)
        return self._challenge_aes(data[0], key, head, counter=0)

    def non_first(self, data: bytes) -> Answer:
        """77: another key of the same transaction."""
        expect_size(data, 1)
        session = self._core.session
        if session is None:
            raise Refused(PERMISSION_DENIED)
        key = self._key_for_authentication(data[0])
        head = session.transaction, b""
        counter = session.counter
        self._core.end_session()
        if isinstance(session, LrpSession):
            return self._challenge_lrp(data[0], key, head, counter=counter)
        return self._challenge_aes(data[0], key, head, counter=counter)

    def _key_for_authentication(self, number: int) -> bytes:
        if not self._core.is_in_application or number >= KEY_COUNT:
            raise Refused(NO_SUCH_KEY)
        if self._core.band.n_wrong[number] >= WRONG_MAX:
            raise Refused(PERMISSION_DENIED)
        if self._core.band.n_delays[number]:
            self._core.band.n_delays[number] -= 1
            raise Refused(AUTHENTICATION_DELAY)
        return self._core.band.keys[number]

    def _expect_proof(self, number: int, *, is_good: bool) -> None:
        """Count a wrong answer; forgive some after a good one."""
        if not is_good:
            self._core.band.note_wrong(number)
            raise Refused(AUTHENTICATION_ERROR)
        self._core.band.n_in_row[number] = 0
        self._core.band.n_wrong[number] = max(
            0, self._core.band.n_wrong[number] - WRONG_FORGIVEN
        )

    def _challenge_aes(
        self, number: int, key: bytes, head: tuple[bytes, bytes], *, counter: int
    ) -> Answer:
        transaction, capabilities = head
        rnd_b = self._core.band.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> Answer:
            expect_size(answer, 2 * BLOCK_SIZE)
            plain = decrypted(key, ZERO_IV, answer)
            rnd_a = plain[:BLOCK_SIZE]
            is_good = hmac.compare_digest(plain[BLOCK_SIZE:], rotated(rnd_b))
            self._expect_proof(number, is_good=is_good)
            encryption_key, mac_key = ev2_session_keys(key, rnd_a, rnd_b)
            self._core.session = Ev2Session(
                encryption_key=encryption_key,
                mac_key=mac_key,
                transaction=transaction,
                counter=counter,
            )
            self._core.key_number = number
            proof = turned(rnd_a, self.nonce_turn)
            told = transaction + proof + capabilities if capabilities else proof
            return Answer(OK, encrypted(key, ZERO_IV, told))

        self._core.pending = check
        return Answer(MORE, encrypted(key, ZERO_IV, rnd_b))

    def _challenge_lrp(
        self, number: int, key: bytes, head: tuple[bytes, bytes], *, counter: int
    ) -> Answer:
        transaction, capabilities = head
        rnd_b = self._core.band.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> Answer:
            expect_size(answer, 2 * BLOCK_SIZE)
            rnd_a, proof = answer[:BLOCK_SIZE], answer[BLOCK_SIZE:]
            master = session_master(key, rnd_a, rnd_b)
            macs = Lrp(master, MAC_KEY)
            is_good = hmac.compare_digest(proof, macs.cmac(rnd_a + rnd_b))
            self._expect_proof(number, is_good=is_good)
            told = b""
            if capabilities:
                told = Lrp(master, LRP_ENCRYPTION_KEY).encrypted(
                    transaction + capabilities, bytes(4)
                )
            self._core.session = LrpSession(
                master,
                transaction=transaction,
                counter=counter,
                n_blocks=len(told) // BLOCK_SIZE,
            )
            self._core.key_number = number
            # LRP turns nothing: what is crooked in it is the order of the nonces.
            nonces = rnd_b + rnd_a if self.nonce_turn == 1 else rnd_a + rnd_b
            return Answer(OK, told + macs.cmac(nonces + told))

        self._core.pending = check
        return Answer(MORE, b"\x01" + rnd_b)
