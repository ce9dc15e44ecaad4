"""Where the capsule stands on a band of ours that is no DESFire; each is a `capsules.CapsulePlace`, in a session of K_band.

    NTAG 424               file 3 behind the reference, 112 bytes, any bytes at a time, enciphered
    Ultralight AES and C   pages 08 to 27, 128 bytes, four at a time; on Ultralight C in clear

A write of several frames or pages that is torn leaves a mixture, which is why `capsule.writes` writes the head last.
"""

from drivers.chips.ntag424 import Ntag424
from drivers.chips.type2 import PAGE_SIZE, Type2
from drivers.chips.ultralight_aes import UltralightAes
from drivers.credential.places import (
    CAPSULE_OFFSET,
    CAPSULE_PAGE,
    CAPSULE_SIZE_NTAG424,
    CAPSULE_SIZE_PAGES,
    CONTENT_FILE,
)


class Ntag424Capsule:
    """The place on an NTAG 424."""

    size = CAPSULE_SIZE_NTAG424
    unit = 1

    def __init__(self, chip: Ntag424) -> None:
        self._chip = chip

    def read(self) -> bytes:
        """All of it. One exchange. Raises as `Ntag424.read`."""
        return self._chip.read(CONTENT_FILE, offset=CAPSULE_OFFSET)

    def write(self, offset: int, content: bytes) -> None:
        """Write there. One exchange. Raises as `Ntag424.write`."""
        self._chip.write(CONTENT_FILE, content, offset=CAPSULE_OFFSET + offset)


class UltralightAesCapsule:
    """The place on an Ultralight AES."""

    size = CAPSULE_SIZE_PAGES
    unit = PAGE_SIZE

    def __init__(self, chip: UltralightAes) -> None:
        self._chip = chip

    def read(self) -> bytes:
        """All of it. One exchange. Raises as `UltralightAes.read_pages`."""
        return self._chip.read_pages(CAPSULE_PAGE, CAPSULE_SIZE_PAGES // PAGE_SIZE)

    def write(self, offset: int, content: bytes) -> None:
        """Write there, whole pages. One exchange a page. Raises as `UltralightAes.write`."""
        self._chip.write_pages(CAPSULE_PAGE + offset // PAGE_SIZE, content)


class UltralightCCapsule:
    """The place on an Ultralight C, which does not know FAST_READ."""

    size = CAPSULE_SIZE_PAGES
    unit = PAGE_SIZE

    def __init__(self, chip: Type2) -> None:
        self._chip = chip

    def read(self) -> bytes:
        """All of it. One exchange for each four pages. Raises as `Type2.read`."""
        pages = range(CAPSULE_PAGE, CAPSULE_PAGE + CAPSULE_SIZE_PAGES // PAGE_SIZE, PAGE_SIZE)
        return b"".join(self._chip.read(page) for page in pages)

    def write(self, offset: int, content: bytes) -> None:
        """Write there, whole pages. One exchange a page. Raises as `Type2.write`."""
        for at in range(0, len(content), PAGE_SIZE):
            page = CAPSULE_PAGE + (offset + at) // PAGE_SIZE
            self._chip.write(page, content[at : at + PAGE_SIZE])
