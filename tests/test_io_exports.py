"""What is written about a fit, read back by other readers."""

import csv
import io
import json
import math
import os
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest

import nlsq
from nlsq.io import (
    FileError,
    Recipe,
    curve_csv,
    read_document,
    read_table,
    reproduction_script,
    restore,
    result_document,
    to_csv,
    to_latex,
    to_markdown,
    to_shell,
    write_bundle,
    write_document,
)
from nlsq.io.parameters import parameter_rows
from nlsq.result import CurveFitResult
from nlsq.utils.atomic import write_atomically
from nlsq.utils.input_error import InputError

MODEL = "import numpy as np\n\ndef decay(t, A, tau, c):\n    return A * np.exp(-t / tau) + c\n"


def decay(t, A, tau, c):
    return A * np.exp(-t / tau) + c


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    x = np.linspace(0, 10, 60)
    y = decay(x, 2.5, 2.0, 0.3) + 0.05 * rng.normal(size=60)
    return nlsq.curve_fit(decay, x, y, p0=[1, 1, 0], sigma=np.full(60, 0.05), absolute_sigma=True)


@pytest.fixture(scope="module")
def loose():
    """A fit with an undetermined, a bounded and a fixed parameter."""
    x = np.linspace(0, 1, 20)
    y = 2 * x + 3 + 0.1 * np.cos(40 * x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        return nlsq.curve_fit(
            lambda x, a, b, c, d: a * b * x + c + 0 * d, x, y, p0=[1, 1, 1, 4],
            bounds=([-9, -9, -9, 4], [9, 9, 2.5, 4]),
        )  # fmt: skip


# -- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["result", "document"])
def test_csv_of_parameters(fit, form):
    text = to_csv(fit if form == "result" else result_document(fit))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["A", "tau", "c"]
    for i, row in enumerate(rows):
        assert float(row["value"]) == fit.popt[i]
        assert float(row["uncertainty"]) == fit.perr[i]
        half = 1.959963984540054 * fit.perr[i]  # normal distribution: sigma is absolute
        assert float(row["upper"]) - fit.popt[i] == pytest.approx(half, rel=1e-12)
        assert row["status"] == "free"


def test_statuses(loose):
    assert [row.status for row in parameter_rows(loose)] == [
        "undetermined", "undetermined", "at bound", "fixed",
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(to_csv(loose))))
    assert rows[1][2:] == ["inf", "-inf", "inf", "undetermined"]
    assert rows[4][1:3] == ["4.0", "0.0"]
    assert "| undetermined |" in to_markdown(loose)
    assert "at bound" in to_latex(loose)


def test_markdown(fit):
    lines = to_markdown(fit, {"tau": "ms"}).splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {5}
    assert cells[3][0] == "`tau`"
    assert cells[3][4] == "ms"
    assert float(cells[3][1]) == pytest.approx(fit.popt[1], abs=fit.perr[1] / 10)


def test_latex_is_booktabs_with_balanced_braces(fit):
    text = to_latex(fit, {"tau": "µs", "A": "V/m^2", "c": "%"})
    assert text.count("{") == text.count("}")
    assert text.count("$") == 2 * 6
    for word in ("\\toprule", "\\midrule", "\\bottomrule", "\\pm", "$\\tau$", "\\mathrm{\\mu s}"):
        assert word in text
    assert "\\mathrm{V/m^{2}}" in text
    assert "\\%" in text


@pytest.mark.parametrize(
    "value, error, said",
    [
        (2.0128, 0.0112, r"$2.013 \pm 0.011$"),
        (1234567.0, 89.0, r"$1234567 \pm 89$"),
        (1.23456e-9, 2.1e-12, r"$(1.2346 \pm 0.0021) \times 10^{-9}$"),
        (0.0, 0.5, r"$0.00 \pm 0.50$"),
        (5.5, 0.0, r"$5.5"),
    ],
)
def test_latex_rounds_to_the_error(value, error, said):
    fit = CurveFitResult(x=np.array([value]), pcov=np.array([[error**2]]), param_names=("k_1",))
    text = to_latex(fit)
    assert said.rstrip("$") in text
    assert "$k_{1}$" in text


HOSTILE = ("tau", "τ", "x;rm -rf ~", "$(touch owned)", "PATH", "2nd", "`id`", "tau_err", "ß é", "")


