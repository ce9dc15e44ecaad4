"""A snapshot whose parts are asked for in the shop first, and at the centre where nobody there has them."""

from typing import Protocol

from sync.edge.snapshot import Centre
from sync.model.wire import SnapshotAnswer, SnapshotPart


class Near(Protocol):
    """Whoever in the shop keeps parts; `peers` does by the relay."""

    async def part(self, name: str) -> bytes | None:
        """The part with this hash, checked; None where it is not to be had. Never fails."""
        ...

    def keep(self, content: bytes) -> None:
        """Keep it for the next device, if that costs nothing now."""
        ...


class NearParts:
    """The centre, with the shop before it."""

    def __init__(self, centre: Centre, near: Near) -> None:
        self._centre = centre
        self._near = near

    async def snapshot(self, scope: str) -> tuple[SnapshotAnswer, bytes]:
        """Which parts there are, and the key that opens them; only the centre says that. Raises CentreError."""
        return await self._centre.snapshot(scope)

    async def part(self, part: SnapshotPart) -> bytes:
        """One part, whose hash holds. Raises CentreError."""
        content = await self._near.part(part.part)
        if content is None:
            content = await self._centre.part(part)
            self._near.keep(content)
        return content
