"""Points of which there may be millions: what is drawn grows with the pixels, not with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg

from nlsq.session.pyramid import Pyramid

FEW = 2000  # points that are drawn one by one


class CloudItem(pg.PlotDataItem):
    """Symbols where few points are seen; else a line in each column of pixels, from least to most.

    The lines are one pixel wide: wider ones take Qt many times as long.
    """

    def __init__(self):
        super().__init__()
        self._pyramid: Pyramid | None = None
        self._colour, self._symbol = "k", "o"

    def show_points(self, x: np.ndarray, y: np.ndarray, colour: str, symbol: str = "o") -> None:
        """Draw these points, finite and in the order of x."""
        self._colour, self._symbol = colour, symbol
        if x.size <= FEW:
            self._pyramid = None
            self._draw_symbols(x, y)
            return
        before = self._pyramid
        if before is None or before.x is not x or before.y is not y:
            self._pyramid = Pyramid(x, y)
        self._follow()

    def viewRangeChanged(self, *_: Any, **__: Any) -> None:
        self._follow()

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: Any = None) -> Any:
        if self._pyramid is None:
            return super().dataBounds(ax, frac, orthoRange)
        return self._pyramid.bounds[ax]

    def _draw_symbols(self, x: np.ndarray, y: np.ndarray) -> None:
        symbols = {"symbolSize": 6 if x.size < 500 else 4, "symbolBrush": self._colour}
        self.setData(x, y, symbol=self._symbol, symbolPen=None, pen=None, connect="all", **symbols)

    def _follow(self) -> None:
        """Draw what is seen now."""
        view = self.getViewBox()
        if self._pyramid is None or view is None:
            return
        (left, right), (low, high) = view.viewRange()
        wide, high = (right - left) / max(view.width(), 1), (high - low) / max(view.height(), 1)
        first, last = np.searchsorted(self._pyramid.x, (left, right))
        if last - first <= FEW:
            self._draw_symbols(self._pyramid.x[first:last], self._pyramid.y[first:last])
            return
        x, y = self._pyramid.outline(left, right, wide, high)
        self.setData(x, y, symbol=None, pen=pg.mkPen(self._colour, width=1), connect="pairs")
