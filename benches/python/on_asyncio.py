"""The shapes on asyncio, with its own loop or with uvloop. Each function does its work once and returns the seconds that took."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from shapes import *


async def work(i):
    return i


async def group():
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(work(i)) for i in range(GROUP)]
    total = sum(task.result() for task in made)
    took = time.perf_counter() - start
    assert total == GROUP * (GROUP - 1) // 2
    return took


async def groups_of_three():
    start = time.perf_counter()
    for _ in range(FEW_GROUPS):
        async with asyncio.TaskGroup() as tasks:
            a = tasks.create_task(work(1))
            b = tasks.create_task(work(2))
            c = tasks.create_task(work(3))
        assert a.result() + b.result() + c.result() == 6
    return time.perf_counter() - start


async def failing_group():
    """From the error until all are gone."""
    fire, failed = asyncio.Event(), 0.0

    async def failing():
        nonlocal failed
        await fire.wait()
        failed = time.perf_counter()
        raise Failed

    async def body():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(failing())
            for _ in range(PENDING - 1):
                tasks.create_task(asyncio.Event().wait())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            fire.set()
            await asyncio.Event().wait()

    try:
        await body()
    except* Failed:
        pass
    return time.perf_counter() - failed


async def queue():
    items = asyncio.Queue(QUEUE_PLACES)

    async def producer():
        for i in range(QUEUE_ITEMS):
            await items.put(i)
        await items.put(None)

    async def consumer():
        seen = 0
        while await items.get() is not None:
            seen += 1
        return seen

    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(producer())
        seen = tasks.create_task(consumer())
    took = time.perf_counter() - start
    assert seen.result() == QUEUE_ITEMS
    return took


async def semaphore():
    permits = asyncio.Semaphore(SEMAPHORE_PERMITS)

    async def turns():
        for _ in range(SEMAPHORE_TURNS):
            async with permits:
                await asyncio.sleep(0)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(SEMAPHORE_TASKS):
            tasks.create_task(turns())
    return time.perf_counter() - start


async def event():
    """From the release until the last waiter has run."""
    released = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WAITERS):
            tasks.create_task(released.wait())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        start = time.perf_counter()
        released.set()
    return time.perf_counter() - start


async def sleeps():
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(SLEEPS):
            tasks.create_task(asyncio.sleep(SLEEP))
    return time.perf_counter() - start


async def timeouts():
    start = time.perf_counter()
    for _ in range(TIMEOUTS):
        async with asyncio.timeout(LONG):
            await asyncio.sleep(0)
    return time.perf_counter() - start


async def round_trips():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(THREADS) as pool:
        await loop.run_in_executor(pool, int)
        start = time.perf_counter()
        for _ in range(TRIPS):
            await loop.run_in_executor(pool, int)
        return time.perf_counter() - start


async def requests(url):
    import aiohttp

    left = iter(range(REQUESTS))
    connector = aiohttp.TCPConnector(limit_per_host=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker():
            for _ in left:
                async with session.get(url) as answer:
                    await answer.read()

        start = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(worker())
        return time.perf_counter() - start
