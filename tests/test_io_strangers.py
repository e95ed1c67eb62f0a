"""Data files from strangers: no text takes longer than in proportion, no file reads another one."""

import io

import h5py
import numpy as np
import pytest

from nlsq.io import FileError, read_table
from nlsq.io.cells import text_column
from nlsq.io.headings import is_unit, split_unit
from nlsq.io.numbers import parse
from nlsq.security import resource_limits
from nlsq.session.errors import DataError
from nlsq.session.pieces import open_source
from nlsq.session.settings import Settings

# -- time --------------------------------------------------------------------------------------

N = 50_000  # quadratic: 2.5e9 steps, minutes; linear: milliseconds
ROWS = "\n1,2\n3,4\n"
TEXTS = {
    "digits and a letter": "x,y\n1,2\n" + "1" * N + "z,2\n",
    "digits": "x,y\n1,2\n" + "1" * N + ",2\n",
    "points": "x,y\n1,2\n" + "1." * N + ",2\n",
    "no complex number": "x,y\n1,2\n" + "1" * N + "+" + "1" * N + "k,2\n",
    "exponents": "x,y\n1,2\n" + "1e" * N + ",2\n",
    "thousands": "x;y\n1;2\n1" + ",111" * (N // 16) + "z;2\n",
    "per cent signs": "x,y\n1,2\n1" + "% " * (N // 4) + "z,2\n",
    "quotation marks": "x,y\n" + '"' * N + ROWS,
    "a mark a line": "x,y\n" + '"\n' * (N // 4),
    "marks that open": "x,y\n" + '"a,\n1,2\n' * (N // 8),
    "commas": "x,y\n" + "," * 9000 + ROWS,
    "empty columns": ("1" + ";" * 4000 + "\n") * 3,
    "drawn line": "x,y\n" + "-" * N + "x" + ROWS,
    "drawn columns": "x,y\n" + "-|" * N + "!" + ROWS,
    "metres": "x(" + "m" * N + "!),y (V)" + ROWS,
    "row of metres": "x,y\n" + "m" * N + "!,V" + ROWS,
    "metres per metre": "x (m" + "/" * N + "!),y" + ROWS,
    "powers": "x (m" + "2" * N + "!),y" + ROWS,
    "brackets": "x" + "[" * N + ",y" + ROWS,
    "empty brackets": "x" + "[]" * N + ",y" + ROWS,
    "parentheses": "x" + " (a)" * N + "b,y" + ROWS,
    "slashes": "x" + " / a" * N + ",y" + ROWS,
    "slashes over lines": '"x' + " / a" * N + '\n",y' + ROWS,
    "blanks before a name": "x" + " " * N + "| y\n1 2\n3 4\n",
    "remarks": "x,y\n1,2 " + "# " * N + "\n3,4\n",
    "no remarks": "x,y\n1,2 " + "#N/A " * N + "\n3,4\n",
    "comments": "#\n" * 5000 + "1,2\n3,4\n",
    "blank lines": "1,2\n" + " \n" * N + "3,4\n",
    "interruptions": "1,2\nx\n" * 5000 + "1,2\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_takes_longer_than_in_proportion(name):
    """The limit is no measurement: it ends what would go on for minutes, or for ever."""
    with resource_limits(timeout=20):
        try:
            read_table(io.BytesIO(TEXTS[name].encode()), format="csv")
        except FileError as error:
            assert len(str(error)) < 600


@pytest.mark.parametrize("line", ["#", "% a, b", "// c", "!", "", " \t", "--", "=+ == |", ";; "])
def test_many_silent_lines_above_a_table_change_nothing(line):
    """Most of them are not looked at; the names and the numbers of lines are as with few."""
    long, short = (
        read_table(io.BytesIO(((line + "\n") * count + "# t (s), V\n1,2\n3,4\n").encode()))
        for count in (5000, 50)
    )
    assert (long.names, long.units) == (short.names, short.units)
    assert [table.place(1) for table in (long, short)] == ["the stream:5003", "the stream:53"]
    assert long.numeric(1).tolist() == [2, 4]


def test_marks_that_part_cells_are_rows():
    rows = b"%1\n" * 3000 + b"2%3\n"
    assert read_table(io.BytesIO(rows), delimiter="%", header=False).n_rows == 3001
    assert read_table(io.BytesIO(b";1\n" * 3000 + b"2;3\n"), header=False).n_rows == 3001
    assert read_table(io.BytesIO(b"%1\n" * 3000 + b"2;3\n3;4\n"), comment="%").n_rows == 2


def test_one_long_text_is_not_paid_for_in_each_row():
    with pytest.raises(FileError, match=r"row 2 of the table has 100,000 characters, too many"):
        text_column(["a", "b" * 100_000, *["c"] * 10_000], "x.csv")
    assert text_column(["a", "bc"], "x.csv").tolist() == ["a", "bc"]


UNITS = {
    "mm": True, "mmol/L": True, "kg m^-2 s-1": True, "dam²": True, "1/min": True, "m 1/s": True,
    "V/°C": True, "a.u.": True, "Volts": True, "abc/defg": True, "mmx": False, "m//": False,
    "Hz.": False, "k": False, "1/": True, "": True, "m " * 20 + "m": True, "mn" * 30 + "q": False,
}  # fmt: skip


@pytest.mark.parametrize("text", UNITS)
def test_units_are_told_from_words(text):
    assert is_unit(text) is UNITS[text]


def test_names_keep_what_is_no_unit():
    assert split_unit("U / V") == ("U", "V") and split_unit("in/out") == ("in/out", "")
    assert split_unit("rate/kHz") == ("rate", "kHz") and split_unit("a/B") == ("a/B", "")


NUMBERS = {
    "12j": 12j, "1.5e3j": 1500j, "-2-30i": -2 - 30j, "(1 - 2j)": 1 - 2j, "1e-5+2J": 1e-5 + 2j,
    "+1 2j": None, "1e5": 1e5, "1.": 1.0, ".5": 0.5, "1.5-103": 1.5e-103, "1d2": 100.0, ".": None,
    "1..2": None, "1e": None, "12,345": 12345.0, "12,34": None, "": np.nan,
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_what_is_written(text):
    found, written = parse(text), NUMBERS[text]
    assert found == written or (found != found and written != written)


# -- other files -------------------------------------------------------------------------------


def _external(path, other):
    """A file with all that makes HDF5 open another one when a dataset is read."""
    with h5py.File(other, "w") as file:
        file["run/y"] = np.arange(8.0)
    raw = path.with_name("secret.bin")
    raw.write_bytes(bytes(range(64)))
    with h5py.File(path, "w") as file:
        file["own"] = np.arange(8.0)
        file["link"] = h5py.ExternalLink(other.name, "run")
        file["soft"] = h5py.SoftLink("/link/y")
        layout = h5py.VirtualLayout(shape=(8,), dtype=float)
        layout[:] = h5py.VirtualSource(other, "run/y", shape=(8,))
        file.create_virtual_dataset("virtual", layout)
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_external(bytes(raw), 0, 64)
        space = h5py.h5s.create_simple((8,))
        h5py.h5d.create(file.id, b"raw", h5py.h5t.IEEE_F64LE, space, made)


@pytest.mark.parametrize("name", ["link/y", "soft", "virtual", "raw"])
def test_hdf5_reads_no_other_file(name, tmp_path):
    path = tmp_path / "scan.h5"
    _external(path, tmp_path / "other.h5")
    said = r"is kept in another file, '.*(other\.h5|secret\.bin)', which is not read"
    if name in ("virtual", "raw"):
        with pytest.raises(FileError, match=said):
            read_table(path)[name]
    elif name == "link/y":
        with pytest.raises(FileError, match=said):
            read_table(path, group="link")
    assert read_table(path)["own"].tolist() == list(range(8))
    settings = Settings.model_validate({
        "data": {"input_file": str(path), "columns": {"x": "own", "y": name}},
        "model": {"formula": "a * x"},
    })  # fmt: skip
    with pytest.raises(DataError, match=said):
        open_source(settings)
