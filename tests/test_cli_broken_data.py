"""Broken data files: exit code 2, a sentence that names the file, no traceback."""

import gzip
import os

import numpy as np
import pytest

from tests.program import environment, piped

GOOD = "t,V\n" + "\n".join(f"{i / 4},{3 - i / 9}" for i in range(20)) + "\n"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.getbasetemp().parent / "compiled"


def hdf5(path, cut):
    import h5py

    with h5py.File(path, "w") as file:
        file["t"], file["V"] = np.arange(5000.0), np.arange(5000.0)
    path.write_bytes(path.read_bytes()[:cut])


def parquet(path, cut):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"t": np.arange(100.0), "V": np.arange(100.0)}), path)
    path.write_bytes(path.read_bytes()[:-cut])


def forbidden(path):
    path.write_text(GOOD)
    path.chmod(0)


BROKEN = {
    "empty.csv": lambda p: p.write_bytes(b""),
    "header.csv": lambda p: p.write_text("t,V\n"),
    "comments.csv": lambda p: p.write_text("# nothing\n# here\n"),
    "mixed.csv": lambda p: p.write_text(GOOD.replace("2.0,", "two,")),
    "text.csv": lambda p: p.write_text("t,V\na,b\nc,d\n"),
    "ragged.csv": lambda p: p.write_text(GOOD + "7\n8\n9,1\n"),
    "binary.csv": lambda p: p.write_bytes(os.urandom(5000)),
    "png.csv": lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + os.urandom(500)),
    "wide.csv": lambda p: p.write_text(",".join(map(str, range(10**6))) + "\n"),
    "one.csv": lambda p: p.write_text("t\n1\n2\n3\n"),
    "cut.h5": lambda p: hdf5(p, 3000),
    "text.h5": lambda p: p.write_text(GOOD),
    "cut.parquet": lambda p: parquet(p, 30),
    "cut.npz": lambda p: (np.savez(p, t=np.arange(99.0), V=np.arange(99.0)),
                          p.write_bytes(p.read_bytes()[:400])),
    "pickle.npy": lambda p: np.save(p, np.array([{"a": 1}, None], object), allow_pickle=True),
    "cut.xlsx": lambda p: p.write_bytes(b"PK\x03\x04" + os.urandom(300)),
    "cut.csv.gz": lambda p: p.write_bytes(gzip.compress(GOOD.encode() * 50)[:-40]),
    "broken.json": lambda p: p.write_text('{"t": [1, 2, 3], "V": [1, 2'),
    "ragged.json": lambda p: p.write_text('{"t": [1, 2, 3], "V": [1, 2]}'),
    "folder.csv": lambda p: p.mkdir(),
    "missing.csv": lambda p: None,
    "nan.csv": lambda p: p.write_text(GOOD.replace("2.0,", "nan,")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name, tmp_path, cache):
    BROKEN[name](tmp_path / name)
    done = piped(("fit", name, "-x", "t", "-y", "V", "-m", "linear"), tmp_path, environment(cache))
    assert done.returncode == 2, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")
    assert name in done.stderr
    assert len(done.stderr) < 2000


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every file")
def test_no_permission(tmp_path, cache):
    forbidden(tmp_path / "secret.csv")
    done = piped(("fit", "secret.csv", "-m", "linear"), tmp_path, environment(cache))
    assert done.returncode == 2
    assert "ermission" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,  # BOM
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.decode().encode("utf-16"),
        lambda text: text[:-1],
        lambda text: text.replace(b",", b"\t"),
        lambda text: gzip.compress(text),
    ],
    ids=["BOM", "CRLF", "CR", "UTF-16", "no last newline", "tabs", "gzip"],
)
def test_odd_but_whole(change, tmp_path, cache):
    (tmp_path / "odd.csv").write_bytes(change(GOOD.encode()))
    done = piped(
        ("fit", "odd.csv", "-x", "t", "-y", "V", "-m", "linear", "--print", "shell"), tmp_path,
        environment(cache),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a=-0.44444" in done.stdout
