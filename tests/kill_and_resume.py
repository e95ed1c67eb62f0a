"""Kill a streamed fit with SIGKILL at a random moment and let it go on: ``python -m
tests.kill_and_resume 100``. Each fit must end with the bits of one that nobody disturbed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nlsq
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
