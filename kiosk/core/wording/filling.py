"""Values put into a sentence, with one full stop where a value brings its own: "Bis 12. Dez."."""

from collections.abc import Mapping


def filled(sentence: str, values: Mapping[str, str | int]) -> str:
    """The finished sentence. Raises KeyError where a value is missing; that is a mistake of ours."""
    for name, value in values.items():
        if isinstance(value, str) and value.endswith("."):
            sentence = sentence.replace(f"{{{name}}}.", f"{{{name}}}")
    return sentence.format_map(values)
