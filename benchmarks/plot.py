"""The picture of the fits: time against size, a panel per model, every peer and the limit line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS
from benchmarks.problems import MODELS, VARIANTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.report import Cell

# colour, marker; peers of one family share a colour
_STYLES = {
    "nlsq": ("#c8372d", "o"),
    "scipy": ("#2f5d9b", "s"),
    "scipy-trf": ("#6f9bd1", "^"),
    "scipy-jac": ("#14305a", "D"),
    "lmfit": ("#8a6bbf", "v"),
    "optimistix": ("#2c8c6b", "P"),
    "jaxopt": ("#c9962b", "X"),
}
_INK, _LIMIT = "#2b2f36", "#70757d"
_LINES = {
    "cost pass": "limit: one pass of Σ(f − y)²",
    "fused pass": "one pass with Jacobian and normal equations",
}
_LEGEND_COLUMNS = 5
_UNITS = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))


def draw(cells: list[Cell], path: Path) -> Iterator[Path]:
    """Write a figure for each variant among the cells; the first one at `path` itself."""
    variants = [v for v in VARIANTS if any(c.variant == v for c in cells)]
    for i, variant in enumerate(variants):
        target = path.with_stem(f"{path.stem}-{variant}") if i else path
        _figure([c for c in cells if c.variant == variant], variant, target)
        yield target


def _figure(cells: list[Cell], variant: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    models = [key for key in MODELS if any(c.model == key for c in cells)]
    columns = min(3, len(models))
    lines = -(-len(models) // columns)
    fig, axes = plt.subplots(
        lines, columns, figsize=(4.1 * columns, 3.6 * lines + 1.0),
        sharex=True, sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    handles: dict[str, object] = {}
    for key, ax in zip(models, axes.flat, strict=False):
        handles |= _panel(ax, [c for c in cells if c.model == key])
        model = MODELS[key]
        name = model.name[0].upper() + model.name[1:]
        ax.set_title(f"{name} · {model.n} parameters", fontsize=10.5, color=_INK, loc="left")
    for ax in list(axes.flat)[len(models) :]:
        ax.set_visible(False)
    seconds = [s for c in cells for name in (*PEERS, *c.lines) if (s := c.seconds(name))]
    axes[0, 0].set_ylim(min(seconds) / 2, max(seconds) * 2)
    for ax in axes.flat:
        ax.set(xscale="log", yscale="log")
        ax.yaxis.set_major_locator(LogLocator(base=10, numticks=20))
        ax.yaxis.set_major_formatter(FuncFormatter(_time_label))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(labelsize=9, colors=_INK, which="both", length=3)
        ax.tick_params(which="minor", length=0)
        ax.grid(which="major", color="#e3e5e8", linewidth=0.7)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color("#b4b8bf")
    for ax in axes[-1]:
        ax.set_xlabel("data points", fontsize=10, color=_INK)
    for ax in axes[:, 0]:
        ax.set_ylabel("time of a warm fit", fontsize=10, color=_INK)
    words = {"free": "no bounds", "bounded": "with bounds", "robust": "soft-L1 loss, outliers"}
    fig.suptitle(
        f"Time of one fit against the size of the data, {words[variant]}",
        fontsize=13, color=_INK, x=0.01, ha="left", weight="bold",
    )  # fmt: skip
    labels = {name: peer.label for name, peer in PEERS.items()} | _LINES
    order = _by_rows([name for name in labels if name in handles])
    fig.legend(
        [handles[name] for name in order], [labels[name] for name in order],
        loc="outside lower center", ncols=_LEGEND_COLUMNS,
        frameon=False, fontsize=9.5, labelcolor=_INK,
    )  # fmt: skip
    fig.savefig(path, dpi=160, facecolor="white")
    plt.close(fig)


def _by_rows(names: list[str]) -> list[str]:
    """The order in which a legend, filled by columns, reads by rows."""
    return [name for i in range(_LEGEND_COLUMNS) for name in names[i::_LEGEND_COLUMNS]]


def _panel(ax: Axes, cells: list[Cell]) -> dict[str, object]:
    """Draw one model; returns the line of each name for the legend."""
    cells = sorted(cells, key=lambda c: c.points)
    drawn = {}
    for name, dash in (("cost pass", "--"), ("fused pass", ":")):
        xy = [(c.points, s) for c in cells if (s := c.seconds(name))]
        if xy:
            (drawn[name],) = ax.plot(*zip(*xy, strict=True), dash, color=_LIMIT, linewidth=1.4)
    if "cost pass" in drawn:
        line = drawn["cost pass"]
        ax.fill_between(line.get_xdata(), line.get_ydata(), 1e-12, color="#eef0f2", zorder=0)
    for name in reversed(PEERS):
        xy = [(c.points, s) for c in cells if (s := c.seconds(name)) and c.agreed(name)]
        if not xy:
            continue
        colour, marker = _STYLES[name]
        ours = name == "nlsq"
        (drawn[name],) = ax.plot(
            *zip(*xy, strict=True), marker=marker, color=colour,
            markersize=6 if ours else 5, linewidth=2.6 if ours else 1.3,
            markeredgecolor="white", markeredgewidth=0.6, zorder=4 if ours else 3,
        )  # fmt: skip
    return drawn


def _time_label(seconds: float, _) -> str:
    for size, unit in _UNITS:
        if seconds < 999 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
