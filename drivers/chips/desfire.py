"""DESFire EV1, EV2 and EV3 as a kiosk uses them: select, authenticate, read and write files, and transactions.

    AuthenticateAES       AA slot        <- AF E(B)    AF E(A B')   <- 00 E(A')                     EV1
    AuthenticateISO       1A slot        the same with a DES key; only a chip fresh from its factory has one
    AuthenticateEV2First  71 slot 00     <- AF E(B)    AF E(A B')   <- 00 E(TI A' caps)             EV2
    EV2NonFirst           77 slot        <- AF E(B)    AF E(A B')   <- 00 E(A')                     EV2

A session is taken out of its place for each command and put back when the answer held. So whatever goes wrong, a torn
exchange, a refusal or a wrong MAC, leaves no session, as on the chip: the next command is not sent half-protected, it is
our own mistake and a TypeError.

    file            takes effect                       torn
    standard        at the write                       old or new, on some chips mixed: readers of it must notice
    backup, value,  at `commit`, all files at once     before the commit: nothing was done
    record                                             at the commit: all or nothing; read back which

What is not committed is forgotten when the band leaves and when an application is selected.

Source: MF3ICD81 data sheet; NXP AN12343; NXP AN12196.
"""

from dataclasses import dataclass
from typing import Final

from drivers.apdu import DATA_SIZE_MAX
from drivers.chips.framing import (
    ADDITIONAL_FRAME,
    AUTHENTICATION_ERROR,
    ILLEGAL_COMMAND,
    NATIVE_SW1,
    OK,
    SENT_SIZE_MAX,
    Answer,
    begin,
    collect,
    exchange,
    required,
    send,
)
from drivers.connection import Connection, Work
from drivers.credential.des import TripleDes, random_size_of, session_key_iso
from drivers.credential.handshake import (
    Answered,
    Ev2Ahead,
    Ev2Opened,
    answered,
    check,
    ev2_rekeyed,
)
from drivers.credential.kdf import BLOCK, Aes, BlockCipher, session_key_ev1
from drivers.credential.layout import BandFile, CommMode, RecordFile, ValueFile
from drivers.credential.session import (
    CRC_SIZE,
    MAC_SIZE,
    Ev1Session,
    Ev2Session,
    Session,
)
from drivers.errors import (
    BandMalformed,
    BandRefused,
    BandUnsupported,
    BandUntrusted,
    Delivery,
    KeyUnknown,
    with_status,
)
from drivers.status import meaning_of
from hardware.entropy import Entropy

SELECT_APPLICATION = 0x5A
AUTHENTICATE_AES = 0xAA
AUTHENTICATE_ISO = 0x1A
AUTHENTICATE_EV2_FIRST = 0x71
AUTHENTICATE_EV2_NON_FIRST = 0x77
GET_CARD_UID = 0x51
GET_VERSION = 0x60
GET_KEY_VERSION = 0x64
READ_DATA, READ_DATA_LONG = 0xBD, 0xAD
WRITE_DATA, WRITE_DATA_LONG = 0x3D, 0x8D
READ_RECORDS, READ_RECORDS_LONG = 0xBB, 0xAB
WRITE_RECORD, WRITE_RECORD_LONG = 0x3B, 0x8B
CLEAR_RECORDS = 0xEB
GET_VALUE = 0x6C
CREDIT = 0x0C
DEBIT = 0xDC
LIMITED_CREDIT = 0x1C
COMMIT = 0xC7
ABORT = 0xA7
"""Command codes. LONG ones leave the cutting into frames to ISO 14443-4; EV1 does not know them.

Source: MF3ICD81 and MF3D(H)x2 data sheets, command sets.
"""

PICC_AID = b"\x00\x00\x00"
"""The chip itself, selected when the field comes."""

UID_SIZE = 7
"""Bytes of the true UID of every DESFire so far. Source: MF3ICD81 data sheet, GetCardUID."""

VERSION_SIZES = range(28, 31)
"""Bytes of GetVersion: hardware 7, software 7, production 14, and up to two a later chip adds."""

FRAME_SIZE = 59
"""Bytes of content in one frame of an answer that the chip cuts itself. Source: MF3ICD81 data sheet, frame size."""

PIECE_SIZE_MAX = 224
"""Bytes asked for at once with a LONG command: enciphered and with its MAC 248, below the 256 of a short answer."""

VALUE_SIZE = 4
"""Bytes of a value, signed, low byte first. Source: MF3ICD81 data sheet, value files."""

