"""One parameter of many fits, with its errors, over what the fits are of."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import BasePlotWidget

_NOTHING = np.empty(0)
_NAMES = 12  # that find room below the axis


class TrendPlotWidget(BasePlotWidget):
    """A point for each fit, to be clicked.

    Signals
    -------
    clicked(int)
        The place of the fit whose point it was.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Trend of a parameter over the groups", parent)
        self.setToolTip(
            "The parameter of each group with its standard error; click a point to see its fit."
        )
        self.setMinimumHeight(130)
        self._x = self._y = self._errors = _NOTHING
        self._good, self._shown = np.empty(0, bool), None
        self.bars = pg.ErrorBarItem(x=_NOTHING, y=_NOTHING)
        self.points = pg.ScatterPlotItem(hoverable=True, tip=None)
        self.plotItem.addItem(self.bars)
        self.plotItem.addItem(self.points)
        self.points.sigClicked.connect(lambda _, spots, __: self.clicked.emit(spots[0].data()))

    def set_trend(
        self,
        names: list[str],
        y: np.ndarray,
        errors: np.ndarray,
        good: np.ndarray,
        shown: int | None,
    ) -> None:
        """Draw others.

        Parameters
        ----------
        names : list of str
            What the fits are of; numbers, where all are, else they are drawn side by side.
        y, errors : ndarray
            The parameter and its standard error; nan where there is none.
        good : ndarray of bool
            Which fits converged; the others are hollow.
        shown : int or None
            The fit that is looked at.
        """
        self._x = places(names)
        ticks = None
        if names and (self._x == np.arange(len(names))).all():
            ticks = [[(k, names[k]) for k in range(0, len(names), 1 + len(names) // _NAMES)]]
        self.plotItem.getAxis("bottom").setTicks(ticks)
        self._y, self._errors, self._good, self._shown = y, errors, good, shown
        self._paint()

    def _paint(self) -> None:
        known = np.isfinite(self._y)
        x, y, errors = self._x[known], self._y[known], self._errors[known]
        size = np.where(np.isfinite(errors), errors, 0.0)
        beam = 0.3 * float(np.min(np.diff(np.unique(x)))) if np.unique(x).size > 1 else None
        pen = pg.mkPen(self.theme.fit, width=1)
        self.bars.setData(x=x, y=y, top=size, bottom=size, beam=beam, pen=pen)
        empty, filled = pg.mkBrush(None), pg.mkBrush(self.theme.fit)
        place = np.flatnonzero(known)
        self.points.setData(
            x=x, y=y, data=place, pen=pen, symbol="o",
            brush=[filled if self._good[k] else empty for k in place],
            size=[14 if k == self._shown else 8 for k in place],
        )  # fmt: skip


def places(names: list[str]) -> np.ndarray:
    """Where the groups are: at their numbers, where all are different numbers, else one by one."""
    try:
        found = np.array([float(name) for name in names])
    except ValueError:
        found = np.array([np.nan])
    apart = np.isfinite(found).all() and np.unique(found).size == len(names)
    return found if apart else np.arange(float(len(names)))
