"""The cost of the fit that runs, over its iterations."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import BasePlotWidget

_MOST = 4000


class LiveCostPlotWidget(BasePlotWidget):
    """Cost, on a logarithmic axis where it falls far: a slow descent is seen too."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Cost of each iteration", parent)
        self.setToolTip("Half the sum of squared residuals; a flat end says that the fit is done.")
        self.set_labels("iteration", "cost")
        self.setMinimumHeight(110)
        self.line = self.plotItem.plot()
        self.clear_cost()

    def clear_cost(self) -> None:
        """Begin anew."""
        self._iterations: list[int] = []
        self._costs: list[float] = []
        self._count = 0
        self._paint()

    def add(self, rows: list[tuple[int, float]]) -> None:
        """Append iterations; a cost of zero or none has no place on the axis."""
        for _, cost in rows:
            if math.isfinite(cost) and cost > 0:
                self._iterations.append(self._count)
                self._costs.append(cost)
            self._count += 1  # a fit that is tried anew counts its iterations from 0
        if len(self._costs) > _MOST:  # every second one tells the same
            del self._iterations[-2::-2], self._costs[-2::-2]
        self._paint()

    def _paint(self) -> None:
        # within one decade a logarithmic axis has no number to write
        self.plotItem.setLogMode(y=max(self._costs, default=1) > 20 * min(self._costs, default=1))
        few = len(self._costs) < 50
        self.line.setData(
            self._iterations, self._costs, pen=pg.mkPen(self.theme.fit, width=1),
            symbol="o" if few else None, symbolSize=5, symbolPen=None,
            symbolBrush=self.theme.fit,
        )  # fmt: skip
