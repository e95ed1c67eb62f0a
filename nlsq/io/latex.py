"""Names, numbers and units in LaTeX."""

from __future__ import annotations

import math
import re

from nlsq.io.parameters import spelled_out
from nlsq.result.formatting import Rounding

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip
_UNIT_SIGNS = {"µ": r"\mu ", "μ": r"\mu ", "Ω": r"\Omega ", "°": r"{}^\circ ", "·": r"\cdot ",
               "²": "^2", "³": "^3", "⁻": "^-", "¹": "1", "Å": r"\text{\AA}"}  # fmt: skip


def latex_text(text: str) -> str:
    """Text with what LaTeX would interpret escaped."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def latex_name(name: str) -> str:
    """A parameter's name as a formula.

    Examples
    --------
    >>> print(*(latex_name(n) for n in ("tau", "k_off", "A1", "τ_2", "amplitude")))
    $\\tau$ $k_{\\mathrm{off}}$ $A_{1}$ $\\tau_{2}$ $\\mathrm{amplitude}$
    """
    name = "".join(spelled_out(letter) for letter in name)
    base, _, index = name.partition("_")
    if not index and (found := re.fullmatch(r"([A-Za-z]+?)(\d+)", base)):
        base, index = found.groups()
    if not base:
        return f"\\texttt{{{latex_text(name)}}}"
    text = _symbol(base)
    return f"${text}_{{{_symbol(index)}}}$" if index else f"${text}$"


def _symbol(word: str) -> str:
    if word in _GREEK:
        return f"\\{word}"
    if len(word) == 1 or word.isdigit():
        return latex_text(word)
    return f"\\mathrm{{{latex_text(word)}}}"


def latex_number(value: float, error: float | None, unit: str = "") -> str:
    """A value ± its error as they are printed; `error` None: undetermined or fixed.

    Examples
    --------
    >>> print(latex_number(1.23456e-9, 2.1e-12))
    (1.2346 \\pm 0.0021) \\times 10^{-9}
    """
    unit = f"\\;{unit}" if unit else ""
    rounding = Rounding.of(value, math.inf if error is None else error)
    if error is None:
        rounding = Rounding.of(value, 0.0)
    if not math.isfinite(value):
        return f"\\text{{{value:.0f}}}"
    decade = math.floor(math.log10(max(abs(value), error or 0.0) or 1.0))
    if not rounding.scientific:
        decade = 0
    last = max(0, decade - rounding.last)
    text = f"{value / 10.0**decade:.{last}f}"
    if error is not None:
        text += f" \\pm {error / 10.0**decade:.{last}f}"
    if decade:
        text = f"({text})" if error is not None else text
        return f"{text} \\times 10^{{{decade}}}{unit}"
    return f"({text}){unit}" if error is not None and unit.startswith(r"\;\%") else text + unit


def latex_unit(unit: str) -> str:
    """A unit in upright letters; '' for none."""
    if not unit:
        return ""
    text = "".join(_UNIT_SIGNS.get(c, _ESCAPES.get(c, c) if c != "^" else c) for c in unit)
    text = re.sub(r"\^(-?)(?:\^?)(\d+)", r"^{\1\2}", text.replace("^-1", "^-1"))
    return f"\\mathrm{{{text}}}".replace(" ", "\\ ").replace("\\mu\\ ", "\\mu ")
