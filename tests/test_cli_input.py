"""What the program refuses, and what must not matter: run in this process, which is quicker."""

import gzip
import json

import numpy as np
import pytest

from nlsq.cli import pieces
from nlsq.cli.commands.compare import aicc
from nlsq.cli.main import _run
from nlsq.cli.settings import Model, Settings

T = np.linspace(0, 5, 40)
V = 3 * np.exp(-T / 2) + 0.5 + 0.01 * np.sin(9 * T)
FORMULA = "a*exp(-t/tau)+c"
XY = ("-x", "t", "-y", "V", "-m")


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run in a folder with data.csv (t, V); returns exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    save(tmp_path / "data.csv", "t,V")

    def run(*arguments):
        code = _run([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def save(path, header, columns=(T, V)):
    np.savetxt(path, np.stack(columns, axis=1), delimiter=",", header=header, comments="")


YAML = "data: {input_file: data.csv, columns: {x: t, y: V}}\n"


@pytest.mark.parametrize(
    "text, message",
    [
        (
            YAML + "model: {path: m.py, function: f, trusted: true}",
            "yaml:2: a file cannot say that",
        ),
        ("data: &a {b: *a}", "yaml:1: *a refers to another place"),
        (YAML + "model: {formula: a*t, name: linear}", "formula and name is given"),
        (YAML + "model: {formula: a*t}\nlimits: {seconds: 3}", "limits belong to a model file"),
        (YAML + "model: {formula: a*t}\nfitting: {absolute_sigma: true}", "needs the standard dev"),
        (YAML + "model: {formula: a*t}\nfitting: {f_scale: 3}", "belongs to a robust loss"),
        ("data: {input_file: data.csv, columns: {y: no}}\nmodel: {formula: a*t}", "quoted"),
        (YAML + "model: {path: m.py, function: f}\nworkflow: {checkpoint: d}", "may write nothing"),
        (YAML + "model: {formula: a*t}\nexport: {results_file: ../out.json}", "leads out of"),
        (YAML + "model: {formula: a*t}\nexport: {results_file: /tmp/out.json}", "leads out of"),
    ],
)
def test_configurations_that_are_refused(run, tmp_path, text, message):
    (tmp_path / "fit.yaml").write_text(text)
    (tmp_path / "m.py").write_text("import os\nos.mkdir('ran')\ndef f(x, a): return a*x\n")
    code, out, err = run("fit", "fit.yaml")
    assert code == 1, out + err
    assert message in err
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path.parent / "out.json").exists()


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        ((*XY, "linaer"), 3, "did you mean 'linear'"),
        ((*XY, "gausian + linear"), 3, "did you mean 'gaussian'"),
        ((*XY, "gaussian + b*t"), 3, "is a built-in model"),
        ((*XY, "a*x+b*t"), 3, "--variable"),
        ((*XY, "a*foo(t)"), 3, "foo"),
        ((*XY, "model.py"), 1, "FILE.py:FUNCTION"),
        ((*XY, FORMULA, "--p0", "tau=-1", "--bounds", "tau=0:"), 1, "tau = -1 is outside"),
        ((*XY, FORMULA, "--p0", "taw=1"), 1, "did you mean 'tau'"),
        ((*XY, FORMULA, "--fix", "c", "--method", "lm"), 1, "holds no parameter fixed"),
        ((*XY, FORMULA, "--sheet", "a"), 1, "sheet"),
        ((*XY, FORMULA, "--chunk-size", "9", "--workflow", "direct"), 1, "piece by piece"),
        ((*XY, FORMULA, "-o", "a.xyz"), 1, "nothing is written with this suffix"),
        ((*XY, FORMULA, "-o", "no/a.json"), 1, "no such folder"),
        ((*XY, FORMULA, "--where", "t > 99"), 2, "no rows are left"),
        ((*XY, FORMULA, "--where", "t +"), 1, "--where t +"),
        ((*XY, FORMULA, "--where", "u > 1"), 2, "no column 'u'"),
        (("-x", "tt", "-m", FORMULA), 2, "did you mean 't'"),
        (("-y", "log(W)", "-m", FORMULA), 2, "no column 'W'"),
        ((*XY, FORMULA, "--set", "fitting.los=huber"), 1, "did you mean 'loss'"),
        ((*XY, FORMULA, "--rows", "a:b"), 1, "start:stop"),
    ],
)
def test_command_lines_that_are_refused(run, arguments, code, message):
    found, out, err = run("fit", "data.csv", *arguments)
    assert found == code, out + err
    assert message in err
    assert "Traceback" not in err


