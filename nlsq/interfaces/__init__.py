"""Protocols: the seams at which users and tests plug in what is not ours."""

from nlsq.interfaces.data_source_protocol import DataSourceProtocol as DataSourceProtocol
from nlsq.interfaces.data_source_protocol import (
    StreamingDataSourceProtocol as StreamingDataSourceProtocol,
)
