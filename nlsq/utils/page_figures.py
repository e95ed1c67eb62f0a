"""Figures for a page: SVG that takes its colours and fonts from the page's style."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

#: Colours that stand for those of the page: drawn, then replaced by CSS variables.
INK, SOFT, GRID, DATA, FIT, SECOND = (
    "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
)  # fmt: skip
VARIABLES = {
    INK: "--ink", SOFT: "--soft", GRID: "--line", DATA: "--data", FIT: "--fit",
    SECOND: "--second",
}  # fmt: skip
STYLE = {
    "svg.fonttype": "none", "font.size": 10.5, "text.color": INK, "axes.edgecolor": SOFT,
    "axes.labelcolor": INK, "xtick.color": SOFT, "ytick.color": SOFT, "axes.linewidth": 0.8,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.facecolor": "none",
    "figure.facecolor": "none", "savefig.facecolor": "none", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7,
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 9.5,
    "axes.formatter.use_mathtext": False, "axes.unicode_minus": True, "path.simplify": True,
}  # fmt: skip


def svg(figure: Any, title: str, colours: Mapping[str, str] = VARIABLES) -> str:
    """A figure as SVG to stand in a page, its colours variables of the page's style.

    Parameters
    ----------
    figure : matplotlib Figure
    title : str
        For those who do not see it.
    colours : mapping of str to str
        Colours as they were drawn ('#rrggbb'), and the variables that take their places.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # the other figure has the same
    for colour, variable in colours.items():
        text = text.replace(colour, f"var({variable})")
    head = f'<svg role="img" aria-label="{title}" class="figure" '
    text = re.sub(r'<svg (.*?)width="[^"]*" height="[^"]*"|<svg ', head + r"\1 ", text, count=1)
    return re.sub(r"<svg [^>]*>", _without_size, text, count=1)


def _without_size(found: re.Match[str]) -> str:
    return re.sub(r' (?:width|height)="[^"]*"', "", found.group())
