"""What users hand over as numbers: what must not be taken for numbers in silence, and masks.

NumPy turns dates into integers of whatever unit they were stored in, drops the unit of a quantity
and the mask of a masked array, without a word. Here each of them is refused or honoured.
"""

from __future__ import annotations

import cmath
import datetime
import math
import re
import sys
from typing import Any

import numpy as np

ONE_THREAD = 1 << 12  # elements, above which a product would call up OpenBLAS's threads
_NUMBERS = frozenset((float, int, np.float64))
_PLAIN = _NUMBERS | {np.ndarray, type(None)}
DATES = "Convert them to seconds first: (x - x[0]) / np.timedelta64(1, 's')."
_DATES = datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64
_UNITS = "Pass plain numbers: `.magnitude` (pint) or `.value` (astropy, unyt) in one unit."
_REMEDIES = (
    (
        "truth value of a",
        "In the model, `if x < 1`, `and`, `or` and `max(x, 0)` ask one question of the whole array."
        " For each point on its own write np.where(x < 1, ..., ...), `&`, `|` and "
        "np.maximum(x, 0).",
    ),
    (
        "arrays can be converted to|convert the series to|must be real number, not",
        "In the model, math.exp(x), float(x) and int(x) take one number. Use np.exp(x) and the "
        "like, which take arrays; for int(x), np.trunc(x).",
    ),
    ("[Dd]atetime|[Tt]imedelta|<[Mm]8", DATES),
    ("^Cannot convert from '", _UNITS),
)
_INSIDE = (
    "`{}` cannot run inside jax.jit, grad, vmap or another transformation of JAX: how a fit goes "
    "on depends on its numbers, which are not there while JAX traces. Call it outside of the "
    "transformation, or from inside by jax.pure_callback."
)


def require_numbers(caller: str) -> None:
    """Raise when a fit is called while JAX traces the function around it.

    Raises
    ------
    TypeError
        Saying what to do.
    """
    if "jax" not in sys.modules:
        return
    from nlsq.xla import nothing_is_traced

    if not nothing_is_traced():
        raise TypeError(_INSIDE.format(caller))


def numeric(data: Any, name: str) -> np.ndarray:
    """Double or complex numbers of anything array-like, masked elements as they are underneath.

    Raises
    ------
    TypeError, ValueError
        What is no number, a date, or a number with a unit.
    """
    kind = type(data)
    if kind is np.ndarray and data.dtype == np.float64:
        return data
    if (kind is list or kind is tuple) and is_plain(data):
        return np.array(data, float)
    refuse_units(data, name)
    try:
        array = np.asarray(data)
        refuse_dates(array, name)
        if array.dtype.kind == "c":
            return array.astype(complex)
        return array if array.dtype == np.float64 else array.astype(float)
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        raise type(error)(f"`{name}` must be an array of numbers: {error}") from None


def real(data: Any, name: str) -> np.ndarray:
    """`numeric`, but for complex numbers.

    Raises
    ------
    TypeError, ValueError
    """
    array = numeric(data, name)
    if array.dtype.kind == "c":
        raise TypeError(f"`{name}` must be real.")
    return array


def refuse_dates(array: np.ndarray, name: str) -> None:
    """Raise TypeError when an array holds dates, times or durations."""
    kind = array.dtype.kind
    if kind in "mM" or (kind == "O" and array.size and isinstance(array.flat[0], _DATES)):
        raise TypeError(
            f"{_quoted(name)} holds dates or times ({array.dtype}), whose numbers depend on the "
            f"unit they are stored in. {DATES}"
        )


def is_plain(data: Any) -> bool:
    """Whether these are, at a glance, numbers with neither units nor masks."""
    kind = type(data)
    if kind is list or kind is tuple:
        return len(data) < 32 and _NUMBERS.issuperset(map(type, data))
    return kind in _PLAIN


def has_unit(data: Any) -> bool:
    """Whether these are quantities of pint, astropy, unyt or their like, or a list of them."""
    if isinstance(data, list | tuple) and len(data):
        data = data[0]
    if is_plain(data):
        return False
    kind = type(data)
    pairs = ("magnitude", "units"), ("value", "unit"), ("value", "units")
    return any(hasattr(kind, number) and hasattr(data, unit) for number, unit in pairs)


