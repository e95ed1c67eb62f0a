"""Protocols: the seams at which users and tests plug in what is not ours."""

from nlsq.interfaces.cache_protocol import BoundedCacheProtocol as BoundedCacheProtocol
from nlsq.interfaces.cache_protocol import CacheProtocol as CacheProtocol
from nlsq.interfaces.data_source_protocol import DataSourceProtocol as DataSourceProtocol
from nlsq.interfaces.data_source_protocol import (
    StreamingDataSourceProtocol as StreamingDataSourceProtocol,
)
from nlsq.interfaces.jacobian_protocol import JacobianProtocol as JacobianProtocol
from nlsq.interfaces.jacobian_protocol import SparseJacobianProtocol as SparseJacobianProtocol
from nlsq.interfaces.optimizer_protocol import CurveFitProtocol as CurveFitProtocol
from nlsq.interfaces.optimizer_protocol import (
    LeastSquaresOptimizerProtocol as LeastSquaresOptimizerProtocol,
)
from nlsq.interfaces.optimizer_protocol import OptimizerProtocol as OptimizerProtocol
from nlsq.interfaces.orchestration_protocol import (
    CovarianceComputerProtocol as CovarianceComputerProtocol,
)
from nlsq.interfaces.orchestration_protocol import (
    DataPreprocessorProtocol as DataPreprocessorProtocol,
)
from nlsq.interfaces.orchestration_protocol import (
    OptimizationSelectorProtocol as OptimizationSelectorProtocol,
)
from nlsq.interfaces.orchestration_protocol import (
    StreamingCoordinatorProtocol as StreamingCoordinatorProtocol,
)
from nlsq.interfaces.result_protocol import CurveFitResultProtocol as CurveFitResultProtocol
from nlsq.interfaces.result_protocol import (
    LeastSquaresResultProtocol as LeastSquaresResultProtocol,
)
from nlsq.interfaces.result_protocol import ResultProtocol as ResultProtocol
from nlsq.interfaces.step_protocol import StepProtocol as StepProtocol
