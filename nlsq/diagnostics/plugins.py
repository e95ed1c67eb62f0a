"""What a field of science knows of its fits: plugins of a diagnosis.

Examples
--------
>>> import numpy as np
>>> from nlsq import curve_fit
>>> from nlsq.diagnostics import Kinetics, PluginRegistry
>>> PluginRegistry.register(Kinetics(rates=("ka", "ke")))
>>> def absorbed(t, ka, ke, v):
...     return 10 * ka / (v * (ka - ke)) * (np.exp(-ke * t) - np.exp(-ka * t))
>>> t = np.array([0.1, 0.2, 0.4, 0.6, 1, 2, 3, 6, 12])
>>> y = absorbed(t, 0.9, 0.5, 20) + 0.001 * np.cos(9 * t)
>>> print(curve_fit(absorbed, t, y, p0=[1, 0.4, 15]).diagnose().alarms[0].fact)
ka and ke may change places, 0.513 and 0.879: the data fit as well (flip-flop)
>>> PluginRegistry.clear()
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import WARNING, Finding
from nlsq.diagnostics.one_sided import follow

_SAME = 1e-6  # of the sum of squares


@runtime_checkable
class DiagnosticPlugin(Protocol):
    """What `PluginRegistry.register` takes: a name, and findings of a fit's evidence.

    A plugin looks at `Evidence.names` to see whether the fit is one of its own, and returns nothing
    of others. One that raises spoils neither fit nor report: its error is a finding.
    """

    @property
    def name(self) -> str:
        """Under which it is registered."""

    def analyse(self, evidence: Evidence) -> Iterable[Finding]:
        """What it has to say."""


class PluginRegistry:
    """The plugins that every diagnosis of this process asks; there is one registry."""

    _plugins: ClassVar[dict[str, DiagnosticPlugin]] = {}

    @classmethod
    def register(cls, plugin: DiagnosticPlugin) -> None:
        """Add a plugin, or replace that of the same name; TypeError when it is none."""
        is_one = isinstance(plugin, DiagnosticPlugin) and not isinstance(plugin, type)
        if not is_one or not isinstance(plugin.name, str):
            raise TypeError(
                "a plugin is an instance with a name (str) and a method analyse(evidence) that "
                f"returns findings, got {plugin!r}"
            )
        cls._plugins[plugin.name] = plugin

    @classmethod
    def unregister(cls, name: str) -> None:
        """Remove a plugin; KeyError when there is none of this name."""
        del cls._plugins[cls.get(name).name]

    @classmethod
    def get(cls, name: str) -> DiagnosticPlugin:
        """The plugin of this name; KeyError when there is none."""
        if name not in cls._plugins:
            known = ", ".join(map(repr, cls._plugins)) or "none"
            raise KeyError(f"no plugin {name!r} is registered; there are: {known}")
        return cls._plugins[name]

    @classmethod
    def all(cls) -> tuple[DiagnosticPlugin, ...]:
        """The plugins, in the order in which they were registered."""
        return tuple(cls._plugins.values())

    @classmethod
    def clear(cls) -> None:
        """Remove all."""
        cls._plugins.clear()


def run_plugins(
    evidence: Evidence, plugins: Iterable[DiagnosticPlugin] | None = None
) -> list[Finding]:
    """What the plugins say, by default those that are registered; an error of one is a finding."""
    found: list[Finding] = []
    for plugin in PluginRegistry.all() if plugins is None else plugins:
        try:
            said = list(plugin.analyse(evidence.locked()))
            if wrong := [f for f in said if not isinstance(f, Finding)]:
                raise TypeError(f"a plugin returns findings, got {wrong[0]!r}")
        except Exception as error:  # a stranger's code: whatever it raises, the fit stands
            fact = f"plugin {plugin.name!r} failed: {type(error).__name__}: {error}"
            remedy = "repair it, or PluginRegistry.unregister it"
            said = [Finding("plugin-failed", WARNING, fact, None, remedy)]
        found += said
    return found


class Kinetics:
    """Rate constants of first-order processes, in a fit over time.

    It says of a fit that has parameters of these names

    - which half-lives lie outside the sampled times: what is shorter than the first interval is
      over before it is seen, what is longer than all is extrapolated;
    - whether two rates may change places ("flip-flop" of absorption and elimination): the fit with
      the two exchanged, all else fitted anew, leaves the same sum of squares.

    `rates` are the names of the rate constants, which are in 1/time.
    """

    name = "kinetics"

    def __init__(self, rates: Sequence[str] = ()) -> None:
        if isinstance(rates, str):
            raise TypeError(f"rates is a sequence of names: rates=({rates!r},)")
        self.rates = tuple(rates)

    def analyse(self, evidence: Evidence) -> list[Finding]:
        """Half-lives outside the sampled times, and rates that may change places."""
        places = [evidence.names.index(n) for n in self.rates if n in evidence.names]
        found = [f for i in places for f in _half_life(evidence, i)]
        pairs = itertools.combinations((i for i in places if evidence.free[i]), 2)
        return found + [f for pair in pairs for f in _swap(evidence, *pair)]


def _half_life(evidence: Evidence, i: int) -> list[Finding]:
    name, rate = evidence.names[i], float(evidence.values[i])
    t = np.unique(evidence.x) if evidence.x is not None else np.zeros(0)
    if not rate > 0 or t.size < 2:
        return []
    half, first, whole = math.log(2) / rate, float(t[1] - t[0]), float(t[-1] - t[0])
    if half < first / 2:
        told = f": over before the second time, {first:.3g} after the first"
        remedy = "measure earlier and denser"
    elif half > whole:
        told = f", longer than the data last ({whole:.3g}): it is extrapolated"
        remedy = "measure longer"
    else:
        return []
    fact = f"the half-life of {name} is {half:.3g}{told}"
    return [Finding("half-life", WARNING, fact, half, remedy, (name,))]


def _swap(evidence: Evidence, i: int, j: int) -> list[Finding]:
    """Whether the fit is as good with two parameters exchanged and the others fitted anew."""
    p, others = np.array(evidence.values, dtype=float), evidence.moved.copy()
    if not evidence.has_model or not evidence.plain or p[i] == p[j]:
        return []
    p[i], p[j], others[[i, j]] = p[j], p[i], False
    square = 2 * evidence.cost
    enough = square + _SAME * max(square, 1e-18 * float(np.sum(np.square(evidence.y))))
    if follow(evidence, p, others, enough) is None:
        return []
    a, b = evidence.names[i], evidence.names[j]
    at = f"{p[i]:.3g} and {p[j]:.3g}"
    fact = f"{a} and {b} may change places, {at}: the data fit as well (flip-flop)"
    remedy = f"say by bounds which of {a}, {b} is the larger, or measure one apart"
    return [Finding("flip-flop", WARNING, fact, None, remedy, (a, b))]
