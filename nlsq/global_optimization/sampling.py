"""Points that fill a box evenly: Latin hypercube, Sobol and Halton sequences of `scipy.stats.qmc`.

All are scrambled and seeded: the same seed gives the same points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.global_optimization.config import SAMPLERS, sampler_name


def latin_hypercube_sample(n_samples: int, n_dims: int, seed: Any = None) -> np.ndarray:
    """One point in each of n strata of every dimension; (n_samples, n_dims) in [0, 1).

    Examples
    --------
    >>> np.sort((latin_hypercube_sample(4, 2, seed=0) * 4).astype(int), axis=0).T.tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3]]
    """
    _require_counts("lhs", n_samples, n_dims)
    rng = np.random.default_rng(seed)
    strata = rng.permuted(np.tile(np.arange(n_samples), (n_dims, 1)), axis=1).T
    return (strata + rng.random((n_samples, n_dims))) / n_samples


def sobol_sample(n_samples: int, n_dims: int, skip: int = 0, seed: Any = None) -> np.ndarray:
    """Points number `skip` to skip + n_samples of a scrambled Sobol sequence, (n, d) in [0, 1).

    They are balanced when skip and n_samples are powers of two, or skip is 0; other numbers give
    points that fill the box a little less evenly.

    Raises
    ------
    ValueError
        More than 21 dimensions.

    Examples
    --------
    >>> sobol_sample(4, 2, seed=0).shape
    (4, 2)
    """
    from scipy.stats import qmc

    return _of_sequence(qmc.Sobol, "sobol", n_samples, n_dims, skip, seed)


def halton_sample(n_samples: int, n_dims: int, skip: int = 0, seed: Any = None) -> np.ndarray:
    """Points number `skip` to skip + n_samples of a scrambled Halton sequence, (n, d) in [0, 1).

    Raises
    ------
    ValueError
        More than 20 dimensions.

    Examples
    --------
    >>> halton_sample(5, 3, seed=0).shape
    (5, 3)
    """
    from scipy.stats import qmc

    return _of_sequence(qmc.Halton, "halton", n_samples, n_dims, skip, seed)


def _of_sequence(kind: Callable, name: str, n: int, d: int, skip: int, seed: Any) -> np.ndarray:
    _require_counts(name, n, d)
    if skip < 0:
        raise ValueError(f"skip must be at least 0, got {skip}.")
    # SciPy renames seed= to rng=
    sequence = kind(d, scramble=True, **{_seed_keyword(): np.random.default_rng(seed)})
    if skip:
        sequence.fast_forward(skip)
    if name == "halton":
        return sequence.random(n)
    # SciPy warns unless the number is a power of two: the next one is drawn, the rest dropped
    return sequence.random(1 << (n - 1).bit_length())[:n]


def _seed_keyword() -> str:
    import inspect

    from scipy.stats import qmc

    return "rng" if "rng" in inspect.signature(qmc.Halton).parameters else "seed"


def get_sampler(sampler_type: str) -> Callable[..., np.ndarray]:
    """The sampler called 'lhs', 'sobol' or 'halton'.

    Raises
    ------
    ValueError
        There is none of this name.

    Examples
    --------
    >>> get_sampler("lhs")(3, 2, seed=1).shape
    (3, 2)
    """
    named = {"lhs": latin_hypercube_sample, "sobol": sobol_sample, "halton": halton_sample}
    return named[sampler_name(sampler_type)]


def require_dimension(sampler: str, n_dims: int) -> None:
    """Raise ValueError where a sampler does not fill a box of so many dimensions."""
    most = SAMPLERS[sampler]
    if most is not None and n_dims > most:
        raise ValueError(
            f"The sampler {sampler!r} is for at most {most} parameters, and {n_dims} are to be "
            "drawn; use sampler='lhs'."
        )


def _require_counts(sampler: str, n_samples: int, n_dims: int) -> None:
    if n_samples < 1 or n_dims < 1:
        raise ValueError(f"n_samples and n_dims must be at least 1, got {n_samples} and {n_dims}.")
    require_dimension(sampler, n_dims)


def scale_samples_to_bounds(samples: np.ndarray, lb: Any, ub: Any) -> np.ndarray:
    """`samples` (k, n) of the unit cube in the box from lb to ub, each (n,).

    Raises
    ------
    ValueError
        A bound is infinite or NaN, or one lies above the other.

    Examples
    --------
    >>> scale_samples_to_bounds(np.array([[0.0, 0.5]]), [1, -1], [2, 1])
    array([[1., 0.]])
    """
    lb, ub = np.asarray(lb, float), np.asarray(ub, float)
    if not (np.isfinite(lb).all() and np.isfinite(ub).all()):
        raise ValueError("A sampler needs a box: all bounds must be finite numbers.")
    if (lb > ub).any():
        raise ValueError("Each lower bound must not lie above the upper one.")
    samples = np.asarray(samples, float)
    return np.clip((1 - samples) * lb + samples * ub, lb, ub)


def center_samples_around_p0(
    samples: np.ndarray, p0: Any, scale_factor: float, lb: Any, ub: Any
) -> np.ndarray:
    """`samples` (k, n) of the unit cube around p0, `scale_factor` boxes wide, cut at the bounds.

    Examples
    --------
    >>> center_samples_around_p0(np.array([[0.0], [0.5], [1.0]]), [2.0], 0.5, [0], [4]).T
    array([[1., 2., 3.]])
    """
    lb, ub = np.asarray(lb, float), np.asarray(ub, float)
    around = scale_samples_to_bounds(samples, lb, ub) - (0.5 * lb + 0.5 * ub)
    return np.clip(np.asarray(p0, float) + scale_factor * around, lb, ub)
