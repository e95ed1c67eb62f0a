"""The pictures of a fit, as methods of its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result.fitted_curve import FittedCurve
from nlsq.result.statistics import LEVEL, level_of
from nlsq.utils.input_error import keywords_checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.plotting import Options


class FitPlots(FittedCurve):
    """What can be drawn of a fit; all of it needs matplotlib (``pip install matplotlib``).

    A new figure is shown by notebooks, and by ``plt.show()`` where `matplotlib.pyplot` was imported
    before; elsewhere it belongs to no window (save it with ``fig.savefig``).

    Parameters
    ----------
    mapping, lazy
        As for `CurveFitResult`, which is the class to use.
    """

    def _sample_title(self) -> str | None:
        """How many of the points are drawn, where that are not all."""
        return None

    def _options(self, **given: Any) -> Options:
        """What to draw; labels that were not given are those of the data."""
        from nlsq.result.plotting import Options
        from nlsq.utils.figures import plain

        names = {"x": "x", "y": "y"} | (self.get("labels") or {})
        x = plain(names["x"]) if isinstance(names["x"], str) else tuple(map(plain, names["x"]))
        defaults = {"xlabel": x, "ylabel": plain(names["y"]), "title": self._sample_title()}
        chosen = {k: v for k, v in given.items() if v is not None}
        return Options(**{k: v for k, v in defaults.items() if k in given} | chosen)

    @keywords_checked
    def plot(
        self,
        ax: Axes | None = None,
        show_residuals: bool = True,
        show_confidence: bool = True,
        *,
        show_prediction: bool = False,
        level: float = LEVEL,
        alpha: float | None = None,
        xlabel: str | Sequence[str] | None = None,
        ylabel: str | None = None,
        title: str | None = None,
        xscale: str | None = None,
        yscale: str | None = None,
    ) -> tuple[Figure, np.ndarray]:
        """Draw data, fit, band and residuals.

        Over a plane, x of shape (2, m), data, fit and residual are images beside each other, and
        bands are not drawn; with `show_prediction`, and where x is no single real number per point,
        observed are drawn against predicted values.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Draw here; the other panels take a part of its place. Default: a new figure, which
            notebooks show, and ``plt.show()`` where `matplotlib.pyplot` was imported before;
            elsewhere it belongs to no window (save it with ``fig.savefig``).
        show_residuals, show_confidence : bool, default True
            The panel of residuals; the confidence band of the curve.
        show_prediction : bool, default False
            The band of new observations.
        level : float, default 0.95
            Level of the bands; `alpha` is another name for it.
        xlabel, ylabel : str
            Labels of the axes, for a plane a pair as `xlabel`. Default: the names of the data
            (pandas, columns of a file), or x and y.
        title : str, optional
            Title of the upper panel.
        xscale, yscale : str, optional
            'linear', 'log', or another scale of matplotlib. Default: logarithmic where positive
            data over three decades or more lie about evenly in their logarithms; y only besides,
            where the fit rises or falls throughout and follows the data over these decades, and
            x is logarithmic or sigma spans a decade too.

        Returns
        -------
        fig : matplotlib Figure
        axes : ndarray of Axes
            Curve, and residuals when shown; over a plane data, fit, and residuals when shown.

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        ValueError
            When a scale is not one, or no value has a place on a logarithmic axis.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> dose = np.geomspace(1e-3, 10, 12)
        >>> answer = 3 * dose / (0.2 + dose)
        >>> fit = curve_fit(lambda x, top, ec50: top * x / (ec50 + x), dose, answer)
        >>> fig, axes = fit.plot(xlabel="dose (mg)")
        >>> axes[0].get_xscale()
        'log'
        """
        from nlsq.result import plotting

        options = self._options(
            show_residuals=show_residuals, show_confidence=show_confidence,
            show_prediction=show_prediction, level=level_of(level, alpha),
            xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale=yscale,
        )  # fmt: skip
        return plotting.plot(self._data_to_look_at(), ax, options)

    @keywords_checked
    def plot_residuals(
        self, *, xlabel: str | None = None, title: str | None = None, xscale: str | None = None
    ) -> tuple[Figure, np.ndarray]:
        """Draw the residuals: along x, as a histogram, and against a normal distribution.

        They are standardised: divided by sigma and, unless ``absolute_sigma``, by s, the root of
        the reduced chi-squared. A correlated sigma is removed first (the whitened residuals).
        A good fit leaves about 95 % between -2 and 2, without a pattern along x, and in the last
        panel points along the line, within the band that holds each with 95 %.

        Parameters
        ----------
        xlabel, title, xscale : str, optional
            As for `plot`. Where x is not a single real number per point, the residuals are drawn
            along the predicted values.

        Returns
        -------
        fig : matplotlib Figure
        axes : ndarray of Axes, shape (3,)

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        """
        from nlsq.result import residual_plots

        options = self._options(xlabel=xlabel, ylabel=None, title=title, xscale=xscale)
        return residual_plots.draw(self._data_to_look_at(), options)

    @keywords_checked
    def plot_correlation(
        self, ax: Axes | None = None, *, title: str | None = None
    ) -> tuple[Figure, Axes]:
        """Draw the correlations of the free parameters as a map with their names.

        A parameter that the data do not determine is hatched.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure, as for `plot`.
        title : str, optional

        Returns
        -------
        fig : matplotlib Figure
        ax : Axes

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        ValueError
            When no parameter is free.
        """
        from nlsq.result import correlation_map

        return correlation_map.draw(self, ax, title)

    @keywords_checked
    def plot_waterfall(
        self, ax: Axes | None = None, *, title: str | None = None
    ) -> tuple[Figure, Axes]:
        """Draw the costs of all local fits of a search, sorted: each step is a minimum.

        A long first step says that the best minimum was found often. A minimum in the shaded band
        is one that the data do not exclude.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure, as for `plot`.
        title : str, optional

        Returns
        -------
        fig : matplotlib Figure
        ax : Axes

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        AttributeError
            When the start was not searched for.
        """
        from nlsq.result import waterfall

        return waterfall.draw(self, ax, title)

    @keywords_checked
    def plot_components(
        self,
        x: Any = None,
        ax: Axes | None = None,
        show_residuals: bool = True,
        *,
        xlabel: str | None = None,
        ylabel: str | None = None,
        title: str | None = None,
        xscale: str | None = None,
        yscale: str | None = None,
    ) -> tuple[Figure, np.ndarray]:
        """Draw the data, the fit, and each component of a model that is a sum.

        Parameters
        ----------
        x : array_like, shape (k,), optional
            Where to draw the curves. Default: over the data.
        ax, show_residuals, xlabel, ylabel, title, xscale, yscale
            As for `plot`.

        Returns
        -------
        fig : matplotlib Figure
        axes : ndarray of Axes
            Curves, and residuals when shown.

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        ValueError
            When the model has no components, or x is not a single real number per point.
        RuntimeError
            When the model is gone; see `attach`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.linspace(0, 5, 40)
        >>> fit = curve_fit("a*exp(-x/tau) + b*x", x, 3 * np.exp(-x) + 0.1 * x)
        >>> fig, axes = fit.plot_components()
        >>> [line.get_label() for line in axes[0].lines[1:]]
        ['a*exp(-x/tau)', 'b*x', 'fit']
        """
        from nlsq.result import component_plot

        options = self._options(
            show_residuals=show_residuals, xlabel=xlabel, ylabel=ylabel, title=title,
            xscale=xscale, yscale=yscale,
        )  # fmt: skip
        return component_plot.draw(self._data_to_look_at(), x, ax, options)
