"""Nonlinear least squares on JAX with the interface of :func:`scipy.optimize.curve_fit`.

Importing this package loads neither JAX nor NumPy, starts nothing and changes nothing: each public
name is imported from its home on first use.

Examples
--------
>>> import numpy as np
>>> from nlsq import curve_fit
>>> def decay(t, a, b):
...     return a * np.exp(-b * t)
>>> t = np.linspace(0, 4, 50)
>>> popt, pcov = curve_fit(decay, t, decay(t, 2.5, 1.3), p0=[1, 1])
>>> popt.round(6).tolist()
[2.5, 1.3]
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nlsq.caching.memory_manager import clear_memory_pool as clear_memory_pool
    from nlsq.caching.memory_manager import get_memory_manager as get_memory_manager
    from nlsq.caching.memory_manager import get_memory_stats as get_memory_stats
    from nlsq.caching.smart_cache import SmartCache as SmartCache
    from nlsq.caching.unified_cache import cache_info as cache_info
    from nlsq.caching.unified_cache import clear_cache as clear_cache
    from nlsq.caching.unified_cache import get_cache_stats as get_cache_stats
    from nlsq.callbacks import CallbackBase as CallbackBase
    from nlsq.callbacks import CallbackChain as CallbackChain
    from nlsq.callbacks import EarlyStopping as EarlyStopping
    from nlsq.callbacks import IterationLogger as IterationLogger
    from nlsq.callbacks import ProgressBar as ProgressBar
    from nlsq.callbacks import StopOptimization as StopOptimization
    from nlsq.config import JAXConfig as JAXConfig
    from nlsq.config import LargeDatasetConfig as LargeDatasetConfig
    from nlsq.config import MemoryConfig as MemoryConfig
    from nlsq.config import get_large_dataset_config as get_large_dataset_config
    from nlsq.config import get_memory_config as get_memory_config
    from nlsq.config import large_dataset_context as large_dataset_context
    from nlsq.config import memory_context as memory_context
    from nlsq.config import set_memory_limits as set_memory_limits
    from nlsq.core.fit_many import fit_many as fit_many
    from nlsq.core.least_squares import LeastSquares as LeastSquares
    from nlsq.core.least_squares import least_squares as least_squares
    from nlsq.core.minpack import CurveFit as CurveFit
    from nlsq.core.minpack import curve_fit as curve_fit
    from nlsq.core.workflow import curve_fit_large as curve_fit_large
    from nlsq.core.workflow import fit as fit
    from nlsq.device import check_gpu_availability as check_gpu_availability
    from nlsq.device import get_device_info as get_device_info
    from nlsq.result import CurveFitResult as CurveFitResult
    from nlsq.result import CurveFits as CurveFits
    from nlsq.result import FitError as FitError
    from nlsq.result import OptimizeResult as OptimizeResult
    from nlsq.result import OptimizeResultV2 as OptimizeResultV2
    from nlsq.result import OptimizeWarning as OptimizeWarning
    from nlsq.result import StreamedFitResult as StreamedFitResult
    from nlsq.result.comparison import Comparison as Comparison
    from nlsq.result.comparison import compare as compare
    from nlsq.streaming import AdaptiveHybridStreamingOptimizer as AdaptiveHybridStreamingOptimizer
    from nlsq.streaming import HybridStreamingConfig as HybridStreamingConfig
    from nlsq.streaming import LargeDatasetFitter as LargeDatasetFitter
    from nlsq.streaming import estimate_memory_requirements as estimate_memory_requirements

_HOME = {
    "AdaptiveHybridStreamingOptimizer": "streaming",
    "CallbackBase": "callbacks",
    "CallbackChain": "callbacks",
    "Comparison": "result.comparison",
    "CurveFit": "core.minpack",
    "CurveFitResult": "result",
    "CurveFits": "result",
    "EarlyStopping": "callbacks",
    "FitError": "result",
    "HybridStreamingConfig": "streaming",
    "IterationLogger": "callbacks",
    "JAXConfig": "config",
    "LargeDatasetConfig": "config",
    "LargeDatasetFitter": "streaming",
    "LeastSquares": "core.least_squares",
    "MemoryConfig": "config",
    "OptimizeResult": "result",
    "OptimizeResultV2": "result",
    "OptimizeWarning": "result",
    "ProgressBar": "callbacks",
    "SmartCache": "caching.smart_cache",
    "StopOptimization": "callbacks",
    "StreamedFitResult": "result",
    "cache_info": "caching.unified_cache",
    "check_gpu_availability": "device",
    "clear_cache": "caching.unified_cache",
    "compare": "result.comparison",
    "clear_memory_pool": "caching.memory_manager",
    "curve_fit": "core.minpack",
    "curve_fit_large": "core.workflow",
    "estimate_memory_requirements": "streaming",
    "fit": "core.workflow",
    "fit_many": "core.fit_many",
    "get_cache_stats": "caching.unified_cache",
    "get_device_info": "device",
    "get_large_dataset_config": "config",
    "get_memory_config": "config",
    "get_memory_manager": "caching.memory_manager",
    "get_memory_stats": "caching.memory_manager",
    "large_dataset_context": "config",
    "least_squares": "core.least_squares",
    "memory_context": "config",
    "set_memory_limits": "config",
}
_SUBMODULES = frozenset(
    {
        "caching",
        "callbacks",
        "config",
        "constants",
        "core",
        "device",
        "diagnostics",
        "distributed",
        "facades",
        "functions",
        "global_optimization",
        "interfaces",
        "io",
        "models",
        "precision",
        "result",
        "security",
        "stability",
        "streaming",
        "types",
    }
)

__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name in _HOME:
        value = getattr(import_module(f"nlsq.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return import_module(f"nlsq.{name}")
    raise AttributeError(f"module 'nlsq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES])
