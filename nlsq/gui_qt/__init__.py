"""The desktop window: Qt and pyqtgraph over `nlsq.session`, which the command line stands on too.

app_state     the session, and signals that tell what of it changed
undoing       the steps that can be undone
session_state what is saved of a session: the sections of a configuration file, the page, the theme
adapters      tables, models, fits and files of the library as widgets want them
pages         data, model, fitting, results, export
plots         pyqtgraph with our colours
widgets       what several pages use

The window holds no numerics: what it shows is what ``nlsq fit`` computes from the same settings.
"""

from __future__ import annotations

import os
import sys

MISSING = (
    "The window needs PySide6 and pyqtgraph, which are not installed.\n"
    "Install them with: pip install 'nlsq[gui]'"
)
BROKEN = (
    "This PySide6 miscounts references to None on this Python, which would end the program after a "
    "while, without a word.\nInstall another: pip install 'PySide6-Essentials<6.12', or use Python "
    "3.12 or later."
)


def run_desktop(arguments: list[str] | None = None) -> int:
    """Open the window and return its exit status when it is closed.

    Parameters
    ----------
    arguments : list of str, optional
        A file to open (data, a session, a configuration), and Qt's own options. Default: those of
        the command line.

    Returns
    -------
    int
        2 where Qt is not installed or unusable, which is said on standard error.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does
    from importlib.util import find_spec

    if find_spec("PySide6") is None or find_spec("pyqtgraph") is None:
        print(MISSING, file=sys.stderr)
        return 2
    if not _counts_references():
        print(BROKEN, file=sys.stderr)
        return 2
    from nlsq.gui_qt.application import run

    return run(sys.argv[1:] if arguments is None else arguments)


def _counts_references() -> bool:
    """Whether a call of Qt leaves the count of None as it was: PySide6 6.12.0 on 3.11 does not."""
    from PySide6.QtCore import QObject

    thing, before = QObject(), sys.getrefcount(None)
    for _ in range(200):
        thing.setObjectName("a")
    return sys.getrefcount(None) > before - 100
