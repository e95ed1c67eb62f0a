"""A fit from its settings to what is shown and written: `nlsq fit` and `nlsq resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nlsq.cli.options import command_line

if TYPE_CHECKING:
    from nlsq.cli.result_exporter import Output
    from nlsq.session.settings import Settings


def _way_on(settings: Settings) -> str:
    folder = settings.workflow.checkpoint
    return "" if folder is None else f"Go on with: nlsq resume {folder}"


def run(settings: Settings, output: Output, strict: bool = False, resume: bool = False) -> None:
    """Read, fit, show, save; raise what the exit code says.

    Raises
    ------
    ProgramError
    """
    from nlsq.cli import processes, signals
    from nlsq.cli.errors import NotConverged, Terminated, Undetermined
    from nlsq.result.minima import INTERRUPTED, OUT_OF_TIME
    from nlsq.session.pieces import allowed_memory, read_in_pieces
    from nlsq.session.plan import read
    from nlsq.session.resuming import keep_request
    from nlsq.session.running import execute

    signals.way_on = _way_on(settings)
    rank, count = 0, settings.workflow.processes
    if count > 1:
        read_in_pieces(settings)  # or it is refused
        if not processes.launched():
            click.get_current_context().exit(processes.launch(count, _way_on(settings)))
        rank = processes.join()
    if settings.workflow.checkpoint is not None and not resume and not rank:
        keep_request(settings)
    with allowed_memory(settings):
        whole = output.is_whole(settings)
        document, result = execute(
            settings, read(settings), resume, whole=whole, command=command_line()
        )
        if not rank:
            output.write(document, result, settings)
    stopped = (document.get("search") or {}).get("stopped")
    cut_short = stopped in (INTERRUPTED, OUT_OF_TIME)
    if cut_short or not document["convergence"]["success"]:
        if signals.terminated():
            message = "Terminated; what is shown is the best point so far."
            raise Terminated(message, _way_on(settings))
        why = f"{stopped} ended the search." if cut_short else document["convergence"]["message"]
        raise NotConverged(
            f"{settings.data.input_file}: {why}", "What is shown is the best point so far."
        )
    doubtful = list(dict.fromkeys([*document["undetermined"], *document["at_bound"]]))
    if strict and doubtful:
        raise Undetermined(
            f"{settings.data.input_file}: undetermined or on a bound: {', '.join(doubtful)}.",
            "Fix such a parameter (--fix), widen its bounds, or take a simpler model.",
        )
