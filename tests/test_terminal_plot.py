"""The plot made of characters."""

import numpy as np
import pytest

from nlsq.cli.terminal_plot import Canvas, Series, axis, panels


def _series(x, y):
    return Series(x, y, x, y, "time", "signal")


@pytest.mark.parametrize(
    "low, high, most, labels",
    [
        (0, 10, 6, ["0", "2", "4", "6", "8", "10"]),
        (-3.1, 2.2, 6, ["-3", "-2", "-1", "0", "1", "2"]),
        (0.0, 1.0, 5, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (0, 3e-7, 4, ["0", "1e-07", "2e-07", "3e-07"]),
        (1.0e6, 1.2e6, 3, ["1.0e+06", "1.1e+06", "1.2e+06"]),
        (990, 1010, 3, ["990", "1000", "1010"]),
    ],
)
def test_ticks_are_round_and_labels_say_what_they_are(low, high, most, labels):
    found = axis(low, high, most)
    assert list(found.labels) == labels
    assert [float(label) for label in labels] == pytest.approx(found.ticks)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1.0, -7.3])
def test_ticks_lie_inside_at_any_scale(scale, offset):
    found = axis(scale * (offset - 0.5), scale * (offset + 0.7), 6)
    assert 2 <= len(found.ticks) <= 7
    position = found.at(np.array(found.ticks))
    assert ((position >= -1e-9) & (position <= 1 + 1e-9)).all()
    assert len(set(found.labels)) == len(found.labels)


def test_a_constant_still_has_an_axis():
    found = axis(5.0, 5.0, 4)
    assert found.low < 5 < found.high
    assert "5.0" in found.labels or "5" in found.labels


def test_marks_stand_where_the_points_are():
    canvas = Canvas(10, 5, ascii_only=False)
    canvas.marks(np.array([0.0, 1.0, 0.55]), np.array([0.0, 1.0, 0.5]), "o", "")
    rows = [canvas.row(i).plain for i in range(5)]
    assert rows[0] == "         o"
    assert rows[4] == "o         "
    assert rows[2][5] == "o"


def test_dots_are_braille_bits_of_their_place():
    canvas = Canvas(1, 1, ascii_only=False)
    canvas.dots(np.array([0.1, 0.9]), np.array([0.95, 0.05]), "")
    assert canvas.row(0).plain == chr(0x2800 + 0x01 + 0x80)


def test_a_line_has_no_gaps():
    canvas = Canvas(40, 12, ascii_only=True)
    canvas.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "")
    rows = [canvas.row(i).plain for i in range(12)]
    assert all(any(row[c] == "." for row in rows) for c in range(40))
    assert all("." in row for row in rows)


@pytest.mark.parametrize("width", [40, 80, 110])
@pytest.mark.parametrize("n_points", [1, 30, 5000])
def test_panels_fill_the_width_and_no_more(width, n_points):
    x = np.linspace(0, 1, n_points)
    text = panels([(_series(x, np.sin(9 * x)), 12), (_series(x, 0 * x), 4)], width).plain
    lines = text.splitlines()
    assert max(map(len, lines)) == width
    assert len(lines) == 12 + 4 + 2 + 1 + 3
    assert lines[0].strip().startswith("signal")
    assert lines[-1].strip() == "time"
    assert "●" in text or n_points > 30


def test_ascii_only():
    x = np.linspace(-1, 1, 20)
    text = panels([(_series(x, x**3), 10)], 60, ascii_only=True).plain
    assert text.isascii()


def test_values_that_are_not_finite_are_left_out():
    x = np.arange(10.0)
    y = np.where(x == 4, np.nan, x)
    text = panels([(_series(x, y), 8)], 50).plain
    assert text.count("●") == 9 + 1  # one in the legend
