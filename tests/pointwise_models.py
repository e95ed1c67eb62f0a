"""Models that are pointwise and models that are not, for `test_pointwise`."""

import jax
import jax.numpy as jnp
import jax.scipy.special as js
import numpy as np
from jax import lax

BLOCK = 1009
T = np.linspace(0.0, 2.0, 20)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
TABLE = np.cos(np.outer(np.arange(3), np.arange(4)))


def lanes(scalar):
    """A model from a function of one scalar point."""
    return lambda x, p: jax.vmap(lambda t: scalar(t, p))(x)


def newton(t, p):
    def body(c):
        y = c[0]
        return y - (y + p[0] * jnp.sinh(y) - t) / (1 + p[0] * jnp.cosh(y)), y

    return lax.while_loop(lambda c: jnp.abs(c[0] - c[1]) > 1e-12, body, (t, t + 1))[0]


def root(t, p):
    return lax.custom_root(
        lambda y: y * y - t - p[0],
        1.0,
        lambda f, y0: lax.fori_loop(0, 8, lambda i, y: (y + (t + p[0]) / y) / 2, y0),
        lambda g, y: y / g(1.0),
    )


def rates(t, p):
    K = jnp.array([[-p[0], p[1]], [p[0], -p[1]]])
    return (jax.scipy.linalg.expm(K * t) @ jnp.array([1.0, 0.0]))[1]


@jax.custom_jvp
def guarded(x):
    return jnp.where(x > 0, x, 0.0)


guarded.defjvp(lambda x, dx: (guarded(x[0]), dx[0] * (x[0] > 0)))


@jax.custom_vjp
def clipped(x):
    return jnp.clip(x, -1, 1)


clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (g,))


def peaks(x, p):
    return jnp.sum(p * jnp.exp(-((x[:, None] - jnp.arange(3.0)) ** 2)), axis=1)


def unused(x, p):
    x.sum(), x[0], jnp.cumsum(x)
    return p[0] * x


