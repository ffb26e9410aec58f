"""What row W measures, with aiohttp on uvloop: GET over loopback, 64 at a time.

    pip install aiohttp uvloop
    cargo run --release -p regatta-benches -- --serve        (prints the address)
    python benches/aiohttp_get.py http://127.0.0.1:PORT/x
"""

import asyncio
import sys
import time

import aiohttp
import uvloop

REQUESTS = 10_000
AT_ONCE = 64


async def storm(session, url):
    left = iter(range(REQUESTS))

    async def worker():
        for _ in left:
            async with session.get(url) as answer:
                await answer.read()

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return time.perf_counter() - start


async def main(url):
    connector = aiohttp.TCPConnector(limit_per_host=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        await storm(session, url)
        rounds = sorted([await storm(session, url) for _ in range(5)])
    each = rounds[len(rounds) // 2] / REQUESTS
    print(f"aiohttp {aiohttp.__version__}, uvloop {uvloop.__version__}: {each * 1e9:.0f} ns each, {1 / each:.0f} requests/s")


if len(sys.argv) != 2:
    sys.exit(__doc__)
uvloop.run(main(sys.argv[1]))
