"""How many steps of Python a model takes: what a trace would unroll into as many operations."""

from __future__ import annotations

import sys
from collections.abc import Callable

MOST_STEPS = 4000  # of the interpreter; some eight of them make an operation


def unrolls(evaluate: Callable) -> bool:
    """Whether evaluate() takes so many steps that a program of them would take long to compile.

    Counted by a trace function of this thread; under a debugger, which has its own, the answer is
    no.

    Examples
    --------
    >>> unrolls(lambda: sum(range(1000)))
    False
    >>> unrolls(lambda: [t + 1 for t in range(1000)])
    True
    """
    if sys.gettrace() is not None:
        return False
    left = MOST_STEPS

    def step(frame, event, argument):
        nonlocal left
        left -= event == "opcode"
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
    return left < 0
