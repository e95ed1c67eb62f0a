"""``python -m nlsq.gui_qt [FILE]``: open the window."""

import sys

from nlsq.gui_qt import run_desktop

sys.exit(run_desktop())
