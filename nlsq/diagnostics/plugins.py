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

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import Finding, Severity


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
        """Add a plugin, or replace that of the same name.

        Raises
        ------
        TypeError
            When it has no `name` or no `analyse`.
        """
        if not isinstance(plugin, DiagnosticPlugin) or not isinstance(plugin.name, str):
            raise TypeError(
                "a plugin has a name (str) and a method analyse(evidence) that returns findings, "
                f"got {plugin!r}"
            )
        if isinstance(plugin, type):
            raise TypeError(f"register an instance: {plugin.__name__}(...), not the class")
        cls._plugins[plugin.name] = plugin

    @classmethod
    def unregister(cls, name: str) -> None:
        """Remove a plugin.

        Raises
        ------
        KeyError
            When there is none of this name.
        """
        cls.get(name)
        del cls._plugins[name]

    @classmethod
    def get(cls, name: str) -> DiagnosticPlugin:
        """The plugin of this name.

        Raises
        ------
        KeyError
            When there is none.
        """
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
            said = list(plugin.analyse(evidence))
            if wrong := [f for f in said if not isinstance(f, Finding)]:
                raise TypeError(f"a plugin returns findings, got {wrong[0]!r}")
        except Exception as error:  # a stranger's code: whatever it raises, the fit stands
            fact = f"plugin {plugin.name!r} failed: {type(error).__name__}: {error}"
            remedy = "repair it, or PluginRegistry.unregister it"
            said = [Finding("plugin-failed", Severity.WARNING, fact, None, remedy)]
        found += said
    return found


class Kinetics:
    """Rate constants of first-order processes, in a fit over time.

    It says of a fit that has parameters of these names

    - which half-lives lie outside the sampled times: what is shorter than the first interval is
      over before it is seen, what is longer than all is extrapolated;
    - whether two rates may change places ("flip-flop" of absorption and elimination): the fit with
      the two exchanged, all else fitted anew, leaves the same sum of squares.

    Parameters
    ----------
    rates : sequence of str
        Names of the rate constants, in 1/time.
    times : sequence of str, default ()
        Names of the time constants (tau = 1/rate).
    """

    name = "kinetics"

    def __init__(self, rates: Sequence[str] = (), times: Sequence[str] = ()) -> None:
        if isinstance(rates, str) or isinstance(times, str):
            raise TypeError("rates and times are sequences of names: rates=('k1', 'k2')")
        self.rates, self.times = tuple(rates), tuple(times)

    def analyse(self, evidence: Evidence) -> list[Finding]:
        """Half-lives outside the sampled times, and rates that may change places."""
        places = [evidence.names.index(n) for n in self.rates if n in evidence.names]
        times = [evidence.names.index(n) for n in self.times if n in evidence.names]
        found = [f for i in (*places, *times) for f in self._half_life(evidence, i)]
        for group in (places, times):
            free = [i for i in group if evidence.free[i]]
            for n, i in enumerate(free):
                for j in free[n + 1 :]:
                    found += _flip_flop(evidence, i, j)
        return found

    def _half_life(self, evidence: Evidence, i: int) -> list[Finding]:
        name, value = evidence.names[i], float(evidence.values[i])
        if not value > 0 or evidence.x is None:
            return []
        half = math.log(2) / value if name in self.rates else math.log(2) * value
        t = np.unique(np.asarray(evidence.x, dtype=float))
        if t.size < 2:
            return []
        first, whole = float(t[1] - t[0]), float(t[-1] - t[0])
        said = f"the half-life of {name} is {half:.3g}"
        if half < first / 2:
            fact = f"{said}: over before the second time, {first:.3g} after the first"
            remedy = "measure earlier and denser"
        elif half > whole:
            fact = f"{said}, longer than the data last ({whole:.3g}): it is extrapolated"
            remedy = "measure longer"
        else:
            return []
        return [Finding("half-life", Severity.WARNING, fact, half, remedy, (name,))]


_STEPS = 30
_SAME = 1e-6  # of the cost


def _flip_flop(evidence: Evidence, i: int, j: int) -> list[Finding]:
    """Whether the fit is as good with two parameters exchanged and the others fitted anew."""
    if evidence.residual_at is None or evidence.jacobian_at is None or not evidence.plain:
        return []
    p = np.array(evidence.values, dtype=float)
    if p[i] == p[j]:
        return []
    p[i], p[j] = p[j], p[i]
    others = evidence.free & (evidence.at_bound == 0)
    others[[i, j]] = False
    r = evidence.residual_at(p)
    for _ in range(_STEPS if others.any() else 0):
        J = evidence.jacobian_at(p)[:, others]
        if not (np.isfinite(J).all() and np.isfinite(r).all()):
            return []
        lengths = np.linalg.norm(J, axis=0)
        lengths[lengths == 0] = 1.0
        step = np.linalg.lstsq(J / lengths, -r, rcond=None)[0] / lengths
        p[others] += step
        r = evidence.residual_at(p)
        if (np.abs(step) <= 1e-9 * np.abs(p[others])).all():
            break
    cost = 0.5 * float(r @ r)
    scale = max(evidence.cost, 1e-18 * float(np.sum(np.square(evidence.y))))
    if not cost <= evidence.cost + _SAME * scale:
        return []
    a, b = evidence.names[i], evidence.names[j]
    fact = f"{a} and {b} may change places, {p[i]:.3g} and {p[j]:.3g}: the data fit as well"
    remedy = f"say by bounds which of {a}, {b} is the larger, or measure one apart"
    return [
        Finding("flip-flop", Severity.WARNING, f"{fact} (flip-flop)", None, remedy, (a, b))
    ]  # fmt: skip