def test_shell_lines_are_safe_and_exact(tmp_path):
    values = np.array([2.013, -1e-300, 3.0, 1 / 3, 5, 6, 7, 8, math.inf, math.nan])
    pcov = np.diag(np.linspace(0, 1, 10))
    fit = CurveFitResult(x=values, pcov=pcov, param_names=HOSTILE, success=False)
    text = to_shell(fit)
    script = 'eval "$1" && set && echo "PATH=$PATH"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", text], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    names = [line.split("=")[0] for line in text.splitlines()[:10]]
    assert len(set(names)) == 10
    for name, value, error in zip(names, values, np.sqrt(np.diag(pcov)), strict=True):
        np.testing.assert_equal(float(found[name].strip("'")), value)
        assert float(found[f"{name}_err"].strip("'")) == error
    assert found["PATH"] == os.environ["PATH"]
    assert found["nlsq_success"].strip("'") == "0"
    assert not list(tmp_path.iterdir())


def test_curve_csv(fit, loose):
    rows = list(csv.DictReader(io.StringIO(curve_csv(fit))))
    assert len(rows) == 60
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    np.testing.assert_array_equal(column["x"], fit.xdata)
    np.testing.assert_array_equal(column["y"], fit.ydata)
    np.testing.assert_allclose(column["fit"], decay(fit.xdata, *fit.popt), rtol=1e-12)
    np.testing.assert_allclose(column["residual"], column["y"] - column["fit"], atol=1e-15)
    np.testing.assert_array_equal(column["band_lower"], fit.confidence_band()[0])
    assert (column["sigma"] == 0.05).all()
    stored = list(csv.reader(io.StringIO(curve_csv(result_document(loose)))))
    assert stored[0] == ["x", "y", "fit", "residual", "band_lower", "band_upper"]


def test_curve_csv_of_other_shapes():
    x = np.arange(10.0)
    grid = np.stack([x, x**2])
    fit = nlsq.curve_fit(lambda x, a, b: a * x[0] + b * x[1], grid, 2 * x + 3 * x**2 + np.cos(x))
    assert curve_csv(fit).splitlines()[0].startswith("x0,x1,y,fit")
    y = (2 + 1j) * x + 0.1 * np.exp(1j * x)
    fit = nlsq.curve_fit(lambda x, a, b: (a + 1j * b) * x, x, y)
    assert curve_csv(fit).splitlines()[0].startswith("x,y_re,y_im,fit_re,fit_im")


# -- documents -----------------------------------------------------------------------------------


def test_document_round_trip_is_strict_json_and_exact(fit, tmp_path):
    path = tmp_path / "result.json"
    document = result_document(
        fit, provenance={"model": "A*exp(-t/tau)+c", "odd": np.float64(math.nan)},
        table_info={"file": "run.csv"}, x_label="t (s)", y_label="V",
    )  # fmt: skip
    write_document(document, path)

    def refuse(word):
        raise AssertionError(word)

    strict = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    assert strict == document == read_document(path)
    assert strict["provenance"]["odd"] == "nan"
    assert strict["statistics"]["n_points"] == 60
    again = restore(strict)
    for name in ("x", "pcov", "xdata", "ydata", "sigma", "fun"):
        np.testing.assert_array_equal(again[name], fit[name])
    assert again.to_json() == CurveFitResult.from_json(fit.to_json()).to_json()


def test_curve_of_a_document(fit):
    curve = result_document(fit, curve_points=200)["curve"]
    x = np.array(curve["x"])
    assert set(fit.xdata) <= set(x)
    np.testing.assert_allclose(curve["y"], decay(x, *fit.popt), rtol=1e-12)
    np.testing.assert_array_equal(curve["confidence"], fit.confidence_band(x))
    width = np.array(curve["prediction"])[1] - curve["y"]
    A, tau, _ = fit.popt
    J = np.stack([np.exp(-x / tau), A * x / tau**2 * np.exp(-x / tau), 0 * x + 1])
    variance = np.einsum("im,ij,jm->m", J, fit.pcov, J) + 0.05**2
    np.testing.assert_allclose(width, 1.959963984540054 * np.sqrt(variance), rtol=1e-8)


