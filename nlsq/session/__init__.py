"""What the command line and a window share: settings, points, model, run, answer and files.

It reads what a fit is asked to be, fits, and writes what was found. It knows no Click, no terminal
and no command line: those are `nlsq.cli`'s.
"""
