"""Made-up customers as their channels know them, with the truth beside: which records are one person. The same in every run.

People live in households, and members of one share name, address and sometimes number and mailbox: a father and a daughter
with one telephone, and twins, are what a merge must not touch. Each person has one to four records, each as one channel would have it:
the shop has an address and an e-mail, the call centre a name by ear and a number, WhatsApp a name and a number, the store a
date of birth and a postcode. Some of them are written with a slip, in a short form, with the given name second, or from before
somebody moved, married or changed their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from kiosk.bench.search import Chance
from sync.central.likeness.model import Person

GIVEN: Final = (
    "Maya", "Tom", "Lena", "Jonas", "Priya", "Samuel", "Ruth", "Elizabeth", "Robert", "Katharina", "Michael", "Sarah",
    "Nguyen", "Andrew", "Fatima", "Christopher", "Anna", "Paul", "Jennifer", "David", "Emma", "Maximilian", "Sophie", "Omar",
    "Laura", "Daniel", "Hannah", "William", "Julia", "Thomas", "Clara", "Felix", "Amara", "James", "Nina", "Leon",
    "Patricia", "Mateo", "Ingrid", "Yusuf", "Charlotte", "Ahmed", "Eva", "Victor", "Olga", "Benjamin", "Alice", "Hugo",
    "Greta", "Pedro", "Mira", "Oscar", "Zoe", "Ivan", "Lucia", "Noah", "Elif", "Simon", "Rosa", "Adam", "Helena", "Kofi",
    "Ama", "Margaret", "Stephen", "Nicholas", "Rebecca", "Joseph", "Susanne", "Edward", "Isabella", "Gregory", "Johann",
)  # fmt: skip
_FAMILY_A: Final = (
    "Lind", "Beck", "Hoff", "Berg", "Schu", "Mar", "Nor", "West", "Stein", "Holz", "Gar", "Wal", "Fisch", "Bau", "Neu",
    "Ober", "Kirch", "Reich", "Wein", "Brau", "Hart", "Wink", "Zimmer", "Roth", "Gold", "Silver", "Stone", "Ash", "Black",
    "White", "Green", "Brook", "Hill", "Ford", "Wood", "Har", "Car", "Bar", "Dal", "Fen",
)  # fmt: skip
_FAMILY_B: Final = (
    "mann", "er", "qvist", "ley", "ton", "bach", "feld", "berger", "hofer", "ham", "wick", "low", "ner", "ling", "meier",
    "gard", "strom", "wood", "field", "worth", "son", "dorf", "hausen", "stadt", "burg", "brook", "well", "man", "stein", "rich",
)  # fmt: skip
_COMMON: Final = (
    "Smith",
    "Nguyen",
    "Garcia",
    "Kim",
    "Okafor",
    "Patel",
    "Müller",
    "Jones",
    "Novak",
    "Silva",
)
_STREETS: Final = (
    "Harbour Road", "Mill Lane", "Station Street", "Market Place", "Garden Walk", "Church Hill", "Quay Side", "Lindenallee",
    "Bahnhofstrasse", "High Street", "Kings Road", "Bridge Street", "Park Avenue", "Rose Lane", "Old Kiln Way",
)  # fmt: skip
_SHORT_OF: Final = {
    "Thomas": "Tom", "Samuel": "Sam", "Elizabeth": "Liz", "Robert": "Bob", "Katharina": "Kathi", "Michael": "Mike",
    "Andrew": "Andy", "Christopher": "Chris", "Jennifer": "Jenny", "Daniel": "Dan", "Maximilian": "Max", "William": "Bill",
    "James": "Jim", "Patricia": "Pat", "Benjamin": "Ben", "Margaret": "Maggie", "Stephen": "Steve", "Nicholas": "Nick",
    "Rebecca": "Becky", "Joseph": "Joe", "Susanne": "Susi", "Edward": "Ted", "Isabella": "Bella", "Gregory": "Greg",
}  # fmt: skip
_SIGNS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Known:
    """One record, and who it is in truth."""

    record: Person
    person: str


def known_people(n_records: int, *, name: str = "people") -> Iterator[Known]:
    """That many records.

    Args:
        n_records: How many.
        name: Of the draw: another name makes other people.
    """
    chance = Chance(name)
    n_made = n_persons = 0
    while n_made < n_records:
        for whole in _household(chance):
            n_persons += 1
            for record in _records(chance, whole):
                if n_made == n_records:
                    return
                yield Known(replace(record, id=f"r{n_made:07}"), f"p{n_persons:07}")
                n_made += 1


def _household(chance: Chance) -> list[Person]:
    """One to five people who live together, whole."""
    family = _family(chance)
    street = f"{1 + chance.below(180)} {chance.one_of(_STREETS)}"
    postcode = f"{10_000 + chance.below(4_000)}"
    shared = _phone(chance) if chance.below(10) < 3 else ""
    mailbox = (
        f"{family.lower()}{chance.below(900)}@family.example" if chance.below(10) < 2 else ""
    )
    people: list[Person] = []
    for _ in range(chance.one_of((1, 1, 1, 2, 2, 3, 4, 5))):
        given = chance.one_of(GIVEN)
        if any(it.given_name == given for it in people) and chance.below(50):
            continue  # a child is rarely called as its parent
        own = f"{given.lower()}.{family.lower()}{chance.below(9_000)}@{chance.one_of(('mail', 'post', 'web'))}.example"
        twin = people[-1].birth_date if people and chance.below(40) == 0 else ""
        people.append(
            Person(
                id="", given_name=given, family_name=family if chance.below(10) else _family(chance),
                birth_date=twin or f"{1935 + chance.below(80)}-{1 + chance.below(12):02}-{1 + chance.below(28):02}",
                phones=(shared if shared and chance.below(10) < 6 else _phone(chance),),
                emails=(mailbox if mailbox and chance.below(10) < 5 else own,),
                street=street, postcode=postcode,
            )
        )  # fmt: skip
    return people


def _family(chance: Chance) -> str:
    if chance.below(10) < 2:
        return chance.one_of(_COMMON)
    return chance.one_of(_FAMILY_A) + chance.one_of(_FAMILY_B)


def _phone(chance: Chance) -> str:
    return f"+4477009{chance.below(10**8):08}"


def _records(chance: Chance, whole: Person) -> Iterator[Person]:
    """What the channels know of one person."""
    now = whole
    for _ in range(chance.one_of((1, 1, 2, 2, 3, 4))):
        if chance.below(12) == 0:
            now = replace(now, phones=(_phone(chance),))
        if chance.below(15) == 0:
            moved = f"{1 + chance.below(180)} {chance.one_of(_STREETS)}"
            now = replace(now, street=moved, postcode=f"{10_000 + chance.below(4_000)}")
        if chance.below(40) == 0:
            now = replace(now, family_name=_family(chance))
        yield _slipped(chance, _as_told(chance, now))


def _as_told(chance: Chance, whole: Person) -> Person:
    """What one channel asks for."""
    match chance.below(6):
        case 0 | 1:  # the web shop
            return replace(whole, birth_date="", phones=whole.phones if chance.below(2) else ())
        case 2:  # the call centre
            return replace(whole, emails=(), birth_date="", street="")
        case 3:  # WhatsApp
            return replace(whole, emails=(), birth_date="", street="", postcode="")
        case 4:  # the till
            return replace(
                whole, phones=() if chance.below(2) else whole.phones, emails=(), street=""
            )
        case _:  # the app
            return whole


def _slipped(chance: Chance, told: Person) -> Person:
    """The same as somebody wrote it down."""
    given, family = told.given_name, told.family_name
    if chance.below(6) == 0:
        given = _SHORT_OF.get(given, given)
    if chance.below(12) == 0:
        given = _slip(chance, given)
    if chance.below(10) == 0:
        family = _slip(chance, family)
    if chance.below(40) == 0:
        given = given[:1]
    birth = told.birth_date
    if birth and chance.below(25) == 0:
        birth = birth[:-1] + str(chance.below(10))
    street = _slip(chance, told.street) if told.street and chance.below(6) == 0 else told.street
    return replace(told, given_name=given, family_name=family, birth_date=birth, street=street)


def _slip(chance: Chance, word: str) -> str:
    """One letter wrong, missing, doubled, or two turned."""
    if len(word) < 3:
        return word
    at = 1 + chance.below(len(word) - 2)
    match chance.below(4):
        case 0:
            return word[:at] + chance.one_of(_SIGNS) + word[at + 1 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
