#!/usr/bin/env python3
"""asyncio, uvloop and Trio beside regatta: the same shapes, medians and ratios of one run.

    python3 benches/python/compare.py [--quick] [--only TEXT] [--json FILE] [--binary FILE]

Makes its virtual environment (environment.py) and builds the benches. Every pass asks each party in turn, so a busy moment of the machine hurts all of
them; a ratio is the median of the ratios of the passes. Python is one thread, so regatta has one thread, too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import environment
from shapes import SHAPES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOOPS = ["asyncio", "uvloop", "trio"]
OURS = ["regatta on tokio", "regatta on smol"]
# How many times as fast as uvloop; the second for what the shapes of structured concurrency are made of.
TARGET, HIGH = 8, 20
HIGH_TARGETS = ("group", "queue", "100,000 sleeps")
COLUMNS = "{:<28}" + "{:>18}" * 5 + "{:>12}" * 2 + "  {}"


def build():
    subprocess.run(["cargo", "build", "--locked", "--release", "--package", "regatta-benches"], cwd=ROOT, check=True)
    asked = ["cargo", "metadata", "--format-version=1", "--no-deps"]
    said = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return Path(json.loads(said)["target_directory"]) / "release" / "regatta-benches"


def ours(binary, seconds, only):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        command = [binary, "Y", "--budget", str(seconds), "--only", only, "--json", file]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        tables = json.loads(file.read_text())
    return {t["title"]: {c["name"]: c["median"] for c in t["cases"]} for t in tables}


def theirs(python, loop, url, seconds, only):
    command = [python, HERE / "measure.py", loop, url, str(seconds), only]
    # A name lookup through a proxy would measure the proxy.
    variables = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    return json.loads(done.stdout)


def passes(binary, python, options):
    """By title and party, the medians of every pass."""
    found = {title: {party: [] for party in OURS + LOOPS} for title in SHAPES if options.only in title}
    seconds, times = (0.2, 1) if options.quick else (1.5, 3)
    server = subprocess.Popen([binary, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        for turn in range(times):
            print(f"pass {turn + 1} of {times}", file=sys.stderr)
            for title, parties in ours(binary, seconds, options.only).items():
                for party, median in parties.items():
                    found[title][party].append(median)
            for loop in LOOPS:
                for title, median in theirs(python, loop, url, seconds, options.only).items():
                    found[title][loop].append(median)
    finally:
        server.kill()
        server.wait()
    return found


def judged(found):
    """Rows for the printed table and for the file."""
    for title, by_party in found.items():
        times = [statistics.median(u / o for o, u in zip(by_party[party], by_party["uvloop"])) for party in OURS]
        target = HIGH if title.startswith(HIGH_TARGETS) else TARGET
        medians = {party: statistics.median(figures) for party, figures in by_party.items()}
        yield {"title": title, "unit": "ns each", "medians": medians, "times_uvloop": dict(zip(OURS, times)), "target": target}


def versions(python):
    script = "import sys, uvloop, trio, aiohttp, httpx; print(sys.version.split()[0], uvloop.__version__, trio.__version__, aiohttp.__version__, httpx.__version__)"
    said = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(["CPython", "uvloop", "Trio", "aiohttp", "httpx"], said))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short pass: for a look, not for a judgement")
    parser.add_argument("--only", default="", metavar="TEXT", help="only shapes whose title contains TEXT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the figures to FILE, too")
    parser.add_argument("--binary", type=Path, metavar="FILE", help="a build of regatta-benches; otherwise it is made")
    options = parser.parse_args()
    python = environment.python()
    binary = options.binary or build()
    rows = list(judged(passes(binary, python, options)))
    said = versions(python)
    print(", ".join(f"{name} {version}" for name, version in said.items()), "; nanoseconds an operation", sep="")
    print(COLUMNS.format("", *OURS, *LOOPS, "x uvloop,", "x uvloop,", ""))
    print(COLUMNS.format("", "", "", "", "", "", "on tokio", "on smol", "target"))
    for row in rows:
        times = row["times_uvloop"].values()
        word = "met" if min(times) >= row["target"] else "MISSED"
        figures = [f"{row['medians'][party]:,.0f}" for party in OURS + LOOPS]
        print(COLUMNS.format(row["title"], *figures, *(f"{t:.1f}" for t in times), f">= {row['target']}  {word}"))
    if options.json:
        options.json.write_text(json.dumps({"versions": said, "rows": rows}, indent=1) + "\n")


main()
