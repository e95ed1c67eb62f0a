"""NIST's data and our models belong together: the certified values give the certified sums."""

import numpy as np
import pytest

from tests.nist import PROBLEMS, digits

pytestmark = pytest.mark.core


def _jacobian(problem) -> np.ndarray:
    """Complex-step derivative at the certified values, (m, n); exact to rounding."""
    columns = []
    for i, value in enumerate(problem.certified):
        at = problem.certified.astype(complex)
        at[i] += 1j * 1e-20 * abs(value)
        columns.append(problem.model_numpy(problem.x, *at).imag / (1e-20 * abs(value)))
    return np.stack(columns, axis=1)


def test_all_27_problems_with_unique_names():
    assert len({p.name for p in PROBLEMS}) == len(PROBLEMS) == 27
    counts = {level: sum(p.difficulty == level for p in PROBLEMS) for level in ("lower", "average")}
    assert counts == {"lower": 8, "average": 11}


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_model_at_certified_values_gives_certified_sum_of_squares(problem):
    residual = problem.model_numpy(problem.x, *problem.certified) - problem.y
    rss = residual @ residual
    # The certified values are rounded to 11 digits, which moves the model by at most:
    moved = np.linalg.norm(np.abs(_jacobian(problem)) @ np.abs(problem.certified)) * 5e-11
    slack = 2 * moved * np.sqrt(problem.rss) + moved**2 + 1e-9 * problem.rss
    assert abs(rss - problem.rss) <= slack
    assert problem.rsd == pytest.approx(np.sqrt(problem.rss / problem.dof), rel=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_linearised_model_gives_certified_standard_errors(problem):
    r = np.linalg.qr(_jacobian(problem) * np.abs(problem.certified), mode="r")
    scaled = np.linalg.inv(r)
    stderr = problem.rsd * np.linalg.norm(scaled, axis=1) * np.abs(problem.certified)
    assert digits(stderr, problem.stderr) >= 6


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_shapes_and_starts(problem):
    m, n = problem.y.size, problem.certified.size
    assert problem.x.shape in ((m,), (2, m))
    assert m - n == problem.dof
    assert all(start.shape == problem.stderr.shape == (n,) for start in problem.starts)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_numpy_and_jax_models_agree(problem):
    import jax

    with jax.enable_x64(True):
        ours = np.asarray(problem.model_jax(problem.x, *problem.certified))
    np.testing.assert_allclose(
        ours, problem.model_numpy(problem.x, *problem.certified), rtol=1e-12, atol=1e-13
    )


def test_digits_count_the_worst_element_and_no_more_than_certified():
    assert digits([1.0, 2.0002], [1.0, 2.0]) == pytest.approx(4)
    assert digits([1.0], [1.0]) == 11
    assert digits([1.0, np.nan], [1.0, 1.0]) == 0
    assert digits([np.inf], [1.0]) == 0
    assert digits([-3.0], [1.0]) == 0
    assert digits([1e-5], [0.0]) == pytest.approx(5)
