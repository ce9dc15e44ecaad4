"""NTAG 424 DNA, in AES and in LRP mode: select, authenticate, read and write files, set up keys and SUN messages.

    select               00 A4 04 0C D2760000850101                                                   1 exchange
    authenticate_first   71 slot 01 02 <- AF E(B)     AF E(A B')       <- 00 E(TI A' caps)             2    AES mode
                                       <- AF 01 B     AF A MAC(A B)    <- 00 E(TI caps) MAC(B A E(..)) 2    LRP mode
    following            77 slot       the same within the transaction                                2
    read, write          AD, 8D        one exchange for each 224 bytes

Every first authentication asks for LRP: a chip in AES mode answers as if it had not been asked, so which mode it is in costs
no exchange. A session is taken out of its place for each command and put back when the answer held, so whatever goes wrong
leaves none, as on the chip.

A write that fits one frame of the chip is done whole or not at all; a longer one that is torn leaves a mixture.
Source: NXP NT4H2421Gx data sheet rev 3.0, 9 and 10; NXP AN12196.
"""

from dataclasses import dataclass, field

from drivers.apdu import SUCCESS, Command, response_of
from drivers.chips.desfire import REFUSED_STATUS, KeyRefused, Version
from drivers.chips.framing import (
    ADDITIONAL_FRAME,
    AUTHENTICATION_ERROR,
    Answer,
    begin,
    collect,
    exchange,
    required,
)
from drivers.connection import Connection, Work
from drivers.credential.handshake import Ev2Ahead, Ev2Opened, answered, ev2_rekeyed
from drivers.credential.kdf import BLOCK, Aes
from drivers.credential.layout import KEY_SIZE, BandFile, CommMode
from drivers.credential.lrp_session import LRP_MODE, LrpHandshake, LrpSession
from drivers.credential.sdm import COUNTER_SIZE
from drivers.credential.sdm_file import LINK_FILE_SIZE, FileSettings, settings_of
from drivers.credential.session import Ev2Session, crc32
from drivers.errors import BandMalformed, BandUntrusted, KeyUnknown
from drivers.ndef import records_of, uri_of
from hardware.entropy import Entropy

APPLICATION_NAME = bytes.fromhex("D2760000850101")
"""DF name of the application. Source: NXP NT4H2421Gx data sheet rev 3.0, 10.9.1; NFC Forum Type 4 Tag 1.2, 5.2.2."""

SELECT_APPLICATION = Command(0x00, 0xA4, 0x04, 0x0C, APPLICATION_NAME).to_bytes()
"""Select by name, no answer but the status."""

AUTHENTICATE_FIRST = 0x71
AUTHENTICATE_FOLLOWING = 0x77
CHANGE_FILE_SETTINGS = 0x5F
CHANGE_KEY = 0xC4
GET_CARD_UID = 0x51
GET_FILE_COUNTERS = 0xF6
GET_FILE_SETTINGS = 0xF5
GET_KEY_VERSION = 0x64
GET_VERSION = 0x60
READ_DATA = 0xAD
READ_SIGNATURE = 0x3C
SET_CONFIGURATION = 0x5C
WRITE_DATA = 0x8D
"""Command codes. Source: NXP NT4H2421Gx data sheet rev 3.0, table 22."""

ASKS_FOR_LRP = b"\x01\x02"
"""One byte of capabilities, which says LRP; the chip adds zeros. Source: the same, table 19 and 9.2.5."""

UID_SIZE = 7
KEY_COUNT = 5

PIECE_SIZE_MAX = 224
"""Bytes read or written at once: enciphered, with MAC and header 247, below the 248 and 256 the chip takes and gives."""

SIGNATURE_SIZE = 56
"""Bytes of the maker's signature."""

COUNTERS_SIZE = 5
"""Bytes of an answer to GetFileCounters: the counter and two zeros."""

VERSION_SIZES = range(28, 31)

LINK_FILE = 2
LINK_PIECE_SIZE = 128
"""Bytes of file 2 read at once: a link of ours is shorter."""

RANDOM_UID = b"\x02"
"""PICCConfig: a random UID for ever. Source: NXP NT4H2421Gx data sheet rev 3.0, table 50."""

