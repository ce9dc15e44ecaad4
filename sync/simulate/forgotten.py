"""Who was erased, and who can still know it: after whatever was set back, nothing of them may be served for good.

the database alone was put back     the file beside it knows: they are gone before the centre answers anybody
the centre's whole folder           the kiosks know that held the note: as long as one of them lost nothing, they are gone in the end
nobody held the note                nothing can be asked
"""

from collections.abc import Iterable, Sequence

from sync.central import erasure_notes
from sync.central.centre import Centre
from sync.simulate import checks, shop
from sync.simulate.checks import Broken
from sync.simulate.nodes import KioskNode

Life = tuple[str, int, int]
"""A kiosk, which life of it, and which of its cache."""


class Forgotten:
    """The erasures of one run."""

    def __init__(self) -> None:
        self._notes: dict[str, frozenset[str]] = {}
        self._knowing: dict[str, frozenset[Life]] = {}  # who brings it to a centre that lost it

    def erased(self, who: str, notes: Iterable[str]) -> None:
        """They were, and these notes say so."""
        self._notes[who] = frozenset(notes)
        self._knowing.pop(who, None)

    def put_back(
        self, centre: Centre, kiosks: Iterable[KioskNode], *, file: Sequence[str]
    ) -> None:
        """The centre was set back, but for a file with these lines; all machines run. Raises Broken."""
        known = notes_of(centre).union(map(erasure_notes.row_key, file))
        machines = tuple(kiosks)
        for who, notes in self._notes.items():
            if not notes <= known:
                knowing = (life_of(one) for one in machines if notes <= _held(one))
                self._knowing[who] = frozenset(knowing)
        self._look(centre, (who for who, notes in self._notes.items() if notes <= known))

    def check(self, centre: Centre, kiosks: Iterable[KioskNode]) -> None:
        """Once all agree. Raises Broken."""
        intact = {life_of(kiosk) for kiosk in kiosks}
        self._look(
            centre,
            (who for who in self._notes if self._knowing.get(who, intact) & intact),
        )

    def _look(self, centre: Centre, gone: Iterable[str]) -> None:
        for who in sorted(gone):
            there = [key for key in shop.first_keys(who) if centre.row(key) is not None]
            if there:
                raise Broken(f"{who} was erased, and {there[0]} is there again")


def notes_of(centre: Centre) -> set[str]:
    """The keys of the notes a centre has."""
    with checks.reading(centre) as snapshot:
        return set(erasure_notes.texts(snapshot.sql))


def _held(kiosk: KioskNode) -> set[str]:
    """The keys of the notes a kiosk has, or is to bring to the centre."""
    found = kiosk.up.cache.look(
        lambda file: file.read(
            "SELECT key FROM row WHERE kind = 'erasure' UNION SELECT substr(name, 8) FROM meta WHERE name LIKE 'untold/%'"
        )
    )
    return {str(key) for (key,) in found}


def life_of(kiosk: KioskNode) -> Life:
    """Which life of a kiosk, and of its cache, this is."""
    return kiosk.name, kiosk.life, kiosk.up.cache.life
