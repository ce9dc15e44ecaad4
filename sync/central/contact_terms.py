"""Contact points and names as terms, in which they are compared: "tel:+447700900123", "mailto:lena@example.org", "x:tom_b", "name:lena müller"."""

import unicodedata
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from sync.central.channels.facts import Point, Who

TERM_MAX: Final = 254
"""Characters of a point. Source: the longest e-mail address, RFC 5321 4.5.3.1.3 with its erratum 1690."""


def normal(point: Point, country: str = "") -> str:
    """The one form of a contact point; "" for what is none.

    Args:
        point: As the channel says it.
        country: ISO 3166 code that a national number is read with where the point has none.
    """
    text = unicodedata.normalize("NFKC", point.value).strip()
    if not text or len(text) > TERM_MAX or "\0" in text:
        return ""
    if point.kind == "phone":
        return _phone(text, point.country or country)
    if point.kind == "email":
        return _email(text)
    network, colon, name = text.casefold().partition(":")
    name = name.strip().lstrip("@")
    return f"{network.strip()}:{name}" if colon and network.strip() and name else ""


def _phone(text: str, country: str) -> str:
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return f"tel:{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)}"


def _email(text: str) -> str:
    try:
        # Nothing is asked over the network; test domains are as good as others.
        address = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return f"mailto:{address.normalized.casefold()}"


def named(who: Who) -> str:
    """The term of a whole name; "" where only a part of it is known."""
    parts = (who.given_name, who.family_name)
    text = " ".join(unicodedata.normalize("NFKC", part).casefold() for part in parts).split()
    whole = " ".join(text)
    return (
        f"name:{whole}"
        if all(part.strip() for part in parts) and len(whole) <= TERM_MAX
        else ""
    )


def kind_of(term: str) -> str:
    """Phone | email | name | handle."""
    return {"tel": "phone", "mailto": "email", "name": "name"}.get(
        term.partition(":")[0], "handle"
    )
