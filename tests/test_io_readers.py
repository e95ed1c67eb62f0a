"""Files read as tables: against what a person, csv, pandas, NumPy and pyarrow read."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nlsq.core.problem.keywords import check_names
from nlsq.io import FileError, read_table
from nlsq.io import text as text_module
from nlsq.streaming import CSVSource
from nlsq.streaming.columns import did_you_mean as source_suggestion
from nlsq.utils import interruption
from nlsq.utils.arrow import floats
from nlsq.utils.input_error import closest, did_you_mean
from tests.odd_text_files import AB, FILES, jcamp


def stream(text, encoding="utf-8"):
    return io.BytesIO(text.encode(encoding) if isinstance(text, str) else text)


def values(table):
    return [table[i].tolist() for i in range(len(table.names))]


def same(table, columns):
    for found, expected in zip(values(table), columns, strict=True):
        np.testing.assert_array_equal(np.array(found), np.array(expected))


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", FILES, ids=lambda odd: odd.name)
@pytest.mark.parametrize("road", ["any", "exact"])
def test_odd_text_files(odd, road, monkeypatch):
    if road == "exact":
        monkeypatch.setattr(text_module, "_fast", lambda *args: None)
    table = read_table(stream(odd.data), **odd.options)
    assert table.names == odd.names
    assert table.units == odd.units
    same(table, odd.columns)
    if odd.lines:
        assert (table.line(0), table.line(table.n_rows - 1)) == odd.lines


NAN_OR_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=arrays(float, st.tuples(st.integers(2, 7), st.integers(1, 4)), elements=NAN_OR_FLOAT),
    delimiter=st.sampled_from([",", ";", "\t", " ", "|", "   "]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    header=st.booleans(),
)
def test_floats_written_in_any_way_read_back_equal(data, delimiter, decimal, encoding, end, header):
    if delimiter == decimal:
        delimiter = ";"
    rows = [[repr(float(v)).replace(".", decimal) for v in row] for row in data]
    if header:
        rows = [[f"col{'abcd'[i]}" for i in range(data.shape[1])], *rows]
    text = end.join(delimiter.join(row) for row in rows) + end
    raw = text.encode(encoding)
    told = {"delimiter": delimiter[0], "decimal": decimal, "header": header}
    told["encoding"] = encoding  # a file of one number tells nothing
    np.testing.assert_array_equal(np.array(values(read_table(stream(raw), **told))).T, data)


@settings(deadline=None, max_examples=100)
@given(
    data=arrays(
        float,
        st.tuples(st.integers(3, 30), st.integers(2, 5)),
        elements=st.floats(-1e6, 1e6).map(lambda v: v + 0.0),
    ),
    delimiter=st.sampled_from([",", ";", "\t", " ", "|"]),
    comma=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_layout_of_floats_is_found_without_help(data, delimiter, comma, encoding):
    decimal = "," if comma and delimiter != "," else "."
    names = [f"col{'abcde'[i]}" for i in range(data.shape[1])]
    rows = [names] + [[f"{v:.17e}".replace(".", decimal) for v in row] for row in data]
    raw = "\n".join(delimiter.join(row) for row in rows).encode(encoding)
    table = read_table(stream(raw))
    assert table.names == names
    np.testing.assert_array_equal(np.array(values(table)).T, data)


def test_agrees_with_csv_module_on_a_large_file_by_every_road(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(5000, 3)) * 10.0 ** rng.integers(-300, 300, (5000, 1)),
                         columns=["a", "b", "c"])  # fmt: skip
    frame.iloc[7, 1] = np.nan
    path = tmp_path / "run.csv"
    frame.to_csv(path, index=False)
    with open(path, newline="") as file:
        expected = [[float(cell or "nan") for cell in row] for row in list(csv.reader(file))[1:]]
    for name in ("none", "_by_arrow", "_fast"):
        if name != "none":
            monkeypatch.setattr(text_module, name, lambda *args: None)
        table = read_table(path)
        np.testing.assert_array_equal(np.array(values(table)).T, expected)


def test_text_needs_no_pyarrow(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("t,V\n1,1.5\n2,2.5\n")
    code = (
        "import sys; sys.modules['pyarrow'] = None; sys.modules['pandas'] = None\n"
        "from nlsq.io import read_table\n"
        f"assert read_table({str(path)!r})['V'].tolist() == [1.5, 2.5]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_empty_cells_need_no_pandas(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("t,V,W\n" + "".join(f"{i},{'' if i % 7 else i},{i}\n" for i in range(90)))
    code = (
        "import sys, pyarrow; from nlsq.io import read_table\n"
        "for name in sys.argv[1:]:\n"
        "    table = read_table(name)\n"
        "    assert [v for v in table['V'].tolist() if v == v] == list(range(0, 90, 7))\n"
        "    assert table['W'].tolist() == list(range(90))\n"
        "assert 'pandas' not in sys.modules"
    )
    frame = pd.read_csv(path, dtype={"W": np.int32}).assign(even=lambda d: d["t"] % 2 == 0)
    frame.to_parquet(tmp_path / "run.parquet")
    assert read_table(tmp_path / "run.parquet")["even"].tolist() == [True, False] * 45
    files = [path, tmp_path / "run.parquet"]
    subprocess.run([sys.executable, "-c", code, *files], check=True)


NULLS = [[], [None], [1.5, None, 2.5], [None] * 9, [1.5] * 20 + [None] + [2.5] * 20]


@pytest.mark.parametrize("column", NULLS, ids=range(len(NULLS)))
def test_null_is_nan_in_every_piece(column):
    whole = pa.array(column, pa.float64())
    for cut in (whole, whole[1:], whole[2:-1], pa.chunked_array([whole[3:], whole], pa.float64())):
        expected = [np.nan if v is None else v for v in cut.to_pylist()]
        np.testing.assert_array_equal(floats(cut), expected)


def test_a_late_surprise_is_found_far_below_the_sample(tmp_path):
    path = tmp_path / "run.csv"
    rows = [f"{i};{i}" for i in range(30_000)]
    path.write_text("t;V\n" + "\n".join(rows) + "\n1,5;2,5\n")
    assert read_table(path)["t"][-1] == 1.5
    path.write_text("t\tV\n" + "\n".join(rows).replace(";", "\t") + "\n1\t1,234\n")
    with pytest.raises(FileError, match=r"run\.csv:30002: '1,234' may be 1234 or 1\.234"):
        read_table(path)
    path.write_text("t;V\n" + "\n".join(rows) + "\n1;2;3\n4;5\n")
    with pytest.raises(FileError, match=r"run\.csv:30002: 3 cells, the rows above have 2"):
        read_table(path)
    path.write_text("t V\n" + "\n".join("1 2" for _ in range(30_000)) + "\n1  2\n# c\n3 4\n")
    table = read_table(path)
    assert table.n_rows == 30_002
    assert table.line(30_001) == 30_004


def test_a_bad_cell_costs_its_column_only_and_is_named(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("t,V,W\n1,1.5,7\n2,overload,8\n3,,9\n")
    table = read_table(path)
    assert table.numeric("W").tolist() == [7, 8, 9]
    assert table["V"].tolist() == ["1.5", "overload", ""]
    with pytest.raises(FileError, match=r"run\.csv:3: 'V' is 'overload', not a number"):
        table.numeric("V")


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "empty"),
        ("\n\n", "nothing in this file"),
        ("# only\n# comments\n", "only comments"),
        ("t,V\n", "a header but no rows"),
        ("t,V\n(s),(mV)\n", "a header but no rows"),
        ("one\ntwo words here\nthree\nfour\n", "no table of numbers"),
        ("t,V\n1,1.5\n2\n3,3.5\n", r":3: 1 cell, the rows above have 2; 'V' is missing"),
        ("t,V\n1,1.5\n2,2.5\n3,3.5,9\n4,4\n", r":4: 3 cells"),
        ("t,V\n1,1.5\n2,2.5\n3", r":4: 1 cell"),
        ("t\tV\n1\t1,234\n2\t2,345\n", "'1,234' may be 1234 or 1.234"),
        (b"t,V\n1,1.5\n2,2.5\n\0\0\0\0", ":4: zero bytes"),
        (bytes(range(256)) * 8, "not a text file"),
        (b"\x80\x04\x95" + b"x" * 90, "pickle"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 90, "xlsx"),
        (",".join(["1"] * 1_000_000), "1,000,000 columns"),
        ("1 " * 100_000 + "\n", "columns; a table has at most"),
        ("0,1,Points,3\n1,3,Unit,V\n2,5\n3,7\n4,9\n", ":2: 4 cells.*settings beside it"),
        (jcamp("0 1 2\n2 3", 4), "3 points, but ##NPOINTS= says 4"),
        (jcamp("0 1 2\n2 3 4 5 6", 4), ":10: more points than the 4 of ##NPOINTS="),
        (jcamp("0 AZ9999999", 4), ":9: more points than the 4"),
        (jcamp("0 AZ99999999999999", 10**14), "reading this file"),
        (jcamp("0AJJ\n2Djj", 5), ":10: y begins with 4, the line above ends with 3"),
        (jcamp("0 1 2\n7 3 4", 4), r":10: x is 7 .*, but point 3 .* is at 2"),
        (jcamp("0 1 2\n2 3 4", 4, XFACTOR=100), r":11: x is 200 .*, but point 3 .* is at 2"),
        (jcamp("0 100 2", 2, YFACTOR=0.01, FIRSTY=100), "##FIRSTY= says 100, .* begin with 1"),
        (jcamp("0,0 1,5", 2), ":9: ',0 1,5' is no number of JCAMP-DX"),
        (jcamp("0,0 1,5", 1, form="(XY..XY)", table="XYPOINTS"), "2 points, but"),
        (jcamp("0 1 2", 2, YFACTOR="0,01"), "##YFACTOR= is '0,01', not a number"),
        (jcamp("0 1 2", 2, NPOINTS=None), "##NPOINTS= does not say"),
        (jcamp("0 J1", 2), "'J1' follows no number"),
        (jcamp("0 1", 1, form="(XYW..XYW)", table="PEAK TABLE"), ":8: data in the form .XYW"),
        (jcamp("0 1 2", 2) + jcamp("0 1 2", 2), "2 tables of data; one is read"),
        (jcamp("0 1", 1, form="(X++(R..R)), XYDATA", table="DATA TABLE"), "DATATABLE= is a form"),
    ],
)
def test_what_is_no_table_is_refused_in_words(text, said, tmp_path):
    path = tmp_path / "run.dat"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FileError, match=said) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_differences_of_the_papers_spectrum():
    """Table VI of the paper of JCAMP-DX 4.24, in the form DIFDUP with a last check value."""
    packed = "599.860@VKT%TLkj%J%KLJ%njKjL%kL%jJULJ%kLK1%lLMNPNPRLJ0QTOJ1P\n700.158A28"
    y = (
        "0 0 0 0 2 4 4 4 7 5 4 4 5 5 7 10 11 11 6 5 7 6 9 9 7 10 10 9 10 11 12 15 16 16 14 17 38 "
        "38 35 38 42 47 54 59 66 75 78 88 96 104 110 121 128"
    )
    table = read_table(stream(jcamp(packed, 53, FIRSTX=599.860, LASTX=700.158)))
    assert table["y"].tolist() == [float(v) for v in y.split()]
    np.testing.assert_allclose(table["x"], np.linspace(599.860, 700.158, 53), rtol=1e-15)


@pytest.mark.parametrize(
    "encoding",
    [
        "rot13",
        "hex",
        "zlib",
        "punycode",
        "idna",
        "unicode_escape",
        "undefined",
        "",
        "a\0b",
        "é",
        "os",
    ],
)
def test_what_is_no_encoding_of_texts_is_said(encoding):
    for text in ("t,V\n1,2\n", '{"t": [1]}', jcamp("0 1 2", 2)):
        with pytest.raises(FileError, match=r"no encoding called .* for texts"):
            read_table(stream(text), encoding=encoding)


def _kinds_of_files():
    frame = pa.table({"t": [1.0, 2.0], "V": [1.5, 2.5]})
    return {
        "text": b"t,V\n1,1.5\n2,2.5\n",
        "json": b'{"t": [1, 2], "V": [1.5, 2.5]}',
        "jcamp": jcamp("0 1 2", 2),
        "npy": written(lambda out: np.save(out, np.eye(2))),
        "npz": written(lambda out: np.savez(out, t=[1.0, 2.0], V=[1.5, 2.5])),
        "hdf5": written(_hdf5),
        "excel": written(_xlsx),
        "parquet": written(lambda out: pa.parquet.write_table(frame, out)),
        "feather": written(lambda out: pa.feather.write_feather(frame, out)),
    }


def test_a_file_read_as_another_kind_is_refused_in_words_or_read():
    found = _kinds_of_files()
    for kind, data in found.items():
        for other in found:
            try:
                assert read_table(io.BytesIO(data), format=other).n_rows
            except FileError as error:
                assert kind != other and error.message


def test_wrong_encoding_names_the_line():
    with pytest.raises(FileError, match=":2: a byte that is not UTF-8"):
        read_table(stream(b"t,V\n\xb5,1\n2,2\n"), encoding="utf-8")
    with pytest.raises(FileError, match="no encoding called 'utf-9'"):
        read_table(stream("t,V\n1,1\n"), encoding="utf-9")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text(compress, tmp_path):
    path = tmp_path / "run.csv.z"
    packed = compress(b"t,V\n1,1.5\n2,2.5\n" * 1)
    path.write_bytes(packed)
    table = read_table(path)
    same(table, AB)
    assert "compressed" in table.detected["format"]
    path.write_bytes(packed[:-9])
    with pytest.raises(FileError, match="damaged or cut off"):
        read_table(path)


# -- the table -----------------------------------------------------------------------------------


def test_columns_by_name_heading_and_number():
    table = read_table(stream("time (s),V\n1,1.5\n2,2.5\n"))
    assert table["time"] is table["time (s)"] is table[0]
    with pytest.raises(FileError, match=r"no column 2; there are 2, counted from 0"):
        table[2]
    with pytest.raises(FileError, match="did you mean 'time'"):
        table["tme"]


@pytest.mark.parametrize(
    "text, key",
    [
        ("V,V\n1,1.5\n2,2.5\n", "V"),
        ("V (mV),V (mV)\n1,1.5\n2,2.5\n", "V"),
        ("V,V\n(s),(mV)\n1,1.5\n2,2.5\n", "V"),
        ("S1,,S2\nsignal,,signal\n1,,1.5\n2,,2.5\n", "signal"),
        ("V V\n1 1.5\n2 2.5\n", "V"),
    ],
)
def test_columns_with_one_heading_are_told_apart_by_number(text, key):
    table = read_table(stream(text))
    last = len(table.names) - 1
    with pytest.raises(FileError, match=f"called '{key}'. Use the number .* 0 or {last}"):
        table[key]
    for part in (table, table.take([0, 1]), table.where(np.array([True, True]))):
        assert (part.numeric(0).tolist(), part.numeric(last).tolist()) == ([1, 2], [1.5, 2.5])
        assert part[f"{key}_2"].tolist() == [1.5, 2.5]


def test_rows_keep_their_lines_and_columns():
    table = read_table(stream("t,V\n1,5\n# gap\n2,6\n3,7\n"))
    part = table.where(table["t"] > 1)
    assert (part.n_rows, part.line(0), part["V"].tolist()) == (2, 4, [6, 7])
    assert table.take(np.array([2, 0]))["t"].tolist() == [3, 1]
    assert read_table(stream("t,V\n1,5\n2,6\n3,7\n"), rows=slice(1, None)).line(0) == 3
    with pytest.raises(ValueError, match="mask"):
        table.where(np.array([1, 0, 1]))


def test_options_that_would_be_ignored_are_errors(tmp_path):
    path = tmp_path / "run.npy"
    np.save(path, np.ones((4, 2)))
    with pytest.raises(ValueError, match="delimiter= means nothing"):
        read_table(path, delimiter=";")
    with pytest.raises(ValueError, match="did you mean 'parquet'"):
        read_table(path, format="parqet")
    with pytest.raises(ValueError, match="delimiter is one character"):
        read_table(path, delimiter="ab")
    with pytest.raises(TypeError, match="binary"):
        read_table(io.StringIO("t,V\n1,2\n"))


# -- other formats -------------------------------------------------------------------------------

FRAME = pd.DataFrame({"t": [0.0, 0.5, 1.0], "n": [1, 2, 2**60], "who": ["a", None, "c"]})


def check_frame(table, lines=False):
    assert table.names == ["t", "n", "who"]
    same(table, [[0.0, 0.5, 1.0], [1, 2, 2**60], ["a", "", "c"]])
    assert table["n"].dtype.kind == "i"
    assert table.line(0) is None
    with pytest.raises(FileError, match="row 1: 'who' is 'a'"):
        table.numeric("who")


def test_parquet_and_feather(tmp_path):
    FRAME.to_parquet(tmp_path / "run.parquet")
    pa.feather.write_feather(pa.Table.from_pandas(FRAME), tmp_path / "run.feather")
    for path in (tmp_path / "run.parquet", tmp_path / "run.feather"):
        check_frame(read_table(path))
        check_frame(read_table(io.BytesIO(path.read_bytes())))
        (tmp_path / "cut").write_bytes(path.read_bytes()[:-20])
        with pytest.raises(FileError, match="damaged, cut off"):
            read_table(tmp_path / "cut")


def test_nulls_dictionaries_decimals_and_units_of_parquet(tmp_path):
    columns = {
        "n": pa.array([1, None, 3]),
        "flag": pa.array([True, None, False]),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "nothing": pa.nulls(3),
        "half": pa.array(np.array([1, 2, 3], np.float16)),
        "when": pa.array([0, 1, 2], pa.timestamp("s")),
    }
    table = pa.table(columns)
    field = table.schema.field("n").with_metadata({"unit": "mV"})
    table = table.cast(table.schema.set(0, field))
    pa.parquet.write_table(table, tmp_path / "run.pq")
    found = read_table(tmp_path / "run.pq")
    assert found.units == {"n": "mV"}
    np.testing.assert_array_equal(found["n"], [1, np.nan, 3])
    np.testing.assert_array_equal(found["flag"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["half"], [1, 2, 3])
    assert found["kind"].tolist() == ["a", "b", "a"]
    assert np.isnan(found["nothing"]).all()
    assert found["when"][1] == "1970-01-01 00:00:01"


def test_hdf5(tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["run1/t"] = np.linspace(0, 1, 50)
        file["run1/t"].attrs["units"] = "s"
        file["run1/image"] = np.arange(150.0).reshape(50, 3)
        file["run1/names"] = [f"p{i}" for i in range(50)]
        file["run1/z"] = np.arange(50) * 1j
        file["calibration"] = np.ones(3)
        file["gain"] = 2.0
    table = read_table(path)
    assert table.names[:3] == ["run1/image[0]", "run1/image[1]", "run1/image[2]"]
    assert table.units == {"run1/t": "s"}
    np.testing.assert_array_equal(table["run1/image[1]"], np.arange(150.0).reshape(50, 3)[:, 1])
    assert table["run1/names"][3] == "p3"
    with pytest.raises(FileError, match="complex"):
        table.numeric("run1/z")
    with pytest.raises(FileError, match="'calibration' is no column: it has 3 values"):
        table["calibration"]
    assert read_table(path, group="run1").names[-2:] == ["t", "z"]
    with pytest.raises(FileError, match="did you mean 'run1'"):
        read_table(path, group="run2")
    part = read_table(io.BytesIO(path.read_bytes()), rows=slice(10))
    assert part["run1/t"].shape == (10,)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FileError, match=r"run\.h5: damaged, cut off"):
        read_table(path)["run1/t"]


def test_numpy_files(tmp_path):
    path = tmp_path / "run.npy"
    np.save(path, np.array([(1, 2.5, "a")], dtype=[("t", "i4"), ("V", ">f8"), ("who", "U3")]))
    table = read_table(path)
    assert table.names == ["t", "V", "who"]
    assert values(table) == [[1], [2.5], ["a"]]
    np.save(path, np.arange(20.0).reshape(2, 10))
    assert "2 columns of 10 rows" in read_table(path).detected["format"]
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="could run code"):
        read_table(path)
    np.save(path, np.ones((3, 3, 3)))
    with pytest.raises(FileError, match="is no table"):
        read_table(path)
    np.save(path, np.ones((20_000, 20_000), dtype=bool)[:, :1].repeat(2, 1))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FileError, match="damaged, cut off"):
        read_table(path)

    path = tmp_path / "run.npz"
    np.savez(path, t=np.arange(5), V=np.ones(5), k=np.array(3.0), pair=np.zeros((2, 5)))
    table = read_table(path)
    assert table.names == ["t", "V", "pair[0]", "pair[1]"]
    with pytest.raises(FileError, match=r"'k' is no column: it has the shape \(\)"):
        table["k"]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileError, match="NPZ file is damaged"):
        read_table(path)
    np.savez(path, bad=np.array([None]), allow_pickle=True)
    with pytest.raises(FileError, match="could run code"):
        read_table(path)


@pytest.mark.parametrize(
    "document",
    [
        {"t (s)": [1, 2], "V": [1.5, 2.5]},
        [{"t (s)": 1, "V": 1.5}, {"t (s)": 2, "V": 2.5}],
        [["t (s)", "V"], [1, 1.5], [2, 2.5]],
        {"columns": ["t (s)", "V"], "data": [[1, 1.5], [2, 2.5]]},
        {"run": 7, "data": {"t (s)": [1, 2], "V": [1.5, 2.5]}},
    ],
)
def test_json(document, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    for source in (path, stream(json.dumps(document, indent=1))):
        table = read_table(source)
        assert (table.names, table.units) == (["t", "V"], {"t": "s"})
        same(table, AB)


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"t": [1, 2', r":1: not JSON"),
        ('{"t": 1}', "no table"),
        ('{"t": [1, 2], "V": [1]}', "'V' has 1 rows, the others 2"),
        ("[[1, 2], [3]]", "row 2: 1 cells; there are 2"),
        ('{"a": {"t": [1]}, "b": {"t": [2]}}', "2 tables"),
        ("[" * 100_000, "not JSON|nested"),
    ],
)
def test_json_that_is_no_table(text, said, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(FileError, match=said):
        read_table(path)


def test_json_lines_and_nulls(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"t": 1, "V": null}\n{"t": 2, "V": "inf", "w": "a"}\n')
    table = read_table(path)
    same(table, [[1, 2], [np.nan, np.inf], ["", "a"]])
    assert json.loads("[1]") == [1]


def test_excel(tmp_path):
    path = tmp_path / "run.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["notes only"])
    sheet = book.create_sheet("scan 2")
    for row in (["Scope 7"], [], ["time (s)", "V", "who"], [1, 1.5, "a"], [2, None, None]):
        sheet.append(row)
    book.save(path)
    table = read_table(path)
    assert (table.names, table.units) == (["time", "V", "who"], {"time": "s"})
    same(table, [[1, 2], [1.5, np.nan], ["a", ""]])
    assert table.line(0) == 4
    expected = pd.read_excel(path, sheet_name="scan 2", header=2)
    np.testing.assert_array_equal(table["V"], expected["V"])
    assert read_table(path, sheet=1).names == table.names
    with pytest.raises(FileError, match="did you mean 'scan 2'"):
        read_table(path, sheet="scan2")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match="Excel file is damaged"):
        read_table(path)


# -- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        lambda: closest("run", ["run"]),
        lambda: did_you_mean("run", ["run", "RUN7"]),
        lambda: did_you_mean(7, [7, "8"]),
        lambda: source_suggestion("run", ["run"]),
        lambda: check_names("least_squares", {"sigma": 3}, ("fun", "x0", "sigma")),
        lambda: check_names("fit", {"model": 3}, ("model",)),
        lambda: read_table("gone.csv"),
    ],
)
def test_what_was_typed_is_never_proposed(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("nowhere.csv", "gone.csv")
    try:
        said = str(given())
    except (TypeError, FileError) as error:
        said = str(error)
    assert "mean 'run'" not in said and "mean '7'" not in said and "mean 'gone" not in said
    assert "mean 'sigma'" not in said and "mean 'model'" not in said


def test_paths_that_lead_to_no_file(tmp_path):
    (tmp_path / "Run.csv").write_text("t,V\n1,2\n")
    with pytest.raises(FileError, match=r"no such file; did you mean 'Run\.csv'"):
        read_table(tmp_path / "run.csv")
    with pytest.raises(FileError, match="There is no folder"):
        read_table(tmp_path / "nowhere" / "run.csv")
    with pytest.raises(FileError, match="folder, not a file"):
        read_table(tmp_path)
    with pytest.raises(FileError, match="device, not a file"):
        read_table("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe, not a file"):
        read_table(tmp_path / "pipe")
    with pytest.raises(FileError, match="no name of a file"):
        read_table("a\0b")


def test_no_permission(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("t,V\n1,2\n")
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    code = (
        "import os, sys\n"
        "from nlsq.io import read_table, FileError\n"
        "if os.getuid() == 0: os.seteuid(65534)\n"
        "try: read_table(sys.argv[1])\n"
        "except FileError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "no permission to read it" in done.stdout


def test_missing_extra_is_said(monkeypatch, tmp_path):
    FRAME.to_parquet(tmp_path / "run.parquet")
    openpyxl.Workbook().save(tmp_path / "run.xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        read_table(tmp_path / "run.parquet")
    with pytest.raises(ValueError, match="pip install openpyxl"):
        read_table(tmp_path / "run.xlsx")


# -- damage --------------------------------------------------------------------------------------


def written(write):
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def _hdf5(out):
    with h5py.File(out, "w") as file:
        file["a/t"], file["s"] = np.arange(40.0), ["a"] * 40
        file.create_dataset("v", data=np.ones((40, 2)), compression="gzip")


def _xlsx(out):
    book = openpyxl.Workbook()
    for row in [["t", "V"], [1, 1.5], [2, 2.5]]:
        book.active.append(row)
    book.save(out)


SOUND = {
    "parquet": lambda out: FRAME.to_parquet(out),
    "feather": lambda out: pa.feather.write_feather(pa.Table.from_pandas(FRAME), out),
    "npy": lambda out: np.save(out, np.ones((30, 3))),
    "npz": lambda out: np.savez_compressed(out, a=np.ones(30), b=np.arange(30)),
    "hdf5": _hdf5,
    "xlsx": _xlsx,
    "json": lambda out: out.write(FRAME.to_json(orient="records").encode()),
    "gzip": lambda out: out.write(gzip.compress(FRAME.to_csv().encode())),
    "csv": lambda out: out.write(FRAME.to_csv().encode()),
}


@pytest.mark.parametrize("kind", SOUND)
def test_damaged_files_are_refused_in_words_or_read(kind):
    sound = written(SOUND[kind])
    rng = np.random.default_rng(len(kind))
    refused = 0
    for number in range(120):
        data = bytearray(sound)
        if number % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            for place in rng.integers(len(data), size=1 + number % 8):
                data[place] = rng.integers(256)
        try:
            table = read_table(io.BytesIO(bytes(data)))
            values(table)
        except FileError as error:
            refused += 1
            assert error.message
    assert refused > 15


@pytest.mark.parametrize("road", ["read_table", "CSVSource"])
def test_a_signal_in_pyarrow_is_an_interrupt(road, tmp_path):
    """Its reader of CSV traps signals, and raises an error of its own."""
    path = tmp_path / "long.csv"
    path.write_text("t,v\n" + "0.123456789,1.23456789\n" * 200_000)

    def read():
        if road == "read_table":
            read_table(path)
        else:
            for _ in CSVSource(path, "t", "v"):
                interruption.check()

    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    ends = time.monotonic() + 20
    torn = []
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        while time.monotonic() < ends and not torn:
            try:
                read()
            except Exception as error:
                torn.append(error)
            interruption.check()
    assert not torn
