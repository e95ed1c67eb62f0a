"""What the program refuses, and what must not matter: run in this process, which is quicker."""

import copy
import csv
import functools
import gzip
import io
import json
import operator
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import nlsq
from nlsq.cli.batch_table import show
from nlsq.cli.main import _run, _warn
from nlsq.security import frames
from nlsq.session import answers, batching, comparing, pieces, plan, running
from nlsq.session.batching import find_items
from nlsq.session.errors import ModelError
from nlsq.session.journal import Journal
from nlsq.session.points import Points
from nlsq.session.settings import Settings
from nlsq.session.words import read_model
from nlsq.utils import interruption

pytestmark = pytest.mark.usefixtures("quickly")
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
        (
            YAML + "model: {formula: a*t}\nfitting:\n  fixed: {b: 1}",
            "yaml:4: `fitting.fixed` names",
        ),
        (YAML + "model: {formula: a*t}\nfitting: {p0: [1, 2]}", "yaml:3: fitting.p0 has 2 numbers"),
        (YAML + "model: {formula: a*t}\nfitting:\n  bounds:\n    a: [2, 1]", "yaml:5: Each lower"),
        (YAML + "model: {formula: a*t}\nlimits: {seconds: 3}", "limits belong to a model file"),
        (YAML + "model: {formula: a*t}\nfitting: {absolute_sigma: true}", "needs the standard dev"),
        (
            YAML + "model: {formula: a*t}\nfitting: {fixed: {a: true}}",
            "a needs the value to hold it",
        ),
        (YAML + "model: {formula: a*t}\nfitting: {fixed: [a, a]}", "it names 'a' twice"),
        (YAML + "model: {formula: a*t}\nfitting: {bounds: {a: [1, 0]}}", "has lb = 1 > ub = 0"),
        (YAML + "model: {formula: a*t}\nfitting: {f_scale: 3}", "belongs to a robust loss"),
        (YAML + "model: {formula: a*t}\nfitting: {seed: 3}", "seed belongs to a search"),
        (
            YAML + "model: {formula: a*t}\nfitting: {fallback: true}\nworkflow: chunked",
            "held in memory",
        ),
        (YAML + "model: {formula: a*t}\nfitting: {fallback: true, preset: fast}", "one start"),
        (YAML + "model: {formula: a*t}\nfitting: {n_starts: 0}", "greater than or equal to 1"),
        (YAML + "model: {formula: a*t}\nfitting: {preset: quick}", "'fast', 'robust', 'global'"),
        (YAML + "model: {formula: a*t}\nfitting: {preset: fast, method: global}", "give one of"),
        (YAML + "model: {formula: a*t}\nfitting: {preset: fast}\nworkflow: cmaes", "give one of"),
        (YAML + "model: {formula: a*t}\nfitting: {preset: cmaes, method: lm}", "leave out method"),
        (YAML + "model: {formula: a*t}\nworkflow: robbust", "did you mean 'robust'"),
        (YAML + "model: {formula: a*t}\nfitting: {method: cmaes, n_starts: 3}", "not cmaes"),
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
        ((*XY, "a*u+b"), 3, "does not mention x or the column 't'; it has a, u, b"),
        ((*XY, "a*T+b"), 3, "--variable T"),
        ((*XY, "a*foo(t)"), 3, "foo"),
        ((*XY, "model.py"), 1, "FILE.py:FUNCTION"),
        ((*XY, FORMULA, "--p0", "tau=-1", "--bounds", "tau=0:"), 1, "starts 'tau' at -1, not in"),
        ((*XY, FORMULA, "--p0", "taw=1"), 1, "`--p0` names 'taw', which is no parameter"),
        ((*XY, FORMULA, "--bounds", "Tau=1:"), 1, "did you mean 'tau'"),
        ((*XY, FORMULA, "--set", "fitting.fixed.q=1"), 1, "`--set fitting.fixed.q` names 'q'"),
        ((*XY, FORMULA, "--bounds", "c=5:1"), 1, "--bounds: Each lower bound must be less"),
        ((*XY, FORMULA, "--p0", "c=5", "tau=1"), 1, "Write --p0 c=5,tau=1"),
        ((*XY, FORMULA, "--fix", "c", "tau=1"), 1, "Write --fix c --fix tau=1"),
        (("-x", "t,V", *XY[2:], FORMULA), 1, "one by one: -x t -x V, in a file"),
        ((*XY, "nosuch"), 3, "nlsq models lists the models"),
        (
            (*XY, FORMULA, "--fix", "c=-1", "--bounds", "c=0:"),
            1,
            "`--fix` holds 'c' at -1",
        ),
        ((*XY, FORMULA, "--sheet", "a"), 1, "sheet"),
        ((*XY, "log(-1-a*a)*t", "--fallback"), 1, "p0 moved by 2 decades: the same end"),
        ((*XY, "log(-1-a*a)*t"), 1, "stability='auto' looks for a start"),
        ((*XY, "log(-1-a*a)*t", "--stability", "check"), 1, "! start: the model is not finite"),
        (
            (*XY, FORMULA, "--p0", "tau=2", "--fallback", "--goal", "robust"),
            1,
            "Error: the command line: fitting: fallback is for a fit from one start, and robust is "
            "a search: leave one of them out",
        ),
        ((*XY, FORMULA, "--chunk-size", "9", "--workflow", "direct"), 1, "piece by piece"),
        ((*XY, FORMULA, "-o", "a.xyz"), 1, "nothing is written with this suffix"),
        ((*XY, FORMULA, "-o", "no/a.json"), 1, "no such folder"),
        ((*XY, FORMULA, "--where", "t > 99"), 2, "no rows are left"),
        ((*XY, FORMULA, "--where", "t +"), 1, "--where t +"),
        ((*XY, FORMULA, "--exclude", "3,a"), 1, "'a' is no row"),
        ((*XY, FORMULA, "--exclude", "2-400"), 1, "there is no row 400 to exclude"),
        ((*XY, FORMULA, "--x-range", "3"), 1, "'3' is not LOW:HIGH"),
        ((*XY, FORMULA, "--x-range", "3:b"), 1, "'b' is not a number"),
        ((*XY, FORMULA, "--x-range", "3:2"), 1, "ends before it begins"),
        ((*XY, FORMULA, "--x-range", "1e9:"), 2, "Look at exclude and x_range"),
        ((*XY, FORMULA, "--set", "data.x_range=[.inf, 3]"), 1, "finite numbers"),
        ((*XY, FORMULA, "--where", "u > 1"), 2, "no column 'u'"),
        (("-x", "tt", "-m", FORMULA), 2, "did you mean 't'"),
        (("-y", "log(W)", "-m", FORMULA), 2, "no column 'W'"),
        ((*XY, FORMULA, "--set", "fitting.los=huber"), 1, "did you mean 'loss'"),
        ((*XY, FORMULA, "--rows", "a:b"), 1, "start:stop"),
        ((*XY, FORMULA, "--rows", "9" * 5000 + ":"), 1, "start:stop"),
        (("-x", "9" * 5000, "-m", FORMULA), 1, "column 999"),
        (("-x", "²", "-m", FORMULA), 1, "²"),
        ((*XY, FORMULA, "--set", "data.columns.x=[]"), 1, "names one at least"),
        ((*XY, FORMULA, "--set", "metadata.dataset_id=2020-13-45"), 1, "is not a value"),
        ((*XY, FORMULA, "--delimiter", "\n"), 1, "delimiter cannot be"),
        ((*XY, FORMULA, "--encoding", "rot13"), 2, "no encoding called 'rot13'"),
        ((*XY, FORMULA, "--format", "npy"), 2, "no NumPy file"),
        ((*XY, FORMULA, "--format", "excel"), 2, "no Excel file"),
        ((*XY, FORMULA, "--format", "jcamp"), 2, "no data in this JCAMP-DX file"),
        ((*XY, FORMULA, "--set", "data.input_file=" + "n" * 9000), 2, "name too long"),
        ((*XY, FORMULA, "--checkpoint", "n" * 300), 1, "name too long"),
        ((*XY, FORMULA, "-o", "data.csv"), 1, "holds the data and would be replaced"),
        ((*XY, FORMULA, "--json", "--print", "csv"), 1, "one thing is printed"),
    ],
)
def test_command_lines_that_are_refused(run, arguments, code, message):
    found, out, err = run("fit", "data.csv", *arguments)
    assert found == code, out + err
    assert message in err
    assert "no name of a file" not in err


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("deep.toml", b"a=" + b"[" * 5000, ": a value that is none"),
        ("deep.yaml", b"a: " + b"[" * 1200 + b"]" * 1200, ": a value that is none"),
        ("date.yaml", b"metadata: {dataset_id: 2020-13-45}", ": a value that is none"),
        ("digits.yaml", b"fitting: {max_nfev: 1" + b"0" * 5000 + b"}", ": a value that is none"),
        ("latin.toml", b'\na="\xff"', ":2: a byte that is not UTF-8"),
        ("notepad.yaml", "data: {}".encode("utf-16"), ":1: a byte that is not UTF-8"),
        ("mark.toml", "\ufeff[dat]\na=1\n".encode(), ":1: dat: unknown key; did you mean 'data'"),
    ],
)
def test_odd_configurations_are_refused_in_words(run, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    code, _, err = run("config", "--check", name)
    assert code == 1
    assert f"{name}{message}" in err


def test_a_folder_is_called_one(run, tmp_path):
    (tmp_path / "run.csv").mkdir()
    code, _, err = run("fit", "run.csv", "-m", "linear")
    assert (code, "run.csv: this is a folder" in err) == (2, True)
    assert "no name of a file" not in err


def test_a_name_of_any_bytes_is_written_down(run, tmp_path):
    name = os.fsdecode(b"\xff\xfe.csv")
    (tmp_path / name).write_bytes((tmp_path / "data.csv").read_bytes())
    written = ("-o", "fit.json", "-o", "fit.sh", "-o", "fit.zip")
    code, _, err = run("fit", name, *XY, "linear", *written, "-q")
    assert code == 0, err
    assert json.loads((tmp_path / "fit.json").read_text())["data"]["file"] == name
    assert run("batch", name, *XY, "linear", "--table", "t.json", "-q")[0] == 0
    assert run("batch", name, *XY, "linear", "--table", name, "-q")[0] == 1
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
    assert read_model("gaussian + poly2") == {"name": "gaussian + poly2"}
    assert read_model("a + b*x") == {"formula": "a + b*x"}
    assert read_model("m.py:f") == {"path": "m.py", "function": "f"}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Answers of honest fits in a confined process: run(workflow)."""
    folder = tmp_path_factory.mktemp("honest")
    save(folder / "data.csv", "t,V")
    (folder / "m.py").write_text("def f(t, a, b):\n    return a * t + b\n")

    @functools.cache
    def answer(workflow):
        data = {"input_file": str(folder / "data.csv"), "columns": {"x": "t", "y": "V"}}
        model = {"path": str(folder / "m.py"), "function": "f"}
        settings = Settings(data=data, model=model, workflow={"strategy": workflow})
        points = plan.read(settings)
        answers = []

        def inside(entry, request, settings):
            done = getattr(running, entry.split(":")[1])(request)
            there, here = os.pipe()
            threading.Thread(target=frames.Frame(done).send, args=(here,)).start()
            answers.append(frames.receive(there, 1 << 20))
            os.close(there), os.close(here)
            return answers[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "_confined", inside)
            running.execute(settings, points, whole=True)
        return settings, points, answers[0]

    return answer


LONG = "a" * 1_000_000
RECORD = {"$record": {}, "name": "", "text": ""}
FORGED = [
    ("", None), ("", []), ("", "document"), ("", {}), ("", {"error": 3}),
    ("", {"error": {"kind": "SystemExit", "message": "", "fix": ""}}),
    ("", {"error": {"kind": "DataError", "message": LONG, "fix": ""}}),
    ("document", []), ("document", {}), ("document.popt", ["1", "2"]), ("document.popt", [1.0]),
    ("document.pcov", [[1.0]]), ("document.statistics", None), ("document.convergence.message", 3),
    ("document.statistics.chi_squared", -1.0), ("document.statistics.aic", None),
    ("document.convergence.success", "yes"), ("document.curve.y", [1.0]), ("document.curve", 1),
    ("document.labels", ["x"]), ("document.provenance.start", {}), ("document.warnings", LONG),
    ("document.parameter_names", ["c", "d"]), ("document.confidence_intervals", [[1], [2]]),
    ("result", None), ("result", {}), ("result.nlsq_result", "OptimizeResult"),
    ("result.format", "1"), ("result.x", 5), ("result.x", {"$raw": 0}), ("result.x", [[1, 2]]),
    ("result.param_names", {"$tuple": ["a"]}), ("result.param_names", {"$tuple": [LONG, "b"]}),
    ("result.pcov", np.zeros(2)), ("result.nfev", 1e400), ("result.nfev", 10**40),
    ("result.dof", "37"), ("result.n_points", 0), ("result.success", None), ("result.message", 3),
    ("result.model_info", "text"), ("result.model", {}), ("result.tries", [{"kept": False}]),
    ("result.minima", {"$minima": {}}), ("document.search", {"minima": 3}),
    ("result.null_directions", {"$list": [{"z": 1.0}]}), ("result.$extra", {"quantile": 3}),
    ("result.stability", 3), ("result.stability", RECORD), ("result.diagnostics", {"$health": 3}),
    ("result.stability", RECORD | {"$record": {"findings": [], "actions": {"$list": [RECORD]}}}),
    ("result.diagnostics", "healthy"), ("result.fallback", RECORD),
    ("result.diagnostics", {"$health": {"title": 3, "findings": [], "unknown": []}}),
    ("result.bounds", 7), ("result.warnings", {"$tuple": [3]}),
]  # fmt: skip
FORGED_OF = {
    "direct": [("result.$extra._predictions", np.zeros(3)), ("result.fun", np.zeros(3)),
               ("result.jac", np.zeros((2, 2))), ("result.$extra", {})],
    "chunked": [("result.sample", {}), ("result.sample.ydata", np.zeros(3)),
                ("result.moments", {"chi_squared": -1.0}), ("result.weighted", 3),
                ("document.curve.at_sample", [1.0]),
                ("document.curve.at_sample", ["nan"] * 40)],
}  # fmt: skip


@pytest.mark.parametrize("workflow", FORGED_OF)
def test_a_forged_answer_is_one_sentence(honest, workflow, monkeypatch):
    settings, points, answer = honest(workflow)
    for place, value in FORGED + FORGED_OF[workflow]:
        forged = copy.deepcopy(answer)
        *above, last = place.split(".")
        owner = functools.reduce(operator.getitem, above, forged)
        forged = value if not place else forged
        if place:
            owner[last] = value
        monkeypatch.setattr(running, "_confined", lambda *_, forged=forged: forged)
        with pytest.raises(ModelError, match=r"m\.py: the answer of the sandbox is damaged: \w"):
            running.execute(settings, points, whole=True)
            pytest.fail(f"{place} = {value!s:.40} was believed")
    monkeypatch.setattr(running, "_confined", lambda *_: copy.deepcopy(answer))
    document, result = running.execute(settings, points, whole=True)
    assert document["popt"] == result.popt.tolist()


ROW = {"fit": "other", "outcome": "converged", "message": "", "a": 1.0, "a_err": None,
       "r_squared": 0.5, "points": 40, "undetermined": "", "at_bound": ""}  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        None, [], [3], [ROW, ROW], [{}], [ROW | {"outcome": "won"}], [ROW | {"a": [1]}],
        [ROW | {"r_squared": "1"}], [ROW | {1: 2.0}], [ROW | {"message": LONG}],
        [ROW | {"document": {}}], [ROW | {LONG: 1.0}],
    ],
)  # fmt: skip
def test_forged_rows_of_a_batch_are_one_sentence(rows, honest, monkeypatch):
    settings, points, _ = honest("direct")
    monkeypatch.setattr(running, "_confined", lambda *_: {"rows": rows})
    with pytest.raises(ModelError, match="the answer of the sandbox is damaged"):
        batching.fit_portion([(batching.Item(Path("own")), points)], settings, True)
    monkeypatch.setattr(running, "_confined", lambda *_: {"rows": [dict(ROW)]})
    found = batching.fit_portion([(batching.Item(Path("own")), points)], settings, True)
    assert found == [ROW | {"fit": "own"}]


def test_a_forged_guess_is_one_sentence(honest, monkeypatch):
    settings, points, _ = honest("direct")
    good = {"names": ["a", "b"], "p0": np.ones(2), "values": T}
    for name, value in (("names", 3), ("p0", ["1", "2"]), ("p0", np.ones(3)), ("values", T[:3])):
        monkeypatch.setattr(running, "_confined", lambda *_, n=name, v=value: good | {n: v})
        with pytest.raises(ModelError, match="the answer of the sandbox is damaged"):
            running.guess_start(settings, points)


def test_an_honest_guess_has_the_form_that_is_asked_of_it():
    content = {"data": {"input_file": "x.csv"}, "model": {"name": "linear"}}
    settings = Settings.model_validate(content)
    points = Points(T, 2 * T + 1, None, ["t"], "y")
    request = {"settings": content, "points": vars(points), "places": {}}
    answers.check(running.run_guess(request), answers.GUESS, settings, {"points": T.size})


def test_a_warning_is_told_without_its_place(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _warn
        warnings.warn("this system keeps no file\x1b[2J from anything.", stacklevel=1)
    assert capsys.readouterr().err == "warning: this system keeps no file[2J from anything.\n"


def test_a_fit_of_several_is_nothing_to_save(run, monkeypatch):
    interruption.worth_saving(False)
    held = []

    def fitted(settings, points, text, command):
        held.append(interruption.worth_saving())  # as a fit that has a point
        return {"model": text, "converged": False, "aicc": np.nan, "message": ""}

    monkeypatch.setattr(comparing, "fitted", fitted)
    assert run("compare", "data.csv", *XY, "linear", "-m", "gaussian")[0] == 4
    assert held == [False, False]
    assert not interruption.worth_saving(False)


def test_the_program_compares_as_the_library_does(run):
    code, out, _ = run("compare", "data.csv", *XY, "linear", "-m", FORMULA, "--json")
    fits = (nlsq.curve_fit(f, T, V) for f in (FORMULA.replace("t/", "x/"), "linear"))
    ranking = nlsq.compare(*fits)
    assert code == 0
    for row, expected in zip(json.loads(out), ranking, strict=True):
        assert row["free_parameters"] == expected.n_free
        for name in ("aicc", "delta_aicc", "weight", "evidence_ratio"):
            assert row[name] == pytest.approx(getattr(expected, name), rel=1e-6), name


def test_a_streamed_fit_may_be_undetermined(run, tmp_path):
    (tmp_path / "m.py").write_text("def f(t, a, b, c):\n    return a * b * t + c\n")
    asked = ("--workflow", "chunked", "--p0", "1,2,0", "-q", "-o", "fit.json", "-o", "fit.png")
    code, _, err = run("fit", "data.csv", *XY, "m.py:f", *asked)
    assert code == 0, err
    document = json.loads((tmp_path / "fit.json").read_text())
    assert document["undetermined"] == ["a", "b"]
    assert np.isfinite(np.array(document["curve"]["confidence"], float)).all()  # a*b is known


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


@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize(
    "name", ["0001.csv", "data/2024-05-01_sample-A_run-0001.csv", "g[" + "x" * 99]
)
def test_names_and_numbers_of_tables_are_whole(width, name):
    numbers = {f"par{i}": 1234.5 + i for i in range(9)}
    errors = {f"{n}_err": 0.125 for n in numbers}
    row = {"fit": name, "outcome": "converged", **numbers, **errors, "r_squared": 0.98765}
    row |= {"undetermined": "", "at_bound": "par3 par4", "message": ""}
    console = Console(width=width, file=io.StringIO(), highlight=False)
    show(console, [row], 1)
    text = console.file.getvalue()
    line = next(line for line in text.splitlines() if line.startswith(name))
    assert "0.98765" in line and "…" not in text
    told = line.count("±")
    assert told == 9 or f"par{told}, " in text or "par8: see --table" in text
    assert all(f"{1234.5 + i:.5g} ± 0.12" in line for i in range(told))


@pytest.mark.parametrize(
    "cells, names",
    [
        (("0.3", "0.30000000000000004", "2"), ["0.3", "0.30000000000000004", "2"]),
        (("1e300", "-0.0", "1e-300"), ["1e+300", "-0", "1e-300"]),
        (("(empty)", "", "b"), ["(empty)", "(empty)", "b"]),
        (("9007199254740993", "9007199254740992", ""), None),
    ],
)
def test_no_group_is_lost_by_its_name(tmp_path, cells, names):
    rows = [f"{i},{i},{cell}" for cell in cells for i in range(3)]
    (tmp_path / "g.csv").write_text("\n".join(["t,V,s", *rows, ""]))

    def by(column):
        data = {"input_file": "g.csv", "columns": {"group": column}}
        settings = Settings.model_validate({"data": data, "model": {"name": "linear"}})
        return list(find_items([tmp_path / "g.csv"], settings))

    found = by("s")
    if names is not None:
        assert [item.group for item, _ in found] == names
    for column in ("2", 2):
        assert [item for item, _ in by(column)] == [item for item, _ in found]
    assert sum(points.y.size for _, points in found) == 9


def test_one_group_is_fitted_by_itself_as_among_all(run, tmp_path):
    t = np.linspace(0, 4, 9)
    rows = [f"{a!r},{k * a + 1 + 0.1 * (i % 3)!r},{k}" for k in (2, 0.5)
            for i, a in enumerate(t.tolist())]  # fmt: skip
    (tmp_path / "g.csv").write_text("\n".join(["t,V,s", *rows, ""]))
    groups = ("--set", "data.columns.group=s")
    code, out, _ = run("batch", "g.csv", *XY, "linear", *groups, "--json")
    assert code == 0 and [row["fit"] for row in json.loads(out)] == ["g.csv[2]", "g.csv[0.5]"]
    code, _, _ = run(
        "fit", "g.csv", *XY, "linear", *groups, "--set", "data.only='0.5'", "-o", "o.json"
    )
    one, expected = json.loads((tmp_path / "o.json").read_text()), json.loads(out)[1]
    assert one["popt"] == pytest.approx([expected["a"], expected["b"]], rel=1e-10)
    code, _, err = run("fit", "g.csv", *XY, "linear", *groups)
    assert code == 1 and "nlsq batch" in err
    code, _, err = run("fit", "g.csv", *XY, "linear", *groups, "--set", "data.only='5'")
    assert code == 2 and "no rows of the group '5'" in err


def test_a_batch_keeps_order_and_names_and_fits_again_what_was_damaged(run, tmp_path):
    groups = ["x" * 299 + "y", "x" * 300, "b"]
    rows = [f"{i},{3 * i + j},{name}" for j, name in enumerate(groups) for i in range(5)]
    (tmp_path / "g.csv").write_text("\n".join(["t,V,s", *rows, ""]))
    arguments = ("batch", "g.csv", "--groupby", "s", *XY, "a_err*t + points + 0*a")
    arguments += ("--fix", "a=1", "--table", "t.csv")
    code, out, err = run(*arguments, "--plots", "plots")
    assert code == 0, err
    fits = [f"g.csv[{name}]" for name in groups]
    assert all(name in out for name in fits)
    assert len(list((tmp_path / "plots").iterdir())) == len(groups)
    table = (tmp_path / "t.csv").read_text()
    found = list(csv.DictReader(table.splitlines()))
    assert [row["fit"] for row in found] == fits
    values = [[float(row[name]) for name in ("a_err", "points_", "a_")] for row in found]
    np.testing.assert_allclose(values, [[3, j, 1] for j in range(3)], atol=1e-9)
    journal = tmp_path / "t.csv.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"points": 5', b'"points": 4')
    journal.write_bytes(b"".join(lines))
    code, _, err = run(*arguments, "--resume", "-q")
    assert (code, "1 line is damaged; what it held is fitted again" in err) == (0, True)
    assert (tmp_path / "t.csv").read_text() == table


def test_a_damaged_row_of_a_journal_is_never_believed(tmp_path):
    """Random bits flipped; what is cut off at the end counts as killed, not as damaged."""
    random = np.random.default_rng(0)
    rows = {f"k{i}": {"fit": f"{i}.csv", "tau": i / 7, "message": "µ"} for i in range(9)}
    path = tmp_path / "j"
    Journal(path, resume=False).add(rows)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(50):
        damaged = whole.copy()
        places = random.integers(0, whole.size - 1, 3)
        damaged[places] ^= np.uint8(1) << random.integers(0, 8, 3).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        found = Journal(path, resume=True)
        assert all(rows[key] == row for key, row in found.done.items())
        assert bool(found.damaged) == (len(found.done) < len(rows))
    path.write_bytes(whole.tobytes()[:-5])
    assert (len(Journal(path, resume=True).done), Journal(path, resume=True).damaged) == (8, 0)


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


# --------------------------------------------------------------------- long files, read in pieces

TEXT = "t,V\n" + "".join(f"{t!r},{v!r}\n" for t, v in zip(T.tolist(), V.tolist(), strict=True))
LONG = {
    "plain text": ("long.csv", TEXT, {}, True),
    "columns by number": ("long.csv", TEXT, {"columns": {"x": 0, "y": 1}}, False),
    "a condition": ("long.csv", TEXT, {"where": "t > 1"}, False),
    "rows left out": ("long.csv", TEXT, {"exclude": "3"}, False),
    "a range": ("long.csv", TEXT, {"x_range": [1, None]}, False),
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
    monkeypatch.setattr(pieces, "MANY_LINES", 30)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert pieces.read_in_pieces(chosen(tmp_path / name, **more)) == wanted
    monkeypatch.setattr(pieces, "MANY_LINES", 50)
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
