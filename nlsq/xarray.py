"""The accessor ``da.nlsq``: fits along one dimension of an xarray DataArray.

``import nlsq.xarray`` registers it.

Examples
--------
>>> import numpy as np, xarray
>>> import nlsq.xarray
>>> t, tau = np.linspace(0, 5, 40), np.array([[0.5, 1.0], [1.5, 2.0]])
>>> image = xarray.DataArray(
...     3 * np.exp(-t / tau[..., None]), dims=("y", "x", "t"), coords={"t": t, "x": [10, 20]}
... )
>>> fits = image.nlsq.fit(lambda t, a, tau: a * np.exp(-t / tau), dim="t", p0={"a": 1, "tau": 1})
>>> fits.tau.sel(x=20).values.round(6).tolist()
[1.0, 2.0]
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import xarray

from nlsq.core.fit_many import fit_many
from nlsq.result.curve_fits import CurveFits


@xarray.register_dataarray_accessor("nlsq")
class Accessor:
    """Fits along one dimension of a DataArray; all others are those of the results."""

    def __init__(self, array: xarray.DataArray):
        self._array = array

    def fit(
        self,
        model: Callable | str,
        dim: Hashable,
        p0: Any = None,
        sigma: Any = None,
        **options: Any,
    ) -> xarray.Dataset:
        """Fit the model along `dim`, once for each place of the other dimensions.

        Parameters
        ----------
        model : callable or str
            ``f(x, a, b, ...)`` or a text, as for `nlsq.fit_many`; x is the coordinate `dim`, or
            0, 1, 2 ... where it has none.
        dim : hashable
            The dimension of the points.
        p0 : array_like (n,), dict, 'auto' or callable, optional
            As for `fit_many`. In a dict a DataArray over other dimensions may be in a number's
            place.
        sigma : number or DataArray, optional
            Standard deviations, over any of the dimensions.
        **options
            Of `fit_many`: `bounds` and `fixed` (dicts of numbers and DataArrays too), `client`,
            `loss` ...

        Returns
        -------
        Dataset
            For each parameter its values and ``<name>_err``; ``cost``, ``status``, ``nfev`` and
            ``n_points`` (``fit_cost`` and so on where a parameter has the name), over the other
            dimensions with their coordinates. The attributes are those of the data; those of
            ``status`` say what its codes mean.

        Raises
        ------
        ValueError
            When there is no such dimension; else as `fit_many`.
        """
        array = self._array
        if dim not in array.dims:
            known = ", ".join(map(repr, array.dims))
            raise ValueError(f"there is no dimension {dim!r} to fit along; there are {known}.")
        rest = array.isel({dim: 0}, drop=True)
        x = array[dim].values  # counted where it has no coordinate
        y = array.transpose(..., dim)
        if isinstance(sigma, xarray.DataArray):
            sigma = sigma.broadcast_like(y).transpose(*y.dims).data
        for name in ("bounds", "fixed"):
            if isinstance(options.get(name), dict):
                options[name] = _over(options[name], rest)
        p0 = _over(p0, rest) if isinstance(p0, dict) else p0
        fits = fit_many(model, x, y.data, p0, sigma, x_per_fit=False, **options)
        return _dataset(fits, rest)


def _over(given: Any, rest: xarray.DataArray) -> Any:
    """What is given by name, its DataArrays over all dimensions of the fits."""
    if isinstance(given, dict):
        return {name: _over(value, rest) for name, value in given.items()}
    if isinstance(given, tuple | list):
        return tuple(_over(value, rest) for value in given)
    if isinstance(given, xarray.DataArray):
        return given.broadcast_like(rest).transpose(*rest.dims).values
    return given


def _dataset(fits: CurveFits, rest: xarray.DataArray) -> xarray.Dataset:
    found, perr = {}, fits.perr
    for j, name in enumerate(fits.param_names):
        found[name], found[f"{name}_err"] = fits.popt[..., j], perr[..., j]
    for name in ("cost", "status", "nfev", "n_points"):
        found[f"fit_{name}" if name in found else name] = np.array(getattr(fits, name))
    dataset = xarray.Dataset(
        {name: (rest.dims, values) for name, values in found.items()}, rest.coords, rest.attrs
    )
    status = dataset["fit_status" if "status" in fits.param_names else "status"]
    status.attrs["messages"] = "; ".join(f"{code}: {said}" for code, said in fits.messages.items())
    return dataset
