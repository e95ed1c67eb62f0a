"""Sources give exactly the numbers that were written, and say what is wrong with a file."""

import itertools
import os
import resource
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
import zarr

from nlsq.streaming.file_sources import DatasetSource, HDF5Source, NpySource, ZarrSource
from nlsq.streaming.iterable_source import IterableSource, ProtocolSource
from nlsq.streaming.loading import empty, glance
from nlsq.streaming.opening import as_source
from nlsq.streaming.sources import ArraySource, Columns, DataSourceError, Source
from nlsq.streaming.table_sources import ArrowSource, CSVSource, ParquetSource

M = 2500
ROWS = [slice(None), slice(100, None), slice(123, 2100, 7), slice(17, -40, 1300)]
RNG = np.random.default_rng(7)
T, Y, S = RNG.normal(size=M), RNG.normal(size=M), RNG.uniform(0.5, 1.5, M)


def read(source, size=None):
    """All points of a source, read `size` at a time (random access) or piece by piece."""
    if not isinstance(source, Source):
        return join(list(source))
    form, pieces = source.form, []
    capacity = size or source.n_points
    shape = () if form.coordinates is None else (form.coordinates,)
    room = Columns(  # as in a fit, buffers are longer than what is read at once
        np.full((*shape, capacity + 64), np.nan),
        np.full(capacity + 64, np.nan, complex if form.complex_values else float),
        np.full(capacity + 64, np.nan) if form.weighted else None,
    )
    start = 0
    while start < source.n_points:
        stop = source.boundary(start, min(start + capacity, source.n_points))
        assert start < stop <= start + capacity
        part = room.part(32, 32 + stop - start)
        source.read_into(start, part)
        pieces.append(Columns(*(None if a is None else a.copy() for a in part)))
        start = stop
    for buffer in (b for b in room if b is not None):  # nothing else is written
        assert np.isnan(buffer[..., :32]).all() and np.isnan(buffer[..., -1]).all()
    source.close()
    return join(pieces)


def join(pieces):
    x, y, sigma = zip(*pieces, strict=True)
    return Columns(
        np.concatenate(x, axis=-1),
        np.concatenate(y),
        None if sigma[0] is None else np.concatenate(sigma),
    )


def picked(source, points):
    """Single points of a source, None where it does not give them."""
    found = empty(source.form, len(points))
    there = source.pick(points, found)
    source.close()
    return found if there else None


def same(points, x, y, sigma=None):
    for got, wanted in zip(points, (x, y, sigma), strict=True):
        if wanted is None:
            assert got is None
        else:
            assert got.dtype in (float, complex)
            np.testing.assert_array_equal(got, wanted)


# Each writer makes a source of the columns that are not None, by way of a file.


def npy(folder, x, y, sigma, rows):
    paths = {}
    for role, values in (("x", x), ("y", y), ("sigma", sigma)):
        if values is not None:
            paths[role] = folder / f"{role}.npy"
            np.save(paths[role], values)
    return NpySource(**paths, rows=rows)


def hdf5(folder, x, y, sigma, rows, **how):
    path = folder / "data.h5"
    with h5py.File(path, "w") as file:
        for role, values in (("x", x), ("run/y", y), ("sigma", sigma)):
            if values is not None:
                chunks = {**how} if np.size(values) > 1 else {}
                if how and np.size(values) > 1:
                    chunks["chunks"] = tuple(min(n, 900) for n in np.shape(values))
                file.create_dataset(role, data=values, **chunks)
    return HDF5Source(path, "x", "run/y", None if sigma is None else "sigma", rows=rows)


def hdf5_compressed(*data):
    return hdf5(*data, compression="gzip", compression_opts=1, shuffle=True)


def hdf5_stacked(folder, x, y, sigma, rows):
    path = folder / "data.h5"
    with h5py.File(path, "w") as file:
        file["run/a"], file["b"], file["y"] = x[0], x[1].astype(">f8"), y
        if sigma is not None:
            file["sigma"] = sigma
    return HDF5Source(path, ["run/a", "b"], "y", None if sigma is None else "sigma", rows=rows)


