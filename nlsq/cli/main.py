"""The program ``nlsq``.

Exit codes: 0 done, 1 wrong usage or configuration, 2 data, 3 model, 4 not converged.
"""

from __future__ import annotations

import os
import sys

import click

import nlsq
from nlsq.cli.errors import ProgramError
from nlsq.cli.fit import fit
from nlsq.cli.info import info


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 usage or configuration, 2 data, 3 model, 4 not converged.",
)
@click.version_option(nlsq.__version__, message="nlsq %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Fit models to data by nonlinear least squares."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.add_command(fit)
cli.add_command(info)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # "±" must not end a program in an ASCII locale
    try:
        return cli.main(arguments, prog_name="nlsq", standalone_mode=False) or 0
    except ProgramError as error:
        return _report(str(error), error.fix, error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        fix = f"See '{context.command_path} --help'." if context else ""
        return _report(error.format_message(), fix, 1)
    except (click.Abort, KeyboardInterrupt):
        return _report("Interrupted.", "", 130)
    except BrokenPipeError:  # the reader of our output has gone: `nlsq fit x.yaml | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _report(message: str, fix: str, code: int) -> int:
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(message, err=True)
    if fix:
        click.echo(f"  {fix}", err=True)
    return code


if __name__ == "__main__":
    main()
