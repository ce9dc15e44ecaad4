"""All areas of the wording together, and what each language is called in itself."""

from typing import Final

from kiosk.core.wording import customer, fault_lines, spoken

LANGUAGES: Final = ("en", "de")
"""BCP 47, in the order of the columns of every area."""

LANGUAGE_NAMES: Final = {"en": "English", "de": "Deutsch"}
"""Each in its own language, no flags."""

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    **customer.SENTENCES,
    **spoken.SENTENCES,
    **fault_lines.SENTENCES,
}
"""Id to one sentence a language."""


def spoken_here(language: str) -> bool:
    """Whether this product speaks that language ("de-AT" counts as "de")."""
    return language.split("-")[0].lower() in LANGUAGES


def column_of(language: str) -> int:
    """Column of a language; the first one for a language this product does not speak."""
    base = language.split("-")[0].lower()
    return LANGUAGES.index(base) if base in LANGUAGES else 0


def next_language(language: str) -> str:
    """The language the language button offers."""
    return LANGUAGES[(column_of(language) + 1) % len(LANGUAGES)]


def sentence_of(sentence_id: str, language: str) -> str:
    """A sentence with its placeholders still in it."""
    return SENTENCES[sentence_id][column_of(language)]
