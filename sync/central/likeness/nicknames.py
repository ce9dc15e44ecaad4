"""Whether two given names can be one person's: the same, one written as the other, a short form, a slip of the pen. Pure."""

import unicodedata
from difflib import SequenceMatcher
from typing import Final

_SHORT: Final = (
    "alexander alex sasha xander", "alexandra alex sandra sasha", "andrew andy drew", "anthony tony", "barbara barb babs",
    "benjamin ben benny", "catherine katherine kate katie cathy kathy kitty", "charles charlie chuck", "christina chris tina",
    "christopher chris", "daniel dan danny", "david dave davy", "deborah debbie deb", "edward ed eddie ted", "elizabeth liz beth betty eliza lisa",
    "emma em", "florence flo", "francis frank", "frederick fred freddie", "gabriele gabi", "gregory greg", "hans johannes johann",
    "heinrich heiner heinz", "helena lena helene", "isabella bella isa", "james jim jimmy jamie", "jennifer jen jenny",
    "john johnny jack", "jonathan jon jonas", "joseph joe joey", "joshua josh", "katharina kathi kata", "kenneth ken",
    "lawrence larry", "magdalena lena", "margaret maggie meg peggy", "matthew matt", "maximilian max", "michael mike mick micha",
    "nicholas nick nico", "nicole nicky", "patricia pat patty tricia", "patrick pat", "peter pete", "philip phil", "rebecca becky",
    "richard rick rich dick", "robert rob bob bobby bert", "ronald ron", "samantha sam", "samuel sam sammy", "sebastian basti seb",
    "stefan steffen", "stephanie steffi steph", "stephen steven steve", "susanne susan sue susi", "theodore theo ted", "thomas tom tommy",
    "timothy tim", "victoria vicky tori", "vincent vince", "walter walt", "wilhelm willi", "william will bill billy liam", "zachary zach",
)  # fmt: skip
"""Short forms people use for themselves; each line begins with the long one."""

_FORMS: Final[dict[str, frozenset[str]]] = {}
for _line in _SHORT:
    for _name in _line.split():
        _FORMS[_name] = _FORMS.get(_name, frozenset()) | frozenset(_line.split())

ALIKE: Final = 0.75
"""How much of two names must be the same for a slip: "Maja" and "Maya", "Jon" and "John", not "Anna" and "Hans"."""

_INITIAL: Final = 1


def plain(name: str) -> str:
    """The first given name without case and accents."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(it for it in letters if not unicodedata.combining(it))
    return bare.replace("-", " ").replace(".", " ").strip().partition(" ")[0]


def are_akin(one: str, other: str) -> bool:
    """Whether both may be one person's given name; a name that is unknown may be any."""
    left, right = plain(one), plain(other)
    if not left or not right or left == right:
        return True
    if len(left) == _INITIAL or len(right) == _INITIAL:
        return left[0] == right[0]
    if right in _FORMS.get(left, ()) or left in _FORMS.get(right, ()):
        return True
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= ALIKE
