"""One fit on 1, 2 and 4 processes: ``python -m benchmarks.processes``.

The script makes an HDF5 file (4.8 GB: x, y and sigma of a decay that ends below a bound) in a
folder of its own and fits it, with a robust loss, by processes that have one core each: their
``popt``, ``pcov``, cost and statistics must have the same bits, and two processes should take 0.6
of the time of one. Times are of the fit and its statistics, with the programs in the disk's cache
and the file in the system's, where memory suffices; the configurations take turns.

With ``--kills N`` a random one of two or three processes is killed with SIGKILL at a random time of
the fit, N times: the others must end within 10 s and name it, and another number of processes must
come from the checkpoint to the same bits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.problems import decay
from benchmarks.report import Target, print_targets

TRUE, START = np.array([2.5, 1.3, -0.01]), [1.0, 1.0, 0.1]
BOUNDS = [0, 0, 0], [10, 10, 5]  # the last parameter's lower one is active
LIMIT = 10.0  # seconds in which the others end


def main() -> None:
    """Make the file, fit it by processes, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processes", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--points", type=int, default=2 * 10**8)
    parser.add_argument("--rounds", type=int, default=3, help="fits by 1 and 2; medians count (3)")
    parser.add_argument("--kills", type=int, default=0, help="how often one is killed (0)")
    parser.add_argument("--seed", type=int, default=0, help="of who is killed and when (0)")
    parser.add_argument("--folder", help="where the file is made (the system's temporary folder)")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "run.h5")
        make(path, arguments.points)
        targets = compare(path, arguments.rounds)
        if arguments.kills:
            targets += kill(path, arguments.kills, random.Random(arguments.seed))
    print_targets(targets, Console())


def make(path: Path, m: int) -> None:
    """Write a noisy decay of m points, without holding it."""
    import h5py

    f, rng = decay(np), np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        columns = [file.create_dataset(name, (m,), "f8") for name in ("x", "y", "sigma")]
        for first in range(0, m, 1 << 22):
            t = np.arange(first, min(first + (1 << 22), m)) * (4 / m)
            sigma = rng.uniform(0.01, 0.03, t.size)
            y = f(t, *TRUE) + sigma * rng.standard_normal(t.size)
            for column, values in zip(columns, (t, y, sigma), strict=True):
                column[first : first + t.size] = values


def child(path: str, address: str, count: str, rank: str, folder: str) -> None:
    """One process of a fit; prints what came of it."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(rank) % len(cores)]})
    import nlsq
    from nlsq.streaming import HDF5Source

    f = decay(np)
    more = {"checkpoint": folder, "checkpoint_interval": 0.3, "resume": True} if folder else {}
    nlsq.distributed.initialize(address, int(count), int(rank))
    print("begun", flush=True)
    began = time.perf_counter()
    try:
        found = nlsq.fit(
            f, HDF5Source(path, "x", "y", "sigma"), p0=START, bounds=BOUNDS, loss="soft_l1",
            workflow="chunked", show_progress=False, **more,
        )  # fmt: skip
        shown = [*found.moments.values(), found.rmse, found.cost, found.nfev]
    except nlsq.distributed.LostRank as error:
        print(json.dumps({"lost": str(error)}), flush=True)
        return
    seconds = time.perf_counter() - began
    bits = [np.asarray(a).tobytes().hex() for a in (found.popt, found.pcov, *map(float, shown))]
    told = {"bits": bits, "seconds": seconds, "at_bound": bool(found.popt[2] == 0)}
    print(json.dumps(told), flush=True)


def start(path: Path, count: int, folder: Path | None = None) -> list[subprocess.Popen]:
    """The processes of one fit."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.processes", "--child", str(path), address,
             str(count), str(rank), "" if folder is None else str(folder)],
            stdout=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip


def ended(processes: list[subprocess.Popen]) -> list[dict]:
    """What each said last, once all have ended."""
    said = [process.communicate()[0].splitlines() for process in processes]
    return [json.loads(lines[-1]) if lines and lines[-1] != "begun" else {} for lines in said]


def compare(path: Path, rounds: int) -> list[Target]:
    """Bits and times by the number of processes."""
    seconds: dict[int, list[float]] = {1: [], 2: [], 4: []}
    first, differ = None, 0
    ended(start(path, 1))  # compiles, and reads the file
    for turn in range(rounds):
        for count in (1, 2) if turn else (1, 2, 4):
            told = ended(start(path, count))
            seconds[count].append(max(one["seconds"] for one in told))
            first = first or told[0]["bits"]
            differ += sum(one["bits"] != first or not one["at_bound"] for one in told)
    for count, times in seconds.items():
        median = statistics.median(times)
        print(f"{count} processes: {median:.2f} s ({', '.join(f'{t:.2f}' for t in times)})")
    ratio = statistics.median(b / a for a, b in zip(seconds[1], seconds[2], strict=True))
    return [
        Target("fits with other bits than the first, or c not on its bound", 0, differ),
        Target("time of two processes / of one", 0.6, ratio),
    ]


def kill(path: Path, times: int, chance: random.Random) -> list[Target]:
    """SIGKILL of a random rank at a random time, and what is left of the fit."""
    (alone,) = ended(start(path, 1))
    longest, named, same = 0.0, 0, 0
    done = 0
    while done < times:
        count = chance.choice((2, 3))
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            processes = start(path, count, Path(folder))
            for process in processes:
                assert process.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0.0, alone["seconds"]))
            who = chance.randrange(count)
            if any(process.poll() is not None for process in processes):
                ended(processes)  # too late: the fit was done
                continue
            processes[who].send_signal(signal.SIGKILL)
            began = time.monotonic()
            told = ended(processes)
            longest = max(longest, time.monotonic() - began)
            others = [one for rank, one in enumerate(told) if rank != who]
            # who had the last sums already has the result, which is of all data
            named += all(
                f"rank {who} (process {processes[who].pid} on " in one.get("lost", "")
                or one.get("bits") == alone["bits"]
                for one in others
            )
            then = chance.choice([n for n in (1, 2, 3, 4) if n != count])
            again = ended(start(path, then, Path(folder)))
            same += all(one["bits"] == alone["bits"] for one in again)
            done += 1
            print(
                f"kill {done}: rank {who} of {count}, resumed by {then}; {named} named, {same} same"
            )
    return [
        Target(f"ends of {times} that do not name who was killed", 0, times - named),
        Target("the longest of them, seconds", LIMIT, longest),
        Target(f"resumed fits of {times} with other bits", 0, times - same),
    ]


if __name__ == "__main__":
    main()
