"""What is left of `model_info` when a result has been stored as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class ModelRecord:
    """Facts about the model of a stored fit; its fields are attributes.

    Parameters
    ----------
    name : str
        Class name of the original record.
    fields : dict
        Its fields, for example ``road``, ``reason``, ``derivative``, ``pointwise``.
    text : str
        The sentence its ``describe()`` gave.
    """

    name: str
    fields: dict[str, Any]
    text: str

    def describe(self) -> str:
        """The sentence that described the model when the result was stored."""
        return self.text

    __str__ = describe

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "fields" or name not in self.fields:
            raise AttributeError(f"the stored record has no field {name!r}", name=name, obj=self)
        return self.fields[name]