POINTWISE = {
    "linear": lambda x, p: p[0] * x + p[1],
    "exponential": lambda x, p: p[0] * jnp.exp(-p[1] * x) + p[2],
    "jitted": jax.jit(lambda x, p: p[0] * jnp.sin(x)),
    "constant": lambda x, p: jnp.full_like(x, p[0]),
    "constant_scalar": lambda x, p: p[0] * 2,
    "constant_numpy": lambda x, p: p[0] * np.ones(x.shape),
    "zeros_like": lambda x, p: jnp.zeros_like(x) + p.sum(),
    "where": lambda x, p: jnp.where(x < p[0], x, p[1] * x**2),
    "select": lambda x, p: jnp.select([x < 0.2, x < 0.5], [x, p[0] * x], 3 * x),
    "piecewise": lambda x, p: jnp.piecewise(x, [x < 0.5, x >= 0.5], [jnp.sin, jnp.cos]) * p[0],
    "clip": lambda x, p: jnp.clip(x, 0.2, p[1]) + jnp.maximum(x, p[0]),
    "heaviside": lambda x, p: jnp.heaviside(x - p[1], 0.5) + jnp.sinc(x) + jnp.sign(x),
    "polyval": lambda x, p: jnp.polyval(p, x),
    "vander": lambda x, p: jnp.vander(x, 3) @ p,
    "powers": lambda x, p: x**3 + jnp.power(x, p[0]) + jnp.sqrt(x) + jnp.cbrt(x) + jnp.hypot(x, 1),
    "complex": lambda x, p: jnp.abs(1 / (p[0] + 1j * x)) + jnp.angle(jnp.exp(1j * x)),
    "mod": lambda x, p: jnp.mod(x, p[1]) + jnp.floor(3 * x) + x // 0.3,
    "interp": lambda x, p: jnp.interp(x, T, p[0] * T**2),
    "interp_2d_nodes": lambda x, p: jnp.interp(x, jnp.cumsum(p), p) + jnp.searchsorted(T, x),
    "take": lambda x, p: jnp.take(T, jnp.int32(x * 9)) + p[0],
    "table_index": lambda x, p: jnp.asarray(T)[jnp.int32(x * 9)] * p[1],
    "row_lookup": lambda x, p: jnp.asarray(TABLE)[jnp.int32(x * 2)] @ jnp.append(p, 1.0),
    "own_lookup": lambda x, p: jnp.take_along_axis(
        jnp.stack([x, x**2]), jnp.int32(x * 1.9)[None], axis=0
    )[0],
    "erf": lambda x, p: js.erf(x) + js.erfc(x) + js.ndtr(x) + js.ndtri(0.9 * x),
    "gamma": lambda x, p: js.gammaln(x + 1) + js.digamma(x + 1) + js.polygamma(1, x + 1),
    "incomplete": lambda x, p: js.gammainc(p[0], x) + js.gammaincc(p[0], x) + js.betainc(1, 2, x),
    "bessel": lambda x, p: js.i0(x) + js.i1(x) + js.i0e(x) + js.bessel_jn(x, v=2)[2],
    "expi": lambda x, p: js.expi(x + 1) + js.exp1(x + 1) + js.zeta(x + 2, 1.0) + js.xlogy(x, x),
    "hyp1f1": lambda x, p: js.hyp1f1(1.0, 2.0, x),
    "voigt": lambda x, p: js.spence(x) + jax.nn.softplus(x) + jax.nn.gelu(x) + jax.nn.sigmoid(x),
    "logsumexp": lambda x, p: js.logsumexp(jnp.stack([x, p[0] * x, x**2]), axis=0),
    "softmax_of_peaks": lambda x, p: jax.nn.softmax(x[:, None] * p, axis=1)[:, 0],
    "peaks": peaks,
    "peaks_einsum": lambda x, p: jnp.einsum("i,j,jk->ik", x, p, jnp.asarray(TABLE)).sum(-1),
    "quadrature": lambda x, p: (WEIGHTS * jnp.exp(-p[0] * x[:, None] * NODES)).sum(axis=-1),
    "quadrature_rows": lambda x, p: WEIGHTS @ jnp.exp(-p[0] * x * NODES[:, None]),
    "trapezoid_nodes": lambda x, p: jnp.trapezoid(jnp.exp(-x[:, None] * T), T, axis=1) * p[0],
    "cumsum_of_nodes": lambda x, p: jnp.cumsum(x[:, None] * p, axis=1)[:, 2],
    "sort_of_peaks": lambda x, p: (
        jnp.sort(x[:, None] * p, axis=1)[:, 0] + jnp.argmax(x[:, None] - p, axis=1)
    ),
    "median_of_peaks": lambda x, p: jnp.median(x[None, :] * p[:, None], axis=0),
    "flip_peaks": lambda x, p: (x[:, None] * p)[:, ::-1] @ p + jnp.roll(x[:, None] * p, 1, 1)[:, 0],
    "concatenate_peaks": lambda x, p: jnp.concatenate([x[:, None], x[:, None] ** 2], 1) @ p[:2],
    "split_pad": lambda x, p: jnp.pad(jnp.split(jnp.stack([x, x]), 2)[0], ((1, 0), (0, 0))).sum(0),
    "fft_of_nodes": lambda x, p: jnp.abs(jnp.fft.fft(x[:, None] * p, axis=1))[:, 1],
    "convolve_nodes": lanes(lambda t, p: jnp.convolve(t * p, p)[2]),
    "reshape": lambda x, p: (x.reshape(-1, 1, 1) * p.reshape(1, 3, 1)).reshape(-1, 3).sum(1),
    "ravel": lambda x, p: (p[0] * x[None, :]).ravel() + jnp.squeeze(x[:, None, None]),
    "transpose": lambda x, p: jnp.outer(p, x).T[:, 1] + jnp.swapaxes(jnp.outer(x, p), 0, 1)[2],
    "matmul_table": lambda x, p: (jnp.outer(x, p) @ TABLE) @ jnp.ones(4),
    "set_column": lambda x, p: jnp.zeros((x.size, 3)).at[:, 1].set(x).at[:, 2].add(p[0]).sum(1),
    "update_slice": lambda x, p: lax.dynamic_update_slice(
        jnp.outer(x, p), x[:, None] ** 2, (0, 1)
    ).sum(1),
    "vmap": lanes(lambda t, p: p[0] * jnp.sin(t) + jnp.dot(p, jnp.array([t, t**2, 1.0]))),
    "vmap_cond": lanes(lambda t, p: lax.cond(t > p[1], jnp.sin, jnp.cos, t)),
    "vmap_while": lanes(newton),
    "vmap_trip_count": lanes(
        lambda t, p: lax.fori_loop(0, jnp.int32(t * 5), lambda i, c: c * t, p[0])
    ),
    "vmap_custom_root": lanes(root),
    "vmap_solve": lanes(lambda t, p: jnp.linalg.solve(jnp.eye(2) * (1 + t) + 0.1, p[:2])[0]),
    "vmap_eigh": lanes(lambda t, p: jnp.linalg.eigvalsh(jnp.array([[t, p[0]], [p[0], 1.0]]))[0]),
    "vmap_expm": lanes(rates),
    "vmap_dynamic_slice": lanes(
        lambda t, p: lax.dynamic_slice(t * p, (jnp.int32(2 * t),), (1,))[0]
    ),
    "vmap_set": lanes(lambda t, p: p.at[jnp.int32(2 * t)].set(t) @ p),
    "grad_of_scalar": lanes(lambda t, p: jax.grad(lambda u: p[0] * jnp.sin(u * u))(t)),
    "jvp": lambda x, p: jax.jvp(lambda q: q[0] * jnp.sin(q[1] * x), (p,), (jnp.ones(3),))[1],
    "scan_nodes": lambda x, p: lax.scan(
        lambda s, n: (s + n[1] * jnp.exp(-n[0] * x), None), jnp.zeros_like(x), (NODES, WEIGHTS)
    )[0],
    "scan_stack": lambda x, p: lax.scan(lambda s, q: (s * x, s + q), x, p)[1][1],
    "fori_nodes": lambda x, p: lax.fori_loop(0, 20, lambda i, s: s + jnp.asarray(T)[i] * x, 0 * x),
    "while_params": lambda x, p: lax.while_loop(
        lambda c: c[0] < 5 * p[0], lambda c: (c[0] + 1, c[1] * x), (0.0, x)
    )[1],
    "map_points": lambda x, p: lax.map(lambda t: p[0] * t + jnp.dot(p, jnp.cumsum(t * p)), x),
    "map_points_cond": lambda x, p: lax.map(
        lambda t: lax.cond(t > 0.5, lambda: t, lambda: newton(t, p)), x
    ),
    "cond_parameter": lambda x, p: lax.cond(p[0] > 0, jnp.sin, jnp.cos, x),
    "switch_parameter": lambda x, p: lax.switch(jnp.int32(p[0]), [jnp.sin, jnp.cos, jnp.tan], x),
    "checkpoint": lambda x, p: jax.checkpoint(lambda u: jnp.sin(u) * p[0])(x),
    "custom_jvp": lambda x, p: guarded(x - p[1]) + jax.nn.relu(x),
    "custom_vjp": lambda x, p: clipped(p[0] * x),
    "stop_gradient": lambda x, p: lax.stop_gradient(x) * p[0],
    "unused_values": unused,
    "table_statistics": lambda x, p: x / T.max() + jnp.fft.fft(T * p[0]).real.sum() + p.mean(),
    "debug_print": lambda x, p: (jax.debug.callback(lambda v: None, x[0]), p[0] * x)[1],
}
TWO_ROWS = {
    "rows": lambda x, p: p[0] * x[0] + p[1] * x[1],
    "row_reduce": lambda x, p: jnp.sum(x, axis=0) + x.max(0) + jnp.linalg.norm(x, axis=0),
    "unpack": lambda x, p: (lambda a, b: p[0] * jnp.exp(-((a - b) ** 2)))(*x),
    "reverse_rows": lambda x, p: x[::-1][0] + x[-1] + x[jnp.array([1, 0])].sum(0),
    "rows_matmul": lambda x, p: p[:2] @ x,
    "row_by_parameter": lambda x, p: jnp.take(x, jnp.int32(p[1]), axis=0),
    "vmap_rows": lambda x, p: jax.vmap(lambda c: jnp.dot(c, p[:2]), in_axes=1)(x),
    "update_row": lambda x, p: x.at[0].set(p[0]).at[1].multiply(x[0]).sum(0),
    "scan_rows": lambda x, p: lax.scan(lambda c, r: (c + r, None), jnp.zeros(x.shape[1]), x)[0],
}

