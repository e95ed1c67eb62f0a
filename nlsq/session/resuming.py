"""A fit that can be taken up again: what was asked for, kept beside its checkpoint."""

from __future__ import annotations

import json
import os

from nlsq.session.errors import ConfigurationError
from nlsq.session.settings import Settings

REQUEST = "request.yaml"  # in the folder of a checkpoint: what was asked for


def keep_request(settings: Settings) -> None:
    """Write down beside the checkpoint what `nlsq resume` needs."""
    from nlsq.streaming.phases.checkpoint import PRESENT
    from nlsq.utils.atomic import write_atomically

    folder = settings.workflow.checkpoint
    if os.path.exists(folder / PRESENT):
        raise ConfigurationError(
            f"{folder}: holds the checkpoint of a fit that has not ended.",
            f"Go on with it: nlsq resume {folder}, or take another folder.",
        )
    content = settings.model_dump(mode="json", exclude_defaults=True)
    content["data"]["input_file"] = str(settings.data.input_file.resolve())
    if settings.model.path is not None:
        content["model"]["path"] = str(settings.model.path.resolve())
        content["model"].pop("trusted", None)
    content.get("fitting", {}).pop("time_limit", None)  # each sitting has its own
    content["workflow"]["checkpoint"] = str(folder.resolve())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / REQUEST, json.dumps(content, indent=2).encode())
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}.") from None
