"""Loading the user's model, and telling its failures from ours."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from nlsq.cli.errors import ModelError
from nlsq.cli.settings import Model
from nlsq.utils.input_error import did_you_mean

#: What user code raises; anything else is a defect of ours and shows its traceback.
USER_CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def load_model(model: Model) -> Callable:
    """Import the model file and return its function.

    The file's folder is on the import path meanwhile, so that it can import its neighbours.

    Raises
    ------
    ModelError
        If the file cannot be imported or has no such function.
    """
    path = model.path
    if not path.is_file():
        raise ModelError(
            f"{path}: no such model file.", "model.path is relative to the folder of the YAML file."
        )
    spec = importlib.util.spec_from_file_location(f"nlsq_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path}: not a Python file.", "Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except USER_CODE_ERRORS as error:
        raise model_failure(error, path) from error
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = written
    function = getattr(module, model.function, None)
    if not callable(function):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        known = f"; it has {', '.join(names)}." if names else "."
        raise ModelError(
            f"{path}: no function {model.function!r}{did_you_mean(model.function, names, known)}"
        )
    return function


def raised_in(error: BaseException, path: Path) -> int | None:
    """The line of `path` that raised `error`, None if it was raised elsewhere."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else None


def model_failure(error: BaseException, path: Path) -> ModelError:
    """The failure of user code, with the line that raised it."""
    line = raised_in(error, path)
    where = f"{path}:{line}" if line else str(path)
    return ModelError(f"{where}: the model failed: {type(error).__name__}: {error}")
