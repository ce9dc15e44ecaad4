"""What can go wrong with the centre's database beyond what every store knows.

StoreError               (sync.model.errors)
  StoreConflict          two writers were in each other's way; nothing was done, and the same again may work
  StoreUnreachable       the database server or its disk does not answer; of a write it is not known whether it stands
    BandKeysAway         the token that keeps the keys of bands does not answer; nothing was done
BandNotProved            a band did not prove that it holds its key, or what it said does not parse
CannotJoin               two customers cannot be made one, or not be taken apart
Erased                   an event is about a customer who was erased
ChannelsWrong            the file of channels cannot be used
"""

from sync.model.errors import StoreError


class StoreConflict(StoreError):
    """Two writers were in each other's way; nothing was done, and the same again may work."""


class StoreUnreachable(StoreError):
    """The database server or its disk does not answer; of a write it is not known whether it stands."""


class BandKeysAway(StoreUnreachable):
    """The token that keeps the keys of bands does not answer; nothing was done."""


class BandNotProved(Exception):
    """A band did not prove that it holds its key, or what it said does not parse."""


class CannotJoin(Exception):
    """Two customers cannot be made one, or not be taken apart; a sentence for whoever asked, and a code for a device.

    Attributes:
        code: same_customer | unknown_customer | another_family | unknown_join | undone | not_declined.
    """

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class Erased(Exception):
    """An event is about a customer who was erased; they are not made again."""


class ChannelsWrong(Exception):
    """The file of channels cannot be used; the sentence says where and what would do."""
