"""A finished fit as a ZIP file with everything to do it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nlsq.session.errors import ModelError
from nlsq.session.provenance import CODE
from nlsq.session.settings import Settings

MODEL_FILE = "model.py"


def write(path: Path, document: dict[str, Any], result: Any, settings: Settings) -> None:
    """Write the bundle: data, configuration, result, tables, figures, a Python script."""
    from nlsq.io import reproduction_script, write_bundle
    from nlsq.io.documents import completed
    from nlsq.result import StreamedFitResult

    model_file = settings.model.path
    names = document["provenance"]["columns of x"]
    streamed = isinstance(result, StreamedFitResult)  # its data stay in their file
    script = None if streamed else reproduction_script(recipe(settings, document, result))
    write_bundle(
        path,
        result=result,
        document=completed(document, result),
        config_text=configuration_text(settings, None if streamed else result, names),
        script_text=script,
        files={} if model_file is None else {MODEL_FILE: _code(model_file, document)},
    )


def _code(model_file: Path, document: dict[str, Any]) -> bytes:
    """The code that was fitted."""
    import hashlib

    try:
        code = model_file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{model_file}: the file of the model cannot be read: {error.strerror or error}.",
            "The bundle holds it: put it back.",
        ) from None
    if document["provenance"].get(CODE) not in (None, hashlib.sha256(code).hexdigest()):
        raise ModelError(
            f"{model_file}: the file of the model has changed since the fit.",
            "The bundle holds what was fitted: fit again.",
        )
    return code


def columns(result: Any) -> dict[str, Any]:
    """Names of the columns of data.csv, as in a configuration."""
    several = result.xdata.ndim > 1
    x = [f"x{i}" for i in range(result.xdata.shape[0])] if several else "x"
    return {"x": x, "y": "y"} | ({} if result.sigma is None else {"sigma": "sigma"})


def configuration_text(settings: Settings, result: Any | None, names: list[str]) -> str:
    """The configuration that fits the bundle's data; those of the settings without a result."""
    content = settings.model_dump(
        mode="json", exclude_defaults=True, exclude={"export", "workflow", "limits"}
    )
    if result is None:
        content["data"]["input_file"] = str(settings.data.input_file.resolve())
    else:
        content["data"] = {"input_file": "data.csv", "columns": columns(result)}
    if settings.model.path is not None:
        content["model"]["path"] = MODEL_FILE
        content["model"].pop("trusted", None)
    if settings.model.formula is not None and result is not None:
        content["model"]["variable"] = variable(settings, names)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def variable(settings: Settings, names: list[str]) -> str | list[str]:
    """The variables of the formula by name, since the bundle's columns are called x."""
    from nlsq.session.model import variables

    found = variables(settings.model, names)
    return found[0] if len(found) == 1 else list(found)


def recipe(settings: Settings, document: dict[str, Any], result: Any) -> Any:
    """What the script that reproduces the fit needs to know."""
    from nlsq.io import Recipe

    model = settings.model
    names = tuple(document["parameter_names"])
    begin = document["provenance"]["begin"]
    here, ended = columns(result), document["convergence"]
    x = here["x"]
    return Recipe(
        data_file="data.csv",
        x=x if isinstance(x, str) else tuple(x),
        y="y",
        sigma=here.get("sigma", ""),
        kind="formula" if model.formula else "builtin" if model.name else "file",
        model=model.formula or model.name or MODEL_FILE,
        function=model.function or "",
        independent=variable(settings, document["provenance"]["columns of x"])
        if model.formula
        else "x",
        names=names,
        p0={} if begin.get("searched") else dict(zip(names, begin["p0"], strict=True)),
        bounds=_bounds(names, begin),
        options=settings.fitting.options(),
        expected=dict(zip(names, document["popt"], strict=True)),
        unfinished="" if ended["success"] else ended["message"],
    )


def _bounds(names: tuple[str, ...], begin: dict[str, Any]) -> dict[str, tuple[float, float]]:
    pairs = zip(begin["lower"], begin["upper"], strict=True)
    limits = {
        name: (float(low), float(high)) for name, (low, high) in zip(names, pairs, strict=True)
    }
    open_ended = (float("-inf"), float("inf"))
    return {} if set(limits.values()) == {open_ended} else limits
