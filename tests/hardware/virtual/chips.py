"""Bands with plain keys, and the reader's half of what they are asked; written here so that no driver is judge of itself."""

import zlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from hardware.entropy import SeededEntropy
from hardware.virtual.band import PoweredChip
from hardware.virtual.desfire import (
    FREE,
    NEVER,
    VirtualApplication,
    VirtualDesfire,
    VirtualFile,
)
from hardware.virtual.messaging import Mode

AID = bytes.fromhex("010203")
UID = bytes.fromhex("04AABBCCDDEEFF")
KEYS = (bytes(16), bytes(range(16)), bytes(range(16, 32)))
RND_A = bytes(range(0x40, 0x50))
ZERO = bytes(16)
TEXT = bytes(range(200))


class FixedEntropy:
    """Gives out what it was given, in order."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def draw(self, size: int) -> bytes:
        part = self._parts.pop(0)
        assert len(part) == size
        return part


def files() -> tuple[VirtualFile, ...]:
    """Files 1 to 3 in the three modes: slot 1 reads, slot 2 writes; file 4 is everybody's to read."""
    modes = ((1, Mode.PLAIN), (2, Mode.MAC), (3, Mode.FULL))
    kept = tuple(
        VirtualFile(number, mode, read=1, write=2, read_write=2, change=0, content=TEXT)
        for number, mode in modes
    )
    return (*kept, VirtualFile(4, Mode.FULL, FREE, NEVER, NEVER, NEVER, TEXT[:16]))


def desfire(
    ev: int = 2, *, is_random: bool = False, entropy: FixedEntropy | None = None
) -> VirtualDesfire:
    return VirtualDesfire(
        uid=UID,
        ev=ev,
        applications=(VirtualApplication(AID, KEYS, files()),),
        entropy=entropy or SeededEntropy("chip"),
        has_random_uid=is_random,
    )


def crypt(key: bytes, iv: bytes, content: bytes, *, is_decrypting: bool = False) -> bytes:
    cipher = Cipher(AES(key), CBC(iv))
    worker = cipher.decryptor() if is_decrypting else cipher.encryptor()
    return worker.update(content) + worker.finalize()


def cmac(key: bytes, content: bytes) -> bytes:
    worker = CMAC(AES(key))
    worker.update(content)
    return worker.finalize()


def turned(content: bytes) -> bytes:
    return content[1:] + content[:1]


def padded(content: bytes) -> bytes:
    return content + b"\x80" + bytes(-(len(content) + 1) % 16)


def jamcrc(content: bytes) -> bytes:
    return (zlib.crc32(content) ^ 0xFFFFFFFF).to_bytes(4, "little")


def ask(chip: PoweredChip, command: bytes) -> bytes:
    """One native command; the answer must come."""
    answer = chip.exchange(command)
    assert answer is not None
    return answer


