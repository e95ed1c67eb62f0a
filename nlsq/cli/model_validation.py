"""What protects the program from strangers' models: `nlsq.security`, as far as commands need it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlsq.security import AuditLogger as AuditLogger
    from nlsq.security import ModelValidationError as ModelValidationError
    from nlsq.security import ModelValidationResult as ModelValidationResult
    from nlsq.security import ResourceLimitError as ResourceLimitError
    from nlsq.security import resource_limits as resource_limits
    from nlsq.security import validate_model as validate_model
    from nlsq.security import validate_path as validate_path

__all__ = [
    "AuditLogger",
    "ModelValidationError",
    "ModelValidationResult",
    "ResourceLimitError",
    "resource_limits",
    "validate_model",
    "validate_path",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("nlsq.security"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
