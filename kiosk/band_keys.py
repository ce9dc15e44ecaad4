"""The brand's own band keys in two files beside the centre: what fills `sync.central.ports.BandKeys` on one machine.

    band-master.key   16 bytes: every K_band is derived from it (AN10922); it never leaves this folder
    band-group.key    16 bytes: K_uid, the same on every kiosk

Both are mode 0600 and drawn when they are not there. A brand with a hardware module fills the port with that instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.credential.afar import Dialect, KeyKeeper, answer_chip, open_chip
from drivers.credential.kdf import Aes, diversified
from drivers.credential.layout import KEY_SIZE, band_id_of_uid, diversification_input
from drivers.credential.places import sun_key_of
from drivers.credential.sdm import judged, message_of, verified
from drivers.errors import BandMalformed, BandUntrusted
from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.identity import lasting_bytes
from sync.central.errors import BandNotProved
from sync.central.ports import BandKeys, ChipSession, Touch, TouchJudgement

MASTER_FILE: Final = "band-master.key"
GROUP_FILE: Final = "band-group.key"
KEY_VERSION: Final = 1
"""Version both keys are written to bands with; a second one comes with the first re-keying. 0 is what a factory leaves."""


@dataclass(frozen=True, slots=True)
class BandKeyFiles:
    """Keys of bands from two 16-byte keys; its `repr` shows neither."""

    master: bytes = field(repr=False)
    group: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path, *, disk: Disk, entropy: Entropy) -> "BandKeyFiles":
        """The keys kept in `folder`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
        master, group = (
            lasting_bytes(folder / name, size=KEY_SIZE, disk=disk, entropy=entropy)
            for name in (MASTER_FILE, GROUP_FILE)
        )
        return cls(master, group)

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid` and its version."""
        return self.group, KEY_VERSION

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band` of the band with this true UID, and its version. Raises BandMalformed for a UID that is none."""
        return diversified(self.master, diversification_input(uid)), KEY_VERSION

    def answer_chip(
        self, uid: bytes, challenge: bytes, rnd_a: bytes, *, dialect: str
    ) -> tuple[bytes, bytes]:
        """Answer the challenge of a chip; what to send to it, and its random number. Raises BandNotProved."""
        with not_proved():
            return answer_chip(self._keeper(uid), Dialect(dialect), challenge, rnd_a)

    def open_chip(
        self, uid: bytes, last: bytes, *, rnd_a: bytes, rnd_b: bytes, dialect: str
    ) -> ChipSession:
        """The session that the chip's last message opens. Raises BandNotProved."""
        with not_proved():
            opened = open_chip(
                self._keeper(uid), Dialect(dialect), last, rnd_a=rnd_a, rnd_b=rnd_b
            )
        return ChipSession(opened.keys, opened.ti)

    def touch(self, link: str) -> Touch:
        """What a link shown by a band says. Raises BandNotProved."""
        return touch_of(link, self)

    def judged(self, counter: int, known: int | None) -> TouchJudgement:
        """What its counter says."""
        return touch_judged(counter, known)

    def _cipher(self, uid: bytes) -> Aes:
        return Aes(self.band_key(uid)[0])

    def _keeper(self, uid: bytes) -> KeyKeeper:
        return KeyKeeper(lambda: nullcontext(self._cipher(uid)), lambda: self.band_key(uid)[0])

    def close(self) -> None:
        """Nothing is open; a token has something to close."""

    def uid_hash(self, uid: bytes) -> str:
        """The name a leased key is filed under. Raises BandMalformed for a UID that is none."""
        return band_id_of_uid(self.group, uid)


def touch_of(link: str, keys: BandKeys) -> Touch:
    """What a link shown by a band says, by these keys. Raises BandNotProved for what is none, and BandKeysAway."""

    def sun_key(uid: bytes) -> bytes:
        return sun_key_of(keys.band_key(uid)[0])

    with not_proved():
        found = verified(message_of(link), meta_key=keys.group_key()[0], file_key_of=sun_key)
    return Touch(found.uid, found.counter)


def touch_judged(counter: int, known: int | None) -> TouchJudgement:
    """What the counter of a link says of when it was made."""
    judgement = judged(counter, known)
    return TouchJudgement(judgement.freshness.value, judgement.known)


@contextmanager
def not_proved() -> Iterator[None]:
    """What a chip said wrong is a band that is not proved."""
    try:
        yield
    except (BandMalformed, BandUntrusted) as error:
        raise BandNotProved(type(error).__name__) from error
