"""``--processes N``: one fit by N processes of this program on this machine.

The first shows and writes what a single one would. This process starts them, gives each its share
of the cores, passes signals on, and sees to it that they end together: whatever happens to it, the
others see the end of a pipe that it holds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

from nlsq.session.errors import LostProcess
from nlsq.utils import interruption

_PIPE = "NLSQ_LAUNCHED"  # number of the pipe that ends with the process that started this one
_ASKED, _MADE = 3.0, 8.0  # seconds after the first that failed, when the others are made to end


def launched() -> bool:
    """Whether this process is one of several that the program started."""
    return _PIPE in os.environ


def join() -> int:
    """Join the others; the rank of this process."""
    from nlsq import distributed

    pipe = int(os.environ[_PIPE])
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    distributed.initialize()
    return distributed.current().rank


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)


def launch(count: int, way_on: str) -> int:
    """Run this command by `count` processes; the exit code of the first.

    Raises
    ------
    LostProcess
        One was killed; says which, and by what.
    """
    interruption.worth_saving()  # they decide what a signal ends
    running: list[subprocess.Popen] = []
    ours, theirs = os.pipe()

    def pass_on() -> None:
        number = signal.SIGTERM if interruption.heard(signal.SIGTERM) else signal.SIGINT
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    try:
        with (
            contextlib.ExitStack() as files,
            interruption.deferred(signal.SIGTERM, tell=pass_on),
        ):
            said = [files.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
            for rank, (name, cores) in enumerate(_places(count)):
                running.append(_started(name, rank, count, cores, ours, said[rank]))
            _wait(running)
            interruption.acted_upon()
            _tell_lost(running, said, way_on)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
        os.close(theirs)
        os.close(ours)
    return running[0].returncode


def _places(count: int) -> list[tuple[str, set[int]]]:
    """Where the first listens, and the cores of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    if not hasattr(os, "sched_getaffinity"):
        return [(address, set())] * count
    cores = sorted(os.sched_getaffinity(0))
    shares = [set(cores[r::count]) or {cores[r % len(cores)]} for r in range(count)]
    return [(address, share) for share in shares]


def _started(
    address: str, rank: int, count: int, cores: set[int], pipe: int, said: IO
) -> subprocess.Popen:
    """One of the processes; only the first speaks for itself."""
    environment = os.environ | {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(rank),
        _PIPE: str(pipe),
    }
    quiet = {} if rank == 0 else {"stdout": subprocess.DEVNULL, "stderr": said}
    process = subprocess.Popen(
        [sys.executable, "-m", "nlsq.cli.main", *sys.argv[1:]],
        stdin=subprocess.DEVNULL, env=environment, pass_fds=[pipe],
        start_new_session=True, **quiet,
    )  # fmt: skip
    if cores:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(process.pid, cores)  # before it has threads
    return process


def _wait(running: list[subprocess.Popen]) -> None:
    """Until all have ended, some time after the first that failed at the latest."""
    failed = asked = None
    while left := [process for process in running if process.poll() is None]:
        now = time.monotonic()
        if failed is None and any(process.returncode for process in running):
            failed = now
        if failed is not None and asked is None and now > failed + _ASKED:
            asked = now
            for process in left:
                process.terminate()
        if failed is not None and now > failed + _MADE:
            return
        time.sleep(0.02)


def _tell_lost(running: list[subprocess.Popen], said: list[IO], way_on: str) -> None:
    killed = [r for r, process in enumerate(running) if (process.returncode or 0) < 0]
    if killed:
        each = ", ".join(
            f"rank {r} (process {running[r].pid}) was killed by "
            f"{signal.Signals(-running[r].returncode).name}"
            for r in killed
        )
        raise LostProcess(f"Of {len(running)} processes {each}.", way_on)
    if running[0].returncode == 0:
        for r, process in enumerate(running):
            if process.returncode:
                said[r].seek(0)
                told = said[r].read().decode(errors="replace").strip()
                raise LostProcess(f"Rank {r} of {len(running)} failed: {told}", way_on)
