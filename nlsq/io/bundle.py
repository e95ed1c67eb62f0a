"""Everything about a fit in one ZIP file."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlsq.io.documents import document_text, write_file
from nlsq.io.errors import FileError, missing_package
from nlsq.io.exports import curve_csv, table_csv, to_csv
from nlsq.io.table import Table
from nlsq.result import CurveFitResult, StreamedFitResult, plotting
from nlsq.utils import figures
from nlsq.utils.atomic import encoded

_EPOCH = (2000, 1, 1, 0, 0, 0)  # the same fit makes the same file
_TOLD = {
    "data.csv": "the points that were fitted",
    "fit.yaml": "the configuration: nlsq fit fit.yaml",
    "result.json": "everything that was found (nlsq.io.read_document)",
    "parameters.csv": "the parameters, their standard errors and 95 % intervals",
    "curve.csv": "data, fit, residuals and the 95 % confidence band",
    "figure.png": "data, fit and residuals",
    "figure.svg": "the same, for print",
    "reproduce.py": "repeats the fit: python reproduce.py",
    "model.py": "the model",
}


def write_bundle(
    path: str | os.PathLike,
    *,
    result: CurveFitResult,
    document: Mapping[str, Any],
    table: Table | None = None,
    config_text: str | None = None,
    script_text: str | None = None,
    figures: bool = True,
    files: Mapping[str, str | bytes] | None = None,
) -> list[str]:
    """Write a ZIP of a fit: data, configuration, results, figure and a script that repeats it.

    Parameters
    ----------
    path : path
        Of the ZIP file, which is there whole or not at all.
    result : CurveFitResult
    document : dict
        Of `result_document`.
    table : Table, optional
        The points that were fitted. Default: x, y and sigma of the result.
    config_text, script_text : str, optional
        What becomes fit.yaml and reproduce.py.
    figures : bool, default True
        Draw the figure; without matplotlib it is left out, and README.txt says so.
    files : mapping of str to str or bytes, optional
        More files, such as the Python file of the model.

    Returns
    -------
    list of str
        Names of the files in it.

    Raises
    ------
    FileError
        It cannot be written.
    """
    content: dict[str, str | bytes] = {}
    notes: list[str] = []
    streamed = isinstance(result, StreamedFitResult)
    if table is not None:
        content["data.csv"] = table_csv(table)
    elif not streamed:
        content["data.csv"] = _points(result)
    if config_text is not None:
        content["fit.yaml"] = config_text
    content["result.json"] = document_text(document)
    content["parameters.csv"] = to_csv(result)
    if streamed:
        notes.append("The data were streamed from their file and are not in this archive.")
    else:
        content["curve.csv"] = curve_csv(result)
    if figures and importlib.util.find_spec("matplotlib") is None:
        notes.append("No figure: matplotlib was not installed (pip install matplotlib).")
    elif figures:
        try:
            content |= {f"figure.{kind}": figure(result, document, kind) for kind in ("png", "svg")}
        except FileError as error:
            notes.append(str(error))
    if script_text is not None:
        content["reproduce.py"] = script_text
    content |= dict(files or {})
    content["README.txt"] = _readme(content, document, notes)
    write_file(path, _zipped(content))
    return list(content)


def _points(result: CurveFitResult) -> str:
    lines = curve_csv(result).splitlines()
    header = lines[0].split(",")
    kept = header.index(next(name for name in header if name.startswith("fit")))
    return "".join(",".join(line.split(",")[:kept]) + "\n" for line in lines)


def figure(result: CurveFitResult, document: Mapping[str, Any], kind: str) -> bytes:
    """The figure of a fit as the bytes of a PNG, SVG or PDF file.

    Raises
    ------
    InputError
        matplotlib is not installed.
    FileError
        The fit at the data is not known: they were streamed, and the model is gone.
    """
    try:
        import matplotlib
    except ImportError:
        raise missing_package("Drawing", "matplotlib") from None
    labels = document.get("labels") or {}
    with matplotlib.rc_context({"svg.hashsalt": "nlsq", "svg.fonttype": "path"}):
        x_label, y_label = (figures.plain(labels.get(axis, axis)) for axis in "xy")
        data, title = result, None
        if isinstance(result, StreamedFitResult):
            data, title = _sample(result, document), result._sample_title()
        options = plotting.Options(
            xlabel=x_label, ylabel=y_label, title=title, curve=document.get("curve")
        )
        with figures.apart():
            try:
                drawn, _ = plotting.plot(data, None, options)
            except RuntimeError:  # a robust fit without its model: no band
                options = dataclasses.replace(options, show_confidence=False)
                drawn, _ = plotting.plot(data, None, options)
        out = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        drawn.savefig(out, format=kind, dpi=150, metadata=metadata)
    return out.getvalue()


def _sample(result: StreamedFitResult, document: Mapping[str, Any]) -> CurveFitResult:
    """The sample with the fit at its points, from the document where the model is gone."""
    data = result._data_to_look_at()
    if data.get("model") is None:
        curve = document.get("curve") or {}
        if "at_sample" not in curve:
            raise FileError(
                "No figure: the data were streamed, and their fit is known only with the model.",
                "Fit again with --trust, if you trust the model's file.",
            )
        vars(data)["_predictions"] = np.array(curve["at_sample"], float)
    return data


def _readme(content: Mapping[str, Any], document: Mapping[str, Any], notes: list[str]) -> str:
    provenance = document.get("provenance") or {}
    width = max(map(len, content)) + 2
    lines = ["A fit by nlsq: nonlinear least squares.", ""]
    lines += [f"{key}: {provenance[key]}" for key in ("model", "created") if provenance.get(key)]
    lines += [f"{document['convergence']['message']}", ""]
    lines += [f"{name:<{width}}{_TOLD.get(name, '')}".rstrip() for name in content]
    return "\n".join([*lines, *([""] if notes else []), *notes, ""])


def _zipped(content: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, encoded(data) if isinstance(data, str) else data)
    return out.getvalue()
