"""How thoroughly to look for the best minimum: the presets of a fit, in words."""

from __future__ import annotations

from typing import get_args

from nlsq.types import SearchPresetLiteral

PRESETS = {
    "fast": "48 starts near the one given, for a first look",
    "robust": "192 starts near the one given, for starts that may be wrong",
    "global": "2048 starts over the whole bounds",
    "thorough": "8192 starts over the whole bounds, where time does not matter",
    "streaming": "64 starts that are compared on parts of large data first",
    "cmaes-fast": "a short evolution (CMA-ES), for rough landscapes",
    "cmaes": "an evolution (CMA-ES), for rough landscapes",
    "cmaes-global": "a long evolution (CMA-ES) from many places",
}
assert set(PRESETS) == set(get_args(SearchPresetLiteral))
