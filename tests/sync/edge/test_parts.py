"""Parts of snapshots in the shop: kept by their hash, bounded, and asked for there first."""

import hashlib
from pathlib import Path

from hardware.disk import SystemDisk
from hardware.errors import DiskFull
from sync.edge.near_parts import NearParts
from sync.edge.part_cache import PartCache
from sync.model.wire import SnapshotAnswer, SnapshotPart


def name_of(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def cache(folder: Path, *, size_max: int = 1_000) -> PartCache:
    return PartCache(folder, disk=SystemDisk(), size_max=size_max)


def test_a_part_is_there_again_after_a_start(tmp_path: Path) -> None:
    cache(tmp_path).keep(b"part")

    assert cache(tmp_path).get(name_of(b"part")) == b"part"


def test_the_longest_unused_part_gives_way(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    parts = [bytes([n]) * 400 for n in range(3)]
    kept.keep(parts[0])
    kept.keep(parts[1])
    assert kept.get(name_of(parts[0])) is not None

    kept.keep(parts[2])

    assert kept.get(name_of(parts[1])) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        map(name_of, (parts[0], parts[2]))
    )


def test_a_part_that_is_larger_than_all_there_may_be_is_not_kept(tmp_path: Path) -> None:
    cache(tmp_path).keep(b"x" * 1_001)

    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_not_what_it_is_called_is_not_handed_out(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.keep(b"part")
    (tmp_path / name_of(b"part")).write_bytes(b"harm")

    assert kept.get(name_of(b"part")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_nothing_and_harms_nobody(tmp_path: Path) -> None:
    class Full(SystemDisk):
        def write(self, path: Path, content: bytes, *, private: bool = False) -> None:
            raise DiskFull("no room")

    kept = PartCache(tmp_path, disk=Full())

    kept.keep(b"part")

    assert kept.get(name_of(b"part")) is None


class Source:
    """A centre, or the shop, with some parts."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = {name_of(part): part for part in parts}
        self.asked: list[str] = []

    async def snapshot(self, scope: str) -> tuple[SnapshotAnswer, bytes]:
        return SnapshotAnswer(scope, 7), b"key"

    async def part(self, part: SnapshotPart) -> bytes:
        self.asked.append(part.part)
        return self.parts[part.part]


class Near:
    def __init__(self, *parts: bytes) -> None:
        self.parts = {name_of(part): part for part in parts}

    async def part(self, name: str) -> bytes | None:
        return self.parts.get(name)

    def keep(self, content: bytes) -> None:
        self.parts[name_of(content)] = content


async def test_what_the_shop_has_is_not_asked_of_the_centre() -> None:
    centre, near = Source(b"one", b"two"), Near(b"one")
    both = NearParts(centre, near)

    got = [await both.part(SnapshotPart(name_of(part), 3, 1)) for part in (b"one", b"two")]

    assert got == [b"one", b"two"]
    assert centre.asked == [name_of(b"two")]
    assert name_of(b"two") in near.parts, "for the next device"
    assert (await both.snapshot("g"))[0].seq == 7
