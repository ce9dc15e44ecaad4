"""What is printed on a band or its packet: a short code people can read out, and a QR picture of the band's id.

The code is the first 40 bits of the band's reference in Crockford's base 32 with a check letter: "7K2M-9QXA-5". It names a band
among the bands of a shop and opens nothing: a counter that has the band's row finds it by code or QR, as by any other search.
The QR text is "TAPTHREAD:" and the id in upper case, so that the picture needs only letters and digits.
"""

import io
from typing import Final

import segno

CODE_BITS: Final = 40
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without I, L, O and U, which are read as others. Source: Crockford, Base 32, 2019 edition."""

CHECK_MODULUS: Final = 31
"""The largest prime below 32, so that a wrong letter of a code changes its check letter, but for 0 and Z."""

QR_PREFIX: Final = "TAPTHREAD:"
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


def qr_text_of(band_id: str) -> str:
    """What the QR picture of a band says."""
    return QR_PREFIX + band_id.upper()


def svg_of(band_id: str, *, label: str) -> bytes:
    """A label as SVG: the QR picture with the label as its title, and quiet space around. Source: ISO/IEC 18004:2015, 6."""
    out = io.BytesIO()
    segno.make_qr(qr_text_of(band_id), error="m").save(
        out, kind="svg", scale=4, border=4, title=label, xmldecl=True, svgns=True
    )
    return out.getvalue()
