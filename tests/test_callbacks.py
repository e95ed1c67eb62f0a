"""Callbacks on their own, and in a fit."""

import io
import itertools
import re

import numpy as np
import pytest

from nlsq.callbacks import (
    CallbackBase,
    CallbackChain,
    EarlyStopping,
    IterationLogger,
    ProgressBar,
    StopOptimization,
)


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _answers(callback, costs):
    return [callback(i, cost, np.zeros(2), {"nfev": i + 1}) for i, cost in enumerate(costs)]


def test_early_stopping_waits_for_patience_and_starts_again():
    stop = EarlyStopping(patience=2, min_delta=0.01)
    assert _answers(stop, [10, 9, 8.95, 8.94]) == [None, None, None, False]
    assert _answers(stop, [10, 10, 1, 1]) == [None, None, None, None]
    assert stop.best == 1


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e18])
def test_early_stopping_does_not_depend_on_units(scale):
    costs = scale * np.array([1.0, 0.5, 0.4, 0.4 - 1e-8, 0.4 - 2e-8, 0.4 - 3e-8])
    assert _answers(EarlyStopping(patience=3), costs) == [None] * 5 + [False]


def test_early_stopping_says_so_when_asked(capsys):
    _answers(EarlyStopping(patience=1), [1, 1])
    assert capsys.readouterr().out == ""
    _answers(EarlyStopping(patience=1, verbose=True), [1, 1])
    assert capsys.readouterr().out.startswith("Stopping at iteration 1")


def test_chain_asks_everyone_and_stops_for_anyone():
    seen = []

    def raises(*_):
        raise StopOptimization

    chain = CallbackChain(raises, lambda i, *_: seen.append(i), lambda i, *_: i < 5)
    assert chain(3, 1.0, np.zeros(1), {}) is False
    assert seen == [3]
    assert CallbackChain(lambda *_: None, lambda *_: True)(0, 1.0, np.zeros(1), {}) is None
    with pytest.raises(TypeError, match="callable"):
        CallbackChain(3)


def test_chain_closes_its_parts(tmp_path):
    log = IterationLogger(tmp_path / "log.txt")
    with CallbackChain(log, print) as chain:
        log(0, 1.0, [1.0], {"nfev": 1})
    chain.close()
    with pytest.raises(ValueError, match="closed"):
        log(1, 1.0, [1.0], {"nfev": 1})


def test_logger_writes_lines_to_file_and_stream(tmp_path):
    path, stream = tmp_path / "log.txt", io.StringIO()
    for target in ({"filename": path}, {"filename": path, "mode": "a"}, {"file": stream}):
        with IterationLogger(log_params=True, **target) as log:
            log(2, 1 / 3, np.array([0.1, -2e-9]), {"nfev": 7})
    line = "iteration     2  nfev     7  cost 3.33333333e-01  params [0.1, -2e-09]\n"
    assert path.read_text() == 2 * line
    assert stream.getvalue() == line
    with pytest.raises(ValueError, match="not both"):
        IterationLogger(path, file=stream)
    with pytest.raises(ValueError, match="mode"):
        IterationLogger(path, mode="r")


def test_progress_bar_on_a_terminal_redraws_one_line():
    stream = _Terminal()
    with ProgressBar(max_nfev=4, file=stream) as bar:
        _answers(bar, [3.0, 2.0, 1.0])
    drawn = stream.getvalue()
    assert drawn.count("\n") == 1
    assert re.search(r"\r.*nfev 3/4  cost 1\.000000e\+00\x1b\[K\n$", drawn)
    assert "━" in drawn


def test_progress_bar_in_a_pipe_writes_one_line():
    stream = io.StringIO()
    bar = ProgressBar(desc="Fit", file=stream)
    _answers(bar, [3.0, 2.0])
    bar.close()
    bar.close()
    assert stream.getvalue() == "Fit  iteration 1  nfev 2  cost 2.000000e+00\n"


@pytest.mark.parametrize("make", [lambda: EarlyStopping(patience=0), lambda: ProgressBar(0)])
def test_nonsense_is_refused(make):
    with pytest.raises(ValueError, match="at least 1"):
        make()


def _decay():
    x = np.linspace(0, 4, 40)
    return lambda x, a, b: a * np.exp(-b * x), x, 3 * np.exp(-1.3 * x) + 0.01 * np.cos(9 * x)


def test_a_fit_calls_back_with_falling_costs_and_its_own_numbers():
    from nlsq import curve_fit

    model, x, y = _decay()
    seen = []

    class Watch(CallbackBase):
        def __call__(self, iteration, cost, params, info):
            seen.append((iteration, cost, np.array(params), info["nfev"]))

    log = io.StringIO()
    with IterationLogger(file=log) as logger:
        result = curve_fit(model, x, y, p0=[1, 1], callback=CallbackChain(Watch(), logger))
    costs = [cost for _, cost, _, _ in seen]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(costs))
    assert [i for i, *_ in seen] == sorted({i for i, *_ in seen})
    residual = model(x, *seen[-1][2]) - y
    assert costs[-1] == pytest.approx(0.5 * residual @ residual, rel=1e-9)
    assert seen[-1][3] <= result.nfev
    assert log.getvalue().count("\n") == len(seen)


@pytest.mark.parametrize("how", [False, StopOptimization, StopIteration])
def test_a_stopped_fit_is_not_reported_as_converged(how):
    from nlsq import curve_fit

    def stop(iteration, cost, params, info):
        if iteration >= 1:
            if how is False:
                return False
            raise how
        return None

    model, x, y = _decay()
    result = curve_fit(model, x, y, p0=[1, 1], callback=stop)
    assert not result.success
    assert result.status == -2
    assert "callback" in result.message
    assert result.nit == 1
    assert result.cost < curve_fit(model, x, y, p0=[1, 1], callback=lambda *_: False).cost
