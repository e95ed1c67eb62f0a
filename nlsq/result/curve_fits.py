"""`CurveFits`: the results of many fits of one model."""

from __future__ import annotations

import json
import operator
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result.curve_fit_result import CurveFitResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FACTS = "fits.json"
_FORMAT = 1


class CurveFits:
    """Results of `fit_many`: arrays over the fits, and each fit as a `CurveFitResult`.

    Attributes
    ----------
    popt : ndarray (..., n)
        Parameters; NaN where there was no fit (status -3, or below -6).
    pcov : ndarray (..., n, n)
        Covariances, as `curve_fit`'s: infinite along what the data do not determine.
    cost : ndarray (...)
        Half the sum of squares, or of the loss.
    status : ndarray of int (...)
        Why each fit stopped, see `message`; positive when it converged.
    nfev, njev, nit, n_points, rank : ndarray of int (...)
    active_mask : ndarray of int (..., n)
        -1 / 0 / 1: at the lower bound, inside, at the upper bound.
    param_names : tuple of str
    shape : tuple of int
        Of the fits.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import fit_many
    >>> x = np.arange(8.0)
    >>> fits = fit_many(lambda x, a, b: a * x + b, x, [2 * x + 1, 3 * x - 1])
    >>> fits.popt.round(6).tolist()
    [[2.0, 1.0], [3.0, -1.0]]
    >>> fits[1].popt.round(6).tolist()
    [3.0, -1.0]
    >>> print(fits.summary().splitlines()[0])
    2 fits of <lambda>(a, b): 2 converged
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        facts: dict[str, Any],
        make: Callable[[int], CurveFitResult] | None = None,
    ):
        self._arrays, self._facts, self._make = arrays, facts, make
        self.shape: tuple[int, ...] = tuple(facts["shape"])
        self.param_names: tuple[str, ...] = tuple(facts["param_names"])

    @property
    def wall_time(self) -> float:
        """Seconds."""
        return self._facts["wall_time"]

    @wall_time.setter
    def wall_time(self, seconds: float) -> None:
        self._facts["wall_time"] = seconds

    def __reduce__(self) -> tuple:  # the model and the data stay behind
        return CurveFits, (self._arrays, self._facts)

    # -- arrays ----------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> np.ndarray:
        arrays = self.__dict__.get("_arrays", {})
        if name not in arrays:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return arrays[name].reshape(self.shape + arrays[name].shape[1:])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._arrays})

    @property
    def perr(self) -> np.ndarray:
        """Standard errors (..., n)."""
        return np.sqrt(np.diagonal(self.pcov, axis1=-2, axis2=-1))

    @property
    def success(self) -> np.ndarray:
        """True where a fit converged (...)."""
        return self.status > 0

    @property
    def size(self) -> int:
        """Number of fits."""
        return len(self._arrays["status"])

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: Any) -> Any:
        """A parameter's values by its name, (...); a fit by its index, as `CurveFitResult`."""
        if isinstance(key, str):
            if key not in self.param_names:
                raise KeyError(f"{key!r} is no parameter; they are {', '.join(self.param_names)}")
            return self.popt[..., self.param_names.index(key)]
        return self._fit(self._place(key))

    def __iter__(self) -> Iterator[CurveFitResult]:
        return (self._fit(place) for place in range(self.size))

    def _place(self, key: Any) -> int:
        shape = self.shape or (1,)
        index = tuple(operator.index(k) for k in (key if isinstance(key, tuple) else (key,)))
        if len(index) != len(shape):
            indices = ", ".join("ijklmn"[: len(shape)])
            raise IndexError(f"fits of shape {shape} are taken as fits[{indices}]; got fits[{key}]")
        if not all(-length <= k < length for k, length in zip(index, shape, strict=True)):
            raise IndexError(f"index {key!r} is outside the fits of shape {shape}")
        return int(np.ravel_multi_index([k % n for k, n in zip(index, shape, strict=True)], shape))

    def _fit(self, place: int) -> CurveFitResult:
        if self._make is not None:
            return self._make(place)
        status = int(self._arrays["status"][place])
        fields = {name: array[place] for name, array in self._arrays.items() if name != "popt"}
        fields |= {"x": self._arrays["popt"][place], "param_names": self.param_names}
        fields |= {"message": self.messages[status], "success": status > 0}
        result = CurveFitResult(fields)
        if recipe := self._facts.get("model"):
            from nlsq.result.recipes import bring_back

            bring_back(result, recipe)
        return result

    # -- reading ---------------------------------------------------------------------------------

    @property
    def messages(self) -> dict[int, str]:
        """Status codes that occur, with the sentence of each."""
        known = {int(code): text for code, text in self._facts["messages"].items()}
        return {code: known[code] for code in np.unique(self._arrays["status"]).tolist()}

    def worst(self, count: int = 5) -> list[tuple[int, ...]]:
        """Indices of the fits most in need of a look: not converged first, then by reduced cost."""
        status, cost = self._arrays["status"], self._arrays["cost"]
        dof = np.maximum(self._arrays["n_points"] - self._arrays["rank"], 1)
        need = np.where(status > 0, np.nan_to_num(2 * cost / dof, nan=np.inf), np.inf)
        count = min(count, self.size)
        places = np.argpartition(-need, count - 1)[:count] if count else []
        order = sorted(places, key=lambda i: (status[i] > 0, -need[i], i))
        return [tuple(int(k) for k in np.unravel_index(i, self.shape or (1,))) for i in order]

    def summary(self, worst: int = 5) -> str:
        """What came of the fits: statuses counted, parameters over all fits, the worst fits."""
        status, n = self._arrays["status"], len(self.param_names)
        converged, made = status > 0, int((self._arrays["nfev"] > 0).sum())
        name = self._facts["model_name"]
        lines = [
            f"{self.size} fits of {name}({', '.join(self.param_names)}): "
            f"{int(converged.sum())} converged",
            f"{self.wall_time:.3g} s, {made / max(self.wall_time, 1e-9):,.0f} fits/s",
            "",
            f"{'status':>8}{'fits':>12}",
        ]
        codes, counts = np.unique(status, return_counts=True)
        for code, count in sorted(zip(codes, counts, strict=True), key=lambda pair: -pair[1]):
            lines.append(f"{code:>8}{count:>12}  {self.messages[int(code)]}")
        if converged.any():
            popt, pcov = self._arrays["popt"], self._arrays["pcov"]
            lines += [
                "",
                f"{'converged':>12}{'median':>14}{'5 %':>14}{'95 %':>14}{'std error':>14}",
            ]
            for j in range(n):
                low, middle, high = np.quantile(popt[converged, j], (0.05, 0.5, 0.95))
                error = np.median(np.sqrt(pcov[converged, j, j]))
                lines.append(
                    f"{self.param_names[j]:>12}{middle:>14.6g}{low:>14.6g}{high:>14.6g}{error:>14.3g}"
                )
            open_ended = np.isinf(pcov[converged]).any(axis=(1, 2)).sum()
            bound = self._arrays["active_mask"][converged].any(axis=1).sum()
            if open_ended:
                lines.append(f"{open_ended} have parameters that the data do not determine")
            if bound:
                lines.append(f"{bound} have a parameter on its bound")
        places = [index for index in self.worst(worst)]
        if places:
            lines += ["", "worst:"]
        for index in places:
            place = int(np.ravel_multi_index(index, self.shape or (1,)))
            label = ", ".join(map(str, index))
            lines.append(
                f"  [{label}] status {status[place]}, cost {self._arrays['cost'][place]:.6g}"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        converged = int((self._arrays["status"] > 0).sum())
        return f"CurveFits(shape={self.shape}, {self.param_names}, {converged} converged)"

    # -- other forms -----------------------------------------------------------------------------

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each fit: values, ``<name>_err``, cost, status and counts.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas") from error
        popt, perr = self._arrays["popt"], self.perr.reshape(self.size, -1)
        columns = {}
        for j, name in enumerate(self.param_names):
            columns[name] = popt[:, j]
            columns[f"{name}_err"] = perr[:, j]
        for name in ("cost", "status", "nfev", "n_points"):
            columns[name] = self._arrays[name]
        columns["success"] = self._arrays["status"] > 0
        index = None
        if len(self.shape) > 1:
            axes = [f"axis{k}" for k in range(len(self.shape))]
            index = pandas.MultiIndex.from_product(map(range, self.shape), names=axes)
        return pandas.DataFrame(columns, index=index)

    def to_xarray(self) -> Any:
        """A Dataset over the axes of the fits, ``axis0``, ``axis1`` ... and the parameters.

        Raises
        ------
        ImportError
            When xarray is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray needs xarray: pip install xarray") from error
        axes = [f"axis{k}" for k in range(len(self.shape))]
        own = {
            "popt": ["param"], "perr": ["param"], "active_mask": ["param"],
            "pcov": ["param", "param2"],
        }  # fmt: skip
        names = [*self._arrays, "perr"]
        variables = {name: (axes + own.get(name, []), getattr(self, name)) for name in names}
        coordinates = {"param": list(self.param_names), "param2": list(self.param_names)}
        return xarray.Dataset(variables, coordinates)

    def save(self, path: str | os.PathLike) -> None:
        """Write to a ``.npz`` or ``.parquet`` file; the data stay behind.

        Of a model of `nlsq.models` its name or formula is kept, any other stays behind.

        Raises
        ------
        ValueError
            When the name ends in neither.
        """
        path = pathlib.Path(path)
        facts = json.dumps(self._stored_facts())
        if path.suffix == ".npz":
            with open(path, "wb") as file:
                np.savez(file, facts=np.array(facts), **self._arrays)
        elif path.suffix == ".parquet":
            arrow, parquet = _arrow()
            columns = {}
            for name, array in self._arrays.items():
                flat = arrow.array(np.ascontiguousarray(array).reshape(-1))
                width = int(np.prod(array.shape[1:]))
                if array.ndim > 1:
                    flat = arrow.FixedSizeListArray.from_arrays(flat, width)
                columns[name] = flat
            table = arrow.table(columns)
            parquet.write_table(table.replace_schema_metadata({"nlsq": facts}), path)
        else:
            raise ValueError(
                f"the name of the file must end in .npz or .parquet, got {path.name!r}"
            )

    def describe(self, folder: str | os.PathLike) -> None:
        """Write what belongs to the arrays that `fit_many` has written to its folder `out`."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        text = json.dumps(self._stored_facts() | {"arrays": list(self._arrays)}, indent=1)
        (pathlib.Path(folder) / _FACTS).write_text(text + "\n", encoding="utf-8")

    def _stored_facts(self) -> dict[str, Any]:
        return {"format": _FORMAT} | self._facts | {"shape": list(self.shape)}

    @classmethod
    def load(cls, path: str | os.PathLike) -> CurveFits:
        """Results from `save`, or from the folder that `fit_many` was given as `out`.

        Raises
        ------
        ValueError
            When the file holds something else.
        """
        path = pathlib.Path(path)
        if path.is_dir():
            facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
            names = facts.pop("arrays")
            arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in names}
            return cls(arrays, facts)
        if path.suffix == ".parquet":
            _, parquet = _arrow()
            table = parquet.read_table(path)
            stored = (table.schema.metadata or {}).get(b"nlsq")
            if stored is None:
                raise ValueError(f"{path} was not written by CurveFits.save")
            facts = json.loads(stored)
            n = len(facts["param_names"])
            tails = {"popt": (n,), "active_mask": (n,), "pcov": (n, n)}
            arrays = {}
            for name in table.column_names:
                column = table[name].combine_chunks()
                flat = column.flatten() if name in tails else column
                arrays[name] = flat.to_numpy(zero_copy_only=False).reshape(-1, *tails.get(name, ()))
            return cls(arrays, facts)
        if path.suffix != ".npz":
            raise ValueError(f"{path} was not written by CurveFits.save or fit_many(out=...)")
        with np.load(path, allow_pickle=False) as file:
            if "facts" not in file:
                raise ValueError(f"{path} was not written by CurveFits.save")
            arrays = {name: file[name] for name in file.files if name != "facts"}
            return cls(arrays, json.loads(str(file["facts"])))

    # -- pictures --------------------------------------------------------------------------------

    def plot(self, index: Any, **options: Any) -> tuple[Figure, np.ndarray]:
        """Draw one fit; see `CurveFitResult.plot`."""
        return self[index].plot(**options)

    def plot_map(
        self, name: str, ax: Axes | None = None, *, errors: bool = False, label: str | None = None
    ) -> tuple[Figure, Axes]:
        """Draw a parameter over an image of fits; fits that did not converge are left grey.

        Parameters
        ----------
        name : str
            A parameter, or 'cost', 'nfev', 'status'.
        ax : matplotlib Axes, optional
            Default: a new figure, as `CurveFitResult.plot` makes it.
        errors : bool
            Draw the parameter's standard errors instead.
        label : str, optional
            Of the colour bar; default the name.

        Raises
        ------
        ValueError
            When the fits are not an image, of two axes.
        ImportError
            When matplotlib is not installed.
        """
        from nlsq.result import figures

        if len(self.shape) != 2:
            raise ValueError(f"a map needs fits along two axes; these are of shape {self.shape}")
        if name in self.param_names:
            values = (self.perr if errors else self.popt)[..., self.param_names.index(name)]
        elif name in ("cost", "nfev", "status"):
            values = np.asarray(getattr(self, name), float)
        else:
            known = ", ".join((*self.param_names, "cost", "nfev", "status"))
            raise ValueError(f"{name!r} is nothing to draw; known are {known}")
        shown = values if name == "status" else np.where(self.success, values, np.nan)
        return figures.image(shown, ax, label or (f"{name}, std error" if errors else name))


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow: pip install pyarrow") from error
    return pyarrow, pyarrow.parquet
