"""What is printed on a band or its packet: a short code people can read out, and a QR picture of the band's id.

The code is the first 40 bits of the band's reference in Crockford's base 32 with a check letter: "7K2M-9QXA-5". It names a band
among the bands of a shop and opens nothing: a counter that has the band's row finds it by code or QR, as by any other search.
The QR text is "TAPTHREAD:" and the id in upper case, so that the picture needs only letters and digits.
"""

from typing import Final
from xml.sax.saxutils import escape  # writes, parses nothing

import segno

CODE_BITS: Final = 40
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without I, L, O and U, which are read as others. Source: Crockford, Base 32, 2019 edition."""

CHECK_MODULUS: Final = 31
"""The largest prime below 32, so that a wrong letter of a code changes its check letter, but for 0 and Z."""

QR_PREFIX: Final = "TAPTHREAD:"
PRACTICE_PREFIX: Final = "PRACTICE:"
"""Of bands that are only for practice: a counter that reads it finds no band."""

UNIT: Final = 4
"""Width of a square of the picture; the words below it are five squares high."""
_MISREAD: Final = str.maketrans("ILO", "110", "- ")


def code_of(band_id: str) -> str:
    """The code printed for a band id of 32 hex digits. Raises ValueError for another id."""
    number = int.from_bytes(bytes.fromhex(band_id)[: CODE_BITS // 8], "big")
    if len(band_id) != 32:
        raise ValueError("a band id is 32 hex digits")
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(CODE_BITS - 5, -5, -5))
    return f"{letters[:4]}-{letters[4:]}-{ALPHABET[number % CHECK_MODULUS]}"


def is_code(text: str) -> bool:
    """Is this a code as printed, its check letter right? Takes lower case, spaces and the letters people misread."""
    plain = text.upper().translate(_MISREAD)
    if len(plain) != CODE_BITS // 5 + 1 or any(letter not in ALPHABET for letter in plain):
        return False
    number = 0
    for letter in plain[:-1]:
        number = number << 5 | ALPHABET.index(letter)
    return plain[-1] == ALPHABET[number % CHECK_MODULUS]


def qr_text_of(band_id: str, *, is_practice: bool = False) -> str:
    """What the QR picture of a band says."""
    return (PRACTICE_PREFIX if is_practice else QR_PREFIX) + band_id.upper()


def svg_of(qr_text: str, *, lines: tuple[str, ...]) -> bytes:
    """A label as SVG: the QR picture with quiet space around, and the lines below it.

    Source: ISO/IEC 18004:2015, 6.
    """
    qr = segno.make_qr(qr_text, error="m")
    picture = qr.svg_inline(scale=UNIT, border=4, omitsize=False)
    width, height = (int(size) for size in qr.symbol_size(scale=UNIT, border=4))
    step = 5 * UNIT
    texts = "".join(
        f'<text x="{width // 2}" y="{height + number * step}" font-size="{_fitting(line, width)}"'
        f' font-family="sans-serif" text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(lines, start=1)
    )
    size = f'width="{width}" height="{height + (len(lines) + 1) * step}"'
    title = f"<title>{escape(' '.join(lines))}</title>"
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return (
        f'{head}<svg xmlns="http://www.w3.org/2000/svg" {size}>{title}{picture}{texts}</svg>\n'
    ).encode()


def _fitting(line: str, width: int) -> int:
    """How large the letters of a line are, so that it is no wider than the picture; a letter is up to two thirds as wide as high."""
    return max(1, min(4 * UNIT, 3 * width // (2 * max(len(line), 1))))
