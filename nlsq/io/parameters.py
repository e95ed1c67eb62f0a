"""The parameters of a fit as rows for tables, from a result or from its document."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nlsq.io.documents import LEVEL, restore
from nlsq.result import CurveFitResult

Fit = CurveFitResult | Mapping[str, Any]


class ParameterRow(NamedTuple):
    """A parameter.

    Attributes
    ----------
    name : str
    value, uncertainty, lower, upper : float
        Standard error (inf when undetermined, 0 when fixed) and 95 % interval.
    status : {"free", "fixed", "undetermined", "at bound"}
    """

    name: str
    value: float
    uncertainty: float
    lower: float
    upper: float
    status: str


def as_result(fit: Fit) -> CurveFitResult:
    """The result itself, or the one in a document."""
    return fit if isinstance(fit, CurveFitResult) else restore(fit)


def parameter_rows(fit: Fit) -> list[ParameterRow]:
    """The parameters of a fit.

    Parameters
    ----------
    fit : CurveFitResult or document
    """
    result = as_result(fit)
    if result.knows_dof:
        intervals = result.confidence_intervals(LEVEL).tolist()
    else:
        intervals = [[math.nan] * 2] * len(result.popt)
    return [
        ParameterRow(name, value, error, low, high, status(name, error, result))
        for name, value, error, (low, high) in zip(
            result.names, result.popt.tolist(), result.perr.tolist(), intervals, strict=True
        )
    ]


def status(name: str, uncertainty: float, result: CurveFitResult) -> str:
    """What is special about a parameter."""
    if name in (result.get("fixed") or ()):
        return "fixed"
    if name in (result.get("undetermined") or ()) or math.isinf(uncertainty):
        return "undetermined"
    return "at bound" if name in (result.get("at_bound") or ()) else "free"


_RESERVED = frozenset(
    "PATH IFS HOME ENV BASH_ENV PS1 PS2 PS4 PWD OLDPWD SHELL UID EUID PPID GID TERM USER LANG "
    "MAIL OPTIND OPTARG LINENO RANDOM SECONDS SHLVL SHELLOPTS BASHOPTS CDPATH TMPDIR TZ "
    "PYTHONPATH PYTHONHOME GROUPS HOSTNAME status".split()
)


def shell_names(names: Iterable[str]) -> list[str]:
    """Names that a shell takes, that differ, and that mean nothing to it.

    Examples
    --------
    >>> shell_names(["tau", "τ", "k off", "2nd", "PATH"])
    ['tau', 'tau_2', 'k_off', 'p_2nd', 'p_PATH']
    """
    out: list[str] = []
    for name in names:
        letters = "".join(_plain_letter(c) for c in unicodedata.normalize("NFKD", name))
        word = re.sub(r"[^A-Za-z0-9_]+", "_", letters).strip("_") or "p"
        if (
            word[0].isdigit()
            or word in _RESERVED
            or word.startswith(("LC_", "LD_", "BASH", "DYLD"))
        ):
            word = f"p_{word}"
        fresh, number = word, 1
        while fresh in out or f"{fresh}_err" in out or fresh.removesuffix("_err") in out:
            number += 1
            fresh = f"{word}_{number}"
        out.append(fresh)
    return out


def _plain_letter(letter: str) -> str:
    spelled = spelled_out(letter)
    if spelled.isascii():
        return spelled
    return "" if unicodedata.combining(letter) else "_"


def spelled_out(letter: str) -> str:
    """The English name of a Greek letter; other letters as they are."""
    if letter.isascii():
        return letter
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        word = words[words.index("LETTER") + 1].lower().replace("lamda", "lambda")
        return word.capitalize() if "CAPITAL" in words else word
    return letter
