"""Send SIGINT and SIGTERM to fits of the program at random moments: is each one honoured?

    python -m benchmarks.signals 200 [seed]

Every draw starts `nlsq fit` on one of the cases below with an empty cache of programs, waits until
the program heeds signals, and sends one at a moment drawn evenly from the time that the whole fit
took. It then must end within 2 s and the pass that runs (of the clock, or on a busy machine of
its own processor time), print no traceback, not crash, and keep
its word: a result (complete, or the best so far) is in the file it was to write, or it says that
there was none; a checkpoint goes on to the bits of the fit that was left alone.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nlsq

ALLOWED = 2.0  # seconds beside the pass that runs
BAD_WORDS = ("Traceback", "Exception ignored", "Fatal", "terminate called", "Error in sys")
SLOW = """
import time
import numpy as np

def slow(t, a, tau, c):
    time.sleep(0.1)
    return [float(a) * np.exp(-u / float(tau)) + float(c) for u in t]
"""
HONEST = """
import numpy as np

def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c
"""
PEAKS = " + ".join(f"a{k}*exp(-((t-{k}.3)/w{k})**2)" for k in range(5))


@dataclasses.dataclass(frozen=True)
class Case:
    """Arguments of `nlsq fit`; `a_pass` is how long one pass takes, in seconds."""

    arguments: tuple[str, ...]
    a_pass: float = 0.1
    checkpoint: bool = False


CASES = {
    "small": Case(("small.csv", "-m", "a*exp(-t/tau)+c", "--p0", "30,0.4,-9")),
    "slow": Case(
        ("small.csv", "-m", "slow.py:slow", "--trust", "--p0", "30,0.4,-9"), a_pass=0.5
    ),
    "confined": Case(("long.csv", "-m", "honest.py:decay", "--p0", "3,1,0")),
    "compiling": Case(("some.csv", "-m", PEAKS)),
    "reading": Case(("long.csv", "-m", "a*exp(-t/tau)+c", "-o", "fit.csv")),
    "pieces": Case(
        ("long.csv", "-m", "a*exp(-t/tau)+c", "-x", "t", "-y", "v", "--workflow", "streaming")
    ),
    "streamed": Case(
        ("long.h5", "-x", "t", "-y", "v", "-m", "a*exp(-t/tau)+c*cos(exp(cos(exp(sin(t)))))",
         "--checkpoint", "state", "--set", "workflow.checkpoint_interval=0"),
        a_pass=0.5, checkpoint=True,
    ),
}  # fmt: skip


def prepare(folder: Path) -> None:
    """Write the files that the cases read."""
    import h5py

    rng = np.random.default_rng(0)
    for name, m in (("small", 30), ("some", 20_000), ("long", 300_000)):
        t = np.linspace(0, 8, m)
        v = 3 * np.exp(-t / 2) + 0.5 + 0.1 * rng.normal(size=m)
        np.savetxt(
            folder / f"{name}.csv", np.stack([t, v], 1), "%.6f", ",", header="t,v", comments=""
        )
    t = np.linspace(0, 8, 3_000_000)
    with h5py.File(folder / "long.h5", "w") as file:
        file["t"], file["v"] = t, 3 * np.exp(-t / 2) + 0.5 + 0.1 * rng.normal(size=t.size)
    (folder / "slow.py").write_text(SLOW)
    (folder / "honest.py").write_text(HONEST)


class Run:
    """One process of the program, in a folder of its own."""

    def __init__(self, data: Path, arguments: tuple[str, ...], folder: Path):
        folder.mkdir(exist_ok=True)
        for file in data.iterdir():
            if not (folder / file.name).exists():
                os.link(file, folder / file.name)
        root = str(Path(nlsq.__file__).parent.parent)
        places = {name: str(folder / name.lower()) for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME")}
        self.waited = [0.0]
        self.folder, self.began, self._before = folder, time.monotonic(), _processor_time()
        start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        start += "from nlsq.cli.main import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, *arguments], cwd=folder, text=True,
            env=os.environ | places | {"PYTHONPATH": root, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def heeds(self) -> None:
        """Wait until the program has taken SIGTERM into its own hands."""
        bit = 1 << (signal.SIGTERM - 1)
        while self.process.poll() is None:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
            caught = next(li for li in text.splitlines() if li.startswith("SigCgt"))
            if int(caught.split()[1], 16) & bit:
                return
            time.sleep(0.005)

    def used(self) -> tuple[float, float]:
        """Seconds of the clock and of the processor until now, also of its children."""
        ticks = 0
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = file.read_text().rpartition(")")[2].split()
            except OSError:  # it ended
                continue
            if self.process.pid in (int(file.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])
        return time.monotonic() - self.began, ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> tuple[int, str, str]:
        """Exit code and both outputs."""
        out, err = self.process.communicate(timeout=300)
        self.total = time.monotonic() - self.began, _processor_time() - self._before
        return self.process.returncode, out, err

    def document(self) -> dict | None:
        """The result that was written."""
        path = self.folder / "best.json"
        return json.loads(path.read_text()) if path.exists() else None


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def faults(run: Run, case: Case, number: int, whole: dict, sent: tuple, data: Path) -> list[str]:
    """What was wrong with the end of a run to which `number` was sent."""
    try:
        code, out, err = run.end()
    except subprocess.TimeoutExpired:
        run.process.kill()
        return ["it did not end"]
    found = [f"it printed {word!r}: {err[-1500:]}" for word in BAD_WORDS if word in out + err]
    if code < 0:
        found.append(f"it crashed: {signal.Signals(-code).name}")
    waited = [end - then for end, then in zip(run.total, sent, strict=True)]
    if min(waited) > ALLOWED + case.a_pass:
        found.append("it ended after {:.1f} s, {:.1f} s of the processor".format(*waited))
    run.waited = waited
    document = run.document()
    fitted = document is not None and document["convergence"]["success"]
    if fitted and document["popt"] != whole["popt"]:
        found.append("its result is not that of the undisturbed fit")
    none = "before there was a result" in err or "Interrupted." in err
    right = {
        0: fitted, 4: document is not None and not fitted, 130: document is None and none,
        75: none if document is None else True,
    }  # fmt: skip
    if not right.get(code, False) or (number == signal.SIGINT and code == 75):
        found.append(f"exit code {code} with {'a' if document else 'no'} result: {err[-1500:]}")
    if case.checkpoint and (run.folder / "state" / "fit.checkpoint").exists():
        again = Run(data, ("resume", "state", "-o", "best.json", "--no-plot"), run.folder)
        code, _, err = again.end()
        if code or again.document()["popt"] != whole["popt"]:
            found.append(f"the checkpoint does not go on to the same result: {err[-800:]}")
    return found


def main(count: int, seed: int) -> None:
    """Send `count` signals and print what came of them."""
    rng, tally, late = random.Random(seed), collections.Counter(), 0
    wrong: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        data.mkdir()
        prepare(data)
        whole, spans = {}, {}
        for title, case in CASES.items():
            run = Run(data, ("fit", *case.arguments, "-o", "best.json"), Path(name) / title)
            run.heeds()
            heeded = time.monotonic()
            code, _, err = run.end()
            assert code == 0, (title, code, err)
            whole[title], spans[title] = run.document(), time.monotonic() - heeded
            print(f"{title}: {spans[title]:.1f} s undisturbed", flush=True)
        sent = 0
        while sent < count:
            title = rng.choice(list(CASES))
            case, number = CASES[title], rng.choice((signal.SIGINT, signal.SIGTERM))
            moment = rng.uniform(0, spans[title])
            folder = Path(name) / "run"
            run = Run(data, ("fit", *case.arguments, "-o", "best.json"), folder)
            run.heeds()
            time.sleep(moment)
            if run.process.poll() is not None:
                run.end()
                late += 1
            else:
                then = run.used()
                run.process.send_signal(number)
                sent += 1
                said = faults(run, case, number, whole[title], then, data)
                slowest = max(slowest, min(run.waited))
                tally[title, number.name, run.process.returncode] += 1
                if sent % 20 == 0:
                    print(f"{sent} sent", flush=True)
                for text in said:
                    wrong.append(f"{title}, {number.name} after {moment:.2f} s: {text}")
                    print(wrong[-1], flush=True)
            shutil.rmtree(folder)
    for (title, signal_name, code), times in sorted(tally.items()):
        print(f"{title:10} {signal_name:8} exit code {code:4}: {times}")
    print(f"{count} signals ({late} more came too late), {len(wrong)} faults; the slowest end took")
    print(f"{slowest:.1f} s")


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["200"])[0]), int((sys.argv[2:] or ["0"])[0]))