LRP_FOR_EVER = bytes(4) + b"\x02" + bytes(5)
"""Capability data: LRP mode for ever. Source: the same."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the chip answers to the start of a first authentication.

    Attributes:
        random: E(B) in AES mode, B in LRP mode; 16 bytes.
        is_lrp: Which mode.
    """

    random: bytes = field(repr=False)
    is_lrp: bool


class Ntag424:
    """One NTAG 424 DNA on one connection. Used by one thread, for one activation.

    Every method that speaks to the chip raises BandLeft and ReaderError as the connection does, and besides:

        BandRefused       the chip answered with another status; the command was not done
        BandUntrusted     a MAC, padding or size does not hold; done or not is unknown
        BandMalformed     bytes that do not parse
        BandUnsupported   the answer is not that of an NTAG 424
    """

    def __init__(self, connection: Connection, entropy: Entropy) -> None:
        self._connection = connection
        self._entropy = entropy
        self._session: Ev2Session | LrpSession | None = None
        self._slot: int | None = None

    @property
    def is_open(self) -> bool:
        """Is there a session?"""
        return self._session is not None

    @property
    def is_lrp(self) -> bool:
        """Is the session one of LRP mode?"""
        return isinstance(self._session, LrpSession)

    def close(self) -> None:
        """Forget the session."""
        self._session = None

    # --- selection and authentication

    def select(self) -> bool:
        """Is there an NDEF application, and so perhaps an NTAG 424? Selects it; ends any session. One exchange."""
        self._session = None
        return response_of(self._connection.transmit(SELECT_APPLICATION)).status == SUCCESS

    def authenticate_first(self, slot: int, key: bytes) -> None:
        """Prove to each other that both hold `key`, and open a session in the mode of the chip. Two exchanges.

        Raises:
            KeyRefused: the chip does not accept our key.
            BandUntrusted: the chip does not hold the key.
        """
        cipher = Aes(key)
        challenge = self.begin_first(slot)
        if challenge.is_lrp:
            handshake = LrpHandshake(key, self._entropy.draw(BLOCK), challenge.random)
            last = self.answer_challenge(handshake.token)
            self.adopt_lrp(handshake.first(last), slot=slot)
            return
        ahead = Ev2Ahead(cipher, self._entropy.draw)
        last = self.answer_challenge(ahead.token(challenge.random), work=ahead.go_on)
        self._session, self._slot = ahead.opened(last), slot

    def begin_first(self, slot: int) -> Challenge:
        """Ask for a challenge that may be answered elsewhere, by who keeps the key. Raises KeyRefused."""
        self._session = None
        content = _challenge(
            begin(self._connection, AUTHENTICATE_FIRST, bytes((slot,)) + ASKS_FOR_LRP)
        )
        is_lrp = len(content) == 1 + BLOCK and content[0] == LRP_MODE
        if not is_lrp and len(content) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        return Challenge(content[-BLOCK:], is_lrp)

    def answer_challenge(self, token: bytes, *, work: Work | None = None) -> bytes:
        """Send our answer to a challenge; the chip's last message, which the caller must check.

        Args:
            token: Our answer.
            work: Done while the chip is busy.

        Raises:
            KeyRefused: the chip does not accept the key.
        """
        last = exchange(self._connection, ADDITIONAL_FRAME, token, work=work)
        if last.status == AUTHENTICATION_ERROR:
            raise KeyRefused("the chip does not accept the key", status=REFUSED_STATUS)
        return required(last)

    def adopt(self, opened: Ev2Opened, *, slot: int) -> None:
        """Go on with a session in AES mode that was agreed on with the chip, here or elsewhere."""
        self._session, self._slot = Ev2Session(opened.keys, opened.ti), slot

    def adopt_lrp(self, session: LrpSession, *, slot: int) -> None:
        """Go on with a session in LRP mode that was agreed on with the chip."""
        self._session, self._slot = session, slot

    def authenticate_following(self, slot: int, key: bytes) -> None:
        """The same with another key within the transaction of the open session. Raises as `authenticate_first`."""
        cipher, session = Aes(key), self._taken()
        content = _challenge(begin(self._connection, AUTHENTICATE_FOLLOWING, bytes((slot,))))
        rnd_a = self._entropy.draw(BLOCK)
        if isinstance(session, LrpSession):
            if len(content) != 1 + BLOCK or content[0] != LRP_MODE:
                raise BandMalformed("the challenge of the chip has the wrong size")
            handshake = LrpHandshake(key, rnd_a, content[1:])
            last = self.answer_challenge(handshake.token)
            self._session = handshake.following(last, session)
        else:
            so_far = answered(cipher, content, rnd_a, is_chained=False)
            keys = ev2_rekeyed(cipher, so_far, self.answer_challenge(so_far.token))
            self._session = session.continued(keys)
        self._slot = slot

    # --- the chip

    def card_uid(self) -> bytes:
        """The true UID, through the session. Raises BandMalformed for zeros: no chip has that UID."""
        uid = self._run(GET_CARD_UID, mode=CommMode.FULL, size=UID_SIZE)
        if not any(uid):
            raise BandMalformed("the chip has no UID")
        return uid

    def version(self) -> Version:
        """What the chip says of itself; a claim. Three exchanges, outside a session."""
        content = required(collect(self._connection, GET_VERSION))
        if len(content) not in VERSION_SIZES:
            raise BandMalformed("the answer to GetVersion has the wrong size")
        return Version(hardware_type=content[1], hardware_major=content[3])

    def signature(self) -> bytes:
        """The maker's signature of the UID, 56 bytes, to be held against `originality`."""
        return self._ask(READ_SIGNATURE, b"\x00", mode=CommMode.FULL, size=SIGNATURE_SIZE)

    def key_version(self, slot: int) -> int:
        """The version of a key, 0 to 255; outside a session a claim."""
        return self._ask(GET_KEY_VERSION, bytes((slot,)), mode=CommMode.MAC, size=1)[0]

    def check_key_version(self, slot: int, version: int) -> None:
        """After a refused key: was it only another version of it? As `Desfire.check_key_version`; after `select`.

        Raises:
            KeyUnknown: the chip holds another version than `version`.
        """
        self.close()
        if self.key_version(slot) != version:
            raise KeyUnknown("the band has another version of its key")

    # --- files

    def read(self, file: BandFile, *, offset: int = 0, size: int | None = None) -> bytes:
        """The content of a file through the session; all of it unless told."""
        size = file.size - offset if size is None else size
        if offset < 0 or size < 1 or offset + size > file.size:
            raise ValueError("a read is at least one byte within the file")
        pieces = []
        for at in range(offset, offset + size, PIECE_SIZE_MAX):
            wanted = min(PIECE_SIZE_MAX, offset + size - at)
            header = _span(file.number, at, wanted)
            pieces.append(self._run(READ_DATA, header, mode=file.mode, size=wanted))
        return b"".join(pieces)

    def read_openly(self, number: int, *, offset: int, size: int) -> bytes:
        """Bytes of a file that is free to read, without a session; of a link with its SUN message, which then counts.

        At most 256 bytes.
        """
        if self._session is not None:
            raise TypeError("a session is open, and the chip would write no message")
        content = required(collect(self._connection, READ_DATA, _span(number, offset, size)))
        if len(content) != size:
            raise BandMalformed("the file has another size than asked for")
        return content

    def read_link(self) -> str:
        """The link in file 2 with a fresh SUN message, for `sdm.message_of`. One exchange for each 128 bytes of it.

        Reading it counts. Raises BandMalformed when there is no link.
        """
        first = self.read_openly(LINK_FILE, offset=0, size=LINK_PIECE_SIZE)
        size = 2 + int.from_bytes(first[:2], "big")
        if size > LINK_FILE_SIZE:
            raise BandMalformed("the message is longer than its file")
        rest = size - LINK_PIECE_SIZE
        if rest > 0:
            first += self.read_openly(LINK_FILE, offset=LINK_PIECE_SIZE, size=rest)
        for record in records_of(first[2:size]):
            link = uri_of(record)
            if link is not None:
                return link
        raise BandMalformed("there is no link")

    def write(self, file: BandFile, content: bytes, *, offset: int = 0) -> None:
        """Write into a file through the session, one exchange for each 224 bytes.

        A longer content that is torn leaves a mixture: its last piece was then not written, its first perhaps.
        """
        if offset < 0 or not content or offset + len(content) > file.size:
            raise ValueError("a write is at least one byte within the file")
        for at in range(0, len(content), PIECE_SIZE_MAX):
            piece = content[at : at + PIECE_SIZE_MAX]
            header = _span(file.number, offset + at, len(piece))
            self._run(WRITE_DATA, header, piece, mode=file.mode, size=0)

    def file_settings(self, number: int) -> FileSettings:
        """How a file is set up; outside a session a claim."""
        answer = self._ask(GET_FILE_SETTINGS, bytes((number,)), mode=CommMode.MAC, size=None)
        return settings_of(answer)

    def read_counter(self, number: int) -> int:
        """How often the SUN message of a file was made; outside a session a claim. 0 to 2^24-1.

        Every first reading without a key counts, a telephone's too: it says that the band was read, not what for.
        """
        answer = self._ask(
            GET_FILE_COUNTERS, bytes((number,)), mode=CommMode.FULL, size=COUNTERS_SIZE
        )
        return int.from_bytes(answer[:COUNTER_SIZE], "little")

    # --- setting up, at an issuing station

    def change_key(
        self, slot: int, key: bytes, *, version: int, old: bytes | None = None
    ) -> None:
        """Give a slot another key, in a session of slot 0. Changing slot 0 itself ends the session.

        Args:
            slot: 0 to 4.
            key: 16 bytes.
            version: 0 to 255.
            old: The key the slot holds now; needed for every slot but 0.
        """
        if len(key) != KEY_SIZE or not 0 <= slot < KEY_COUNT:
            raise ValueError("a key of 16 bytes for slot 0 to 4")
        if slot == 0:
            self._run_own_key(key + bytes((version,)))
            return
        if old is None or len(old) != KEY_SIZE:
            raise ValueError("the key the slot holds now must be known")
        mixed = bytes(new ^ was for new, was in zip(key, old, strict=True))
        content = mixed + bytes((version,)) + crc32(key)
        self._run(CHANGE_KEY, bytes((slot,)), content, mode=CommMode.FULL, size=0)

    def change_file_settings(self, number: int, settings: FileSettings) -> None:
        """Set up a file, in a session of the slot that may change it."""
        content = settings.to_bytes()
        self._run(CHANGE_FILE_SETTINGS, bytes((number,)), content, mode=CommMode.FULL, size=0)

    def hide_uid(self) -> None:
        """Show a random UID from the next activation on, for ever, in a session of slot 0."""
        self._run(SET_CONFIGURATION, b"\x00", RANDOM_UID, mode=CommMode.FULL, size=0)

    def enable_lrp(self) -> None:
        """Speak LRP only, for ever, in a session of slot 0, which ends. SUN messages must be set up anew."""
        self._run(SET_CONFIGURATION, b"\x05", LRP_FOR_EVER, mode=CommMode.FULL, size=0)
        self._session = None

    # --- how commands travel

    def _taken(self) -> Ev2Session | LrpSession:
        session, self._session = self._session, None
        if session is None:
            raise TypeError("a session must be open")
        return session

    def _run(
        self,
        code: int,
        header: bytes = b"",
        content: bytes = b"",
        *,
        mode: CommMode,
        size: int | None,
    ) -> bytes:
        """One command through the session; the content of its answer."""
        session = self._taken()
        sent = session.wrap(code, header, content, mode)
        received = required(collect(self._connection, code, sent))
        plain = session.unwrap(received, mode, size=size)
        self._session = session
        return plain

    def _ask(self, code: int, header: bytes, *, mode: CommMode, size: int | None) -> bytes:
        """One command that works with a session and without."""
        if self._session is not None:
            return self._run(code, header, mode=mode, size=size)
        content = required(collect(self._connection, code, header))
        if size is not None and len(content) != size:
            raise BandMalformed("the answer has the wrong size")
        return content

    def _run_own_key(self, content: bytes) -> None:
        """Change the key of the session: the answer is a bare status. Source: NXP AN12196, table 26."""
        session = self._taken()
        sent = session.wrap(CHANGE_KEY, b"\x00", content, CommMode.FULL)
        received = required(collect(self._connection, CHANGE_KEY, sent))
        if received:
            raise BandUntrusted("a changed key answers with a status only")


def _challenge(first: Answer) -> bytes:
    if first.status == AUTHENTICATION_ERROR:
        raise KeyRefused("the chip refuses to authenticate", status=REFUSED_STATUS)
    return required(first, ADDITIONAL_FRAME)


def _span(number: int, offset: int, size: int) -> bytes:
    return bytes((number,)) + offset.to_bytes(3, "little") + size.to_bytes(3, "little")
