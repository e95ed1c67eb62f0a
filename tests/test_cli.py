"""The program `nlsq`, driven as a user does: exit codes, messages, files."""

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest

import nlsq
from tests.nist import PROBLEMS, digits
from tests.program import ROOT, environment, piped

EXAMPLE = ROOT / "examples" / "thurber.yaml"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One folder of compiled code for all runs, also those of other workers."""
    return tmp_path_factory.getbasetemp().parent / "compiled"


@pytest.fixture
def run(tmp_path, cache):
    def run(*arguments, cwd=tmp_path, **env):
        return piped(arguments, cwd, environment(cache, **env))

    return run


@pytest.fixture
def project(tmp_path):
    """A folder with data, a model and a YAML file; returns a function that rewrites the YAML."""
    rows = "\n".join(f"{i / 10},{3 * 2.0 ** (-i / 7) + 0.01 * (-1) ** i},0.01" for i in range(30))
    (tmp_path / "decay.csv").write_text(f"# made up\nt,y,s\n{rows}\n")
    (tmp_path / "decay.py").write_text(
        "import numpy as np\n\n\ndef decay(t, a, b):\n    return a * np.exp(-b * t)\n"
    )

    def write(fitting="{p0: [1, 1]}", columns="{x: t, y: y}", more=""):
        text = f"""\
            data:
              input_file: decay.csv
              columns: {columns}
            model: {{path: decay.py, function: decay}}
            fitting: {fitting}
            export: {{results_file: out.json}}
            """
        path = tmp_path / "decay.yaml"
        path.write_text(textwrap.dedent(text) + textwrap.dedent(more))
        return path

    return write


@pytest.mark.core
def test_thurber_example_reproduces_the_certified_values(run, tmp_path):
    done = run("fit", EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads((tmp_path / "fit.json").read_text())
    thurber = next(p for p in PROBLEMS if p.name == "Thurber")
    assert digits(found["popt"], thurber.certified) >= 8
    assert digits(found["uncertainties"], thurber.stderr) >= 6
    assert found["statistics"]["chi_squared"] == pytest.approx(thurber.rss, rel=1e-10)
    assert found["statistics"]["dof"] == 30
    assert found["convergence"]["success"] is True
    assert found["certified"]["values"] == list(thurber.certified)
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.json", "fit.png"]
    for text in ("1288.139680 ± 4.66480", "13.71460078", "log_density", "mobility", "fit.png"):
        assert text in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "\x1b" not in done.stdout


def test_example_data_are_nists():
    import numpy as np

    thurber = next(p for p in PROBLEMS if p.name == "Thurber")
    table = np.loadtxt(ROOT / "examples" / "thurber.csv", delimiter=",", skiprows=2)
    np.testing.assert_array_equal(table, np.stack([thurber.x, thurber.y], axis=1))


def test_weights_bounds_and_intervals(run, project, tmp_path):
    path = project(
        fitting="{p0: [1, 1], bounds: {lower: [0, null], upper: [2.5, null]}, absolute_sigma: yes}",
        columns="{x: 0, y: 1, sigma: s}",
    )
    done = run("fit", path, "--no-plot")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["at_bound"] == ["a"]
    assert found["popt"][0] == 2.5
    assert "at its bound" in done.stdout
    assert "reduced χ²" in done.stdout
    assert "●" not in done.stdout


def test_output_option_and_relative_paths(run, project, tmp_path):
    path = project()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run("fit", os.path.relpath(path, elsewhere), "-o", "mine.json", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in elsewhere.iterdir()] == ["mine.json"]
    found = json.loads((elsewhere / "mine.json").read_text())
    assert found["parameter_names"] == ["a", "b"]


def test_a_fit_that_does_not_converge_says_so_and_exits_4(run, project, tmp_path):
    done = run("fit", project(fitting="{p0: [1, 1], max_nfev: 2}"))
    assert done.returncode == 4
    assert done.stderr.startswith("Error: ")
    assert "not converged" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["convergence"]["success"] is False


@pytest.mark.parametrize(
    "changes, line, message",
    [
        ({"fitting": "{p0: [1, 1], boundz: 3}"}, 5, "fitting.boundz: unknown key; did you mean 'b"),
        ({"fitting": "{p0: [1, one]}"}, 5, r"fitting.p0\[1\]: .*valid number.*'one'"),
        ({"fitting": "{method: newton}"}, 5, "fitting.method: .*'lm', 'trf', 'dogbox', 'global'"),
        ({"columns": "{x: t, y: y, z: 4}"}, 3, "data.columns.z: unknown key; known are x, y"),
        ({"columns": "{x: 1.5, y: y}"}, 3, "data.columns.x: "),
        ({"more": "fiting: {}"}, 7, "fiting: unknown key; did you mean 'fitting'"),
        ({"more": "fitting: {}"}, 7, "fitting is given twice, first in line 5"),
        ({"more": "metadata: {workflow_name: [}"}, 7, "not valid YAML"),
    ],
)
def test_configuration_errors_name_the_line(run, project, changes, line, message):
    done = run("fit", project(**changes))
    assert done.returncode == 1
    assert re.match(rf"Error: .*decay\.yaml:{line}: .*{message}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "fitting, more, message",
    [
        ("{p0: [1, 2, 3]}", "", "p0 has 3 numbers, but the model has 2 parameters: a, b"),
        ("{bounds: [[0], [1]]}", "", "bounds.lower has 1 numbers, but the model has 2"),
        ("{p0: [1, 1]}", "certified: {values: [1]}", "certified.values has 1 numbers"),
        ("{p0: [1, 1], bounds: {lower: [2, 2]}}", "", "p0|bounds|feasible"),
    ],
)
def test_numbers_that_do_not_fit_the_model(run, project, fitting, more, message):
    done = run("fit", project(fitting=fitting, more=more))
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content, columns, message",
    [
        ("t,y\n1,2\n2,oops\n", "{x: t, y: y}", r"decay\.csv:3: 'y' is 'oops', not a number"),
        ("t,y\n1,2\n\n2,\n", "{x: t, y: y}", r"decay\.csv:4: 'y' is empty"),
        ("t,y\n1,nan\n", "{x: t, y: y}", r"decay\.csv:2: 'y' is empty or NaN"),
        (
            "t,y\n1,2\n3\n",
            "{x: t, y: y}",
            r"decay\.csv:3: 1 cell, the rows above have 2; 'y' is missing",
        ),
        ("time,y\n1,2\n", "{x: tme, y: y}", "no column 'tme'; did you mean 'time'"),
        ("t,y\n1,2\n", "{x: 0, y: 7}", "no column 7; there are 2"),
        ("t,y,s\n1,2,1\n2,3,0\n", "{x: t, y: y, sigma: s}", r"decay\.csv:3: sigma is 0"),
        ("t,y\n", "{x: t, y: y}", "no rows"),
        ("# nothing\n", "{x: t, y: y}", "only comments"),
    ],
)
def test_data_errors_name_the_cell(run, project, tmp_path, content, columns, message):
    path = project(columns=columns)
    (tmp_path / "decay.csv").write_text(content)
    done = run("fit", path)
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "code, message",
    [
        ("def dekay(t, a, b):\n    return a\n", "no function 'decay'; did you mean 'dekay'"),
        ("def decay(t, a b):\n", r"decay\.py:1:\d+: this is not Python"),
        ("import no_such_thing\n", r"decay\.py:1:1: the module 'no_such_thing' is not"),
        (
            "def decay(t, a, b):\n    return a * tt\n",
            r"decay\.py:2: the model failed: NameError: name 'tt'",
        ),
    ],
)
def test_model_errors_name_the_line(run, project, tmp_path, code, message):
    path = project()
    (tmp_path / "decay.py").write_text(code)
    done = run("fit", path)
    assert done.returncode == 3
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_missing_files(run, project, tmp_path):
    assert run("fit", "nowhere.yaml").returncode == 1
    path = project()
    (tmp_path / "decay.py").unlink()
    assert run("fit", path).returncode == 3
    (tmp_path / "decay.csv").unlink()
    done = run("fit", path)
    assert done.returncode == 2
    assert "decay.csv: no such file" in done.stderr


def test_the_memory_limit_is_kept(run, project):
    done = run("fit", project(), "--workflow", "direct", NLSQ_MEMORY_LIMIT_GB="1e-6")
    assert done.returncode == 2
    assert re.search(r"decay\.csv: reading this file takes .* GB are allowed", done.stderr)


def test_several_predictors_and_white_space(run, tmp_path):
    rows = "\n".join(
        f"{u}  {v}  {2 * u - 3 * v + 0.1 * (-1) ** u}" for u in range(5) for v in (1, 4)
    )
    (tmp_path / "plane.txt").write_text(rows)
    (tmp_path / "plane.py").write_text("def plane(uv, p, q):\n    return p * uv[0] + q * uv[1]\n")
    (tmp_path / "plane.yaml").write_text(
        "data:\n  input_file: plane.txt\n  columns: {x: [0, 1], y: 2}\n"
        "  csv: {delimiter: null, header: false}\n"
        "model: {path: plane.py, function: plane}\nexport: {results_file: plane.json}\n"
    )
    done = run("fit", "plane.yaml")
    assert done.returncode == 0, done.stderr
    popt = json.loads((tmp_path / "plane.json").read_text())["popt"]
    assert popt == pytest.approx([2, -3], abs=0.1)
    assert "fitted c2" in done.stdout


@pytest.mark.core
def test_info_tells_versions_and_settings(run):
    import jax

    done = run("info", NLSQ_MEMORY_LIMIT_GB="3")
    assert done.returncode == 0, done.stderr
    for text in (nlsq.__version__, jax.__version__, "2.4 GB of the 3.0 GB limit", "cpu"):
        assert text in done.stdout
    wrong = run("info", NLSQ_MEMORY_LIMIT_GB="much")
    assert wrong.returncode == 1
    assert "NLSQ_MEMORY_LIMIT_GB" in wrong.stderr


@pytest.mark.parametrize(
    "arguments, code, stream, text",
    [
        ([], 0, "stdout", "Usage: nlsq"),
        (["--help"], 0, "stdout", "Exit codes"),
        (["fit", "--help"], 0, "stdout", "FILE"),
        (["--version"], 0, "stdout", f"nlsq {nlsq.__version__}"),
        (["fitt"], 1, "stderr", "did you mean 'fit'"),
        (["fit"], 1, "stderr", "Missing argument 'FILE'"),
        (["fit", "x.yaml", "--noplot"], 1, "stderr", "No such option"),
    ],
)
def test_usage(run, arguments, code, stream, text):
    done = run(*arguments)
    assert done.returncode == code
    assert text in getattr(done, stream)


def test_help_loads_nothing_heavy(tmp_path):
    code = """
import sys
from nlsq.cli.main import main
try:
    main(["--help"])
finally:
    heavy = {"jax", "numpy", "scipy", "matplotlib", "pydantic", "rich", "yaml"} & set(sys.modules)
    print("loaded:", sorted(heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.rstrip().endswith("loaded: []")


def test_a_closed_pipe_is_no_traceback(run, project, tmp_path):
    command = f"{sys.executable} -m nlsq.cli.main fit {project()} | true"
    done = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stderr == ""
