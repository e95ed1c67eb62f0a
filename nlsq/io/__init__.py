"""Files: tables read, results and reports written.

Importing this package loads NumPy; pyarrow, h5py, openpyxl and matplotlib come with the first file
or figure that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.io.bundle import write_bundle as write_bundle
    from nlsq.io.documents import read_document as read_document
    from nlsq.io.documents import restore as restore
    from nlsq.io.documents import result_document as result_document
    from nlsq.io.documents import write_document as write_document
    from nlsq.io.errors import FileError as FileError
    from nlsq.io.exports import curve_csv as curve_csv
    from nlsq.io.exports import to_csv as to_csv
    from nlsq.io.exports import to_latex as to_latex
    from nlsq.io.exports import to_markdown as to_markdown
    from nlsq.io.exports import to_shell as to_shell
    from nlsq.io.readers import read_table as read_table
    from nlsq.io.readers import ways_to_read as ways_to_read
    from nlsq.io.reproduction import Recipe as Recipe
    from nlsq.io.reproduction import reproduction_script as reproduction_script
    from nlsq.io.table import Table as Table

_HOME = {
    "curve_csv": "exports",
    "FileError": "errors",
    "read_document": "documents",
    "read_table": "readers",
    "Recipe": "reproduction",
    "reproduction_script": "reproduction",
    "restore": "documents",
    "result_document": "documents",
    "Table": "table",
    "to_csv": "exports",
    "to_latex": "exports",
    "to_markdown": "exports",
    "to_shell": "exports",
    "ways_to_read": "readers",
    "write_bundle": "bundle",
    "write_document": "documents",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        value = getattr(import_module(f"nlsq.io.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nlsq.io' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
