"""What a search found, in sentences, as text and as HTML."""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING

from nlsq.result import formatting, writers
from nlsq.result.formatting import count, significant
from nlsq.result.report import terminal_is_unicode
from nlsq.result.search_sentences import worse
from nlsq.utils.input_error import harmless

if TYPE_CHECKING:
    from nlsq.result.minima import Minima

_WIDTH = 96
_MOST = 10  # rows shown


def as_text(minima: Minima) -> str:
    """Plain text; in ASCII where the terminal knows no more."""
    ascii = not terminal_is_unicode()
    out = textwrap.wrap(_title(minima), _WIDTH)
    if minima:
        heads, rows = table(minima)
        lines = writers.table_lines(heads, rows, False, (len(heads) - 1,))
        out += ["", *(f"  {line}" for line in lines)]
    for note in notes(minima):
        out += textwrap.wrap(note, _WIDTH, initial_indent="  * ", subsequent_indent="    ")
    text = harmless("\n".join(out))
    return formatting.to_ascii(text) if ascii else text


def as_html(minima: Minima) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    heads, rows = table(minima)
    grid = writers.html_table(heads, rows, (len(heads) - 1,)) if minima else ""
    said = "".join(f"<li>{html.escape(note)}</li>" for note in notes(minima))
    return (
        f"<div class='nlsq-result'><b>{html.escape(_title(minima))}</b>{grid}<ul>{said}</ul></div>"
    )


def _title(minima: Minima) -> str:
    return (
        f"{len(minima)} {'minimum' if len(minima) == 1 else 'minima'} in "
        f"{count(minima.n_fits, 'local fit')} from {count(minima.n_starts, 'start')}"
    )


def table(minima: Minima, most: int = _MOST) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads of the columns, and rows of texts of the best minima."""
    heads = ("cost", "worse by", "found", *minima.names, "")
    rows = [
        (
            significant(minimum.cost, 6),
            worse(minima, i) if i else "",
            f"{minimum.count:,} ×",
            *(significant(v, 6) for v in minimum.params.tolist()),
            "valley" if minimum.valley else "",
        )
        for i, minimum in enumerate(minima[:most])
    ]
    return heads, rows


def notes(minima: Minima) -> list[str]:
    """What the numbers of a search mean."""
    out = []
    if len(minima) > _MOST:
        out.append(f"and {len(minima) - _MOST:,} more minima, up to cost {minima[-1].cost:.6g}")
    if math.isfinite(minima.unseen):
        out.append(
            f"minima that no fit ended in: about {significant(minima.unseen, 2)}, if the fits "
            "count as from random starts (Boender & Rinnooy Kan 1987)"
        )
    else:
        out.append("too few fits to say how many minima were not seen")
    if minima.stopped:
        out.append(f"the search ended: {minima.stopped}")
    if minima.n_failed:
        first = f"; the first: {minima.first_failure}" if minima.first_failure else ""
        out.append(f"{count(minima.n_failed, 'start')} failed{first}")
    return out