def test_a_row_that_interrupts_the_table_is_named(run, tmp_path):
    lines = (tmp_path / "data.csv").read_text().splitlines()
    (tmp_path / "data.csv").write_text("\n".join([*lines[:20], "5,6,oops", *lines[20:]]) + "\n")
    code, _, err = run("fit", "data.csv", *XY, "linear")
    assert code == 2
    assert "data.csv:21" in err


def test_polynomials_and_models_from_texts():
    data = {"input_file": "d.csv"}
    given = {"type": "polynomial", "degree": 2}
    assert Settings(data=data, model=given).model.name == "polynomial2"
    assert given == {"type": "polynomial", "degree": 2}
    names = ("linear", "gaussian")
    assert Model.parse("gaussian + poly2", names) == {"name": "gaussian + poly2"}
    assert Model.parse("a + b*x", names) == {"formula": "a + b*x"}
    assert Model.parse("m.py:f", names) == {"path": "m.py", "function": "f"}


def test_columns_by_number_make_a_whole_bundle(run, tmp_path):
    import zipfile

    code, _, err = run("fit", "data.csv", "-m", FORMULA, "-o", "fit.zip", "-q")
    assert code == 0, err
    with zipfile.ZipFile(tmp_path / "fit.zip") as bundle:
        assert "variable: t" in bundle.read("fit.yaml").decode()


def test_a_batch_takes_each_files_own_column(run, tmp_path):
    save(tmp_path / "A.csv", "x,V")
    save(tmp_path / "B.csv", "t,V")
    code, out, _ = run("batch", "A.csv", "B.csv", "-m", "k*x + t", "--json")
    assert code == 4
    rows = {row["fit"]: row for row in json.loads(out)}
    assert {"k", "t"} <= rows["A.csv"].keys()
    assert rows["B.csv"]["outcome"] == "not fitted"
    assert "--variable" in rows["B.csv"]["message"]


def test_groups(run, tmp_path):
    text = (tmp_path / "data.csv").read_text().splitlines()
    rows = [f"{line},{i % 2 if i < 36 else ''}" for i, line in enumerate(text[1:])]
    (tmp_path / "data.csv").write_text("\n".join(["t,V,g", *rows]) + "\n")
    code, out, _ = run("batch", "data.csv", "--groupby", "g", *XY, "linear", "--json")
    assert code == 0
    counts = {row["fit"]: row["points"] for row in json.loads(out)}
    assert counts == {"data.csv[0]": 18, "data.csv[1]": 18, "data.csv[(empty)]": 4}


def test_a_batch_without_resume_puts_its_journal_aside(run, tmp_path):
    arguments = ("batch", "data.csv", *XY, "linear", "--table", "t.csv", "-q")
    assert run(*arguments)[0] == 0
    assert run(*arguments)[0] == 0
    assert (tmp_path / "t.csv.journal.1").exists()


def test_what_a_stranger_wrote_does_not_reach_the_terminal(run, tmp_path):
    assert run("fit", "data.csv", *XY, "linear", "-q", "-o", "fit.json")[0] == 0
    document = json.loads((tmp_path / "fit.json").read_text())
    document["provenance"]["title"] = "\x1b]52;c;AAAA\x07 [bold]x[/]"
    document["warnings"] = ["\x1b[2J"]
    (tmp_path / "fit.json").write_text(json.dumps(document))
    code, out, _ = run("report", "fit.json")
    assert code == 0
    assert "\x1b" not in out
    assert "[bold]x[/]" in out
    del document["provenance"]
    (tmp_path / "fit.json").write_text(json.dumps(document))
    code, _, err = run("report", "fit.json")
    assert code == 2
    assert "lacks provenance" in err


