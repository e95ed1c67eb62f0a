"""Every command and option of the program, as a user types it.

`CASES` is a table of command lines with what must come of them. An option that `--help` shows and
no case uses fails the suite.
"""

import json
import re
import zipfile

import click
import numpy as np
import pytest
import yaml

from nlsq.cli.main import COMMANDS, cli
from nlsq.cli.options import SET
from nlsq.cli.result_exporter import OUTPUT
from tests.program import environment, in_terminal, piped

TRUE = {"a": 3.0, "tau": 2.0, "c": 0.5}
T = np.linspace(0, 10, 60)
V = TRUE["a"] * np.exp(-T / TRUE["tau"]) + TRUE["c"] + 0.02 * np.sin(40 * T)
FORMULA = "a*exp(-t/tau)+c"
XY = ("-x", "t", "-y", "V", "-m")
FIT = ("fit", "data.csv", "-x", "t", "-y", "V", "-m", FORMULA, "--no-plot")


def write_files(folder):
    """The files that the cases name."""
    import h5py

    lines = [f"{t!r},{v!r},{0.02 + 0.001 * (i % 3)!r},{'AB'[i % 2]}"
             for i, (t, v) in enumerate(zip(T.tolist(), V.tolist(), strict=True))]  # fmt: skip
    (folder / "data.csv").write_text("# made up\nt,V,dV,sample\n" + "\n".join(lines) + "\n")
    gap = [*lines[:30], "3.3,,0.02,A", *lines[30:]]
    (folder / "gap.csv").write_text("t,V,dV,sample\n" + "\n".join(gap) + "\n")
    european = "\n".join(f"{t}; {v}" for t, v in zip(T, V, strict=True)).replace(".", ",")
    (folder / "komma.txt").write_text("Messung vom 3.5.\n" + european + "\n% Ende\n", "latin-1")
    text = "\n".join(f"{t} {v}" for t, v in zip(T, V, strict=True))
    (folder / "two.dat").write_text("! by hand\n" + text + "\n")
    with h5py.File(folder / "data.h5", "w") as file:
        file["run/t"], file["run/V"] = T, V
    (folder / "model.py").write_text(
        "import numpy as np\n\n\ndef decay(t, a, tau, c):\n    return a * np.exp(-t / tau) + c\n"
        "\n\ndef estimate_p0(t, y):\n    return [1.0, 1.0, 0.0]\n"
    )
    (folder / "evil.py").write_text(
        "import os\nos.system('touch marker')\ndef f(x, a): return a*x\n"
    )
    (folder / "fit.yaml").write_text(
        "data:\n  input_file: data.csv\n  columns: {x: t, y: V}\n"
        f"model: {{formula: {FORMULA}}}\nfitting: {{p0: {{tau: 2}}}}\n"
    )
    (folder / "fit.toml").write_text(
        '[data]\ninput_file = "data.csv"\ncolumns = {x = "t", y = "V"}\n'
        f'[model]\nformula = "{FORMULA}"\n'
    )


def close_to_truth(shown, folder):
    values = dict(re.findall(r"(\w+)=([-\d.e+]+)", shown))
    assert {k: pytest.approx(float(values[k]), rel=0.05) for k in TRUE} == TRUE


def writes(*names):
    def check(shown, folder):
        for name in names:
            assert (folder / name).stat().st_size > 0, name

    return check


def prints(*texts):
    def check(shown, folder):
        for text in texts:
            assert text in shown

    return check


def prints_once(text):
    return lambda shown, folder: (" ".join(shown.split()).count(text) == 1) or pytest.fail(shown)


def document(**expected):
    """The JSON that is printed has these parameters."""

    def check(shown, folder):
        found = json.loads(shown)
        popt = dict(zip(found["parameter_names"], found["popt"], strict=True))
        for name, value in expected.items():
            assert popt[name] == pytest.approx(value, rel=0.02, abs=1e-12), name

    return check


def a_streamed_zip(shown, folder):
    close_to_truth(shown, folder)
    with zipfile.ZipFile(folder / "streamed.zip") as bundle:
        assert {"data.csv", "reproduce.py"}.isdisjoint(bundle.namelist())
        asked = yaml.safe_load(bundle.read("fit.yaml"))
    assert asked["data"]["input_file"] == str(folder / "data.h5")
    assert asked["data"]["columns"]["y"] == "V"