def zarr_group(folder, x, y, sigma, rows):
    group = zarr.open(folder / "data.zarr", mode="w")
    for role, values in (("x", x), ("y", y), ("sigma", sigma)):
        if values is not None:
            chunks = tuple(min(n, 900) or 9 for n in np.shape(values))
            group.create_array(role, data=np.array(values, order="C"), chunks=chunks)
    return ZarrSource(folder / "data.zarr", sigma=None if sigma is None else "sigma", rows=rows)


def table(x, y, sigma):
    columns = {"note": ["?"] * len(y)}
    names = "x" if np.ndim(x) == 1 else [f"x{k}" for k in range(len(x))]
    columns |= {"x": x} if isinstance(names, str) else dict(zip(names, x, strict=True))
    columns["y"] = y
    if sigma is not None:
        columns["sigma"] = sigma
    return pa.table(columns), (names, "y", None if sigma is None else "sigma")


def parquet(folder, x, y, sigma, rows):
    written, names = table(x, y, sigma)
    pa.parquet.write_table(written, folder / "data.parquet", row_group_size=700)
    return ParquetSource(folder / "data.parquet", *names, rows=rows)


def feather(folder, x, y, sigma, rows):
    written, names = table(x, y, sigma)
    pa.feather.write_feather(written, folder / "data.feather", chunksize=700)
    return ArrowSource(folder / "data.feather", *names, rows=rows)


def csv(folder, x, y, sigma, rows):
    written, names = table(x, y, sigma)
    pa.csv.write_csv(written, folder / "data.csv")
    return CSVSource(folder / "data.csv", *names, rows=rows)


def arrays(folder, x, y, sigma, rows):
    return ArraySource(x, y, sigma, rows=rows)


RANDOM = [arrays, npy, hdf5, hdf5_compressed, zarr_group]
ALL = [*RANDOM, parquet, feather, csv]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("write", ALL, ids=lambda f: f.__name__)
def test_gives_what_was_written(tmp_path, write, rows, weighted):
    if write is csv and (rows.stop or 0) < 0:
        with pytest.raises(ValueError, match="cannot count from the end"):
            write(tmp_path, T, Y, S, rows)
        return
    sigma = S if weighted else None
    source = write(tmp_path, T, Y, sigma, rows)
    wanted = T[rows], Y[rows], None if sigma is None else S[rows]
    assert source.form == (None, weighted, False)
    assert source.n_points == (None if write is csv else len(T[rows]))
    assert source.row(5) == np.arange(M)[rows][5] if len(T[rows]) > 5 else source.row(0)
    for size in (7, 1000, None) if isinstance(source, Source) else (None, None):  # passes
        same(read(source, size), *wanted)


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("write", [arrays, npy, hdf5, hdf5_stacked], ids=lambda f: f.__name__)
def test_single_points(tmp_path, write, rows):
    x, y = np.stack([T, 2 * T + 1]), Y.astype(">f4")
    points = np.unique(np.linspace(0, len(T[rows]) - 1, 37).astype(int))
    wanted = x[:, rows][:, points], y[rows][points], S[rows][points]
    same(picked(write(tmp_path, x, y, S, rows), points), *wanted)
    if write in (npy, hdf5):
        for stored in (T, x.T.copy(), np.asfortranarray(x), x.T):
            first = T[rows][points] if stored is T else wanted[0]
            same(picked(write(tmp_path, stored, y, S, rows), points), first, *wanted[1:])


@pytest.mark.parametrize("write", [hdf5_compressed, zarr_group], ids=lambda f: f.__name__)
def test_sources_that_would_read_all_for_single_points(tmp_path, write):
    assert picked(write(tmp_path, T, Y, None, slice(None)), np.arange(3)) is None


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("write", [*ALL, hdf5_stacked], ids=lambda f: f.__name__)
def test_coordinates_are_stacked(tmp_path, write, rows):
    if write is csv and (rows.stop or 0) < 0:
        rows = slice(3)
    x = np.stack([T, 2 * T + 1])
    source = write(tmp_path, x, Y, S, rows)
    assert source.form == (2, True, False)
    for size in (49, 1000, None) if isinstance(source, Source) else (None,):
        same(read(source, size), x[:, rows], Y[rows], S[rows])


