"""The catalogue of models as rows, and curves of a model that is not fitted yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nlsq.session.model import LoadedModel, Start, start
from nlsq.session.points import Points
from nlsq.session.settings import Settings

_POINTS = 1000  # of a smooth curve


class CatalogueRow(NamedTuple):
    """One model of the catalogue."""

    name: str
    title: str
    category: str
    formula: str


def catalogue(words: str = "") -> list[CatalogueRow]:
    """The models that have all these words in name, title or category; all without words."""
    from nlsq import models

    found = []
    for name in models.names():
        model = models.get(name)
        text = f"{name} {model.title} {model.category} {model.description}".lower()
        if all(word in text for word in words.lower().split()):
            found.append(CatalogueRow(name, model.title, model.category, model.formula or ""))
    return found


def begin(settings: Settings, model: LoadedModel, points: Points) -> Start:
    """Where a fit with these settings begins.

    Raises
    ------
    InputError
    """
    return start(settings.fitting, model, points.x, points.y)


def curve(model: LoadedModel, points: Points, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of the model at p over the range of the data; empty where x has several columns."""
    if points.x.ndim > 1:
        return np.empty(0), np.empty(0)
    x = np.linspace(points.x.min(), points.x.max(), _POINTS)
    with np.errstate(all="ignore"):
        return x, np.broadcast_to(np.asarray(model.function(x, *p), float), x.shape)