def test_documents_of_models_without_a_grid(fit):
    x = np.linspace(0, 1, 30)
    whole = nlsq.curve_fit(
        lambda x, a: a * np.cumsum(x), x, 2 * np.cumsum(x) + 0.01 * np.sin(9 * x)
    )
    curve = result_document(whole)["curve"]
    np.testing.assert_array_equal(curve["x"], x)
    grid = np.stack([x, x**2])
    several = nlsq.curve_fit(lambda x, a, b: a * x[0] + b * x[1], grid, x + np.cos(x))
    assert result_document(several)["curve"] is None
    bare = result_document(restore(result_document(fit)))
    np.testing.assert_allclose(bare["curve"]["confidence"], fit.confidence_band(), rtol=1e-9)


def test_streamed_document():
    x = np.linspace(0, 4, 200_000)
    y = decay(x, 2.5, 1.3, 0.2) + 0.01 * np.cos(1e3 * x)
    fit = nlsq.fit(decay, x, y, [1, 1, 0], workflow="chunked")
    document = result_document(fit)
    assert "ydata" not in document["result"]
    assert document["statistics"]["n_points"] == 200_000
    again = restore(document)
    assert again.chi_squared == fit.chi_squared
    np.testing.assert_allclose(
        document["curve"]["y"], decay(np.array(document["curve"]["x"]), *fit.popt), rtol=1e-9
    )
    with pytest.raises(FileError, match="streamed"):
        curve_csv(again)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", ":1: not JSON"),
        ('{"document": "nlsq fit", ', "was it written to its end"),
        ("[1, 2]", "not the document of a fit"),
        ('{"a": 1}', "not the document of a fit"),
        ('{"nlsq_result": "CurveFitResult"}', "a bare result"),
        ('{"document": "nlsq fit", "document_version": 99}', "reads up to 1"),
        ('{"document": "nlsq fit", "document_version": 1, "popt": []}', "lacks parameter_names"),
    ],
)
def test_what_is_no_document(text, said, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(FileError, match=said):
        read_document(path)
    with pytest.raises(FileError, match="did you mean"):
        read_document(tmp_path / "results.json")


def test_damaged_result_in_a_document(fit):
    document = result_document(fit)
    for damage in ({"nlsq_result": "Other"}, None, {"nlsq_result": "CurveFitResult"}):
        with pytest.raises(FileError, match="damaged"):
            restore(document | {"result": damage})


# -- files ---------------------------------------------------------------------------------------


def test_writes_are_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    write_atomically(link, "new")
    assert (path.read_text(), link.is_symlink(), path.stat().st_mode & 0o777) == (
        "new",
        True,
        0o640,
    )

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "newer")
    assert path.read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "link.txt"]
    write_atomically("/dev/null", "gone")


def test_what_cannot_be_written_is_said(fit, tmp_path):
    with pytest.raises(FileError, match="There is no folder"):
        write_document(result_document(fit), tmp_path / "no" / "result.json")
    with pytest.raises(FileError, match="cannot be written"):
        write_document(result_document(fit), tmp_path)


