"""What every control has: a name for tests, one for who listens, and a sentence."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QWidget

Control = TypeVar("Control", bound=QWidget)


def named(control: Control, name: str, title: str, tip: str) -> Control:
    """The control, with its names and its tooltip."""
    control.setObjectName(name)
    control.setAccessibleName(title)
    control.setToolTip(tip)
    return control