FULL = jnp.asarray(np.sin(np.arange(BLOCK)))
COUPLING = {
    "cumsum": (lambda x, p: jnp.cumsum(x), "cumsum"),
    "cumprod_2d": (lambda x, p: jnp.cumprod(x[:, None] * p, axis=0)[:, 0], "cumprod"),
    "convolve": (lambda x, p: jnp.convolve(x, p, mode="same"), "convolution"),
    "max": (lambda x, p: x / x.max(), "maximum"),
    "mean": (lambda x, p: x - x.mean(), "sum"),
    "std": (lambda x, p: x / x.std(), ""),
    "reverse": (lambda x, p: x[::-1], "reverses"),
    "first": (lambda x, p: x - x[0], "slice"),
    "last": (lambda x, p: x / x[-1], "slice"),
    "indexed": (lambda x, p: x - x[jnp.int32(p[0])], ""),
    "roll": (lambda x, p: jnp.roll(x, 1), ""),
    "diff": (lambda x, p: jnp.pad(jnp.diff(x), (1, 0)), ""),
    "shift_by_pad": (lambda x, p: lax.pad(x, 0.0, [(1, -1, 0)]), "pads"),
    "fft": (lambda x, p: jnp.abs(jnp.fft.fft(x)), "Fourier"),
    "sort": (lambda x, p: jnp.sort(x), "sort"),
    "rank": (lambda x, p: jnp.argsort(x), ""),
    "median": (lambda x, p: x - jnp.median(x), ""),
    "arange": (lambda x, p: x + jnp.arange(len(x)), "arange"),
    "arange_alone": (lambda x, p: p[0] * jnp.arange(x.size), "arange"),
    "linspace": (lambda x, p: x * jnp.linspace(0, 1, len(x)), ""),
    "numpy_arange": (lambda x, p: x + np.arange(len(x)), "constant array"),
    "closure": (lambda x, p: x + FULL, "constant array"),
    "closure_in_jit": (lambda x, p: jax.jit(lambda u: u + FULL)(x), "constant array"),
    "closure_alone": (lambda x, p: p[0] * FULL, "constant array"),
    "gather_closure": (lambda x, p: FULL[jnp.int32(x)], ""),
    "gradient": (lambda x, p: jnp.gradient(x), ""),
    "dot": (lambda x, p: x * jnp.dot(x, x), "dot"),
    "pairs": (lambda x, p: jnp.sum(x[:, None] - x[None, :], axis=1), "pairs"),
    "outer": (lambda x, p: jnp.outer(x, x).sum(0), "pairs"),
    "normalised": (lambda x, p: jnp.exp(-p[0] * x) / jnp.sum(jnp.exp(-p[0] * x)), "sum"),
    "trapezoid": (lambda x, p: x / jnp.trapezoid(jnp.exp(x), x), ""),
    "cumulative_trapezoid": (
        lambda x, p: jnp.cumsum(jnp.append(0.0, jnp.diff(x)) * jnp.exp(x)),
        "",
    ),
    "softmax": (lambda x, p: jax.nn.softmax(p[0] * x), "maximum"),
    "logsumexp": (lambda x, p: x - js.logsumexp(x), ""),
    "scan_steps": (lambda x, p: lax.scan(lambda y, t: (y - p[0] * y * t, y), 1.0, x)[1], "carries"),
    "scan_counter": (lambda x, p: lax.scan(lambda i, t: (i + 1, i * t), 0, x)[1], "carries"),
    "scan_total": (lambda x, p: x + lax.scan(lambda s, t: (s + t, None), 0.0, x)[0], "carries"),
    "scan_taint": (lambda x, p: lax.map(lambda t: t + x.sum(), x), "sum"),
    "map_all_pairs": (lambda x, p: lax.map(lambda t: jnp.sum(t * x), x), "pairs"),
    "map_in_map": (lambda x, p: lax.map(lambda t: lax.map(lambda u: u * t, x)[0], x), "pairs"),
    "map_lookup": (lambda x, p: lax.map(lambda t: x[jnp.int32(t)], x), ""),
    "fori_over_points": (
        lambda x, p: lax.fori_loop(0, len(x), lambda i, y: y.at[i].set(x[i] ** 2), 0 * x),
        "",
    ),
    "where_first": (lambda x, p: jnp.where(x == x[0], 0.0, x), "slice"),
    "any": (lambda x, p: jnp.where(jnp.any(x > 1), x, p[0]), "any"),
    "cond_on_data": (lambda x, p: lax.cond(jnp.all(x > 0), jnp.sin, jnp.cos, x), "all"),
    "while_until_all": (
        lambda x, p: lax.while_loop(lambda y: jnp.max(y) > 1, lambda y: y / 2, x),
        "maximum",
    ),
    "while_carried_sum": (
        lambda x, p: lax.fori_loop(0, 3, lambda i, c: (c[1], c[1] + c[0].sum()), (x, x))[0],
        "sum",
    ),
    "scan_nodes_carried": (
        lambda x, p: lax.scan(lambda c, q: ((c[1], c[0].max() * x), None), (x, x), p)[0][0],
        "maximum",
    ),
    "unique_inverse": (lambda x, p: jnp.interp(x, x, x**2), ""),
    "searchsorted": (lambda x, p: jnp.searchsorted(x, x), ""),
    "scatter": (lambda x, p: jnp.zeros_like(x).at[jnp.int32(x)].add(x), ""),
    "set_first": (lambda x, p: x.at[0].set(0.0), ""),
    "concatenate": (lambda x, p: jnp.concatenate([x[500:], x[:500]]), "slice"),
    "repeat_half": (lambda x, p: jnp.concatenate([jnp.zeros(9), jnp.ones(1000)]) * x, "concat"),
    "reshape_mix": (lambda x, p: jnp.outer(x, p).reshape(3, -1)[0], "reshape"),
    "reshape_table": (lambda x, p: jnp.linspace(0, 1, 2 * BLOCK).reshape(BLOCK, 2)[:, 0] * x, ""),
    "random": (lambda x, p: x + jax.random.normal(jax.random.key(0), x.shape), ""),
    "callback": (lambda x, p: jax.pure_callback(np.cumsum, x, x), "callback"),
    "length": (lambda x, p: x / len(x), "number of points"),
    "count": (lambda x, p: x * jnp.ones_like(x).sum(), "sum"),
    "count_loop": (lambda x, p: x * lax.fori_loop(0, len(x), lambda i, s: s + p[0], 0.0), ""),
    "power": (lambda x, p: (1 - x / 2) ** len(x), ""),
    "polyfit": (lambda x, p: jnp.polyval(jnp.polyfit(x, x**2, 1), x), ""),
    "solve_over_points": (lambda x, p: jnp.linalg.solve(jnp.diag(1 + x), x), ""),
    "grad_of_sum": (lambda x, p: jax.grad(lambda u: jnp.sum(u) ** 2)(x), "sum"),
    "hidden_in_jit": (jax.jit(lambda x, p: jax.jit(lambda u: u / u.max())(x)), "maximum"),
    "hidden_in_checkpoint": (lambda x, p: jax.checkpoint(jnp.cumsum)(x), "cumsum"),
    "hidden_in_custom_jvp": (lambda x, p: guarded(x - x.min()), "minimum"),
    "not_per_point": (lambda x, p: p * 2.0, "shape (3,)"),
    "two_columns": (lambda x, p: jnp.outer(x, p), "shape (1009, 3)"),
}

