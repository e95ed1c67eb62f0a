"""Search for a model whose key does not notice that it changed.

    python -m benchmarks.stale 5000 [seed]

Each draw builds a model a x v of three random choices: what holds the value v and
how it is edited, what that lies in, and how the model gets at it. Then v is edited. If the model's
values changed, so must its key, unless it is unseen and never shared. And of all models of all
draws those of equal keys must have equal values. One draw in a hundred is fitted before and after.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import random
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.stale_models import CARRIERS, LAYERS
from benchmarks.stale_values import LEAVES, VALUES
from nlsq import curve_fit
from nlsq.core.model.identity.keys import unseen
from nlsq.core.model.identity.walk import model_key

X = np.array([1.0, 2.5])


@dataclasses.dataclass
class Draw:
    """One model with the edit of one value it holds."""

    name: str
    model: Callable
    edit: Callable[[], None]


def draw(rng: random.Random) -> Draw:
    """A random model and edit."""
    leaf = rng.choice(list(LEAVES))
    make, read, write = LEAVES[leaf]
    before, after = rng.sample(VALUES, 2)
    thing = held = make(before)
    layers = rng.choices(list(LAYERS), k=rng.choice((0, 1, 1, 2)))
    for layer in layers:
        wrap, unwrap = LAYERS[layer]
        held = wrap(held)
        read = functools.partial(lambda inner, outer, o: inner(outer(o)), read, unwrap)
    carrier = rng.choice(list(CARRIERS))
    model = CARRIERS[carrier](held, read)
    name = f"{leaf} in {' in '.join(layers) or 'nothing'} by {carrier}: {before} to {after}"
    return Draw(name, model, lambda: write(thing, after))


def values(model) -> bytes:
    """What the model says at two points."""
    return np.asarray(model(X, 1.5), float).tobytes()


def search(draws: int, seed: int = 0) -> tuple[list[str], collections.Counter]:
    """(stale models, counts of draws that changed, were shared before, were unseen)."""
    rng, stale, counts = random.Random(seed), [], collections.Counter()
    met: dict = {}
    for _ in range(draws):
        one = draw(rng)
        before = model_key(one.model), values(one.model)
        settled = model_key(one.model), before[1]
        one.edit()
        after = model_key(one.model), values(one.model)
        changed = before[1] != after[1]
        if changed and after[0] in (before[0], settled[0]):
            stale.append(f"edited: {one.name}")
        for key, value in (before, settled, after):
            if met.setdefault(key, (value, one.name))[0] != value:
                stale.append(f"equal keys: {one.name} and {met[key][1]}")
        raised = [why for why in unseen(after[0]) if why.startswith("looking through it raised")]
        stale += [f"{why}: {one.name}" for why in raised]
        counts["changed"] += changed
        counts["unseen"] += bool(unseen(before[0]))
        counts["shared"] += not unseen(before[0]) and settled[0] == before[0]
    return stale, counts


def fits(draws: int, seed: int = 0) -> list[str]:
    """Models whose second fit used a value of before the edit."""
    rng, stale = random.Random(seed), []
    x = np.linspace(1.0, 2.0, 12)
    for _ in range(draws):
        one = draw(rng)
        for _ in range(2):
            factor = float(np.asarray(one.model(1.0, 1.0)))
            found = curve_fit(one.model, x, 6.0 * x, [1.0]).popt[0] * factor
            moves = factor != float(np.asarray(one.model(1.0, 1.0)))  # chance and iterators do
            if not moves and abs(found - 6.0) > 1e-6:
                stale.append(f"{one.name}: {found / 6.0} times the right amplitude")
            one.edit()
    return stale


def main() -> int:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    stale, counts = search(draws, seed)
    stale += fits(max(draws // 100, 1), seed)
    words = ("changed", "unseen", "shared")
    shares = ", ".join(f"{counts[word] / draws:.0%} {word}" for word in words)
    print(f"{draws} draws and {max(draws // 100, 1)} fits: {len(stale)} stale ({shares})")
    print(*sorted(set(stale))[:50], sep="\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
