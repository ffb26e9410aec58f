"""One pass of one loop: `measure.py LOOP URL SECONDS [TEXT]`, LOOP of asyncio, uvloop, trio. Prints nanoseconds for each operation as JSON."""

import asyncio
import json
import statistics
import sys
import time

from shapes import SHAPES

LEAST_ROUNDS = 3


def runner(loop):
    if loop == "trio":
        import on_trio
        import trio

        return on_trio, trio.run
    import on_asyncio
    import uvloop

    start = asyncio.run if loop == "asyncio" else uvloop.run
    return on_asyncio, lambda shape: start(shape())


def main(loop, url, seconds, only=""):
    module, run = runner(loop)
    medians = {}
    for title, (name, operations) in SHAPES.items():
        if only not in title:
            continue
        shape = getattr(module, name)
        if name == "requests":
            shape = lambda ask=shape: ask(url)
        run(shape)  # warm up
        rounds, until = [], time.monotonic() + float(seconds)
        while len(rounds) < LEAST_ROUNDS or time.monotonic() < until:
            rounds.append(run(shape))
        medians[title] = statistics.median(rounds) / operations * 1e9
    print(json.dumps(medians))


main(*sys.argv[1:])