# Steps from (points, 3) to (points, 3), to be chained at random.
OWN_STEPS = [
    lambda x, p: x * p + jnp.exp(-x),
    lambda x, p: x @ TABLE[:, :3],
    lambda x, p: jnp.cumsum(x, axis=1)[:, ::-1],
    lambda x, p: x - x.mean(axis=1, keepdims=True),
    lambda x, p: jnp.sort(x, axis=1),
    lambda x, p: jnp.roll(x.reshape(-1, 3, 1), 1, axis=1).transpose(2, 0, 1)[0],
    lambda x, p: jnp.concatenate([x[:, 1:], x[:, :1]], axis=1),
    lambda x, p: jnp.take_along_axis(x, jnp.int32(jnp.abs(2 * jnp.sin(x))), axis=1),
    lambda x, p: lax.map(lambda row: row / (1 + row @ row), x),
    lambda x, p: lax.scan(lambda c, q: (c + q, c * q), x[:, 0], p)[1].T,
    lambda x, p: jax.vmap(lambda r: p.at[jnp.argmax(r)].set(r[0]))(x),
    lambda x, p: lax.cond(p[0] > 1, lambda u: u**2, jnp.cos, x),
    lambda x, p: jnp.where(x > 0.1, x, jnp.ones_like(x) * p),
    lambda x, p: x.at[:, 1].add(x[:, 0] * p[1]),
]
MIXING_STEPS = [
    lambda x, p: jnp.cumsum(x, axis=0),
    lambda x, p: x[::-1],
    lambda x, p: jnp.roll(x, 1, axis=0),
    lambda x, p: x - x.mean(axis=0),
    lambda x, p: jnp.sort(x, axis=0),
    lambda x, p: x.T.reshape(-1, 3),
    lambda x, p: jnp.where(x > x[:1], x, 0.5),
    lambda x, p: x * jnp.arange(x.shape[0])[:, None],
    lambda x, p: x[jnp.argsort(x[:, 0])],
    lambda x, p: jnp.concatenate([x[1:], x[:1]]),
    lambda x, p: lax.scan(lambda c, row: (c + row, c * row), p, x)[1],
    lambda x, p: x.at[1].set(p),
    lambda x, p: x @ jnp.linalg.pinv(x.T @ x),
    lambda x, p: lax.while_loop(lambda u: jnp.any(u > 0.3), lambda u: u / 2, x),
]
