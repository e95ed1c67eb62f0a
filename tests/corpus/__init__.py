"""Models as scientists write them for SciPy, with data: `CASES`."""

from tests.corpus import (
    astronomy_finance,
    biology,
    chemistry,
    engineering,
    physics,
    shapes,
    spectroscopy,
)
from tests.corpus.case import CARRIED as CARRIED
from tests.corpus.case import HOST as HOST
from tests.corpus.case import Case as Case

CASES: list[Case] = [
    *spectroscopy.CASES,
    *physics.CASES,
    *chemistry.CASES,
    *biology.CASES,
    *engineering.CASES,
    *astronomy_finance.CASES,
    *shapes.CASES,
]
