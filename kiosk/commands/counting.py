"""How many of something, in a line for people: "1 band", "2 bands", "0 bands"."""


def counted(count: int, one: str, many: str = "") -> str:
    """The number with its word.

    Args:
        count: How many.
        one: What one is called, with its verb where one follows: "band is".
        many: What several and none are called; "" for `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
