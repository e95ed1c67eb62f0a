"""What a user gave us that we cannot use: what is wrong, and how to mend it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

_P, _R = ParamSpec("_P"), TypeVar("_R")


class InputError(ValueError):
    """Input that cannot be used.

    Parameters
    ----------
    message : str
        Where and what.
    fix : str
        What to do about it.

    Examples
    --------
    >>> error = InputError("run.csv:7: 'V' is empty.", "Correct the row, or comment it out.")
    >>> print(error)
    run.csv:7: 'V' is empty. Correct the row, or comment it out.
    """

    def __init__(self, message: str, fix: str = ""):
        super().__init__(message, fix)
        self.message, self.fix = message, fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".rstrip()


def harmless(text: object) -> str:
    """Text without what a terminal obeys.

    Examples
    --------
    >>> harmless("a\\x1b[2Jb")
    'a[2Jb'
    """
    return "".join(c for c in str(text) if c.isprintable() or c in "\n\r\t")


def ended(sentence: str) -> str:
    """A sentence with its full stop, unless it is a question.

    Examples
    --------
    >>> ended("it has none"), ended("did you mean 'x'?")
    ('it has none.', "did you mean 'x'?")
    """
    return sentence if sentence.endswith("?") else f"{sentence.rstrip('.')}."


def closest(word: object, known: Iterable[object], n: int = 1) -> list[str]:
    """The known words nearest to one that is not among them, in any case; never the word itself.

    Examples
    --------
    >>> closest("gausian", ["gaussian", "linear"]), closest("run", ["run", "runs"])
    (['gaussian'], ['runs'])
    >>> closest("kA", ["k", "ka"])
    ['ka']
    """
    import difflib

    others = [k for k in map(str, known) if k != str(word)]
    folded = {k.casefold(): k for k in reversed(others)}  # of equal ones the first
    return [folded[k] for k in difflib.get_close_matches(str(word).casefold(), folded, n=n)]


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """``; did you mean 'x'?`` for the closest known word, else `otherwise`.

    Examples
    --------
    >>> did_you_mean("gausian", ["gaussian", "linear"])
    "; did you mean 'gaussian'?"
    """
    close = closest(word, known)
    return f"; did you mean {close[0]!r}?" if close else otherwise


def keywords_checked(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator: for a keyword that the method has not, name the closest that it has.

    Examples
    --------
    >>> keywords_checked(lambda *, xlabel=None: xlabel)(xlable="t")
    Traceback (most recent call last):
        ...
    TypeError: <lambda>() got an unexpected keyword argument 'xlable'; did you mean 'xlabel'?
    """
    code = method.__code__  # type: ignore[attr-defined]
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(method)
    def checked(*args: _P.args, **given: _P.kwargs) -> _R:
        for name in given:
            if name not in known:
                there = ", ".join(k for k in known if k != "self")
                hint = did_you_mean(name, known, f"; there are {there}.")
                raise TypeError(
                    f"{code.co_name}() got an unexpected keyword argument {name!r}{hint}"
                )
        return method(*args, **given)

    return checked
