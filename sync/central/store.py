"""The centre's database: opened, read (`Snapshot`) and written (`Transaction`). Tables are in `schema`, databases in `sql`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from sync.central.changes import LISTENER
from sync.central.erasure_ledger import Ledger
from sync.central.moment import Snapshot
from sync.central.schema import life_of, migrate, rename, set_meta
from sync.central.sql import Engine, is_address, open_engine
from sync.central.transaction import Transaction


class Store:
    """The centre's database. Close it."""

    def __init__(
        self,
        database: Path | str | Engine,
        *,
        fresh_epoch: str,
        entropy: Entropy | None = None,
    ) -> None:
        """Open or create it.

        Args:
            database: A file, an address `postgresql://...`, or an engine, which is closed with this.
            fresh_epoch: Random name of this life of the data, used when it is new.
            entropy: Where the names of moments come from.

        Raises:
            StoreTooNew: a newer version of this program wrote it.
            StoreCorrupt: it is damaged.
            StoreUnreachable: its server does not answer.
            StoreError: it cannot be opened or written.
        """
        self._engine = open_engine(database) if isinstance(database, (str, Path)) else database
        self.ledger: Ledger | None = None
        """Where notes of erasures are kept beside it; a node of a centre whose database is elsewhere says where."""
        if isinstance(database, Path) or (
            isinstance(database, str) and not is_address(database)
        ):
            self.ledger = Ledger(Path(database).parent, SystemDisk(), SystemClock())
        self._entropy = entropy or SystemEntropy()
        try:
            self._life = migrate(self._engine, fresh_epoch=fresh_epoch)
        except BaseException:
            self._engine.close()
            raise

    def bind(self, name: str, value: str) -> str:
        """Keep a value under a name for ever, unless there is one already; what is kept. Raises StoreError."""
        with self._engine.writing() as sql:
            sql.run(
                "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING",
                name=name, value=value,
            )  # fmt: skip
            return Snapshot(sql).meta(name)

    @property
    def epoch(self) -> str:
        """The name of this life of the data."""
        return self._life.epoch

    @property
    def secret(self) -> str:
        """What digests of who was erased are keyed with."""
        return self._life.secret

    @property
    def erasure_key(self) -> str:
        """What notes of erasures are sealed with, in hex; "" before `keep_erasure_key` was called once."""
        return self._life.erasure_key

    def keep_erasure_key(self, key: str) -> None:
        """From now on whoever opens this database can note an erasure. Raises StoreError."""
        if self._life.erasure_key != key:
            with self._engine.writing() as sql:
                set_meta(sql, "erasure_key", key)
                self._life = life_of(sql)

    def begin_epoch(self, epoch: str) -> int:
        """From now on every scope has another history, named `epoch`, with the rows it has; how many scopes. Raises StoreError.

        Each device then offers again what it keeps as answered, and pulls from the beginning over what it holds.
        """
        with self._engine.writing() as sql:
            sql.lock_all()
            rename(sql, epoch)
            (found,) = sql.all("SELECT COUNT(*) FROM scope")
            sql.run("UPDATE scope SET epoch = :epoch", epoch=epoch)
            self._life = life_of(sql)
        return int(found[0])

    @property
    def is_shared(self) -> bool:
        """Whether other nodes write to it too, so that its heads move without our doing."""
        return self._engine.is_shared

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Read one moment, from any thread, beside the writers."""
        with self._engine.reading() as connection:
            yield Snapshot(connection)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Write; durable when the block is left. `batch` is the only caller."""
        with self._engine.writing() as connection:
            transaction = Transaction(
                connection, life=self._life, entropy=self._entropy, listener=LISTENER
            )
            yield transaction
            transaction.direct()  # nothing is left in memory

    def scrub(self) -> None:
        """Leave nothing of what was deleted in our own files; after an erasure. Raises StoreError."""
        self._engine.scrub()

    def close(self) -> None:
        """Let go of the database; harmless when done twice."""
        self._engine.close()
