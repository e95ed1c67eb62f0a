"""What is wrong with a fit, if anything: `result.diagnose()` and its parts.

Pure services on arrays: `Evidence` is a finished fit as arrays, each analyser makes `Finding`s of
it, and a `HealthReport` lists them.

Examples
--------
>>> import warnings
>>> import numpy as np
>>> from nlsq import curve_fit
>>> x = np.linspace(0, 4, 30)
>>> with warnings.catch_warnings():
...     warnings.simplefilter("ignore")
...     fit = curve_fit(lambda x, a, b: a * b * x, x, 6 * x + 0.1 * np.cos(9 * x), p0=[1, 2])
>>> print(fit.diagnose().findings[0].fact)
a, b: only a*b is determined
"""

from nlsq.diagnostics.evidence import Evidence as Evidence
from nlsq.diagnostics.finding import DiagnosticsConfig as DiagnosticsConfig
from nlsq.diagnostics.finding import Finding as Finding
from nlsq.diagnostics.finding import Severity as Severity
from nlsq.diagnostics.gradient import GradientHealthReport as GradientHealthReport
from nlsq.diagnostics.gradient import GradientMonitor as GradientMonitor
from nlsq.diagnostics.health_report import HealthReport as HealthReport
from nlsq.diagnostics.health_report import create_health_report as create_health_report
from nlsq.diagnostics.health_report import diagnose as diagnose
from nlsq.diagnostics.identifiability import IdentifiabilityAnalyzer as IdentifiabilityAnalyzer
from nlsq.diagnostics.identifiability import IdentifiabilityReport as IdentifiabilityReport
from nlsq.diagnostics.identifiability import (
    ParameterSensitivityAnalyzer as ParameterSensitivityAnalyzer,
)
from nlsq.diagnostics.identifiability import (
    ParameterSensitivityReport as ParameterSensitivityReport,
)
from nlsq.diagnostics.influence import Influence as Influence
from nlsq.diagnostics.plugins import DiagnosticPlugin as DiagnosticPlugin
from nlsq.diagnostics.plugins import Kinetics as Kinetics
from nlsq.diagnostics.plugins import PluginRegistry as PluginRegistry
from nlsq.diagnostics.plugins import run_plugins as run_plugins