class Ev2Reader:
    """A reader with an EV2 session, made of plain arithmetic."""

    def __init__(self, chip: PoweredChip, slot: int, key: bytes) -> None:
        self.chip = chip
        challenge = ask(chip, bytes([0x71, slot, 0x00]))
        assert challenge[0] == 0xAF
        rnd_b = crypt(key, ZERO, challenge[1:], is_decrypting=True)
        answer = ask(chip, b"\xaf" + crypt(key, ZERO, RND_A + turned(rnd_b)))
        assert answer[0] == 0x00, answer.hex()
        plain = crypt(key, ZERO, answer[1:], is_decrypting=True)
        assert plain[4:20] == turned(RND_A)
        self.transaction = plain[:4]
        self.counter = 0
        self._take_keys(key, rnd_b)

    def _take_keys(self, key: bytes, rnd_b: bytes) -> None:
        crossed = bytes(a ^ b for a, b in zip(RND_A[2:8], rnd_b[:6], strict=True))
        vector = b"\x00\x01\x00\x80" + RND_A[:2] + crossed + rnd_b[6:] + RND_A[8:]
        self.enc = cmac(key, b"\xa5\x5a" + vector)
        self.mac = cmac(key, b"\x5a\xa5" + vector)

    def reauthenticate(self, slot: int, key: bytes) -> None:
        challenge = ask(self.chip, bytes([0x77, slot]))
        rnd_b = crypt(key, ZERO, challenge[1:], is_decrypting=True)
        answer = ask(self.chip, b"\xaf" + crypt(key, ZERO, RND_A + turned(rnd_b)))
        assert crypt(key, ZERO, answer[1:], is_decrypting=True) == turned(RND_A)
        self._take_keys(key, rnd_b)

    def maced(self, code: int, content: bytes) -> bytes:
        place = self.counter.to_bytes(2, "little") + self.transaction
        return cmac(self.mac, bytes([code]) + place + content)[1::2]

    def iv(self, direction: bytes) -> bytes:
        place = self.transaction + self.counter.to_bytes(2, "little") + bytes(8)
        return crypt(self.enc, ZERO, direction + place)

    def run(self, command: bytes, content: bytes = b"", *, is_full: bool = False) -> bytes:
        """A command with MACs both ways; enciphered content both ways when `is_full`."""
        body = (
            crypt(self.enc, self.iv(b"\xa5\x5a"), padded(content))
            if is_full and content
            else content
        )
        answer = ask(self.chip, command + body + self.maced(command[0], command[1:] + body))
        return self.opened(answer, is_full=is_full)

    def opened(self, answer: bytes, *, is_full: bool) -> bytes:
        self.counter += 1
        assert answer[0] == 0x00, answer.hex()
        body, mac = answer[1:-8], answer[-8:]
        assert mac == self.maced(0x00, body)
        if not is_full or not body:
            return body
        plain = crypt(self.enc, self.iv(b"\x5a\xa5"), body, is_decrypting=True)
        return plain.rstrip(b"\x00")[:-1]


class Ev1Reader:
    """A reader with an EV1 session, made of plain arithmetic: one IV runs through everything."""

    def __init__(self, chip: PoweredChip, slot: int, key: bytes) -> None:
        self.chip = chip
        challenge = ask(chip, bytes([0xAA, slot]))[1:]
        rnd_b = crypt(key, ZERO, challenge, is_decrypting=True)
        token = crypt(key, challenge, RND_A + turned(rnd_b))
        answer = ask(chip, b"\xaf" + token)
        assert answer[0] == 0x00, answer.hex()
        assert crypt(key, token[-16:], answer[1:], is_decrypting=True) == turned(RND_A)
        self.key = RND_A[:4] + rnd_b[:4] + RND_A[12:] + rnd_b[12:]
        self.iv = ZERO

    def maced(self, content: bytes) -> bytes:
        """CMAC from the running IV, which it becomes."""
        whole = _doubled(crypt(self.key, ZERO, ZERO))
        is_whole = bool(content) and len(content) % 16 == 0
        blocks, subkey = (content, whole) if is_whole else (padded(content), _doubled(whole))
        last = bytes(a ^ b for a, b in zip(blocks[-16:], subkey, strict=True))
        self.iv = crypt(self.key, self.iv, blocks[:-16] + last)[-16:]
        return self.iv[:8]

    def read(self, command: bytes, *, size: int = 0, is_full: bool = False) -> bytes:
        """A command without content; enciphered content comes back when `is_full`."""
        self.maced(command)
        answer = ask(self.chip, command)
        body = answer[1:]
        while answer[0] == 0xAF:
            answer = ask(self.chip, b"\xaf")
            body += answer[1:]
        assert answer[0] == 0x00, answer.hex()
        if not is_full:
            assert body[-8:] == self.maced(body[:-8] + b"\x00")
            return body[:-8]
        plain = crypt(self.key, self.iv, body, is_decrypting=True)
        self.iv = body[-16:]
        size = size or len(plain.rstrip(b"\x00")) - 1 - 4
        assert plain[size : size + 4] == jamcrc(plain[:size] + b"\x00")
        return plain[:size]

    def write(self, command: bytes, content: bytes, *, is_full: bool) -> bytes:
        """A command with content, in one frame; its answer, checked."""
        if is_full:
            plain = content + jamcrc(command + content)
            body = crypt(self.key, self.iv, plain + bytes(-len(plain) % 16))
            self.iv = body[-16:]
        else:
            body = content + self.maced(command + content)
        answer = ask(self.chip, command + body)
        if answer[0] == 0x00:
            assert answer[1:] == self.maced(b"\x00")
        return answer


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    return ((number & ((1 << 128) - 1)) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")
