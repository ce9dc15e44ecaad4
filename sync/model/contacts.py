"""Contact values as they are compared: however somebody wrote a number or an address, it finds the same customer. Pure."""

import re
import unicodedata
from typing import Final

from sync.model.records import Allowance, ContactPoint, Customer, Record

_BETWEEN_DIGITS: Final = re.compile(r"[\s()./\-\u2010-\u2015\u00a0]")
_PHONE: Final = re.compile(r"\+?[0-9]{3,20}")
LENT: Final = "LENT"
"""What allowances of which something is left are found by; no value of a contact is compared in capitals."""

NAMED: Final = "NAME "
"""Before the name of a customer, for the same reason: a contact that says a name finds nobody by it."""

TERM_MAX: Final = 200
"""Characters of a value that are compared."""


def contact_term(value: str) -> str:
    """A phone number as its digits with the country's `+`, anything else without case and outer spaces; "" for nothing."""
    text = unicodedata.normalize("NFKC", value).strip()[:TERM_MAX]
    digits = _BETWEEN_DIGITS.sub("", text)
    if _PHONE.fullmatch(digits):
        return f"+{digits[2:]}" if digits.startswith("00") else digits
    return text.casefold()


def name_term(name: str) -> str:
    """A name as it is compared: its words in any order, without case and accents; "" for none."""
    text = unicodedata.normalize("NFKD", name[: 2 * TERM_MAX]).casefold()
    words = "".join(sign for sign in text if not unicodedata.combining(sign)).split()
    return (NAMED + " ".join(sorted(words)))[:TERM_MAX] if words else ""


def term_of(body: Record) -> str:
    """What a record can be asked for by: the value of a contact, the name of a customer, that something is lent; else ""."""
    if isinstance(body, Allowance):
        return LENT if body.n_left else ""
    if isinstance(body, Customer):
        return name_term(f"{body.given_name} {body.family_name}")
    return contact_term(body.value) if isinstance(body, ContactPoint) else ""
