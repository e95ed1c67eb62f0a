"""The manual page of the commands, made from the commands: ``python -m nlsq.cli.manual``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from nlsq.cli.errors import EXIT_CODES
from nlsq.cli.main import COMMANDS, cli

_HEAD = """# The program `nlsq`

This page is made from the commands themselves: `python -m nlsq.cli.manual > docs/commands.md`.

{exit_codes}
"""


def manual() -> str:
    """The page, in Markdown."""
    context = click.Context(cli, info_name="nlsq")
    parts = [_HEAD.format(exit_codes=EXIT_CODES)]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        parts.append("\n".join(_command(command, click.Context(command, context, name))))
    return "\n".join(parts)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n"
    yield f"    {context.command_path} {usage}\n"
    yield f"{_text(command.help)}\n"
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    if records:
        yield "| option | |\n|---|---|"
        for flags, words in filter(None, records):
            yield f"| `{flags.replace('|', chr(92) + '|')}` | {words.replace('|', chr(92) + '|')} |"
        yield ""
    if command.epilog:
        yield "\n".join("    " + line.strip() for line in examples(command)) + "\n"


def examples(command: click.Command) -> list[str]:
    """The command lines of a command's examples."""
    lines = (command.epilog or "").splitlines()
    return [line for line in lines if line.startswith("  ")]


def _text(text: str | None) -> str:
    paragraphs = (text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(p.split()) for p in paragraphs)


if __name__ == "__main__":
    click.echo(manual(), nl=False)
