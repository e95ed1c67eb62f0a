"""The catalogue of models, and what a text or the code of a file offers."""

from __future__ import annotations

import ast
import html
from typing import Any, NamedTuple

from nlsq.gui_qt.adapters.formula_html import rendered
from nlsq.session.errors import ModelError, NoModel
from nlsq.session.model import LoadedModel
from nlsq.session.settings import Model


def catalogue(words: str = "") -> dict[str, list[Any]]:
    """The models that mention all these words, by category; all without words."""
    from nlsq import models

    found, by_category = set(models.search(words)), models.categories().items()
    return {
        category: [models.get(name) for name in names if name in found]
        for category, names in by_category
        if found.intersection(names)
    }


def description(name: str) -> str:
    """What a model is, as HTML: title, formula, parameters, reference."""
    from nlsq import models
    from nlsq.models.describing import as_html

    model = models.get(name)
    text = as_html(model)
    if model.formula:
        written = f"<br><code>y = {html.escape(model.formula)}</code>"
        text = text.replace(written, f"<p>y = {rendered(model.formula)}</p>")
    return text.replace("<td ", '<td style="padding-right: 12px" ')


def peaks() -> list[str]:
    """Names of the peaks that can be added where they are clicked."""
    from nlsq import models

    return [n for n in models.categories()["peaks"] if models.get(n).variables == ("x",)]


def read(text: str, x_names: list[str], variable: str | list[str] | None = None) -> Any:
    """The model of a text: a name, a sum of names, or a formula, whose variable may be known.

    Raises
    ------
    nlsq.utils.input_error.InputError
        A `nlsq.models.FormulaError` knows its position.
    """
    from nlsq.models import get
    from nlsq.models.reading import Columns, is_of_models, read_formula

    if is_of_models(text):
        return get(text)
    variables = (variable,) if isinstance(variable, str) else variable and tuple(variable)
    return read_formula(text, Columns(tuple(x_names), len(x_names)), variables)


# ------------------------------------------------------------------------------ code in files
class Outline(NamedTuple):
    """A function of a file."""

    name: str
    parameters: tuple[str, ...]
    line: int


def outline(code: str) -> list[Outline]:
    """The functions of a code that may be models: f(x, a, ...); read, not run.

    Raises
    ------
    SyntaxError
    """
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            names = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))
            if len(names) > 1 and node.name != "estimate_p0":
                found.append(Outline(node.name, names[1:], node.lineno))
    return found


def mistakes(code: str) -> dict[int, str]:
    """What keeps a code from running, by line."""
    from nlsq.security import validate_model

    found: dict[int, str] = {}
    for violation in validate_model(code.encode()).violations:
        found.setdefault(violation.line, violation.reason)
    return found


def outlined(model: Model) -> LoadedModel:
    """The model of a file by its outline; its code is not run here.

    Raises
    ------
    NoModel
    """
    try:
        functions = {f.name: f for f in outline(model.path.read_text(encoding="utf-8"))}
    except OSError as error:
        raise NoModel(f"{model.path}: {error.strerror}.", "Choose its file again.") from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise NoModel(f"{model.path.name}, line {line}: {getattr(error, 'msg', error)}.") from None
    if model.function not in functions:
        there = ", ".join(functions) or "no function f(x, a, ...)"
        raise NoModel(f"{model.path.name} has no function {model.function!r}; it has {there}.")

    def elsewhere(*_: Any) -> Any:
        raise ModelError("The code of a file runs in a process of its own.")

    return LoadedModel(elsewhere, functions[model.function].parameters, path=model.path)
