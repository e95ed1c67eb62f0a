"""``nlsq models``: the built-in models."""

from __future__ import annotations

import click

from nlsq.cli.model_registry import facts, listed, show

EXAMPLES = """
\b
Examples:
  nlsq models                    # all, by category
  nlsq models --search isotherm
  nlsq models gaussian           # formula, parameters, plot
  nlsq models "gaussian + linear"
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False)
@click.option("--search", metavar="WORD", help="Only models with this word in name or description.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--no-plot", is_flag=True, help="Do not plot in the terminal.")
def models(name: str | None, search: str | None, as_json: bool, no_plot: bool) -> None:
    """List the built-in models, or show the one called NAME."""
    import json

    from nlsq import models as catalogue
    from nlsq.cli.result_exporter import console
    from nlsq.session.errors import ConfigurationError, NoModel
    from nlsq.utils.input_error import InputError

    if name is not None:
        try:
            model = catalogue.get(name)
        except InputError as error:
            raise NoModel(error.message, "nlsq models lists them.") from None
        if as_json:
            click.echo(json.dumps(facts(model), indent=2, ensure_ascii=False))
        else:
            show(console(), model, plot=not no_plot)
        return
    names = catalogue.search(search) if search else catalogue.names()
    found = [catalogue.get(name) for name in names]
    if not found:
        raise ConfigurationError(f"no model has {search!r} in its name or description.")
    if as_json:
        click.echo(json.dumps([facts(m) for m in found], indent=2, ensure_ascii=False))
    else:
        console().print(listed(found))
