"""A streamed fit that is stopped, by a signal or by SIGKILL, loses nothing."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nlsq
from nlsq.streaming import CheckpointError
from tests.kill_and_resume import READ, Slow, bits, fit, kill_and_resume
from tests.streamed_problems import P0, PROBLEMS, decay

pytestmark = pytest.mark.usefixtures("compiled")  # whose bits are compared

STOP = int(3.5 * 17)  # of 17 reads of 16 384 points a pass, and 17 for the first reading


@pytest.fixture(scope="module")
def undisturbed():
    return fit(None, 0.0)


def stopped(folder, number):
    """The fit, with a signal in the third reading after the first."""
    source, reads = Slow(0.0), []
    get = source.get_chunk

    def signals(start, end):
        reads.append(start)
        if len(reads) == STOP:
            os.kill(os.getpid(), number)
            time.sleep(0.2)
        return get(start, end)

    source.get_chunk = signals
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job may ignore it
    try:
        return nlsq.fit(
            decay, source, p0=P0, workflow="streaming", chunk_size=READ, checkpoint=folder,
            checkpoint_interval=1e9, **PROBLEMS[4].options,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_returns_the_best_so_far_and_a_checkpoint(tmp_path, undisturbed, number):
    result = stopped(tmp_path, number)
    assert (result.status, result.success) == (-4, False)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    again = fit(str(tmp_path), 0.0)
    assert again.streaming["resumed"]
    assert bits(again) == bits(undisturbed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stop", [KeyboardInterrupt, StopIteration])
def test_a_stop_between_passes_leaves_a_checkpoint_too(tmp_path, undisturbed, stop):
    def callback(iteration, cost, params, info):
        if iteration == 1:
            raise stop

    result = nlsq.fit(
        decay, Slow(0.0), p0=P0, workflow="streaming", chunk_size=READ, checkpoint=tmp_path,
        callback=callback, **PROBLEMS[4].options,
    )  # fmt: skip
    assert not result.success
    again = fit(str(tmp_path), 0.0)
    assert again.streaming["resumed"]
    assert bits(again) == bits(undisturbed)


def test_another_fit_is_not_taken_up(tmp_path):
    stopped(tmp_path, signal.SIGINT)
    common = {"workflow": "streaming", "checkpoint": tmp_path, **PROBLEMS[4].options}
    x, y, _ = PROBLEMS[4].data()
    with pytest.raises(CheckpointError, match="resume=True"):
        nlsq.fit(decay, x, y, P0, **common)
    with pytest.raises(CheckpointError, match="options"):
        nlsq.fit(decay, x, y, (1.0, 0.65, 0.25), resume=True, **common)
    with pytest.raises(CheckpointError, match="model"):
        nlsq.fit(lambda x, a, b, c: a * np.exp(-b * x) + c, x, y, P0, resume=True, **common)
    y[-1] += 1e-12
    with pytest.raises(CheckpointError, match="data"):
        nlsq.fit(decay, x, y, P0, resume=True, **common)
    y[-1] = PROBLEMS[4].data()[1][-1]
    assert nlsq.fit(decay, x, y, P0, resume=True, **common).success


def test_a_model_that_cannot_be_recognised_has_no_checkpoint(tmp_path):
    def model(x, a, b, c):  # what it reads may be another in the next process
        return decay(x, a, b, c) if os.environ else x

    with pytest.raises(CheckpointError, match="cannot be recognised"):
        nlsq.fit(model, *PROBLEMS[0].data()[:2], P0, workflow="chunked", checkpoint=tmp_path)


def test_killed_fits_go_on_to_the_same_bits(undisturbed):
    rng = random.Random(os.getpid())
    outcomes = [kill_and_resume(rng, 1.5) for _ in range(2)]
    assert {result for result, _, _ in outcomes} == {bits(undisturbed)}


def test_a_failing_disk_keeps_the_work(tmp_path):
    """The source fails once in the third pass; the fit goes on from there."""
    source, reads = Slow(0.0), []
    get = source.get_chunk

    def fails(start, end):
        reads.append(start)
        if len(reads) == STOP:
            raise OSError("the network is gone")
        return get(start, end)

    source.get_chunk = fails
    with pytest.raises(OSError, match="network"):
        nlsq.fit(decay, source, p0=P0, workflow="streaming", chunk_size=READ, checkpoint=tmp_path,
                 checkpoint_interval=1e9, **PROBLEMS[4].options)  # fmt: skip
    assert list(tmp_path.iterdir())
    assert fit(str(tmp_path), 0.0).streaming["resumed"]


def test_ctrl_c_before_the_first_pass_is_raised(tmp_path):
    """In a process of its own, which must end."""
    script = (
        "import sys\n"
        "from tests import test_streaming_stops as here\n"
        "here.STOP = 5\n"
        "try:\n"
        "    here.stopped(sys.argv[1], here.signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "interrupted\n"