@pytest.mark.parametrize("write", RANDOM[1:], ids=lambda f: f.__name__)
@pytest.mark.parametrize("layout", ["(m, k)", "(m, k) Fortran", "(k, m) Fortran", "(1, m)"])
def test_axes_in_any_order(tmp_path, write, layout):
    x = T[None] if layout == "(1, m)" else np.stack([T, 2 * T + 1, Y])
    stored = np.ascontiguousarray(x.T) if layout.startswith("(m") else x
    stored = np.asfortranarray(stored) if layout.endswith("Fortran") else stored
    for rows, sizes in ((slice(None), (49, 1000, None)), (slice(123, 2100, 7), (50,))):
        source = write(tmp_path, stored, Y, None, rows)
        assert source.form.coordinates == len(x)
        for size in sizes:
            same(read(source, size), x[:, rows], Y[rows])


@pytest.mark.parametrize("write", RANDOM[1:], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["f4", "f2", ">f8", ">f4", "i2", ">i8", "u1", "?"])
def test_other_types_are_converted(tmp_path, write, dtype):
    x = (np.arange(M) % 100).astype(dtype)
    coordinates = np.stack([x, x[::-1]])
    for stored in (x, coordinates):
        source = write(tmp_path, stored, x, None, slice(3, None, 2))
        same(read(source, 777), stored[..., 3::2].astype(float), x[3::2].astype(float))


@pytest.mark.parametrize("write", RANDOM, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["c16", "c8"])
def test_complex_y(tmp_path, write, dtype):
    y = (Y + 1j * S).astype(dtype)
    source = write(tmp_path, T, y, None, slice(None))
    assert source.form.complex_values
    same(read(source, 1000), T, y.astype(complex))
    with pytest.raises((DataSourceError, TypeError), match=r"x.* real"):
        write(tmp_path, y, T, None, slice(None))


@pytest.mark.parametrize("write", [parquet, feather], ids=lambda f: f.__name__)
def test_table_types_and_nulls(tmp_path, write):
    y = pa.array([None, 2.5, 3.0])
    for x in (
        pa.array([1, None, 3], pa.int32()),
        pa.array([1.0, None, 3.0], pa.float32()),
        pa.array([True, None, False]),
        pa.array([Decimal("1.00"), None, Decimal("3.00")]),
        pa.array([1, None, 3]).dictionary_encode(),
    ):
        wanted = [np.nan if v is None else float(v) for v in x.to_pylist()]
        same(read(write(tmp_path, x, y, None, slice(None))), wanted, [np.nan, 2.5, 3.0])
    with pytest.raises(DataSourceError, match=r"'x' holds no numbers: its type is string\. Conv"):
        write(tmp_path, ["a", "b", "c"], y, None, slice(None))


def test_parquet_reads_only_the_row_groups_it_needs(tmp_path, monkeypatch):
    source = parquet(tmp_path, T, Y, None, slice(1500, 2000))
    asked = []
    real = pa.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        pa.parquet.ParquetFile,
        "iter_batches",
        lambda *a, **k: (asked.append((k["row_groups"], k["columns"])), real(*a, **k))[1],
    )
    same(read(source), T[1500:2000], Y[1500:2000])
    assert asked == [([2], ["x", "y"])]


