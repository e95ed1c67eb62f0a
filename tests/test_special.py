"""Special functions against SciPy: values over wide ranges, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special as sp

from nlsq.core.model.carry import special

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]
POSITIVE = np.logspace(-8, 2.3, 150)
REAL = np.concatenate([-np.logspace(-8, 1.3, 80)[::-1], [0.0], np.logspace(-8, 1.3, 80)])
UNIT = np.concatenate([np.logspace(-10, -0.01, 80), 1 - np.logspace(-10, -0.01, 80)])
SMOOTH = np.linspace(0.31, 7.7, 40)

# name, arguments before x, where the value is compared, where the slope is, relative tolerance
CASES = [
    ("erf", (), REAL, SMOOTH / 4, 1e-14),
    ("erfc", (), REAL, SMOOTH / 2, 1e-13),
    ("erfcx", (), REAL[REAL > -5], SMOOTH, 1e-13),
    ("erfinv", (), 2 * UNIT - 1, SMOOTH / 10, 1e-13),
    ("erfcinv", (), UNIT, SMOOTH / 10, 1e-13),
    ("erfi", (), REAL, SMOOTH / 2, 1e-13),
    ("dawsn", (), REAL, SMOOTH, 2e-13),
    ("log_ndtr", (), REAL, SMOOTH - 4, 1e-12),
    ("ndtri", (), UNIT, SMOOTH / 10, 1e-13),
    ("expit", (), REAL, SMOOTH, 1e-14),
    ("log_expit", (), REAL, SMOOTH, 1e-13),
    ("gamma", (), POSITIVE[POSITIVE < 160], SMOOTH, 1e-12),
    ("gammaln", (), SMOOTH * 9, SMOOTH, 1e-12),
    ("psi", (), POSITIVE, SMOOTH + 1.5, 1e-12),
    ("gammainc", (2.3,), POSITIVE, SMOOTH, 1e-12),
    ("gammaincc", (2.3,), POSITIVE[POSITIVE < 100], SMOOTH, 1e-12),
    ("betainc", (2.3, 0.7), UNIT, SMOOTH / 10, 1e-12),
    ("i0", (), REAL, SMOOTH, 1e-14),
    ("i1e", (), REAL, SMOOTH, 1e-14),
    ("kv", (0.0,), POSITIVE, SMOOTH, 1e-13),
    ("kv", (2.3,), POSITIVE, SMOOTH, 1e-13),
    ("kn", (1,), POSITIVE, SMOOTH, 1e-13),
    ("expn", (1,), POSITIVE, SMOOTH, 1e-13),
    ("expn", (4,), POSITIVE, SMOOTH, 1e-13),
    ("expi", (), np.concatenate([-POSITIVE[POSITIVE > 1e-3], SMOOTH * 13]), SMOOTH, 1e-13),
    ("ellipk", (), np.concatenate([-POSITIVE, UNIT[:-20]]), -SMOOTH, 1e-14),
    ("ellipe", (), np.concatenate([-POSITIVE, UNIT[:-20]]), -SMOOTH, 1e-14),
    ("exprel", (), REAL, SMOOTH, 1e-14),
    ("xlogy", (1.7,), POSITIVE, SMOOTH, 1e-13),
]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def slope_by_ad(f, x):
    return jax.jit(lambda u: jax.jvp(f, (u,), (jnp.ones_like(u),))[1])(x)


def slope_of(f, x):
    h = 1e-5 * np.abs(x)
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


@pytest.mark.parametrize(
    ("name", "before", "wide", "smooth", "rtol"), CASES, ids=[f"{c[0]}{c[1] or ''}" for c in CASES]
)
def test_value_and_derivative(name, before, wide, smooth, rtol):
    theirs = getattr(sp, name)
    with np.errstate(all="ignore"):
        want = theirs(*before, wide)
    ours = jax.jit(lambda x: special.UFUNCS[name](*before, x))
    got = np.asarray(ours(wide))
    finite = np.isfinite(want) & (np.abs(want) > 1e-290)
    np.testing.assert_allclose(got[finite], want[finite], rtol=rtol)
    slope = slope_by_ad(ours, smooth)
    np.testing.assert_allclose(slope, slope_of(lambda x: theirs(*before, x), smooth), rtol=1e-7)


@pytest.mark.parametrize("order", [-3, 0, 1, 2, 5, 10])
def test_bessel_j(order):
    x = np.concatenate([REAL * 10, SMOOTH, [4.999999, 5.000001, 29.99999, 30.00001]])
    ours = jax.jit(lambda u: special.jv(order, u))
    np.testing.assert_allclose(ours(x), sp.jv(order, x), rtol=0, atol=2e-15)
    slope = slope_by_ad(ours, x)
    np.testing.assert_allclose(slope, sp.jvp(order, x), rtol=0, atol=2e-15)


def test_bessel_j1_keeps_relative_accuracy_near_zero():
    x = np.logspace(-8, 0, 50)
    ours = jax.jit(lambda u: special.jv(1, u))
    np.testing.assert_allclose(ours(x), sp.j1(x), rtol=1e-14)


@pytest.mark.parametrize("order", [0.5, 11, np.array([0, 1])])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match=r"scipy\.special\.jv"):
        special.jv(order, 1.0)


def test_faddeeva_over_the_plane():
    rng = np.random.default_rng(3)
    z = rng.normal(size=2000) * 10 ** rng.uniform(-3, 2, 2000)
    z = z + 1j * rng.normal(size=2000) * 10 ** rng.uniform(-8, 0.4, 2000)
    want = sp.wofz(z)
    np.testing.assert_allclose(jax.jit(special.wofz)(z), want, rtol=1e-12)
    slope = slope_by_ad(special.wofz, z)
    exact = -2 * z * want + 2j / np.sqrt(np.pi)
    np.testing.assert_allclose(slope, exact, rtol=1e-12, atol=1e-12 * (1 + np.abs(z * want)).max())


@pytest.mark.parametrize(
    ("sigma", "gamma"), [(1.0, 1.0), (1e-3, 0.5), (0.7, 1e-4), (0.7, 0.0), (0.0, 0.3), (1e-9, 0.1)]
)
def test_voigt_profile(sigma, gamma):
    want = sp.voigt_profile(REAL, sigma, gamma)
    ours = jax.jit(special.voigt_profile)
    got = ours(REAL, sigma, gamma)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-13 * want.max())
    if sigma and gamma:
        slope = jax.jacfwd(lambda q: ours(0.4, *q))(jnp.array([sigma, gamma]))
        for i in range(2):
            at = [sigma, gamma]

            def along(v, at=at, i=i):
                return sp.voigt_profile(0.4, *(v if j == i else at[j] for j in range(2)))

            scale = sp.voigt_profile(0.4, sigma, gamma) / at[i]
            numeric = slope_of(along, np.float64(at[i]))
            np.testing.assert_allclose(slope[i], numeric, rtol=1e-6, atol=1e-9 * scale)


def test_far_wing_of_a_narrow_voigt_is_lorentzian_with_its_derivative():
    x, sigma, gamma = 400.0, 0.5, 1e-7
    got = jax.jit(jax.value_and_grad(lambda g: special.voigt_profile(x, sigma, g)))(gamma)
    np.testing.assert_allclose(got[0], sp.voigt_profile(x, sigma, gamma), rtol=1e-12)
    np.testing.assert_allclose(got[1], got[0] / gamma, rtol=1e-10)


def test_lambert_w():
    z = np.concatenate([-0.3678 * UNIT, POSITIVE])
    np.testing.assert_allclose(jax.jit(special.lambertw)(z), sp.lambertw(z), rtol=3e-14)
    z = np.linspace(-0.3, 20, 30)
    slope = slope_by_ad(lambda u: special.lambertw(u).real, z)
    w = sp.lambertw(z).real
    np.testing.assert_allclose(slope, np.exp(-w) / (1 + w), rtol=1e-13)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_polygamma(n):
    ours = jax.jit(lambda u: special.polygamma(n, u))
    np.testing.assert_allclose(ours(SMOOTH), sp.polygamma(n, SMOOTH), rtol=1e-12)
    slope = slope_by_ad(ours, SMOOTH)
    np.testing.assert_allclose(slope, sp.polygamma(n + 1, SMOOTH), rtol=1e-11)
