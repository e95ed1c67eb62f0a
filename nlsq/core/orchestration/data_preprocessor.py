"""Stage 1: the user's data, checked and laid out."""

from __future__ import annotations

from typing import Any

from nlsq.interfaces.orchestration_protocol import PreprocessedData
from nlsq.utils.validators import InputValidator


class DataPreprocessor:
    """Lets an `InputValidator` check the data as SciPy does, and turn sigma into weights.

    Examples
    --------
    >>> data = DataPreprocessor().preprocess([0, 1, 2], [1.0, float("nan"), 3.0], nan_policy="omit")
    >>> data.n_points, data.xdata
    (2, array([0., 2.]))
    """

    __slots__ = ()

    def preprocess(
        self,
        xdata: Any,
        ydata: Any,
        sigma: Any = None,
        check_finite: bool | None = None,
        nan_policy: str | None = None,
    ) -> PreprocessedData:
        """The arguments are those of `nlsq.curve_fit`.

        Raises
        ------
        ValueError, TypeError
            For data that are empty, no numbers, not finite, or do not belong together.
        """
        return InputValidator(check_finite, nan_policy).validate(xdata, ydata, sigma)