VALUE_MAX = (1 << 31) - 1
"""Largest value, and largest change of one."""

NO_HEADER: Final = b""

REFUSED_STATUS: Final = NATIVE_SW1 << 8 | AUTHENTICATION_ERROR
"""What a chip says of a key that is not its own."""


class KeyRefused(BandUntrusted):
    """The chip does not accept the key: it is not the band it says it is, or the key is not its key.

    A chip that says 91AD, not yet, raises BandRefused: it has not looked at the key.

    Attributes:
        status, meaning: Of its answer, as those of BandRefused.
    """

    def __init__(self, reason: str = "", *, status: int | None = None) -> None:
        self.status = status or 0
        self.meaning = "" if status is None else meaning_of(status)
        super().__init__(with_status(reason, status), delivery=Delivery.REFUSED)


@dataclass(frozen=True, slots=True)
class Version:
    """What the chip says of itself; a claim.

    Attributes:
        hardware_type: 1 DESFire, 4 NTAG.
        hardware_major: 1 EV1, 18 EV2, 51 EV3 for DESFire.
    """

    hardware_type: int
    hardware_major: int


class Desfire:
    """One DESFire chip on one connection. Used by one thread, for one activation.

    Every method that speaks to the chip raises BandLeft and ReaderError as the connection does, and besides:

        BandRefused       the chip answered with another status; the command was not done
        BandUntrusted     MAC, checksum, padding or size of the answer do not hold; done or not is unknown
        BandMalformed     frames that never end or are too long
        BandUnsupported   the answer is not that of a DESFire chip

    A command of several frames that broke off before its last was not done: the error's `delivery` is NOT_SENT.
    """

    def __init__(self, connection: Connection, entropy: Entropy) -> None:
        self._connection = connection
        self._entropy = entropy
        self._session: Session | None = None
        self._slot: int | None = None
        self._aid = PICC_AID

    @property
    def is_open(self) -> bool:
        """Is there a session?"""
        return self._session is not None

    @property
    def slot(self) -> int | None:
        """The key slot the session was opened with; None without a session."""
        return self._slot if self._session is not None else None

    @property
    def aid(self) -> bytes:
        """The application that is selected."""
        return self._aid

    @property
    def is_ev2(self) -> bool:
        """Is the session one of EV2?"""
        return isinstance(self._session, Ev2Session)

    def close(self) -> None:
        """Forget the session."""
        self._session = None

    # --- selection and authentication

    def select_application(self, aid: bytes) -> Answer:
        """Select by AID; the answer's status says whether it is there. Ends any session, drops what is not committed."""
        self._session = None
        answer = exchange(self._connection, SELECT_APPLICATION, aid)
        self._aid = aid if answer.status == 0 else self._aid
        return answer

    def select(self, aid: bytes) -> None:
        """Select by AID, as `select_application`. Raises BandRefused where there is no such application."""
        required(self.select_application(aid))

    def authenticate(self, slot: int, key: bytes) -> int:
        """Open a session with an AES key by the newest command the chip knows: 2 for one of EV2, 1 for one of EV1.

        Who stands between can refuse the newer command for the chip: whoever counts on EV2 looks at what this returns.
        Raises as `authenticate_ev2_first`.
        """
        if self.authenticate_ev2_first(slot, key):
            return 2
        self.authenticate_aes(slot, key)
        return 1

    def authenticate_ev2_first(self, slot: int, key: bytes | Aes) -> bool:
        """Prove to each other that both hold `key`, and open an EV2 session.

        Returns:
            Whether the chip knows the command; False means an older chip, and nothing was proved.

        Raises:
            KeyRefused: the chip does not accept our key.
            BandUntrusted: the chip does not hold the key.
        """
        cipher = key if isinstance(key, Aes) else Aes(key)
        ahead = Ev2Ahead(cipher, self._entropy.draw)
        challenge = self.begin_ev2_first(slot, work=ahead.begin)
        if challenge is None:
            return False
        last = self.answer_challenge(ahead.token(challenge), work=ahead.go_on)
        self._session, self._slot = ahead.opened(last), slot
        return True

    def begin_ev2_first(self, slot: int, *, work: Work | None = None) -> bytes | None:
        """Ask for a challenge that may be answered elsewhere, by who keeps the key.

        Args:
            slot: Of the key.
            work: Done while the chip is busy.

        Returns:
            E(B), 16 bytes; None when the chip is older than the command.

        Raises:
            KeyRefused: the chip refuses to authenticate.
        """
        self._session = None
        first = begin(self._connection, AUTHENTICATE_EV2_FIRST, bytes((slot, 0)), work=work)
        if first.status == ILLEGAL_COMMAND:
            return None
        challenge = _challenge_of(first)
        if len(challenge) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        return challenge

    def begin_aes(self, slot: int) -> bytes:
        """The same of an older chip, for AuthenticateAES. Raises KeyRefused."""
        self._session = None
        challenge = _challenge_of(begin(self._connection, AUTHENTICATE_AES, bytes((slot,))))
        if len(challenge) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        return challenge

    def answer_challenge(self, token: bytes, *, work: Work | None = None) -> bytes:
        """Send E(A B'); the chip's last message, which the caller must hold against A.

        Args:
            token: E(A B').
            work: Done while the chip is busy.

        Raises:
            KeyRefused: the chip does not accept the key.
        """
        last = exchange(self._connection, ADDITIONAL_FRAME, token, work=work)
        if last.status == AUTHENTICATION_ERROR:
            raise KeyRefused("the chip does not accept the key", status=REFUSED_STATUS)
        return required(last)

    def adopt(self, opened: Ev2Opened, *, slot: int) -> None:
        """Go on with the session that was agreed on with the chip, here or elsewhere."""
        self._session, self._slot = Ev2Session(opened.keys, opened.ti), slot

    def adopt_ev1(self, key: bytes, *, slot: int) -> None:
        """The same with one of an older chip, by the key of that session."""
        self._session, self._slot = Ev1Session(key), slot

    def authenticate_ev2_non_first(self, slot: int, key: bytes) -> None:
        """The same with another key within the transaction that `authenticate_ev2_first` began. Raises as it does."""
        session, cipher = self._session, Aes(key)
        if not isinstance(session, Ev2Session):
            raise TypeError("an EV2 session must be open")
        so_far, last = self._handshake(
            cipher, AUTHENTICATE_EV2_NON_FIRST, slot, is_chained=False
        )
        keys = ev2_rekeyed(cipher, so_far, last)
        self._session, self._slot = session.continued(keys), slot

    def authenticate_aes(self, slot: int, key: bytes) -> None:
        """Prove to each other that both hold `key`, and open an EV1 session. Raises as `authenticate_ev2_first`."""
        cipher = Aes(key)
        so_far, last = self._handshake(cipher, AUTHENTICATE_AES, slot, is_chained=True)
        check(cipher, so_far, last)
        session = Ev1Session(session_key_ev1(so_far.rnd_a, so_far.rnd_b))
        self._session, self._slot = session, slot

    def authenticate_iso(self, slot: int, key: bytes) -> None:
        """The same with a DES key of 8, 16 or 24 bytes. Raises as `authenticate_ev2_first`."""
        cipher = TripleDes(key)
        so_far, last = self._handshake(
            cipher, AUTHENTICATE_ISO, slot, is_chained=True, size=random_size_of(key)
        )
        check(cipher, so_far, last)
        session_key = session_key_iso(key, so_far.rnd_a, so_far.rnd_b)
        self._session, self._slot = Ev1Session(session_key, TripleDes), slot

    def _handshake(
        self, cipher: BlockCipher, code: int, slot: int, *, is_chained: bool, size: int = BLOCK
    ) -> tuple[Answered, bytes]:
        """Both exchanges of an authentication: what was agreed, and the chip's last message, not checked yet."""
        self._session = None
        challenge = _challenge_of(begin(self._connection, code, bytes((slot,))))
        so_far = answered(cipher, challenge, self._entropy.draw(size), is_chained=is_chained)
        return so_far, self.answer_challenge(so_far.token)

    # --- the chip

    def card_uid(self) -> bytes:
        """The true UID, through the session. Raises BandMalformed for zeros: no chip has that UID."""
        uid = self.run(GET_CARD_UID, mode=CommMode.FULL, size=UID_SIZE)
        if not any(uid):
            raise BandMalformed("the chip has no UID")
        return uid

    def version(self) -> Version:
        """What the chip says of itself."""
        content = self.ask(GET_VERSION)
        if len(content) not in VERSION_SIZES:
            raise BandMalformed("the answer to GetVersion has the wrong size")
        return Version(hardware_type=content[1], hardware_major=content[3])

    def key_version(self, slot: int) -> int:
        """The version of a key, 0 to 255; every chip tells it without a session, and then it is a claim."""
        content = self.ask(GET_KEY_VERSION, bytes((slot,)))
        if len(content) != 1:
            raise BandMalformed("the answer to GetKeyVersion has the wrong size")
        return content[0]

    def check_key_version(self, slot: int, version: int) -> None:
        """After a refused key: was it only another version of it?

        The answer is a claim. It can only make a band count for less than one with a refused key, never for more.

        Raises:
            KeyUnknown: the chip holds another version than `version`.
        """
        if self.key_version(slot) != version:
            raise KeyUnknown("the band has another version of its key")

    # --- data files

    def read(self, file: BandFile, *, offset: int = 0, size: int | None = None) -> bytes:
        """The content of a file through the session; all of it unless told.

        Args:
            file: Which file, and how its content travels.
            offset: First byte.
            size: Bytes; None for the rest of the file.
        """
        size = file.size - offset if size is None else size
        if offset < 0 or size < 1 or offset + size > file.size:
            raise ValueError("a read is at least one byte within the file")
        is_short = not isinstance(self._session, Ev2Session)
        if is_short or _wire_size(size, file.mode) <= FRAME_SIZE:
            return self._read(READ_DATA, file, offset, size)
        if size <= PIECE_SIZE_MAX:
            return self._read(READ_DATA_LONG, file, offset, size)
        starts = range(offset, offset + size, PIECE_SIZE_MAX)
        return b"".join(
            self._read(READ_DATA_LONG, file, at, min(PIECE_SIZE_MAX, offset + size - at))
            for at in starts
        )

    def _read(self, code: int, file: BandFile, offset: int, size: int) -> bytes:
        return self.run(code, _span(file.number, offset, size), mode=file.mode, size=size)

    def write(self, file: BandFile, content: bytes, *, offset: int = 0) -> None:
        """Write into a file through the session, in one command; a backup file changes at `commit`."""
        if offset < 0 or not content or offset + len(content) > file.size:
            raise ValueError("a write is at least one byte within the file")
        codes = (WRITE_DATA, WRITE_DATA_LONG)
        self._write(codes, file.number, content, offset=offset, mode=file.mode)

    def _write(
        self,
        codes: tuple[int, int],
        number: int,
        content: bytes,
        *,
        offset: int,
        mode: CommMode,
    ) -> None:
        header = _span(number, offset, len(content))
        wire_size = len(header) + _wire_size(len(content), mode)
        is_long = self.is_ev2 and wire_size <= DATA_SIZE_MAX
        self.run(codes[is_long], header, content, mode=mode, size=0)

    # --- value files

    def value(self, file: ValueFile) -> int:
        """The value, as it was last committed."""
        content = self.run(GET_VALUE, bytes((file.number,)), mode=file.mode, size=VALUE_SIZE)
        return int.from_bytes(content, "little", signed=True)

    def credit(self, file: ValueFile, amount: int) -> None:
        """Add to the value, at `commit`."""
        self._change(CREDIT, file, amount)

    def debit(self, file: ValueFile, amount: int) -> None:
        """Take from the value, at `commit`."""
        self._change(DEBIT, file, amount)

    def limited_credit(self, file: ValueFile, amount: int) -> None:
        """Give back to the value, at `commit`, what the last transaction took."""
        self._change(LIMITED_CREDIT, file, amount)

    def _change(self, code: int, file: ValueFile, amount: int) -> None:
        if not 0 <= amount <= VALUE_MAX:
            raise ValueError("a value changes by 0 to 2^31-1")
        content = amount.to_bytes(VALUE_SIZE, "little")
        self.run(code, bytes((file.number,)), content, mode=file.mode, size=0)

    # --- record files

    def records(self, file: RecordFile, *, count: int, first: int = 0) -> tuple[bytes, ...]:
        """Records, the newest first.

        Args:
            file: Which file.
            count: How many; the chip refuses more than there are.
            first: Newer ones to leave out.
        """
        size = count * file.size
        if count < 1 or first < 0:
            raise ValueError("at least one record is read")
        is_long = (
            self.is_ev2 and _wire_size(size, file.mode) > FRAME_SIZE and size <= PIECE_SIZE_MAX
        )
        code = READ_RECORDS_LONG if is_long else READ_RECORDS
        content = self.run(code, _span(file.number, first, count), mode=file.mode, size=size)
        parts = (content[at : at + file.size] for at in range(0, size, file.size))
        return tuple(parts)[::-1]

    def add_record(self, file: RecordFile, content: bytes) -> None:
        """Add a record, at `commit`."""
        if len(content) != file.size:
            raise ValueError("a record is written whole")
        self._write(
            (WRITE_RECORD, WRITE_RECORD_LONG), file.number, content, offset=0, mode=file.mode
        )

    def clear_records(self, file: RecordFile) -> None:
        """Forget all records, at `commit`."""
        self.run(CLEAR_RECORDS, bytes((file.number,)), size=0)

    # --- transactions

    def commit(self) -> None:
        """Make everything done since the last commit last, all or nothing.

        Whatever this raises but NOT_SENT, done or not is only known by reading back: a status carries no MAC.
        """
        try:
            self.run(COMMIT, size=0)
        except BandRefused as error:
            error.delivery = (
                Delivery.UNKNOWN
            )  # whoever stands between can say no after the chip said yes
            raise

    def abort(self) -> None:
        """Forget everything done since the last commit."""
        self.run(ABORT, size=0)

    # --- any command

    def run(
        self,
        code: int,
        header: bytes = NO_HEADER,
        content: bytes = b"",
        *,
        mode: CommMode = CommMode.MAC,
        size: int | None = None,
        tail: bytes = b"",
    ) -> bytes:
        """Any command through the session.

        Args:
            code: Command code.
            header: What follows it and is never enciphered.
            content: What is enciphered when `mode` is FULL.
            mode: How content travels, there and back.
            size: Bytes of content of the answer; None takes what comes.
            tail: See `Ev1Session.wrap`; in EV2 it is the end of the content.

        Returns:
            The content of the answer.
        """
        session, answer = self._sent(code, header, content, mode=mode, tail=tail)
        opened = session.unwrap(answer, mode, size=size)
        self._session = session
        return opened

    def run_last(self, code: int, header: bytes, content: bytes, *, tail: bytes = b"") -> None:
        """A command, enciphered, that ends the session on the chip: its answer has no MAC, and this session is over too.

        So a good status proves nothing; whoever must know opens a new session.
        """
        self._sent(code, header, content, mode=CommMode.FULL, tail=tail)

    def ask(self, code: int, header: bytes = NO_HEADER) -> bytes:
        """A question of the chip's own: through the session where there is one, else in the open, and then it is a claim."""
        if self._session is not None:
            return self.run(code, header)
        return required(collect(self._connection, code, header))

    def _sent(
        self, code: int, header: bytes, content: bytes, *, mode: CommMode, tail: bytes
    ) -> tuple[Session, bytes]:
        """The session, taken out of its place, and the answer to a command sent through it."""
        session, self._session = self._session, None
        if session is None:
            raise TypeError("a session must be open")
        if isinstance(session, Ev1Session):
            sent = session.wrap(code, header, content, mode, tail=tail)
        else:
            sent = session.wrap(code, header, content + tail, mode)
        size_max = DATA_SIZE_MAX if code in _LONG else SENT_SIZE_MAX
        try:
            answer = send(self._connection, code, sent, size_max=size_max)
        except BandUnsupported as error:
            # The chip has proved what it is; another's answer in between says nothing about the command.
            if error.delivery is Delivery.REFUSED:
                error.delivery = Delivery.UNKNOWN
            raise
        return session, answer.content if answer.status == OK else required(answer)


_LONG = frozenset({READ_DATA_LONG, WRITE_DATA_LONG, READ_RECORDS_LONG, WRITE_RECORD_LONG})


def _challenge_of(first: Answer) -> bytes:
    if first.status == ADDITIONAL_FRAME:
        return first.content
    if first.status == AUTHENTICATION_ERROR:
        raise KeyRefused("the chip refuses to authenticate", status=REFUSED_STATUS)
    return required(first, ADDITIONAL_FRAME)


def _span(number: int, offset: int, size: int) -> bytes:
    """Number, offset and length, low bytes first."""
    return bytes((number,)) + offset.to_bytes(3, "little") + size.to_bytes(3, "little")


def _wire_size(size: int, mode: CommMode) -> int:
    """Bytes content of this size has on the air at most."""
    if mode is CommMode.PLAIN:
        return size
    if mode is CommMode.MAC:
        return size + MAC_SIZE
    return size + CRC_SIZE + BLOCK - (size + CRC_SIZE) % BLOCK + MAC_SIZE
