"""Files that a result is written to: whether it can be, and in which form."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlsq.session.errors import ConfigurationError

if TYPE_CHECKING:
    from nlsq.session.settings import Settings

FIGURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".eps", ".ps", ".tif", ".tiff", ".webp")
DOCUMENTS = (".json", ".csv", ".md", ".tex", ".sh", ".html", ".zip")


def check_files(settings: Settings, own: Collection[Path] = ()) -> None:
    """Find out before the fit, not after it, that its results could not be written.

    Parameters
    ----------
    own : collection of Path
        Files that the user named himself; others stay in the current folder.

    Raises
    ------
    ConfigurationError
    """
    files = settings.export.results_file
    for path in (*files, *settings.export.figure):
        folder = None if path in own else Path.cwd()
        check_file(path, folder, [settings.data.input_file])
    for path in files:
        check_kind(path, DOCUMENTS)
    for path in settings.export.figure:
        if path.suffix.lower() in FIGURES:
            check_kind(path)


def check_kind(path: Path, kinds: Collection[str] = (*DOCUMENTS, *FIGURES)) -> None:
    """Raise when nothing is written with its suffix, or what draws it is missing."""
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise ConfigurationError(
            f"{path}: nothing is written with {'this' if suffix else 'no'} suffix.",
            f"Known are {' '.join(DOCUMENTS)}, and for figures {' '.join(FIGURES[:3])}.",
        )
    if suffix in (".html", *FIGURES):
        require_matplotlib(path)


def check_file(path: Path, folder: Path | None = None, data: Iterable[Path] = ()) -> None:
    """Raise when nothing can be written there, it is outside of `folder`, or one of the `data`."""
    from nlsq.security import validate_path
    from nlsq.utils.input_error import InputError

    try:
        validate_path(path, folder)
    except InputError as error:
        raise ConfigurationError(error.message, error.fix) from None
    if not os.path.isdir(path.resolve().parent):
        raise ConfigurationError(f"{path}: no such folder to write to.", "Create it first.")
    if os.path.exists(path) and any(os.path.exists(d) and path.samefile(d) for d in data):
        raise ConfigurationError(
            f"{path}: this file holds the data and would be replaced.", "Choose another name."
        )


def require_matplotlib(path: Path) -> None:
    """Raise when figures cannot be drawn."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ConfigurationError(
            f"{path}: figures need matplotlib, which is not installed.",
            "Install it with: pip install matplotlib",
        )


def text_of(suffix: str, document: dict[str, Any], result: Any) -> str:
    """The result as text of one kind."""
    from nlsq.io import to_csv, to_latex, to_markdown, to_shell
    from nlsq.io.documents import completed, document_text
    from nlsq.io.html_report import html_report

    if suffix == ".json":
        return document_text(completed(document, result))
    if suffix == ".html":
        return html_report(completed(document, result))
    writers = {".csv": to_csv, ".md": to_markdown, ".tex": to_latex, ".sh": to_shell}
    return writers[suffix](result)


def save(path: Path, document: dict[str, Any], result: Any, settings: Settings) -> None:
    """Write one file and record it."""
    from nlsq.io.documents import write_file
    from nlsq.security import AuditLogger

    suffix = path.suffix.lower()
    if suffix in FIGURES:
        write_figure(path, document, result)
    elif suffix == ".zip":
        from nlsq.session.bundle import write

        write(path, document, result, settings)
    else:
        write_file(path, text_of(suffix, document, result))
    AuditLogger().log_export(path, suffix)


def write_figure(path: Path, document: dict[str, Any], result: Any) -> None:
    """Draw data, fit and residuals; the suffix gives the format."""
    from nlsq.io.bundle import figure
    from nlsq.io.documents import write_file

    try:
        write_file(path, figure(result, document, path.suffix[1:].lower()))
    except ValueError as error:  # a suffix that matplotlib has no writer for
        raise ConfigurationError(f"{path}: {error}.") from None
