"""What can go wrong with the centre's database beyond what every store knows.

StoreError               (sync.model.errors)
  StoreConflict          two writers were in each other's way; nothing was done, and the same again may work
  StoreUnreachable       the database server or its disk does not answer; of a write it is not known whether it stands
"""

from sync.model.errors import StoreError


class StoreConflict(StoreError):
    """Two writers were in each other's way; nothing was done, and the same again may work."""


class StoreUnreachable(StoreError):
    """The database server or its disk does not answer; of a write it is not known whether it stands."""
