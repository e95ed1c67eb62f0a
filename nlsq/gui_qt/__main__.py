"""``python -m nlsq.gui_qt [FILE]``: open the window."""

import sys

from nlsq.gui_qt import run_desktop

if __name__ == "__main__":
    sys.exit(run_desktop())