def test_aicc_of_known_and_unknown_errors():
    """Burnham and Anderson (2002), eq. 2.4 and section 2.2: K counts the variance."""
    statistics = {"n_points": 20, "dof": 17}
    assert aicc(12.0, statistics, True) == pytest.approx(12 + 6 + 24 / 16)
    expected = 20 * np.log(12 / 20) + 8 + 40 / 15
    assert aicc(12.0, statistics, False) == pytest.approx(expected)


# --------------------------------------------------------------------- long files, read in pieces

TEXT = "t,V\n" + "".join(f"{t!r},{v!r}\n" for t, v in zip(T.tolist(), V.tolist(), strict=True))
LONG = {
    "plain text": ("long.csv", TEXT, {}, True),
    "columns by number": ("long.csv", TEXT, {"columns": {"x": 0, "y": 1}}, False),
    "a condition": ("long.csv", TEXT, {"where": "t > 1"}, False),
    "other separators": ("long.csv", TEXT.replace(",", ";"), {}, False),
    "decimal commas": ("long.csv", TEXT.replace(",", ";").replace(".", ","), {}, False),
    "units below the names": ("long.csv", TEXT.replace("V\n", "V\ns,mV\n", 1), {}, False),
    "a title above": ("long.csv", "# of today\n" + TEXT, {}, False),
    "few rows": ("long.csv", TEXT[:200], {}, False),
    "no text": ("long.csv", gzip.compress(TEXT.encode()), {}, False),
    "Latin-1": ("long.csv", TEXT.replace("V", "V,µ", 1).encode("latin1"), {}, False),
    "no such column": ("long.csv", TEXT, {"columns": {"x": "time", "y": "V"}}, False),
    "another kind": ("long.txt", TEXT, {}, False),
}


def chosen(path, **more):
    data = {"columns": {"x": "t", "y": "V"}} | more | {"input_file": str(path)}
    return Settings.model_validate({"data": data, "model": {"formula": FORMULA}})


@pytest.mark.parametrize("name, text, more, wanted", LONG.values(), ids=LONG)
def test_a_long_text_is_read_in_pieces_where_that_means_the_same(
    tmp_path, monkeypatch, name, text, more, wanted
):
    monkeypatch.setattr(pieces, "MANY", 30)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert pieces.read_in_pieces(chosen(tmp_path / name, **more)) == wanted
    monkeypatch.setattr(pieces, "MANY", 50)
    assert not pieces.read_in_pieces(chosen(tmp_path / name, **more))


COUPLED = """import numpy as np

def f(t, a, tau, c):
    return a * np.exp(-t / tau) + c + 0 * t[::-1]
"""


@pytest.mark.parametrize("model", [FORMULA, "coupled.py:f"])
def test_the_road_is_the_one_that_was_planned(run, tmp_path, monkeypatch, model):
    """A long HDF5 file: in pieces, unless the model needs all points; the numbers are the same."""
    import h5py

    with h5py.File("long.h5", "w") as file:
        file["t"], file["V"] = T, V
    (tmp_path / "coupled.py").write_text(COUPLED)
    arguments = ("fit", "long.h5", *XY, model, "--p0", "2,1,0")
    arguments += ("--trust",) if model != FORMULA else ()
    whole = json.loads(run(*arguments, "--json")[1])
    assert whole["result"]["nlsq_result"] == "CurveFitResult"
    assert "direct: the data are in memory" in run(*arguments, "--dry-run")[1].replace("\n", " ")
    monkeypatch.setattr(pieces, "MANY", 40)
    planned = " ".join(run(*arguments, "--dry-run")[1].split())
    assert "chunked: 40 points are many" in planned and "couples its points" in planned
    found = json.loads(run(*arguments, "--json")[1])
    kind = "StreamedFitResult" if model == FORMULA else "CurveFitResult"
    assert found["result"]["nlsq_result"] == kind
    assert found["popt"] == pytest.approx(whole["popt"], rel=1e-10)
    np.testing.assert_allclose(found["pcov"], whole["pcov"], rtol=1e-10)
