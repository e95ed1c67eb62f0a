"""Reading a stranger's model file without running it: what is in it must be on a list.

The source is parsed, and every piece of syntax, import, builtin, attribute and decorator is looked
up in `nlsq.security.rules` and `nlsq.security.allowed`; whatever is not there is a violation. The
names of modules stand only before a dot, so that what is taken from a module is always known. A
block ``if __name__ == "__main__":`` is taken out: it does not run when a model is loaded.

A file that passes cannot name a file, a process or a frame; it can still loop, ask for memory, or
meet a defect of a library. That is for the limits of `nlsq.security.sandbox`.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import io
import os
import re
import tokenize
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from nlsq.security.paths import readable_file
from nlsq.security.syntax import Checker
from nlsq.utils.input_error import InputError

MOST_BYTES, MOST_NODES, MOST_LEVELS = 1 << 20, 100_000, 120
_ENCODINGS = frozenset(("utf-8", "utf-8-sig", "ascii"))
# Characters that make source read otherwise than it runs.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


@dataclass(frozen=True)
class Violation:
    """One thing in a file that is not allowed.

    Attributes
    ----------
    line, column : int
        Where, from 1.
    reason : str
        What is there and why it is refused.

    Examples
    --------
    >>> print(Violation(3, 5, "'open' reads and writes files."))
    line 3, column 5: 'open' reads and writes files.
    """

    line: int
    column: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}"


class ModelValidationError(InputError):
    """A model file that is refused.

    Attributes
    ----------
    result : ModelValidationResult
        All violations.
    """

    def __init__(self, result: ModelValidationResult):
        first, rest = result.violations[0], len(result.violations) - 1
        name = result.path or "the model"
        more = f" (and {rest} more)" if rest else ""
        super().__init__(
            f"{name}:{first.line}:{first.column}: refused: {first.reason}{more}",
            "Change it, or run the model as trusted if you know who wrote it.",
        )
        self.result = result

    def __reduce__(self):
        return (type(self), (self.result,))


@dataclass(frozen=True)
class ModelValidationResult:
    """What was found in a model file.

    Attributes
    ----------
    path : str or None
        The file; None for source.
    is_valid : bool
        True when nothing in it is refused.
    is_trusted : bool
        True when the user answers for it.
    violations : tuple of Violation
        What is refused, in order of lines; listed for trusted files too.
    signature : str
        SHA-256 of the file's bytes, in hexadecimal; "" when it cannot be read.
    """

    path: str | None
    is_valid: bool
    is_trusted: bool
    violations: tuple[Violation, ...]
    signature: str
    tree: ast.Module | None = field(default=None, repr=False, compare=False)

    @property
    def may_run(self) -> bool:
        """Whether the model may be loaded."""
        return self.is_valid or self.is_trusted

    def check(self) -> ModelValidationResult:
        """The result itself; `ModelValidationError` if the model may not be loaded."""
        if not self.may_run:
            raise ModelValidationError(self)
        return self


class _Refused(Exception):
    """The source cannot be looked at further."""

    def __init__(self, reason: str, line: int = 1, column: int = 1):
        self.violation = Violation(line, column, reason)


def validate_model(
    path_or_source: str | os.PathLike | bytes, trusted: bool = False
) -> ModelValidationResult:
    """Look through a model without running it.

    Parameters
    ----------
    path_or_source : str, path or bytes
        A path; a text with more than one line, or bytes, is the source itself.
    trusted : bool
        The user answers for the model: violations are still listed, but it may run.

    Returns
    -------
    ModelValidationResult
        Whether it may run, and what is wrong where.

    Raises
    ------
    nlsq.utils.input_error.InputError
        If the path names no readable file.

    Examples
    --------
    >>> result = validate_model("import os\\ndef f(x, a):\\n    return a * x\\n")
    >>> result.is_valid
    False
    >>> print(result.violations[0])
    line 1, column 1: the module 'os' is not on the list of harmless modules.
    """
    path, data = _source(path_or_source)
    tree, violations = _look(data)
    return ModelValidationResult(
        path=path,
        is_valid=not violations,
        is_trusted=trusted,
        violations=violations,
        signature=hashlib.sha256(data).hexdigest(),
        tree=tree,
    )


def _source(given: str | os.PathLike | bytes) -> tuple[str | None, bytes]:
    if isinstance(given, bytes):
        return None, given
    if isinstance(given, str) and "\n" in given:
        return None, given.encode("utf-8", "surrogatepass")
    path = readable_file(Path(given))
    with open(path, "rb") as file:
        return str(path), file.read(MOST_BYTES + 1)


def _look(data: bytes) -> tuple[ast.Module | None, tuple[Violation, ...]]:
    try:
        tree = without_main(_parsed(_decoded(data)))
        _measure(tree)
    except _Refused as refused:
        return None, (refused.violation,)
    found = Checker(tree, frozenset(dir(builtins))).violations
    unique = sorted(set(found), key=lambda v: (v[0], v[1]))
    return tree, tuple(Violation(*v) for v in unique)


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise _Refused(f"the file is larger than {MOST_BYTES >> 10} KiB.")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise _Refused("a null byte: this is no text.", line)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        raise _Refused(f"{error.msg or error}; models are written in UTF-8.") from None
    if encoding not in _ENCODINGS:
        raise _Refused(f"the encoding {encoding!r}; models are written in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _Refused("this is not UTF-8.", line) from None
    turned = _DIRECTIONS.search(text)
    if turned:
        line = text.count("\n", 0, turned.start()) + 1
        code = f"U+{ord(turned.group()):04X}"
        raise _Refused(f"{code} makes text read otherwise than it runs.", line)
    return text


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in docstrings
            return ast.parse(text)
    except SyntaxError as error:
        where = error.lineno or 1, max(error.offset or 1, 1)
        raise _Refused(f"this is not Python: {error.msg}.", *where) from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise _Refused(f"this cannot be parsed: {str(error) or type(error).__name__}.") from None


def without_main(tree: ast.Module) -> ast.Module:
    """The tree without its blocks ``if __name__ == "__main__":``; what is under else stays."""
    body: list[ast.stmt] = []
    for node in tree.body:
        body.extend(node.orelse if _is_main(node) else [node])  # type: ignore[attr-defined]
    return ast.Module(body, [])


def _is_main(node: ast.stmt) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    test = node.test
    sides = [test.left, *test.comparators]
    names = [s.id for s in sides if isinstance(s, ast.Name)]
    texts = [s.value for s in sides if isinstance(s, ast.Constant)]
    equal = len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
    return equal and names == ["__name__"] and texts == ["__main__"]


def _measure(tree: ast.Module) -> None:
    """Refuse trees that would exhaust the stack of what walks or compiles them."""
    count, level = 0, [(tree, 0)]
    while level:
        node, depth = level.pop()
        count += 1
        if depth > MOST_LEVELS or count > MOST_NODES:
            what = f"{MOST_LEVELS} levels" if depth > MOST_LEVELS else f"{MOST_NODES} parts"
            raise _Refused(f"more than {what} of syntax.", getattr(node, "lineno", 1))
        level += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
