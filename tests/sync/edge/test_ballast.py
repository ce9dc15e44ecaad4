"""A disk without room, a real one: a small file system of its own, in a mount namespace that nobody else sees.

As root a private mount namespace is enough; for anybody else a user namespace comes with it. Both need no privilege of the
machine that runs the tests.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]

BEGIN = """
    import contextlib, os, sys
    from pathlib import Path
    from tests.support import edge, shop
    from sync.edge.ballast import NAME, SIZE
    from sync.edge.feed import Feed
    from sync.edge.lookup import Lookup
    from sync.edge.outbox import Outbox
    from sync.edge.upkeep import Upkeep
    from sync.model.errors import StoreFull
    import msgspec

    folder = Path(sys.argv[1]) / "device"
    store = edge.opened(folder)
    store.keep_ballast()
    feed = edge.filled(store, shop.lenas_rows())
    outbox = Outbox(store)

    def fill_up(where=folder.parent):
        "Something else takes the last byte of a disk."
        with (where / "other").open("ab", buffering=0) as other, contextlib.suppress(OSError):
            while True:
                other.write(bytes(4096))

    def keep_up():
        # A minute is over.
        store.clock.sleep_ms(60_000)
        upkeep = Upkeep(store, feed=feed)
        while upkeep.turn():
            pass

    def op(n, text="called her"):
        made = shop.noted(text)
        return msgspec.structs.replace(made, id=f"{made.id[:-6]}{n:06x}")
"""


def on_a_small_disk(folder: Path, script: str, *, size: str = "8m", tmp: str = "") -> str:
    """Run a script whose first argument is a folder on a file system of `size`; what it prints."""
    mounts = f"mkdir -p {folder} && mount -t tmpfs -o size={size} small {folder}"
    environment = dict(os.environ)
    if tmp:
        # Not over /tmp itself: this program may be in there.
        place = folder.with_name(f"{folder.name}-tmp")
        mounts += f" && mkdir -p {place} && mount -t tmpfs -o size={tmp} tmp {place}"
        environment |= {"TMPDIR": str(place), "SQLITE_TMPDIR": str(place)}
    owner = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    code = textwrap.dedent(BEGIN) + textwrap.dedent(script)
    done = subprocess.run(
        ["unshare", *owner, "--mount", "--propagation", "private", "sh", "-c",
         f'{mounts} && exec "$@"', "sh", sys.executable, "-c", code, str(folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_operations_are_recorded_on_a_full_disk_out_of_the_ballast(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        fill_up()
        for n in range(300):
            outbox.record(op(n))
        store.close()
        again = edge.opened(folder)
        print(Outbox(again).counts().n_waiting, (folder / NAME).exists())
        """,
    )

    assert said == "300 False"


def test_without_a_ballast_the_same_disk_takes_nothing(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        store.ballast.give_up()
        store.ballast = None
        fill_up()
        try:
            for n in range(300):
                outbox.record(op(n))
        except StoreFull:
            print("full")
        """,
    )

    assert said == "full"


def test_pages_of_the_centre_do_not_eat_what_the_ballast_gave(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        fill_up()
        n = 0
        while not store.ballast.is_spent:
            n += 1
            outbox.record(op(n))
        try:
            feed.apply_page(edge.page_of(shop.lenas_rows(), since=8), asked=feed.cursors())
        except StoreFull:
            print("not now", store.ballast.is_spent)
        outbox.record(op(n + 1))
        print(outbox.counts().n_waiting - n, Lookup(store).by_band(shop.BAND).owner)
        """,
    )

    assert said.splitlines() == ["not now True", "1 lena"]


def test_the_ballast_is_made_again_when_there_is_room(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        fill_up()
        while not store.ballast.is_spent:
            outbox.record(op(outbox.counts().n_waiting))
        fill_up()
        keep_up()
        print(store.ballast.is_spent, sorted(path.name for path in folder.glob("ballast*")))
        (folder.parent / "other").unlink()
        keep_up()
        print(store.ballast.is_spent, (folder / NAME).stat().st_size == SIZE)
        feed.apply_page(edge.page_of(shop.lenas_rows(), since=8), asked=feed.cursors())
        """,
    )

    assert said.splitlines() == ["True []", "False True"]


def test_when_even_the_ballast_is_used_up_it_is_said_and_nothing_recorded_is_lost(
    tmp_path: Path,
) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        fill_up()
        n = 0
        try:
            while n < 100_000:
                outbox.record(op(n, text="x" * 3_000))
                n += 1
        except StoreFull:
            pass
        store.close()
        (folder.parent / "other").unlink()
        again = edge.opened(folder)
        print(n > 500, Outbox(again).counts().n_waiting == n)
        """,
    )

    assert said == "True True"


def test_a_full_folder_for_temporary_files_hinders_nothing(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path,
        """
        fill_up(Path(os.environ["TMPDIR"]))
        outbox.record(op(1))
        keep_up()
        feed.apply_page(edge.page_of(shop.lenas_rows(), since=8), asked=feed.cursors())
        keep_up()
        print(Lookup(store).by_band(shop.BAND).owner, outbox.counts().n_waiting)
        """,
        tmp="64k",
    )

    assert said == "lena 1"
