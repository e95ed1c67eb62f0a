"""The program ``nlsq``.

Commands are imported when they are called; the table below is all that ``nlsq --help`` needs.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from importlib import import_module

import click

import nlsq
from nlsq.cli import signals
from nlsq.cli.errors import EXIT_CODES, exit_code
from nlsq.session.errors import ProgramError
from nlsq.utils import interruption
from nlsq.utils.input_error import harmless

COMMANDS = {
    "fit": "Fit a model to data.",
    "batch": "Fit one model to many files or groups.",
    "compare": "Rank several models on one data set.",
    "guess": "Print the start a model guesses from data.",
    "models": "List or show the built-in models.",
    "report": "Show a finished fit, or write it as a page.",
    "resume": "Go on with a fit that was stopped.",
    "config": "Write a template of a configuration, or check one.",
    "gui": "Open the desktop window.",
    "info": "Show versions, devices, memory and settings.",
    "completion": "Print the completion script of a shell.",
}
EXAMPLES = """
\b
Examples:
  nlsq fit data.csv -x t -y V -m "a*exp(-t/tau)+c" --p0 tau=2
  nlsq batch data/*.csv -m gaussian --table fits.csv
  nlsq config && nlsq fit fit.yaml

"""


class _Commands(click.Group):
    """The commands, each imported on first use."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return getattr(import_module(f"nlsq.cli.commands.{name}"), name)

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from nlsq.utils.input_error import did_you_mean

            hint = did_you_mean(args[0], COMMANDS, f"; they are {', '.join(COMMANDS)}.")
            raise click.UsageError(f"no command {args[0]!r}{hint}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLES + EXIT_CODES,
)
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(nlsq.__version__, message="nlsq %(version)s")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Fit models to data by nonlinear least squares."""
    context.obj = {"debug": debug}
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with its code."""
    if arguments is None:  # a process of our own, whose matrices are small: idle threads would spin
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with interruption.deferred():  # first, or a signal between the two would be a traceback
        signals.listen()
        warnings.showwarning = _warn
        code = _run(arguments)
        signals.finish()
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # "±" must not end a program in an ASCII locale
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given[:1]
    try:
        return cli.main(arguments, prog_name="nlsq", standalone_mode=False) or 0
    except ProgramError as error:
        if debug:
            _traceback()
        return _report(error.message, error.fix, exit_code(error))
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        fix = f"See '{context.command_path} --help'." if context else ""
        return _report(error.format_message(), _each_its_option(error, given) or fix, 1)
    except (click.Abort, KeyboardInterrupt):
        return _report(*signals.farewell(signals.terminated()))
    except BrokenPipeError:  # the reader of our output has gone: `nlsq fit x.yaml | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _each_its_option(error: click.ClickException, given: list[str]) -> str:
    """What to write where several values follow one option, --p0 K=10 Vmax=10."""
    extra = re.fullmatch(r"Got unexpected extra arguments? \((\S+).*\)", error.format_message())
    at = given.index(extra[1]) if extra and extra[1] in given else 0
    before = [k for k in range(at) if given[k].startswith("-")]
    option = given[before[-1]] if before else ""
    known = error.ctx.command.params if isinstance(error, click.UsageError) and error.ctx else ()
    if not any(option in p.opts and getattr(p, "multiple", False) for p in known):
        return ""
    values = [*given[before[-1] + 1 : at], extra[1]]
    written = f"{option} {','.join(values)}" if option == "--p0" else ""
    return f"Write {written or ' '.join(f'{option} {value}' for value in values)}"


def _warn(message: Warning, *_: object, **__: object) -> None:
    click.echo(f"warning: {harmless(str(message))}", err=True)


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _report(message: str, fix: str, code: int) -> int:
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(harmless(message), err=True)
    if fix:
        click.echo(f"  {harmless(fix)}", err=True)
    return code


if __name__ == "__main__":
    main()
