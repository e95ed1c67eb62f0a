"""How good the fit is, in numbers that say what they are."""

from __future__ import annotations

from PySide6.QtWidgets import QFormLayout, QLabel, QWidget

from nlsq.gui_qt.app_state import AppState

_STATISTICS = {
    "r_squared": ("R²", "Share of the variance of y that the model explains"),
    "rmse": ("RMSE", "Root of the mean squared residual, in units of y"),
    "reduced_chi_squared": (
        "Reduced χ²",
        "About 1 where model and errors of y are right",
    ),
    "aicc": ("AICc", "To compare models on the same data: the lower, the better"),
    "n_points": ("Points", "That were fitted"),
    "dof": ("Degrees of freedom", "Points less the parameters that the data determine"),
}


class FitStatisticsWidget(QWidget):
    """Name and value; the tooltip says what a statistic means."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.values: dict[str, QLabel] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for key, (title, tip) in _STATISTICS.items():
            label = QLabel(self)
            label.setObjectName(f"statistic {key}")
            label.setToolTip(tip)
            self.values[key] = label
            layout.addRow(title, label)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show those of the last fit."""
        document = self._app.document
        for key, label in self.values.items():
            value = None if document is None else document["statistics"].get(key)
            known = value is not None  # "nan" and "inf" stand there as texts
            label.setText(f"{float(value):.6g}" if known else "–")