def refuse_units(data: Any, name: str) -> None:
    """Raise TypeError for quantities, whose units NumPy would drop."""
    if has_unit(data):
        raise TypeError(f"{_quoted(name)} has units, which would be lost. {_UNITS}")


def refuse_masks(data: Any, name: str, remedy: str) -> None:
    """Raise ValueError when elements are masked where that has no meaning."""
    if mask_of(data) is not None:
        raise ValueError(f"{_quoted(name)} has masked elements. {remedy}")


def _quoted(name: str) -> str:
    return name if " " in name else f"`{name}`"


def _masks_exist() -> bool:
    """Whether anybody can have a masked array: NumPy loads what makes them when it is asked for."""
    return "numpy.ma" in sys.modules


def mask_of(data: Any) -> np.ndarray | None:
    """Where elements of a masked array, or of a list of such, are masked; None for nowhere."""
    if not _masks_exist():
        return None
    if isinstance(data, list | tuple):
        if not any(isinstance(value, np.ma.MaskedArray) for value in data):
            return None
        data = np.ma.array(data)
    if not isinstance(data, np.ma.MaskedArray) or not np.ma.is_masked(data):
        return None
    return np.ma.getmaskarray(data)


def point_axes(x_shape: tuple, y_shape: tuple) -> tuple[int, ...] | None:
    """The axes of x that run over the points of y; None when no axes do."""
    m, k = math.prod(y_shape), len(y_shape)
    if k and x_shape[-k:] == y_shape:
        return tuple(range(len(x_shape) - k, len(x_shape)))
    if x_shape[-1:] == (m,):
        return (len(x_shape) - 1,)
    return (0,) if x_shape[:1] == (m,) else None


def over_points(flags: np.ndarray, y_shape: tuple) -> np.ndarray | None:
    """(m,) True where any of a point's flags, in the shape of x, is; None when no axes do."""
    axes = point_axes(flags.shape, y_shape)
    if axes is None:
        return None
    return flags.any(axis=tuple(set(range(flags.ndim)) - set(axes))).ravel()


def spread(points: np.ndarray, x_shape: tuple, y_shape: tuple) -> np.ndarray | None:
    """`points` (m,) in a shape that broadcasts to that of x; None when no axes of it do."""
    axes = point_axes(x_shape, y_shape)
    if axes is None:
        return None
    return points.reshape([k if i in axes else 1 for i, k in enumerate(x_shape)])


def hidden_points(xdata: Any, ydata: Any, sigma: Any) -> np.ndarray | None:
    """(m,) True for the points that are masked in x, y or sigma; None when there are none.

    Raises
    ------
    ValueError
        A mask that does not belong to single points.
    """
    if is_plain(xdata) and is_plain(ydata) and is_plain(sigma):
        return None
    columns = list(xdata.values()) if isinstance(xdata, dict) else [xdata]
    hidden, shape = None, None
    for name, data in [*(("xdata", x) for x in columns), ("ydata", ydata), ("sigma", sigma)]:
        if (mask := mask_of(data)) is None:
            continue
        shape = np.shape(ydata) if shape is None else shape
        points = None
        if name != "sigma" or mask.shape == (math.prod(shape),):
            points = over_points(mask, shape)
        if points is None:
            raise ValueError(
                f"the mask of `{name}`, of shape {mask.shape}, does not tell which points of ydata "
                f"{shape} to leave out. Leave them out of x, y and sigma, or mask ydata."
            )
        hidden = points if hidden is None else hidden | points
    return hidden


def require_finite(array: np.ndarray, name: str) -> None:
    """Raise SciPy's ValueError when some number is not finite, with the place of the first."""
    if array.dtype.kind not in "fc":
        return
    # the product is four times as fast as the sum
    small = array.ndim == 1 and array.size <= ONE_THREAD
    if cmath.isfinite(array.dot(array) if small else array.sum()):
        return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = ", ".join(str(int(i)) for i in bad[0])
        raise ValueError(
            f"array must not contain infs or NaNs: `{name}` has {len(bad)}, the first at index "
            f"{where}. Remove them, or pass check_finite=False, nan_policy='omit'."
        )


