"""``nlsq completion``: completion of commands, options and model names in a shell."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """
\b
Examples:
  nlsq completion bash >> ~/.bashrc
  nlsq completion fish > ~/.config/fish/completions/nlsq.fish
"""


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes nlsq's commands in SHELL."""
    from click.shell_completion import get_completion_class

    from nlsq.cli.main import cli

    made = get_completion_class(shell)(cli, {}, "nlsq", "_NLSQ_COMPLETE")
    click.echo(made.source())
