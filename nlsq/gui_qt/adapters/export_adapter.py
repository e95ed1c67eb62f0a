"""What a finished fit can be copied and written as; the command line writes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlsq.session.saving import DOCUMENTS, FIGURES, check_file, save
from nlsq.session.settings import Settings

KINDS = {
    "Result (JSON)": ".json", "Table (CSV)": ".csv", "Table (Markdown)": ".md",
    "Table (LaTeX)": ".tex", "Page (HTML)": ".html", "Figure (PNG)": ".png",
    "Figure (SVG)": ".svg", "Figure (PDF)": ".pdf", "Bundle with data and script (ZIP)": ".zip",
}  # fmt: skip
assert set(KINDS.values()) <= {*DOCUMENTS, *FIGURES}


def write(path: Path, document: dict[str, Any], result: Any, settings: Settings) -> None:
    """Write a file; its suffix says what.

    Raises
    ------
    ProgramError
    """
    check_file(path, path.resolve().parent, [settings.data.input_file])
    save(path, document, result, settings)


def as_configuration(settings: Settings) -> str:
    """The settings as a file that ``nlsq fit FILE.yaml`` fits."""
    import yaml

    content = settings.model_dump(mode="json", exclude_defaults=True)
    content["data"]["input_file"] = str(settings.data.input_file.resolve())
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
