"""What both aiortc programs need."""

import asyncio
import sys


async def stdin_closed():
    """Returns when the test closes our standard input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
