"""Numbers as a person writes them: as many digits as the uncertainty warrants."""

from __future__ import annotations

import dataclasses
import math

from nlsq.utils.digits import near_one as near_one

# Replacements for terminals that know only ASCII.
_ASCII = str.maketrans(
    {"χ": "chi", "Δ": "d", "²": "2", "→": "->", "−": "-", "±": "+/-", "–": "-", "…": "...",
     "·": "|", "µ": "u", "─": "-", "×": "x"}
)  # fmt: skip
_DEFAULT_DIGITS = 7  # of a value without an uncertainty
_UNDETERMINED_DIGITS = 4  # of a value with an infinite one
_MOST_DIGITS = 16


def to_ascii(text: str) -> str:
    """Transliterate our symbols; anything else outside ASCII becomes an escape."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _decade(value: float) -> int:
    return math.floor(math.log10(abs(value)))


@dataclasses.dataclass(frozen=True)
class Rounding:
    """Place of the last digit shown (a power of ten), and whether exponents are needed."""

    last: int
    scientific: bool

    @classmethod
    def of(cls, value: float, stderr: float) -> Rounding:
        """Two digits of the error; of the value seven when it is exact, four when undetermined."""
        sizes = [abs(v) for v in (value, stderr) if math.isfinite(v) and v != 0]
        if not sizes:
            return cls(-_DEFAULT_DIGITS + 1, False)
        top = _decade(max(sizes))
        if math.isfinite(stderr) and stderr > 0:
            last = _decade(stderr) - 1
        else:
            last = top - (_DEFAULT_DIGITS if stderr == 0 else _UNDETERMINED_DIGITS) + 1
        return cls(max(last, top - _MOST_DIGITS + 1), not -4 <= top <= 6)

    def text(self, value: float) -> str:
        """`value` to this precision."""
        if not math.isfinite(value):
            return f"{value:.0f}"
        if not self.scientific:
            text = f"{value:.{max(0, -self.last)}f}"
        elif value == 0:
            return "0"
        else:
            text = f"{value:.{max(0, min(_decade(value) - self.last, _MOST_DIGITS))}e}"
        return text[1:] if text.startswith("-") and not text.strip("-0.") else text

    def error(self, stderr: float) -> str:
        """A standard error to the digits of its value, or to its own where it has none there."""
        text = self.text(stderr)
        return text if stderr == 0 or text.strip("0.") else significant(stderr, 2)


def exact(value: float) -> str:
    """A number that was given, such as a bound: all its digits.

    Examples
    --------
    >>> exact(1e6), exact(0.1 + 0.2), exact(-2500.0)
    ('1000000', '0.3', '-2500')
    """
    return f"{value:.15g}"


def significant(value: float, digits: int = 5) -> str:
    """`value` to some significant digits; trailing zeros go."""
    return f"{value:.{digits}g}"


def percent(ratio: float) -> str:
    """Relative error in per cent, two digits, without an exponent where one can do without."""
    value = 100.0 * abs(ratio)
    if not math.isfinite(value):
        return f"{value:.0f}"
    if value >= 99.5:
        return f"{value:.0f}" if value < 1e5 else f"{value:.0e}"
    if 0 < value < 1e-3:
        return f"{value:.1e}"
    return f"{value:#.2g}".rstrip(".") if value else "0"


def criterion(value: float) -> str:
    """An information criterion: differences below a hundredth mean nothing."""
    return f"{value:.2f}" if abs(value) < 1e7 else significant(value, 9)


def duration(seconds: float) -> str:
    """A wall time with a fitting unit."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def count(number: int, noun: str) -> str:
    """'1 point', '12,000 points'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