def apply_nan_policy(
    xdata: Any, y: np.ndarray, nan_policy: str, hidden: np.ndarray | None
) -> tuple:
    """((m,) True for the points to leave out, or None for none; xdata of the others).

    hidden: (m,) True for masked points, whose NaN nobody minds.

    Raises
    ------
    ValueError, TypeError
        For NaN with the policy 'raise', and when no point is left.
    """
    if nan_policy == "propagate":
        raise ValueError("`nan_policy='propagate'` is not supported by this function.")
    if nan_policy not in ("raise", "omit"):
        raise ValueError("nan_policy must be one of {None, 'raise', 'omit'}")
    bad, array = np.isnan(y).ravel(), isinstance(xdata, np.ndarray)
    table = hasattr(xdata, "loc") and len(xdata) == y.size
    absent = None
    if array:
        absent = np.isnan(xdata)
        of_points = over_points(absent, y.shape)
        if of_points is None and absent.any():
            raise ValueError(
                f"nan_policy={nan_policy!r}: xdata has NaN, but no axis of its shape "
                f"{xdata.shape} runs over the {y.size} points."
            )
        bad = bad if of_points is None else bad | of_points
    elif table:
        absent = np.asarray(xdata.isna())
        bad |= absent.any(axis=1) if absent.ndim == 2 else absent
    if hidden is not None:
        bad &= ~hidden
    if not bad.any():
        return None, xdata
    if nan_policy == "raise":
        raise ValueError("The input contains nan values")
    if bad.all():
        raise TypeError("No point is left: every one has a NaN in xdata or ydata.")
    if table:
        return bad, xdata.loc[~bad]
    axes = point_axes(xdata.shape, y.shape) if array else None
    if axes is None:
        return bad, xdata
    if axes == (0,):
        return bad, xdata[~bad]
    return bad, xdata[..., ~bad.reshape([xdata.shape[i] for i in axes])]


# ----------------------------------------------------------------------------- the model's values


def refuse_value(value: Any, of: str = "the model f(x, *params)") -> None:
    """Raise TypeError when the user's function returned nothing, or quantities."""
    if value is None:
        raise TypeError(f"None was returned by {of}. Is its `return` missing?")
    if has_unit(value):
        raise TypeError(
            f"Values with units were returned by {of}. Return plain numbers in the unit of the "
            "data: their `.magnitude` or `.value`."
        )


def model_value(value: Any, of: str = "the model f(x, *params)") -> np.ndarray:
    """What a user's function returned, as an array of numbers; NaN where it is masked.

    Raises
    ------
    TypeError
        It is no numbers.
    """
    if type(value) is np.ndarray and value.dtype == np.float64 and value.ndim == 1:
        return value
    refuse_value(value, of)
    if _masks_exist() and np.ma.is_masked(value):
        value = value.astype(np.result_type(value, float)).filled(np.nan)
    try:
        array = np.atleast_1d(np.asarray(value))
        if array.dtype.kind == "O":
            array = array.astype(float)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{of} must return an array of numbers: {error}") from None
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{of} must return an array of numbers, it returned {array.dtype}.")
    return array


def fits(got: tuple, points: int, shape: tuple | None) -> bool:
    """Whether a model value of shape `got` has a value for each point in ydata's order, or one.

    Parameters
    ----------
    got : tuple
    points : int
    shape : tuple or None
        Of ydata without axes of length 1, where it has several others.
    """
    plain = tuple(k for k in got if k != 1)
    size = math.prod(plain)
    return size == 1 or (size == points and (len(plain) == 1 or plain == shape))


class WrongValue(ValueError):
    """Values of a model, of the shape `got`, that do not fit the data."""

    got: tuple = ()


def wrong_value(got: tuple, points: int, shape: tuple | None) -> WrongValue:
    """The error for a model value that does not fit."""
    size, shape = math.prod(got), shape or (points,)
    what = f"{size} values for {points} data points"
    if size == points or len(got) > 1 or len(shape) > 1:
        what = f"an array of shape {got}, but ydata has shape {shape}"
    hint = ""
    if len(got) == 1 and len(shape) == 2 and size in shape:
        rows = "ydata" if size == shape[1] else "ydata.T"
        hint = f" Data sets of their own parameters: fit_many(f, x, {rows}), a row each."
    error = WrongValue(
        f"The model returned {what}; f(x, *params) must return one value for each element of "
        f"ydata, in its shape or raveled in its order.{hint}"
    )
    error.got = got
    return error


def explained(error: Exception) -> Exception:
    """The error of a user's model with the remedy, where it is one of the usual mistakes."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text := str(error)):
            kind = TypeError if isinstance(error, TypeError) else ValueError
            return kind(f"{text.rstrip('. ')}. {remedy}")
    return error
