"""The fit read aloud: preprocess, select, decide, solve, compute; each `new` and `old`.

Examples
--------
>>> from nlsq.core.orchestration import StreamingCoordinator
>>> StreamingCoordinator().decide(1000, 16, in_memory=True).strategy
'direct'
"""

from nlsq.utils.lazily import lazily

_HOME = {
    "CovarianceComputer": "covariance_computer",
    "DataPreprocessor": "data_preprocessor",
    "OptimizationSelector": "optimization_selector",
    "StreamingCoordinator": "streaming_coordinator",
}
__getattr__, __dir__ = lazily(__name__, _HOME)