def a_zip(shown, folder):
    with zipfile.ZipFile(folder / "fit.zip") as bundle:
        assert bundle.testzip() is None
        assert len(bundle.namelist()) > 4


def a_search(shown, folder):
    assert "start: found by the search" in shown and "search: best of " in shown
    page = (folder / "found.html").read_text("utf-8")
    assert "Search for the global minimum" in page and page.count("<svg") == 3
    with zipfile.ZipFile(folder / "found.zip") as bundle:
        found = json.loads(bundle.read("result.json"))
        script, asked = (bundle.read(n).decode() for n in ("reproduce.py", "fit.yaml"))
    assert "'multistart': True" in script and "p0=" not in script
    asked = yaml.safe_load(asked)["fitting"]
    assert asked == {"method": "trf", "n_starts": 40, "sampler": "sobol", "seed": 3}
    search = found["search"]
    assert search["seed"] == 3 and search["sampler"] == "sobol"
    assert search["minima"][0]["popt"] == pytest.approx(found["popt"], rel=1e-6)
    assert search["minima"][0]["found"] <= search["n_fits"] <= search["n_starts"]


SHELL = ("--print", "shell")
# (arguments, exit code, what must be shown or written)
CASES = [
    ((*FIT, "-q", *SHELL), 0, close_to_truth),
    ((*FIT, "--yerr", "dV", "--absolute-sigma", *SHELL), 0, close_to_truth),
    ((*FIT, "--p0", "tau=2", "--p0", "c=0", "--bounds", "tau=0:", "--bounds", "c=:9", "--json"), 0,
     document(**TRUE)),
    ((*FIT, "--p0", "2,2,0", "--fix", "c=0", "--fix", "tau", "--json"), 0, document(c=0, tau=2)),
    ((*FIT, "--p0", "2,2,0", "--set", "fitting.fixed=[c, tau]", "--method", "lm", "--json"), 0,
     document(c=0, tau=2)),
    ((*FIT, "--goal", "fast", "--auto-bounds", "--no-plot"), 0,
     prints("bounds: inferred: tau in [", "converged")),
    ((*FIT, "--goal", "global", "--method", "cmaes"), 1, prints("goal: global is a search; leave")),
    ((*FIT, "--p0", "tau=2", "--no-plot"), 0,
     prints("tau = 2 (--p0); a = c = 1 (default)", "converged")),
    ((*FIT, "--p0", "2,2,0", "--fix", "c=0.5", "--no-plot"), 0,
     prints("start: a = tau = 2 (--p0); c = 0.5 (fixed, --fix)", "converged")),
    ((*FIT, "--set", "fitting.p0={tau: 2}", "--fix", "c", "--no-plot"), 0,
     prints("start: tau = 2 (--set fitting.p0); a = c = 1 (default)")),
    ((*FIT, "--p0", "2,2,0", "--set", "fitting.fixed=[c, tau]", "--json"), 0,
     document(c=0, tau=2)),
    (("fit", "data.csv", *XY, "a*exp(-t/\u00b5)+c", "--p0", "\u00b5=2", "--fix", "c=0.5",
      "--no-plot"), 0, prints("start: \u03bc = 2 (--p0); a = 1 (default); c = 0.5 (fixed, --fix)")),
    (("fit", "data.csv", *XY, "exponential_decay", "--p0", "auto", "--no-plot"),
     0, prints("guessed from the data", "converged")),
    (("fit", "data.csv", "--x", "t", "--y", "log(V - 0.4)", "--where", "t < 4 and sample == 'A'",
      "--model", "linear", "--rows", "0:40:1", "-q", "--output", "line.csv"), 0,
     writes("line.csv")),
    ((*FIT, "--exclude", "0,3-5", "--x-range", ":9", *SHELL), 0, close_to_truth),
    (("fit", "data.csv", "-x", "t", "-x", "dV", "-y", "V", "-m", "a*exp(-u/tau)+c*w/w",
      "--variable", "u", "--variable", "w", *SHELL), 0, close_to_truth),
    (("fit", "komma.txt", "--delimiter", ";", "--decimal", ",", "--encoding", "latin-1",
      "--skip", "1", "--comment", "%", "--no-header", "-m", "a*exp(-x/tau)+c", *SHELL), 0,
     close_to_truth),
    (("fit", "two.dat", "--format", "csv", "--skip", "1", "-m", "a*exp(-x/tau)+c", *SHELL), 0,
     close_to_truth),
    (("fit", "data.csv", "--header", "-x", "0", "-y", "1", "-m", FORMULA, *SHELL), 0,
     close_to_truth),
    (("fit", "data.h5", "--group", "run", *XY, FORMULA, *SHELL), 0,
     close_to_truth),
    (("fit", "data.h5", "--group", "run", *XY, FORMULA, "--workflow", "chunked",
      "--chunk-size", "1024", "--memory-limit", "1", "--checkpoint", "state", *SHELL,
      "-o", "streamed.zip", "-q"), 0, a_streamed_zip),
    (("fit", "data.xlsx", "--sheet", "Run", *XY, FORMULA, *SHELL), 0,
     close_to_truth),
    ((*FIT, "--method", "trf", "--loss", "soft_l1", "--f-scale", "0.1", "--ftol", "1e-10", "--xtol",
      "1e-10", "--gtol", "1e-10", *SHELL), 0, close_to_truth),
    ((*FIT, "--max-nfev", "8", "--p0", "9,0.01,-9", "--fallback", "-o", "fit.json"), 0,
     prints("remedy: The maximum number", "kept")),
    ((*FIT, "--max-nfev", "2", "--yerr", "dV"), 4,
     prints("not converged", "errors scaled by √(reduced χ²) = ")),
    ((*FIT, "--time-limit", "60", "-o", "fit.json", "-o", "fit.md", "-o", "fit.tex", "-o",
      "fit.sh"), 0, writes("fit.json", "fit.md", "fit.tex", "fit.sh")),
    ((*FIT, "-o", "fit.html", "-o", "fit.zip", "-o", "fit.png", "--quiet"), 0,
     lambda shown, folder: (writes("fit.html", "fit.png")(shown, folder), a_zip(shown, folder))),
    (("fit", "gap.csv", *XY, FORMULA, "--omit-nan", *SHELL), 0, close_to_truth),
    ((*FIT, "--set", "fitting.loss=huber", "-q", "--print", "markdown"), 0, prints("tau")),
    ((*FIT, "--multistart", "40", "--method", "trf", "--sampler", "sobol", "--seed", "3", "-o",
      "found.html", "-o", "found.zip"), 0, a_search),
    ((*FIT, "--method", "global", "--time-limit", "1e-6"), 4,
     prints("search: best of", "the time limit ended the search.")),
    ((*FIT, "--preset", "fast", "--print", "shell", "-q"), 0, close_to_truth),
    (("fit", "fit.yaml", "--method", "global", "--json"), 0, document(**TRUE)),
    (("fit", "fit.yaml", "--set", "workflow=fast", "--dry-run"), 0, prints("search  fast")),
    (("fit", "fit.yaml", "--set", "workflow=direct", "--dry-run"), 0, prints("direct: ")),
    ((*FIT, "--method", "global", "--bounds", "tau=0:9", "--dry-run"), 0,
     prints("start   found by the search", "searched, ≥ 0, ≤ 9", "search  global")),
    ((*FIT, "--dry-run"), 0, prints("60", "direct", FORMULA)),
    ((*FIT, "--strict", "-m", "a*b*exp(-t/tau)+c"), 5, prints("not determined")),
    ((*FIT, "--diagnose", "-m", "a*b*exp(-t/tau)+c"), 0, prints("a, b: only a*b is determined")),
    ((*FIT, "--no-plot", "-m", "a*b*exp(-t/tau)+c"), 0, prints_once("only one combination")),
    (("fit", "data.csv", *XY, "model.py:decay", "--limit-memory", "6",
      "--limit-time", "120", "--json"), 0, document(**TRUE)),
    ((*FIT, "--processes", "2", "--workflow", "direct"), 1,
     prints("2 processes are to share the fit, but --workflow direct holds the data in")),
    (("fit", "-", "--processes", "2", "-m", FORMULA), 1,
     prints("but standard input can be read by one only")),
    ((*FIT[:-2], "model.py:decay", "--processes", "2"), 1,
     prints("model.py runs confined in one unless it is trusted (--trust)")),
    ((*FIT, "--bubblewrap"), 1, prints("limits belong to a model file")),
    (("fit", "data.csv", *XY, "model.py:decay", "--trust", "--json"), 0,
     document(**TRUE)),
    (("fit", "fit.yaml", "--json"), 0, document(**TRUE)),
    (("fit", "fit.toml", "--json", "--quiet"), 0, document(**TRUE)),
    (("batch", "data.csv", "gap.csv", *XY, FORMULA, "--groupby", "sample",
      "--omit-nan", "--table", "fits.csv", "--plots", "plots", "--worst", "2"), 0,
     writes("fits.csv", "plots/data.csv_A_.png")),
    (("batch", "fit.yaml", "*a.csv", "--json"), 0, prints('"tau"', "data.csv")),
    (("batch", "fit.yaml", "*a.csv", "--multistart", "9",
      "--method", "trf"), 0, prints("1 converged", "search: best of", "times in")),
    (("batch", "fit.yaml", "*a.csv", "--dask", "local:two"), 1,
     prints("needs a number of processes")),
    (("batch", "fit.yaml", "*a.csv", "--preset", "cmaes-fast"), 1,
     prints("cmaes-fast is a search for single fits (nlsq fit).", "--method global")),
    (("batch", "fit.yaml", "*a.csv", "--method", "lm"), 1, prints("lm is for a single fit")),
    (("batch", "fit.yaml", "*a.csv", "--stability", "check"), 1,
     prints("stability looks at one fit")),
    (("fit", "data.csv", *XY, "model.py:decay", "--p0", "1,1e9,1", "--stability", "auto",
      "--no-plot", "-o", "guarded.json"), 0,
     prints("stability='auto', 60 points", "> start: ", "tau=1e+09 -> ")),
    (("batch", "fit.yaml", "*a.csv", "--auto-bounds"), 1, prints("is for a single fit")),
    (("batch", "data.csv", "gap.csv", *XY, FORMULA, "--table", "two.json",
      "--resume", "--strict", "-q"), 2, writes("two.json", "two.json.journal")),
    (("compare", "data.csv", *XY, FORMULA, "--model", "linear"), 0,
     prints("evidence", "AICc")),
    (("compare", "data.csv", *XY, FORMULA, "-m", "linear", "--json"), 0,
     prints("evidence_ratio")),
    (("guess", "data.csv", *XY, "exponential_decay"), 0, prints("a = ")),
    (("guess", "data.csv", *XY, "exponential_decay", "-q", "--no-plot"), 0,
     prints("a=", ",b=")),
    (("guess", "data.csv", *XY, "exponential_decay", "--json"), 0,
     prints('{"a": ')),
    (("models",), 0, prints("gaussian", "michaelis_menten")),
    (("models", "--search", "isotherm", "--json"), 0, prints("langmuir")),
    (("models", "gaussian", "--no-plot"), 0, prints("exp(", "sigma")),
    (("models", "gaussian"), 0, prints("drawn with")),
    (("report", "old.json"), 0, prints("converged", "tau")),
    (("report", "old.json", "-o", "page.html", "--output", "table.tex", "--no-plot"), 0,
     writes("page.html", "table.tex")),
    (("resume", "state2", "--strict", "--json"), 0, document(**TRUE)),
    (("resume", "state2", "--trust"), 1, prints("trusted belongs to a model file")),
    (("resume", "state2", "-q", "--no-plot", "-o", "again.json", "--print", "table"), 0,
     lambda shown, folder: (writes("again.json")(shown, folder), prints("tau")(shown, folder))),
    (("config",), 0, prints("wrote fit.yaml")),
    (("config", "model", "-o", "mine.py", "--force"), 0, writes("mine.py")),
    (("config", "batch", "--output", "-"), 0, prints("formula:")),
    (("config", "--check", "fit.yaml"), 0, prints("no mistakes")),
    (("info",), 0, prints("JAX")),
    (("gui", "a.csv", "b.csv"), 1, prints("extra argument")),  # one that opens no window
    (("completion", "bash"), 0, prints("_NLSQ_COMPLETE")),
    (("--version",), 0, prints("nlsq ")),
    (("--debug", "fit", "nowhere.csv", "-m", "linear"), 2, prints("Traceback", "nowhere.csv")),
    ((), 0, prints("Usage: nlsq")),
]  # fmt: skip
# Commands that are also run in a terminal: what must be seen there.
TERMINAL = [
    (FIT[:-1], 0, ["\x1b[", "converged", "⠀"[:0]]),
    (("models", "gaussian"), 0, ["\x1b[", "drawn with"]),
    (("compare", "data.csv", *XY, FORMULA, "-m", "linear"), 0, ["evidence"]),
    (("fit", "data.csv", "-m", "nonsense("), 3, ["Error: ", "\x1b["]),
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One folder of compiled code for all runs, also those of other workers."""
    return tmp_path_factory.getbasetemp().parent / "compiled"


@pytest.fixture
def folder(tmp_path, cache, request):
    write_files(tmp_path)
    arguments = (
        request.node.callspec.params["arguments"] if hasattr(request.node, "callspec") else ()
    )
    names = " ".join(map(str, arguments))
    if "data.xlsx" in names:
        import openpyxl

        book = openpyxl.Workbook()
        sheet = book.create_sheet("Run")
        sheet.append(["t", "V"])
        for row in zip(T.tolist(), V.tolist(), strict=True):
            sheet.append(row)
        book.save(tmp_path / "data.xlsx")
    if "old.json" in names:
        done = piped((*FIT, "-q", "-o", "old.json"), tmp_path, environment(cache))
        assert done.returncode == 0, done.stderr
    if "state2" in names:
        begun = ("fit", "data.h5", "--group", "run", *XY, FORMULA, "-q",
                 "--checkpoint", "state2")  # fmt: skip
        done = piped(begun, tmp_path, environment(cache))
        assert done.returncode == 0, done.stderr
    if arguments == ("config",):
        (tmp_path / "fit.yaml").unlink()
    return tmp_path


def _name(value):
    return " ".join(map(str, value))[:60] if isinstance(value, tuple) else ""


@pytest.mark.parametrize("arguments, code, check", CASES, ids=_name)
def test_command_line(arguments, code, check, folder, cache):
    done = piped(arguments, folder, environment(cache))
    assert done.returncode == code, done.stderr + done.stdout
    assert "\x1b" not in done.stdout
    assert "--debug" in arguments or "Traceback" not in done.stderr, done.stderr
    assert (done.stderr == "") == (code == 0), done.stderr
    check(done.stdout + (done.stderr if code else ""), folder)


@pytest.mark.parametrize("arguments, code, texts", TERMINAL, ids=_name)
def test_in_a_terminal(arguments, code, texts, folder, cache):
    returned, shown = in_terminal(arguments, folder, environment(cache))
    assert returned == code, shown
    for text in texts:
        assert text in shown


def test_no_color_is_kept(folder, cache):
    done = piped(FIT, folder, environment(cache, FORCE_COLOR="1", NO_COLOR="1"))
    assert "\x1b[3" not in done.stdout


def test_every_option_has_a_case():
    used = {}
    for arguments, _, _ in CASES:
        words = [a for a in arguments if a != "--debug"]
        name = words[0] if words and words[0] in COMMANDS else None
        used.setdefault(name, set()).update(words[1 if name else 0 :])
    context = click.Context(cli)
    shared = used["fit"]  # what commands share is one object, tested once
    for name in COMMANDS:
        assert name in used, f"nlsq {name} has no case"
        for option in cli.get_command(context, name).params:
            if isinstance(option, click.Option):
                flags = {*option.opts, *option.secondary_opts}
                inherited = hasattr(option, "key") or option in OUTPUT + SET
                own = used[name] | (shared if inherited else set())
                missing = {flag for flag in flags if flag.startswith("--")} - own
                short = flags & own
                assert not missing or short, f"nlsq {name} {' '.join(flags)} has no case"


def test_help_of_every_command_shows_examples_that_exist():
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        text = command.get_help(click.Context(command, info_name=f"nlsq {name}"))
        assert name in ("info",) or "Examples:" in text
        for line in (command.epilog or "").splitlines():
            for called, rest in re.findall(r"nlsq (\w+)([^|)&]*)", line):
                params = cli.get_command(context, called).params
                known = {o for p in params for o in (*p.opts, *p.secondary_opts)}
                assert set(re.findall(r"(?<!\S)--[a-z][\w-]+", rest)) <= known, line
