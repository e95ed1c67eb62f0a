"""The text of a formula: as it is written, as Python parses it, and columns between the two."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from typing import NoReturn

from nlsq.utils.input_error import InputError, ended

MOST_CHARACTERS, MOST_BRACKETS = 4000, 60
_SAID_OTHERWISE = {"^": "**", "×": "*", "·": "*", "−": "-", "²": "**2", "³": "**3"}
_TOKENS = re.compile(r"'[^']*'|\"[^\"]*\"|.", re.DOTALL)
# Words of Python that are words of formulas too.
_GRAMMAR = frozenset(("and", "or", "not", "if", "else", "in", "is", "True", "False"))


class FormulaError(InputError):
    """A text that is no formula, or a formula that does not fit what is asked of it.

    Parameters
    ----------
    text : str
        The formula.
    position : int or None
        The column, from 1; None when the whole formula is meant.
    what : str
        What is wrong.
    fix : str
        How to mend it.

    Attributes
    ----------
    position : int or None
        The column, from 1.

    Examples
    --------
    >>> print(FormulaError("a*sinn(x)", 3, "unknown function 'sinn'", "Write sin."))
    formula 'a*sinn(x)', column 3: unknown function 'sinn'. Write sin.
    """

    def __init__(self, text: str, position: int | None, what: str, fix: str = ""):
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        where = "" if position is None else f", column {position}"
        super().__init__(f"formula {shown!r}{where}: {ended(what)}", fix)
        self.text, self.position, self.what = text, position, what

    def __reduce__(self):
        return (type(self), (self.text, self.position, self.what, self.fix))


class Source:
    """A formula's text; `FormulaError` if it is empty, too long, or holds what has no meaning.

    Attributes
    ----------
    text : str
        As it was written.
    source : str
        As Python parses it.
    origin : list of int
        For each character of `source` its column in `text`, from 1.
    """

    def __init__(self, text: str):
        self.text = text
        self.translate(text)

    def refuse(self, position: int | None, what: str, fix: str = "") -> NoReturn:
        raise FormulaError(self.text, position, what, fix)

    def position(self, node: ast.expr) -> int:
        """The column of a part of the tree."""
        return self.column(len(self.source.encode()[: node.col_offset].decode()))

    def written(self, node: ast.expr) -> str:
        """A part of the tree as it was written."""
        end = self.column(len(self.source.encode()[: node.end_col_offset].decode()))
        return self.text[self.position(node) - 1 : end - 1].strip()

    def column(self, offset: int) -> int:
        return self.origin[min(offset, len(self.origin) - 1)]

    def parse(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "perhaps you missed a comma?"
                return ast.parse(self.source, mode="eval").body
        except SyntaxError as error:
            self.explain(error)
        except (RecursionError, MemoryError):
            self.refuse(None, "it is nested too deeply", "Write it with fewer brackets.")

    def translate(self, text: str) -> None:
        """Make `source`, which Python parses, and `origin`, its columns in the text."""
        if not isinstance(text, str):
            raise TypeError(f"a formula is a text, not {type(text).__name__}")
        if not text.strip():
            self.refuse(None, "it is empty", "Write an expression, as in a*exp(-t/tau) + c.")
        if len(text) > MOST_CHARACTERS:
            self.refuse(
                None,
                f"it has {len(text)} characters, more than {MOST_CHARACTERS}",
                "Write the model in Python.",
            )
        pieces: list[str] = []
        self.origin: list[int] = []
        depth = 0
        for token in _TOKENS.finditer(text):
            char, column = token.group(), token.start() + 1
            if len(char) == 1:
                depth += (char in "([{") - (char in ")]}")
                if depth > MOST_BRACKETS:
                    self.refuse(column, f"more than {MOST_BRACKETS} brackets inside each other")
                if char in "#;\\`$?":
                    self.refuse(column, f"{char!r} has no meaning in a formula", "Remove it.")
                char = " " if char in "\t\r\n" else _SAID_OTHERWISE.get(char, char)
            bad = next((c for c in char if unicodedata.category(c)[0] == "C"), None)
            if bad is not None:
                self.refuse(column, f"the invisible character U+{ord(bad):04X}", "Remove it.")
            pieces.append(char)
            self.origin += [
                column + i if len(token.group()) > 1 else column for i in range(len(char))
            ]
        source = "".join(pieces)
        indent = len(source) - len(source.lstrip())
        self.source = source.strip()
        self.origin = [*self.origin[indent : indent + len(self.source)], len(text.rstrip()) + 1]

    def explain(self, error: SyntaxError) -> NoReturn:
        at_end = not 0 < (error.offset or 0) <= len(self.source)
        offset = len(self.source) if at_end else error.offset - 1
        position = self.column(offset)
        words = {m.group(): m.start() for m in re.finditer(r"[^\W\d]\w*", self.source)}
        for word, start in words.items():
            if keyword.iskeyword(word) and word not in _GRAMMAR:
                fix = f"Rename it, as in {word[:3] if word == 'lambda' else word + '_'}."
                self.refuse(self.column(start), f"{word!r} is a word of Python", fix)
        assigned = re.search(r"(?<![<>=!:])=(?!=)", self.source)
        if assigned:
            self.refuse(
                self.column(assigned.start()),
                "'=' does not compare or assign here",
                "Write the right-hand side only; compare by '=='.",
            )
        joined = re.search(
            r"(?<![\w.])[\d.]+(?:[eE][+-]?\d+)?\s*(?=[^\W\d])(?![eE][+-]?\d)|\)\s*(?=[\w(])"
            r"|(?<=\w)\s+(?=[\w(])(?!and\b|or\b|not\b|if\b|else\b|in\b)",
            self.source,
        )
        if joined and "decimal literal" in str(error.msg) + "decimal literal" * (
            joined.end() >= offset
        ):
            self.refuse(
                self.column(joined.end()), "an operator is missing", "Write products with *: 2*x."
            )
        what = re.sub(r" \(<unknown>.*| Perhaps you .*", "", error.msg or "invalid syntax")
        what = "it is not complete" if at_end else what
        before = self.source[:offset][-12:]
        self.refuse(
            position,
            f"{what} (after {before!r})" if before else what,
            "Complete it." if at_end else "Complete or correct it there.",
        )
