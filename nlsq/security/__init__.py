"""Models from strangers: checked before they run, and run where they can do nothing but compute.

Three walls, each without trust in the one before it: `validate_model` reads the source and lets
through only what is on its lists; `load_function` runs it with builtins of the same lists, and asks
at run time whose attributes it reads; `call` does so in a child process without network or other
programs, which writes no file and reads only those it was given, within limits. Where bubblewrap is
installed, `call` puts it around the child as a fourth.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.security.audit import AuditLogger as AuditLogger
    from nlsq.security.limits import Confinement as Confinement
    from nlsq.security.limits import Limits as Limits
    from nlsq.security.limits import ResourceLimitError as ResourceLimitError
    from nlsq.security.limits import confine as confine
    from nlsq.security.limits import resource_limits as resource_limits
    from nlsq.security.loading import load_function as load_function
    from nlsq.security.model_validation import ModelValidationError as ModelValidationError
    from nlsq.security.model_validation import ModelValidationResult as ModelValidationResult
    from nlsq.security.model_validation import validate_model as validate_model
    from nlsq.security.paths import validate_path as validate_path
    from nlsq.security.sandbox import SandboxError as SandboxError
    from nlsq.security.sandbox import call as call

_HOME = {
    "AuditLogger": "audit",
    "Confinement": "limits",
    "Limits": "limits",
    "ModelValidationError": "model_validation",
    "ModelValidationResult": "model_validation",
    "ResourceLimitError": "limits",
    "SandboxError": "sandbox",
    "call": "sandbox",
    "confine": "limits",
    "load_function": "loading",
    "resource_limits": "limits",
    "validate_model": "model_validation",
    "validate_path": "paths",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        value = getattr(import_module(f"nlsq.security.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nlsq.security' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
