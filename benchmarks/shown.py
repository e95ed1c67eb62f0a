"""Search for a model whose program is not the user's own function.

    python -m benchmarks.shown 5000 [seed]

Each draw is a model (`shown_models`) that asks for lengths, types, identities or values, given to
`curve_fit` with data of one length and form and then, perhaps edited, with others. Each time the
program that the fit would run, in blocks, in lanes of one point or whole, is evaluated by NumPy and
compared with SciPy's call of the same text. One draw in a hundred is fitted, by SciPy too.
"""

from __future__ import annotations

import collections
import random
import sys
import warnings
from functools import partial
from unittest import mock

import jax
import numpy as np
import scipy.optimize

from benchmarks.shown_models import FEW, LENGTHS, Draw
from nlsq import curve_fit
from nlsq.config import double_precision
from nlsq.core import minpack
from nlsq.core.model import by_numpy
from nlsq.core.model.comparing import difference
from nlsq.core.model.facts import TraceFailed
from nlsq.core.model.model import Model
from nlsq.core.passes import blocks, layout

P0 = np.array([1.1, 0.9])
NEAR = 1.0, 0.93, 1.04  # times P0: where values are compared
LANES = 1, 16  # lengths that `fit_many` shows a model
BLOCKS = 3  # of long data, that are compared
SHARE = 100  # draws for one that is fitted


class _Shown(Exception):
    """What `curve_fit` would fit."""


def shown(f, x, y) -> tuple[Model, object]:
    """(model, observations) as `curve_fit` hands them to the solver."""

    def stop(model, data, parameters, options):
        raise _Shown(model, data)

    with mock.patch.object(minpack, "solve", stop):
        try:
            curve_fit(f, x, y, P0, bounds=([-9, -9], [9, 9]))
        except _Shown as found:
            return found.args


def own(f, x, p) -> np.ndarray | None:
    """(m,) what SciPy's call gives, with plain arrays and numbers; None where it has no values."""
    x = np.asarray(x, float)
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(f(x, *p))
        value = np.array(np.broadcast_to(value, x.shape[-1:]))
    except Exception:  # of the drawn model: SciPy's user would see it
        return None
    return value if value.dtype.kind in "fiub" and np.isfinite(value).all() else None


def programs(model: Model, data, block: int, rng: random.Random):
    """Yield (points, value(p) at them) of the program that reads `block` points, or 0: all."""
    m, x, call = data.y.size, data.x, model.traceable(data.x)
    size = block or m
    begins = range(0, m, size)
    if len(begins) > BLOCKS:
        begins = sorted({0, *rng.sample(begins, BLOCKS - 2), begins[-1]})

    def value(p, *leaves):
        return blocks.evaluate(call, jax.tree.unflatten(x.treedef, leaves), p, size)

    program = None
    for begin in begins:
        points = np.minimum(np.arange(begin, begin + size), m - 1)
        leaves = x.take(points).leaves if block else x.leaves
        program = program or jax.make_jaxpr(value)(P0, *leaves)
        yield points, partial(_run, program, leaves)


def _run(program, leaves, p) -> np.ndarray:
    return np.asarray(by_numpy.evaluate(program, p, *leaves)[0])


def differences(draw: Draw, x, model: Model, data, lengths, rng: random.Random) -> list[str]:
    """What is wrong with a model that was resolved."""
    truth = {q: own(draw.truth, x, q * P0) for q in NEAR}
    truth = {q: t for q, t in truth.items() if t is not None}
    single = "float32" in draw.text
    limit, road = 1e-4 if single else 1e-7, model.info.road
    if model.on_host:
        gaps = [difference(np.atleast_1d(draw.model(data.x.given, *(q * P0))), t)
                for q, t in truth.items() if draw.xp is np]  # fmt: skip
        return ["host"] * (max(gaps, default=0) > limit) + ["no reason"] * (not model.info.reason)
    lengths = lengths if model.info.pointwise else (0,)
    gaps = [
        (difference(value(q * P0), t[points]), f"{road}, blocks of {block}")
        for block in lengths
        for points, value in programs(model, data, block, rng)
        for q, t in truth.items()
    ]
    return [f"{where}: {gap:.1e}" for gap, where in gaps if gap > limit][:1]


def check(draw: Draw, x, y, counts, rng: random.Random) -> list[str]:
    """What is wrong with a draw for one set of data."""
    model, data = shown(draw.model, x, y)
    m = data.y.size
    block = next((b for b, most in layout.SIZES if m <= most), layout.BLOCK)
    wrong = []
    with double_precision():
        shown_as = [(model, (block, layout.TILE))]
        if rng.random() < 0.2 and not model.resolution.asks_for_identity:
            shown_as.append((Model(model.call, model.n, model.name), LANES))
            shown_as[1][0].resolve(data.x, m, P0, False, None, LANES)
        for one, lengths in shown_as:
            try:
                wrong += differences(draw, x, one, data, lengths, rng)
            except TraceFailed:
                counts["trace failed, so host"] += 1
    counts[model.info.road] += 1
    counts["pointwise"] += model.info.pointwise
    counts["asked for the length"] += model.resolution.asks_for_length
    return wrong


def fitted(draw: Draw, x, y) -> list[str]:
    """What is wrong with a fit, by SciPy's of the same data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = curve_fit(draw.model, x, y, P0)
        popt, pcov = scipy.optimize.curve_fit(draw.truth, x, y, P0)
        value = own(draw.truth, x, ours.popt)
    if value is None or difference(value, y) > 1e-6 > difference(own(draw.truth, x, popt), y):
        return ["fit: no minimum of the user's function"]
    known = np.isfinite(pcov).all() and np.linalg.cond(pcov) < 1e8
    moved = known and np.abs(ours.popt - popt).max() > 1e-4 and difference(value, y) > 1e-6
    return [f"fit: {ours.popt} and SciPy's {popt}"] if moved else []


def search(
    draws: int, seed: int = 0, fits: bool = True, lengths=LENGTHS
) -> tuple[list[str], collections.Counter]:
    """(what is wrong, with the model and its data; counts of data by the road they took)."""
    rng, wrong, counts = random.Random(seed), [], collections.Counter()
    for k in range(draws):
        draw = Draw(rng, lengths)
        for i, x in enumerate(draw.data):
            if i:
                draw.edit()
            y = own(draw.truth, x, 1.02 * P0)
            if y is None or own(draw.truth, x, P0) is None:
                counts["raised or not finite"] += 1
                continue
            found = []
            try:
                found += check(draw, x, y, counts, rng)
                if fits and k % SHARE == 0 and 2 < y.size <= FEW:
                    counts["fits"] += 1
                    found += fitted(draw, x, y)
            except Exception as error:  # whatever it is, it is a finding
                found.append(f"{type(error).__name__}: {error}"[:300])
            kind = f"{type(x).__name__} {getattr(x, 'dtype', '')} of {np.shape(x)}"
            wrong += [
                f"draw {k}.{i}, {draw.name}, {kind}: {why}{draw.text[draw.text.index('class') :]}"
                for why in found
            ]
    return wrong, counts


def main() -> int:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    wrong, counts = search(draws, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(
        f"{draws} draws: {len(wrong)} wrong",
        *(f"{n} {what}" for what, n in counts.items()),
        sep=", ",
    )
    print(*wrong[:20], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
