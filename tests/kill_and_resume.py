"""Kill a streamed fit with SIGKILL at a random moment and let it go on: ``python -m
tests.kill_and_resume 100``. Each fit must end with the bits of one that nobody disturbed.

``python -m tests.kill_and_resume 20 search`` kills fits that hold a tournament, by themselves, as
they read their data for the n-th time.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nlsq
from nlsq.streaming.phases import searching
from tests.streamed_problems import P0, PROBLEMS, decay

READ = 16_384


class Slow:
    """The fifth problem's data, a disk that takes its time."""

    def __init__(self, seconds: float = 0.01):
        self._x, self._y, _ = PROBLEMS[4].data()
        self._seconds = seconds
        self.n_points = self._x.size

    def get_chunk(self, start, end):
        time.sleep(self._seconds)
        return self._x[start:end], self._y[start:end]


def fit(folder: str | None, seconds: float = 0.01):
    """The fit that is killed."""
    return nlsq.fit(
        decay, Slow(seconds), p0=P0, workflow="streaming", chunk_size=READ, checkpoint=folder,
        checkpoint_interval=0.0 if folder else 30.0, resume=folder is not None,
        **PROBLEMS[4].options,
    )  # fmt: skip


def peak(x, h, x0, w):
    return h * np.exp(-0.5 * ((x - x0) / w) ** 2)


class Suicidal:
    """Two peaks, read in calls of which the n-th kills the process."""

    def __init__(self, last: int | None = None, m: int = 270_001):
        self._x = np.linspace(0.0, 10.0, m)
        self._y = peak(self._x, 1.0, 2.5, 0.3) + peak(self._x, 1.03, 7.0, 0.3)
        self._y += 0.8 * np.random.default_rng(1).standard_normal(m)
        self._last, self.calls, self.n_points = last, 0, m

    def get_chunk(self, start, end):
        self.calls += 1
        if self.calls == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._x[start:end], self._y[start:end]


def search(folder: str | None, source: Suicidal, **options):
    """A fit whose start is found by a tournament, as if the data were many."""
    size, searching.IN_FULL = searching.IN_FULL, 10**4
    try:
        return nlsq.fit(
            peak, source, workflow="chunked", method="multistart", n_starts=200,
            bounds=([0, 0, 0.1], [5, 10, 1]), checkpoint=folder, resume=folder is not None,
            checkpoint_interval=0.0 if folder else None, **options,
        )  # fmt: skip
    finally:
        searching.IN_FULL = size


def killed_search(folder: str, last: int | None) -> str:
    """What a process said that makes the search; '' where it was killed."""
    arguments = [sys.executable, "-m", "tests.kill_and_resume", "searches", folder, str(last or 0)]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True)
    assert done.returncode == (-signal.SIGKILL if last else 0)
    return done.stdout.strip()


def main_search(times: int) -> int:
    """Kill as many searches; how many ended with other bits."""
    undisturbed, same, resumed = search(None, source := Suicidal()), 0, 0
    for n in random.Random(0).choices(range(6, source.calls), k=times):
        with tempfile.TemporaryDirectory() as folder:
            killed_search(folder, n)
            found, how = killed_search(folder, None).split()
        same, resumed = same + (found == bits(undisturbed)), resumed + (how == "resumed")
        print(f"killed at read {n} of {source.calls}: {how}; {same} same bits", flush=True)
    return times - same


def bits(result) -> str:
    """popt, pcov and cost, exactly."""
    return np.concatenate([result.popt, result.pcov.ravel(), [result.cost]]).tobytes().hex()


def child(folder: Path, kill_after: float | None) -> str | None:
    """Run the fit in a process; its bits, or None when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.kill_and_resume", "child", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begin\n"
    try:
        out, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()  # SIGKILL: no handler, no clean-up
        process.communicate()
        return None
    assert process.returncode == 0
    return out.strip()


def kill_and_resume(rng: random.Random, longest: float) -> tuple[str, int, bool]:
    """(bits, kills, whether a checkpoint was taken up) of a fit that is killed once or more."""
    with tempfile.TemporaryDirectory() as folder:
        kills, found = 0, None
        while found is None:
            # twice at most, so that it ends
            found = child(Path(folder), rng.uniform(0.0, longest) if kills < 2 else None)
            kills += found is None
        result, resumed = found.split()
        assert not list(Path(folder).glob("*.checkpoint*[!k]")), "a finished fit leaves nothing"
        return result, kills, resumed == "resumed"


def main() -> None:
    """Kill as many fits as asked, and count."""
    if sys.argv[1] == "child":
        print("begin", flush=True)
        result = fit(sys.argv[2])
        print(bits(result), "resumed" if result.streaming.get("resumed") else "anew")
        return
    if sys.argv[1] == "searches":
        result = search(sys.argv[2], Suicidal(int(sys.argv[3]) or None))
        print(bits(result), "resumed" if result.streaming.get("resumed") else "anew")
        return
    if sys.argv[2:] == ["search"]:
        sys.exit(main_search(int(sys.argv[1])))
    rng, times = random.Random(0), int(sys.argv[1])
    began = time.perf_counter()
    undisturbed = bits(fit(None))
    longest = 1.5 * (time.perf_counter() - began)
    kills = resumed = same = 0
    for done in range(1, times + 1):
        result, k, r = kill_and_resume(rng, longest)
        kills, resumed, same = kills + k, resumed + r, same + (result == undisturbed)
        end = "\n" if done == times else "\r"
        print(f"{done} fits, {kills} kills, {resumed} went on from a checkpoint, {same} same bits",
              end=end, flush=True)  # fmt: skip
    sys.exit(same != times)


if __name__ == "__main__":
    os.environ.pop("NLSQ_DISABLE_PERSISTENT_CACHE", None)
    main()
