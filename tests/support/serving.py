"""Ends an asyncio server of a test together with all that it began."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def closed(server: asyncio.Server) -> AsyncIterator[None]:
    """Close it when the block is left, and wait for every call it took in; each is a task from that moment on."""
    before = asyncio.all_tasks()
    try:
        yield
    finally:
        # Who is taken in while it closes would be nobody's: a server that is closed lets no transport begin.
        loop = asyncio.get_running_loop()
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        own = asyncio.current_task()
        while begun := {task for task in asyncio.all_tasks() - before if task is not own}:
            await asyncio.wait(begun)
            for task in begun:
                if not task.cancelled():
                    task.result()
