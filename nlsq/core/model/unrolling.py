"""How many steps of Python a model takes: what a trace would unroll into as many operations."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

MOST_STEPS = 4000  # of the interpreter; some eight of them make an operation


def unrolled(evaluate: Callable) -> str:
    """The package in which evaluate() takes so many steps that compiling them would take long.

    Empty where it takes fewer. Counted by a trace function of this thread; under a debugger, which
    has its own, it is empty.

    Examples
    --------
    >>> unrolled(lambda: sum(range(1000)))
    ''
    >>> bool(unrolled(lambda: [t + 1 for t in range(1000)]))
    True
    """
    if sys.gettrace() is not None:
        return ""
    left = MOST_STEPS
    where: Counter[str] = Counter()

    def step(frame, event, argument):
        nonlocal left
        if event == "opcode":
            left -= 1
            where[frame.f_globals.get("__name__") or "?"] += 1
        if left < 0:
            sys.settrace(None)
            return None
        return step

    def enter(frame, event, argument):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    sys.settrace(enter)
    try:
        evaluate()
    finally:
        sys.settrace(None)
    if left >= 0:
        return ""
    packages: Counter[str] = Counter()
    for module, steps in where.items():
        packages[module.partition(".")[0]] += steps
    return packages.most_common(1)[0][0]
