"""Protocols: the seams at which users and tests plug in what is not ours."""

from nlsq.interfaces.data_source_protocol import DataSourceProtocol as DataSourceProtocol
from nlsq.interfaces.data_source_protocol import (
    StreamingDataSourceProtocol as StreamingDataSourceProtocol,
)
from nlsq.interfaces.optimizer_protocol import CurveFitProtocol as CurveFitProtocol
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
from nlsq.interfaces.step_protocol import StepProtocol as StepProtocol
