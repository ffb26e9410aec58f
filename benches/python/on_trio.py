"""The shapes on Trio. Each function does its work once and returns the seconds that took."""

import time

import trio
import trio.testing

from shapes import *


async def work(results, i):
    results.append(i)


async def group():
    results = []
    start = time.perf_counter()
    async with trio.open_nursery() as tasks:
        for i in range(GROUP):
            tasks.start_soon(work, results, i)
    took = time.perf_counter() - start
    assert sum(results) == GROUP * (GROUP - 1) // 2
    return took


async def groups_of_three():
    start = time.perf_counter()
    for _ in range(FEW_GROUPS):
        results = []
        async with trio.open_nursery() as tasks:
            for i in range(FEW):
                tasks.start_soon(work, results, i)
        assert len(results) == FEW
    return time.perf_counter() - start


async def failing_group():
    """From the error until all are gone."""
    fire, failed = trio.Event(), 0.0

    async def failing():
        nonlocal failed
        await fire.wait()
        failed = time.perf_counter()
        raise Failed

    async def body():
        async with trio.open_nursery() as tasks:
            tasks.start_soon(failing)
            for _ in range(PENDING - 1):
                tasks.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            fire.set()
            await trio.sleep_forever()

    try:
        await body()
    except* Failed:
        pass
    return time.perf_counter() - failed


async def queue():
    put, get = trio.open_memory_channel(QUEUE_PLACES)
    seen = 0

    async def producer():
        async with put:
            for i in range(QUEUE_ITEMS):
                await put.send(i)

    async def consumer():
        nonlocal seen
        async for _ in get:
            seen += 1

    start = time.perf_counter()
    async with trio.open_nursery() as tasks:
        tasks.start_soon(producer)
        tasks.start_soon(consumer)
    took = time.perf_counter() - start
    assert seen == QUEUE_ITEMS
    return took


async def semaphore():
    permits = trio.Semaphore(SEMAPHORE_PERMITS)

    async def turns():
        for _ in range(SEMAPHORE_TURNS):
            async with permits:
                await trio.sleep(0)

    start = time.perf_counter()
    async with trio.open_nursery() as tasks:
        for _ in range(SEMAPHORE_TASKS):
            tasks.start_soon(turns)
    return time.perf_counter() - start


async def event():
    """From the release until the last waiter has run."""
    released = trio.Event()
    async with trio.open_nursery() as tasks:
        for _ in range(WAITERS):
            tasks.start_soon(released.wait)
        await trio.testing.wait_all_tasks_blocked()
        start = time.perf_counter()
        released.set()
    return time.perf_counter() - start


async def sleeps():
    start = time.perf_counter()
    async with trio.open_nursery() as tasks:
        for _ in range(SLEEPS):
            tasks.start_soon(trio.sleep, SLEEP)
    return time.perf_counter() - start


async def timeouts():
    start = time.perf_counter()
    for _ in range(TIMEOUTS):
        with trio.fail_after(LONG):
            await trio.sleep(0)
    return time.perf_counter() - start


async def round_trips():
    await trio.to_thread.run_sync(int)
    start = time.perf_counter()
    for _ in range(TRIPS):
        await trio.to_thread.run_sync(int)
    return time.perf_counter() - start


async def requests(url):
    import httpx

    left = iter(range(REQUESTS))
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def worker():
            for _ in left:
                await (await client.get(url)).aread()

        start = time.perf_counter()
        async with trio.open_nursery() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(worker)
        return time.perf_counter() - start
