"""Oscillations in time (frequency in cycles per x) and resonances (x is a frequency)."""

import numpy as np

from nlsq.models.guessing import Scan, frequencies, pick, positions, scan, span, values
from nlsq.models.model import family, par

oscillation = family("oscillations")
_T = np.linspace(0, 10, 200)
_PICKED = 1000
_PHASE = par("phase at x = 0", "", -np.pi, np.pi)


def _polar(s, c):
    """amp and phase of s sin + c cos."""
    return np.hypot(s, c), np.arctan2(c, s)


@oscillation(
    "Sine", "amp*sin(2*pi*frequency*x + phase) + offset", _T, lambda model, x, y: _sine(x, y),
    amp=par("amplitude", "y", 1, 10),
    frequency=par("cycles per x", "1/x", 0.15, 4, 0), phase=_PHASE,
    offset=par("mean level", "y", -3, 3),
)  # fmt: skip
def sine(x, amp, frequency, phase, offset):
    return amp * np.sin(2 * np.pi * frequency * x + phase) + offset


def _sine(x, y):
    def wave(x, s, c, frequency, offset):
        angle = 2 * np.pi * frequency * x
        return s * np.sin(angle) + c * np.cos(angle) + offset

    s, c, frequency, offset = waves(wave, [None, None, frequencies(x, y), None], x, y)
    amp, phase = _polar(s, c)
    return [amp, frequency, phase, offset]


def waves(wave, axes, x, y):
    """A scan of what averages over neighbours would wash out."""
    return scan(wave, axes, *pick(x, y, _PICKED), points=(_PICKED, _PICKED))


@oscillation(
    "Damped sine", "amp*exp(-x/tau)*sin(2*pi*frequency*x + phase) + offset", _T,
    lambda model, x, y: _damped(x, y),
    amp=par("amplitude at x = 0", "y", 1, 10), tau=par("decay time", "x", 1.5, 10, 0),
    frequency=par("cycles per x", "1/x", 0.5, 4, 0), phase=_PHASE,
    offset=par("level at the end", "y", -2, 2),
)  # fmt: skip
def damped_sine(x, amp, tau, frequency, phase, offset):
    return amp * np.exp(-x / tau) * np.sin(2 * np.pi * frequency * x + phase) + offset


def _damped(x, y):
    def wave(x, s, c, tau, frequency, offset):
        angle, decay = 2 * np.pi * frequency * x, np.exp(-(x - x[0]) / tau)
        return decay * (s * np.sin(angle) + c * np.cos(angle)) + offset

    times = span(x) * np.geomspace(0.03, 3, 9)
    s, c, tau, frequency, offset = waves(wave, [None, None, times, frequencies(x, y), None], x, y)
    amp, phase = _polar(s, c)
    return [amp * np.exp(min(x[0] / tau, 300)), tau, frequency, phase, offset]


@oscillation(
    "Linear chirp", "amp*sin(2*pi*(frequency*x + sweep*x**2/2) + phase)", np.linspace(0, 10, 300),
    lambda model, x, y: _chirp(x, y),
    amp=par("amplitude", "y", 1, 10), frequency=par("cycles per x at x = 0", "1/x", 0.5, 2, 0),
    sweep=par("change of the frequency per x", "1/x**2", 0.02, 0.3), phase=_PHASE,
)  # fmt: skip
def chirp(x, amp, frequency, sweep, phase):
    return amp * np.sin(2 * np.pi * (frequency * x + sweep * x**2 / 2) + phase)


def _chirp(x, y):
    """Frequencies of the first and the last third of the data, and the line between them."""

    def wave(x, s, c, frequency, sweep):
        angle = 2 * np.pi * (frequency * x + sweep * x**2 / 2)
        return s * np.sin(angle) + c * np.cos(angle)

    third = max(y.size // 3, 1)
    first, last = ((x[k], y[k]) for k in (slice(0, third), slice(-third, None)))
    (_, f1, *_), (_, f2, *_) = _sine(*first), _sine(*last)
    t1, t2 = first[0].mean(), last[0].mean()
    sweep = (f2 - f1) / (t2 - t1) if t2 > t1 else 0.0
    start = max(f1 - sweep * t1, 0.0)
    near = np.linspace(-2, 2, 15) / span(x)
    axes = [None, None, np.maximum(start + near, 0), sweep + 2 * near / span(x)]
    s, c, frequency, sweep = waves(wave, axes, x, y)
    amp, phase = _polar(s, c)
    return [amp, frequency, sweep, phase]


@oscillation(
    "Driven resonance, amplitude", "amp*x0**2/sqrt((x0**2 - x**2)**2 + (x0*x/quality)**2)",
    np.linspace(0.1, 10, 150), Scan(x0=positions(80), quality=values(*np.geomspace(0.5, 200, 22))),
    amp=par("response at x = 0", "y", 1, 10), x0=par("natural frequency", "x", 3, 7, 0),
    quality=par("quality factor", "", 2, 15, 0),
    reference="Landau & Lifshitz, Mechanics, 26",
)  # fmt: skip
def driven_resonance(x, amp, x0, quality):
    t = x / x0
    return amp / np.sqrt((1 - t**2) ** 2 + (t / quality) ** 2)


@oscillation(
    "Driven resonance, phase", None, np.linspace(0.1, 10, 150),
    Scan(x0=positions(80), quality=values(*np.geomspace(0.5, 200, 22))),
    scale=par("one radian in the unit of y", "y", 1, 10), x0=par("natural frequency", "x", 3, 7, 0),
    quality=par("quality factor", "", 2, 15, 0),
    about="scale times the lag arctan2(x*x0/quality, x0**2 - x**2).",
    reference="Landau & Lifshitz, Mechanics, 26",
)  # fmt: skip
def resonance_phase(x, scale, x0, quality):
    t = x / x0
    return scale * np.arctan2(t / quality, 1 - t**2)