def test_csv_forms(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t;y;s\n 1;2e0;a\n3;;b\n-inf;NA;c\n", encoding="utf-8")
    points = read(CSVSource(path, "t", "y", delimiter=";"))
    same(points, [1.0, 3.0, -np.inf], [2.0, np.nan, np.nan])
    with pytest.raises(TypeError, match="delimiter must be one character"):
        CSVSource(path, delimiter="; ")


@pytest.mark.parametrize("far", [False, True])
def test_csv_names_the_row_that_is_no_number(tmp_path, far):
    lines = [f"{k},{k}" for k in range(200_000 if far else 10)]
    lines[-3] = "1.0,abc"
    (tmp_path / "a.csv").write_text("x,y\n" + "\n".join(lines), encoding="utf-8")
    row = len(lines) - 3
    with pytest.raises(DataSourceError, match=rf"'y', row {row} \(line {row + 2}\): .*'abc'"):
        read(CSVSource(tmp_path / "a.csv"))
    lines[-3] = "1.0"
    (tmp_path / "a.csv").write_text("x,y\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(DataSourceError, match=rf"row {row} .*Expected 2 columns, got 1"):
        read(CSVSource(tmp_path / "a.csv"))


def test_csv_without_header(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(DataSourceError, match="first line must name the columns"):
        CSVSource(tmp_path / "a.csv")


@pytest.mark.parametrize("write", ALL[1:], ids=lambda f: f.__name__)
def test_no_points(tmp_path, write):
    with pytest.raises(DataSourceError, match="no point"):
        read(write(tmp_path, T[:0], Y[:0], None, slice(None)))
    with pytest.raises(DataSourceError, match="no point is left"):
        read(write(tmp_path, T, Y, None, slice(M, M + 10)))


@pytest.mark.parametrize("write", ALL[1:], ids=lambda f: f.__name__)
def test_rows_must_run_forwards(tmp_path, write):
    with pytest.raises(ValueError, match="forwards"):
        write(tmp_path, T, Y, None, slice(None, None, -1))
    with pytest.raises(TypeError, match="must be a slice"):
        write(tmp_path, T, Y, None, 5)


@pytest.mark.parametrize("write", RANDOM[1:], ids=lambda f: f.__name__)
def test_shapes_that_do_not_agree(tmp_path, write):
    for x, y, sigma, message in (
        (T[:-1], Y, None, rf"x.* must have shape \({M},\), .* has {M} points; it has"),
        (T, Y, S[:-1], "sigma.* must have shape"),
        (T, Y[:, None], None, r"y.* must have shape \(m,\), it has"),
        (T[None, None], Y, None, "x.* must have shape"),
        (np.float64(3), Y, None, "x.* must have shape"),
    ):
        with pytest.raises(DataSourceError, match=message):
            write(tmp_path, x, y, sigma, slice(None))


@pytest.mark.parametrize("make", [npy, hdf5, hdf5_compressed, parquet, feather, csv])
def test_truncated_files(tmp_path, make):
    make(tmp_path, T, Y, None, slice(None))
    (path,) = {*tmp_path.glob("data.*"), *tmp_path.glob("y.npy")}
    size = path.stat().st_size
    arguments = (tmp_path / "x.npy", path) if make is npy else (path,)
    kind = {npy: NpySource, parquet: ParquetSource, feather: ArrowSource, csv: CSVSource}
    names = ("x", "run/y") if make in (hdf5, hdf5_compressed) else ()
    for left in (size - 100, size // 2, 30, 0):
        os.truncate(path, left)
        with pytest.raises(DataSourceError, match=path.name):
            cut = read(kind.get(make, HDF5Source)(*arguments, *names))
            if make is csv:  # the end of a line cannot be missed unless fields are
                assert len(cut.y) < M
                raise DataSourceError(path.name)


def test_csv_cut_within_a_row(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3", encoding="utf-8")
    with pytest.raises(DataSourceError, match=r"a\.csv: row 1 \(line 3\): Expected 2 columns"):
        read(CSVSource(tmp_path / "a.csv"))


def test_damaged_chunk_is_named(tmp_path):
    hdf5_compressed(tmp_path, T, Y, None, slice(None))
    with h5py.File(tmp_path / "data.h5") as file:
        chunk = file["run/y"].id.get_chunk_info(1)
    with open(tmp_path / "data.h5", "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\0" * chunk.size)
    source = HDF5Source(tmp_path / "data.h5", "x", "run/y")
    with pytest.raises(DataSourceError, match=r"'run/y' of .*data\.h5, rows 900 to 1799,"):
        read(source, 900)


def test_missing_names_are_suggested(tmp_path):
    for source, message in (
        (hdf5, "'rum/y' is not there. Did you mean 'run/y'"),
        (zarr_group, "'rum/y' is not there. There are: 'x', 'y'"),
        (parquet, "column 'rum/y' is not there. There are: 'note', 'x', 'y'"),
        (csv, "column 'rum/y' is not there"),
        (feather, "column 'rum/y' is not there"),
    ):
        made = source(tmp_path, T, Y, None, slice(None))
        path = made.name
        with pytest.raises(DataSourceError, match=message) as error:
            type(made)(path, y="rum/y")
        assert path in str(error.value)
    with pytest.raises(DataSourceError, match=r"'run' is a group, not a dataset\. Did you mean"):
        HDF5Source(tmp_path / "data.h5", y="run")
    with pytest.raises(DataSourceError, match=r"'tims' is not there. Did you mean 'time'"):
        (tmp_path / "b.csv").write_text("time,y\n1,2\n", encoding="utf-8")
        CSVSource(tmp_path / "b.csv", "tims", "y")


def test_columns_that_are_there_twice(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,x\n1,2,3\n", encoding="utf-8")
    with pytest.raises(DataSourceError, match="'x' is there more than once"):
        CSVSource(tmp_path / "a.csv")


@pytest.mark.parametrize("kind", [HDF5Source, ZarrSource, ParquetSource, ArrowSource, CSVSource])
def test_files_that_are_not_there(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        kind(tmp_path / "nowhere.dat")
    with pytest.raises(DataSourceError, match="other"):
        (tmp_path / "other").write_bytes(b"\x00\xff\x00 neither of these" * 100)
        kind(tmp_path / "other")
    with pytest.raises((DataSourceError, PermissionError), match=tmp_path.name):
        kind(tmp_path)
    with pytest.raises(TypeError, match="y must be a name, got 3"):
        kind(tmp_path / "other", y=3)
    with pytest.raises(TypeError, match="x must be a name or a list of names"):
        kind(tmp_path / "other", x=[])


def test_npy_files_that_are_none(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    np.savez(tmp_path / "x.npz", x=T)
    np.save(tmp_path / "s.npy", np.array(["a"] * M))
    with open(tmp_path / "r.npy", "wb") as file:
        np.lib.format.write_array(file, Y, version=(3, 0))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        NpySource(tmp_path / "nowhere.npy", tmp_path / "y.npy")
    for name, message in (
        ("x.npz", "not savez"),
        ("s.npy", "holds no numbers: its type is <U1"),
        ("r.npy", "version"),
        ("", "cannot be read"),
    ):
        with pytest.raises(DataSourceError, match=message):
            NpySource(tmp_path / name, tmp_path / "y.npy")


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "cp037"]
)
def test_text_of_another_encoding_is_refused(tmp_path, encoding):
    path = tmp_path / "scan.csv"
    path.write_bytes("t,V µ\n1,2\n3,4".encode(encoding))
    with pytest.raises(DataSourceError, match=r"scan\.csv"):
        list(CSVSource(path, "t", "V µ"))


@pytest.mark.parametrize("write", ALL[1:], ids=lambda f: f.__name__)
def test_replaced_by_a_shorter_file_between_passes(tmp_path, write):
    source = write(tmp_path, T, Y, S, slice(10, 2400))
    same(read(source), T[10:2400], Y[10:2400], S[10:2400])
    write(tmp_path, T[:2395], Y[:2395], S[:2395], slice(None))
    with pytest.raises(DataSourceError, match=r"changed.* now.* before"):
        read(source)


@pytest.mark.parametrize("write", [npy, hdf5])
def test_cut_while_it_is_open(tmp_path, write):
    source = write(tmp_path, T, Y, None, slice(None))
    part = Columns(np.empty(100), np.empty(100), None)
    source.read_into(0, part)
    for path in [*tmp_path.glob("*.npy"), *tmp_path.glob("*.h5")]:
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataSourceError, match=r"ends after .* numbers, though it had 2500"):
        source.read_into(M - 100, part)
    source.close()


@pytest.mark.parametrize("write", [parquet, feather, csv])
def test_columns_renamed_between_passes(tmp_path, write):
    source = write(tmp_path, T, Y, None, slice(None))
    renamed = pa.table({"x": T, "z": Y})
    pa.parquet.write_table(renamed, tmp_path / "data.parquet")
    pa.feather.write_feather(renamed, tmp_path / "data.feather")
    pa.csv.write_csv(renamed, tmp_path / "data.csv")
    with pytest.raises(DataSourceError, match="'y'"):
        read(source)


def test_hdf5_reads_end_with_chunks(tmp_path):
    source = hdf5_compressed(tmp_path, T, Y, None, slice(50, None, 7))
    stop = source.boundary(0, 300)
    assert source.row(stop - 1) < 1800 <= source.row(stop)
    assert source.boundary(0, 10) == 10
    assert source.boundary(300, source.n_points) == source.n_points
    source.close()


def test_chunks_that_reads_share_are_decompressed_once(tmp_path):
    path, m = tmp_path / "data.h5", 300_000
    with h5py.File(path, "w", libver="latest") as file:
        # 24 MB of cache for a chunk of 8 MB: the default would hold none of these
        file.create_dataset("x", data=np.ones((10, m)), chunks=(10, 150_000), compression="lzf")
        file["y"] = np.ones(m)
    source = HDF5Source(path)
    chunk = source._columns().x._dataset
    assert chunk.id.get_access_plist().get_chunk_cache()[1] == 2 * 10 * 150_000 * 8
    source.close()


def test_zarr_chunks_are_read_once(tmp_path, monkeypatch):
    source = zarr_group(tmp_path, T, Y, None, slice(None))
    array = source._columns().y
    asked = []
    real = array._range
    monkeypatch.setattr(array, "_range", lambda *rows: (asked.append(rows), real(*rows))[1])
    monkeypatch.setattr("nlsq.streaming.columns.PIECE", 1000)
    for start in range(0, M, 50):
        source.read_into(start, Columns(np.empty(50), np.empty(50), None))
    assert asked == [(k, min(k + 900, M)) for k in range(0, M, 900)]


def test_hdf5_stored_elsewhere(tmp_path):
    """External links and virtual datasets are read through their own file."""
    hdf5(tmp_path, T, Y, None, slice(None))
    with h5py.File(tmp_path / "links.h5", "w", userblock_size=512) as file:
        file["y"] = h5py.ExternalLink("data.h5", "run/y")
        file["own"] = S
        layout = h5py.VirtualLayout(shape=(M,), dtype=float)
        layout[:] = h5py.VirtualSource(str(tmp_path / "data.h5"), "x", shape=(M,))
        file.create_virtual_dataset("x", layout)
        file.create_dataset("unwritten", (M,), float, fillvalue=3.0)
    same(read(HDF5Source(tmp_path / "links.h5", sigma="own"), 1000), T, Y, S)
    same(read(HDF5Source(tmp_path / "links.h5", x="unwritten"), 1000), np.full(M, 3.0), Y)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit on address space")
def test_file_larger_than_the_address_space(tmp_path):
    path, m = tmp_path / "x.npy", 1 << 30  # 8 GiB, sparse
    with open(path, "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (m,)}
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        file.truncate(begin + 8 * m)
        file.seek(begin + 8 * (m - 1))
        file.write(np.float64(7).tobytes())
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
import numpy as np
from nlsq.streaming.file_sources import NpySource
from nlsq.streaming.sources import Columns
source = NpySource({str(path)!r}, {str(path)!r}, rows=slice(5, None, 2))
part = Columns(np.ones(1000), np.ones(1000), None)
source.read_into(source.n_points - 1000, part)
assert part.y[-1] == 7 and not part.x[:-1].any()
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


# Objects of the user's own


class Chunks:
    def __init__(self, *pieces):
        self.pieces = pieces

    def __iter__(self):
        yield from self.pieces


def test_iterables():
    pieces = [(T[:7], Y[:7], S[:7]), (T[7:7], Y[7:7], S[7:7]), [T[7:], list(Y[7:]), S[7:]]]
    for source in (IterableSource(pieces), IterableSource(Chunks(*pieces))):
        assert source.n_points is None and source.form == (None, True, False)
        for _ in range(2):
            same(read(source), T, Y, S)
    source = IterableSource([(np.stack([T, Y]).astype("f4"), Y + 1j, None)])
    assert source.form == (2, False, True)
    same(read(source), np.stack([T, Y]).astype("f4"), Y + 1j)


def test_iterables_with_a_number_of_points():
    chunks = Chunks((T, Y))
    chunks.n_points = np.int64(M)
    assert IterableSource(chunks).n_points == M
    chunks.n_points = M + 1
    with pytest.raises(DataSourceError, match=f"gave {M} points, but n_points says {M + 1}"):
        read(IterableSource(chunks))
    chunks.n_points = "many"
    with pytest.raises(TypeError, match="must be an integer"):
        IterableSource(chunks)


@pytest.mark.parametrize("make", [lambda p: (c for c in p), iter, lambda p: zip(*p, strict=True)])
def test_generators_are_refused(make):
    for opened in (IterableSource, as_source):
        with pytest.raises(TypeError, match=r"read only once.*list.*__iter__"):
            opened(make([(T, Y)]))


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        ((T, Y, S), DataSourceError, r"piece 1 \(from row 2500\) is x \(b,\), real y, with sigma"),
        ((T[None], Y), DataSourceError, r"piece 1 .* is x \(1, b\)"),
        ((T, Y + 0j), DataSourceError, "piece 1 .* complex"),
        ((T[1:], Y), DataSourceError, "piece 1 .*x must have shape"),
        ((T, Y, S[1:]), DataSourceError, "piece 1 .*sigma must have shape"),
        ((T, Y[None]), DataSourceError, "piece 1 .*y must have shape"),
        ((T,), TypeError, r"piece 1 .*must be a tuple \(x, y\) or .*, got 1 items"),
        (T, TypeError, "piece 1 .*got ndarray"),
        ((T + 0j, Y), TypeError, "piece 1 .*: x must be real"),
        ((T, ["a"] * M), TypeError, "piece 1 .*: y must be real"),
    ],
)
def test_pieces_that_do_not_fit(second, error, message):
    source = IterableSource([(T, Y), second])
    with pytest.raises(error, match=message):
        read(source)


def test_iterables_that_change():
    pieces = [(T, Y), (T, Y)]
    source = IterableSource(pieces)
    read(source)
    del pieces[1]
    with pytest.raises(DataSourceError, match="gave 2500 points, but the first pass gave 5000"):
        read(source)
    with pytest.raises(DataSourceError, match="is empty"):
        IterableSource([])


class Ranges:
    n_points = M

    def __init__(self, *columns):
        self.columns = columns

    def get_chunk(self, start, end):
        return tuple(c[..., start:end] for c in self.columns)


def test_objects_that_give_ranges():
    source = ProtocolSource(Ranges(np.stack([T, Y]), Y, S))
    assert source.form == (2, True, False) and source.n_points == M
    for size in (7, 1000, None):
        same(read(source, size), np.stack([T, Y]), Y, S)
    short = ProtocolSource(Ranges(T[:2000], Y[:2000]))
    with pytest.raises(DataSourceError, match=r"get_chunk\(1500, 2500\) gave 500 points"):
        read(short, 1500)
    empty = Ranges(T, Y)
    empty.n_points = 0
    with pytest.raises(DataSourceError, match="no points"):
        ProtocolSource(empty)


# One door


def test_as_source(tmp_path):
    npy(tmp_path, T, Y, S, slice(None))
    hdf5(tmp_path, T, Y, S, slice(None))
    with h5py.File(tmp_path / "data.h5", "a") as file:
        file["y"] = file["run/y"]
    zarr_group(tmp_path, T, Y, S, slice(None))
    for write in (parquet, feather, csv):
        write(tmp_path, T, Y, S, slice(None))
    paths = [tmp_path / f"{name}.npy" for name in ("x", "y", "sigma")]
    cases = [
        as_source(T, Y, S),
        as_source((T, Y, S)),
        as_source((T, Y), None, S),
        as_source((list(T), list(Y), list(S))),
        as_source(tuple(map(str, paths))),
        as_source(list(T), list(Y), list(S)),
        as_source(ArraySource(T, Y, S)),
        as_source(Ranges(T, Y, S)),
        as_source([(T, Y, S)]),
        as_source(*paths),
        as_source(*map(str, paths)),
        *(as_source(tmp_path / f"data.{s}") for s in "h5 zarr parquet feather csv".split()),
    ]
    for source in cases:
        same(read(source), T, Y, S)
    with h5py.File(tmp_path / "data.h5") as file:
        source = as_source(file["x"], file["y"], file["sigma"])
        assert isinstance(source, DatasetSource)
        same(read(source, 1000), T, Y, S)
    group = zarr.open(tmp_path / "data.zarr", mode="r")
    source = as_source(group["x"], group["y"])
    assert isinstance(source, DatasetSource)
    same(read(source, 1000), T, Y)
    same(read(ZarrSource(group), 1000), T, Y)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((ArraySource(T, Y), Y), r"ydata must not be given: xdata \(ArraySource\) brings"),
        ((Ranges(T, Y), None, S), "sigma must not be given"),
        (([(T, Y)], None, S), "sigma must not be given"),
        ((Path("a.h5"), Y), "ydata must not be given"),
        ((T,), "ydata is missing"),
        ((3,), "Cannot fit int. Pass arrays xdata and ydata"),
        ((None,), "Cannot fit NoneType"),
        (("a.txt",), "suffix is '.txt'"),
        (("a.npy",), "ydata must be the path"),
        (("a.npy", Y), "ydata must be the path"),
    ],
)
def test_what_is_no_source(given, message):
    with pytest.raises(TypeError, match=message):
        as_source(*given)


@pytest.mark.parametrize(
    ("module", "open_it"),
    [("pyarrow", CSVSource), ("pyarrow", ParquetSource), ("zarr", ZarrSource)],
)
def test_optional_packages(monkeypatch, module, open_it):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"pip install {module}"):
        open_it("a.file")


class Pieces:
    """x = 0, 1, ... and y = -x in pieces of these sizes, over and over."""

    def __init__(self, m, sizes):
        self.m, self.sizes = m, sizes

    def __iter__(self):
        at = 0
        for size in itertools.cycle(self.sizes):
            if at >= self.m:
                return
            x = np.arange(at, min(at + size, self.m), dtype=float)
            yield Columns(x, -x, None)
            at += size

    def close(self):
        pass


@pytest.mark.parametrize("m", [1, 5, 99, 100, 1234, 98_765])
@pytest.mark.parametrize("sizes", [(7,), (1000,), (1, 50, 3), (333, 1)])
def test_a_glance_is_even_over_the_whole_source(m, sizes):
    x, y = glance(Pieces(m, sizes), 50)
    step = x[1] - x[0] if len(x) > 1 else 1
    np.testing.assert_array_equal(x, np.arange(len(x)) * step)
    np.testing.assert_array_equal(y, -x)
    assert min(m, 50) <= len(x) < 100 and m - 1 - x[-1] < step
    x, y = glance(ArraySource(np.arange(float(m)), -np.arange(float(m))), 50)
    assert len(x) == min(m, 50) and x[[0, -1]].tolist() == [0, m - 1 if m > 1 else 0]
    np.testing.assert_array_equal(y, -x)
    assert len(x) < 3 or np.ptp(np.diff(x)) <= 1


def test_a_glance_holds_no_pieces():
    tracemalloc.start()
    glance(Pieces(2_000_000, (50_000,)), 50)  # 32 MB
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6