def test_bundle(fit, tmp_path):
    data = tmp_path / "run.csv"
    data.write_text("t (s);V [mV]\n" + "".join(f"{a};{b}\n" for a, b in zip(fit.xdata, fit.ydata,
                    strict=True)))  # fmt: skip
    table = read_table(data)
    names = write_bundle(
        tmp_path / "fit.zip", result=fit, document=result_document(fit), table=table,
        config_text="data: data.csv\n", script_text="print(1)\n", files={"model.py": MODEL},
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "fit.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == names
        assert set(names) == {
            "data.csv", "fit.yaml", "result.json", "parameters.csv", "curve.csv", "figure.png",
            "figure.svg", "reproduce.py", "model.py", "README.txt",
        }  # fmt: skip
        again = read_table(io.BytesIO(archive.read("data.csv")))
        assert (again.names, again.units) == (["t", "V"], {"t": "s", "V": "mV"})
        np.testing.assert_array_equal(again["V"], fit.ydata)
        assert json.loads(archive.read("result.json"))["popt"] == fit.popt.tolist()
        assert archive.read("figure.png")[:4] == b"\x89PNG"
        assert ET.fromstring(archive.read("figure.svg")).tag.endswith("svg")
        readme = archive.read("README.txt").decode()
        assert all(name in readme for name in set(names) - {"README.txt"})
    first = (tmp_path / "fit.zip").read_bytes()
    write_bundle(
        tmp_path / "fit.zip", result=fit, document=result_document(fit), table=table,
        config_text="data: data.csv\n", script_text="print(1)\n", files={"model.py": MODEL},
    )  # fmt: skip
    assert (tmp_path / "fit.zip").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_bundle_without_matplotlib_says_so(fit, tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    names = write_bundle(tmp_path / "fit.zip", result=fit, document=result_document(fit))
    assert "figure.png" not in names
    with zipfile.ZipFile(tmp_path / "fit.zip") as archive:
        assert b"pip install matplotlib" in archive.read("README.txt")
        assert archive.read("data.csv").startswith(b"x,y,sigma\n")


# -- the script ----------------------------------------------------------------------------------


def test_script_repeats_the_fit(tmp_path):
    rng = np.random.default_rng(8)
    t = np.linspace(0, 10, 40)
    volts = (decay(t, 2.5, 2.0, 0.3) + 0.02 * rng.normal(size=40)) / 1e3
    rows = "".join(f"{a};{b};{0.02 + a / 1e3}\n" for a, b in zip(t, volts, strict=True))
    (tmp_path / "run.csv").write_text("t (s);V;dV\n" + rows)
    (tmp_path / "model.py").write_text(MODEL)
    kept = t > 0.5
    bounds = ([-np.inf, 0, 0.3], [np.inf, 50, 0.3])
    options = {"absolute_sigma": True, "loss": "soft_l1", "ftol": 1e-12}
    fit = nlsq.curve_fit(
        decay, t[kept], 1e3 * volts[kept], p0=[1, 1, 0.3], sigma=(0.02 + t / 1e3)[kept],
        bounds=bounds, **options,
    )  # fmt: skip
    recipe = Recipe(
        "run.csv", "t", "1e3 * V", "dV", where="t > 0.5", columns={"t": "t", "V": "V"},
        reading={"delimiter": ";"}, kind="file", model="model.py", function="decay",
        p0={"A": 1, "tau": 1, "c": 0.3}, bounds={"tau": (0, 50)}, fixed={"c": 0.3},
        options=options, expected=dict(zip(fit.names, fit.popt.tolist(), strict=True)),
    )  # fmt: skip
    script = tmp_path / "reproduce.py"
    script.write_text(
        reproduction_script(recipe) + "print('POPT', *map(repr, fit.popt.tolist()))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    found = [float(v) for v in done.stdout.split("POPT")[1].split()]
    np.testing.assert_allclose(found, fit.popt, rtol=1e-10)
    assert float(done.stdout.split("before:")[1].split()[0]) < 1e-6
    assert max(map(len, reproduction_script(recipe).splitlines())) < 140


def test_scripts_of_the_other_kinds_compile():
    formula = Recipe("run.csv", ("t", "u"), "V", model="A*exp(-t/tau)", independent="t",
                     p0={"A": 1.0, "tau": 2.0}, bounds={"A": (-np.inf, np.inf)})  # fmt: skip
    text = reproduction_script(formula)
    compile(text, "reproduce.py", "exec")
    assert "nlsq.models.formula('A*exp(-t/tau)', x='t')" in text
    assert "x = np.stack([table.numeric('t'), table.numeric('u')])" in text
    text = reproduction_script(Recipe("a\nb.csv", "t", "V", kind="builtin", model="gaussian"))
    compile(text, "reproduce.py", "exec")
    assert "nlsq.models.get('gaussian')" in text


def test_recipes_that_do_not_add_up():
    with pytest.raises(InputError, match="no start for 'b'"):
        Recipe("f", "x", "y", names=("a", "b"), p0={"a": 1.0})
    with pytest.raises(InputError, match="'b' is not among the parameters"):
        Recipe("f", "x", "y", p0={"a": 1.0}, bounds={"b": (0, 1)})
    with pytest.raises(InputError, match="no name of a variable"):
        Recipe("f", "x", "y", columns={"a b": "a b"})
    with pytest.raises(InputError, match="kind is"):
        Recipe("f", "x", "y", kind="magic")
