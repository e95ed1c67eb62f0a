"""Settings of the suite: quiet, offline, nothing left behind."""

import os
import signal
from importlib import metadata

# Read by matplotlib, JAX and Qt when they are first imported.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if metadata.version("jax").startswith("0.10."):  # the tests' own programs as `xla.compiler_options`
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
# Compilations are counted, and another run's programs must not be found.
os.environ.setdefault("NLSQ_DISABLE_PERSISTENT_CACHE", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what ends with &
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Hundreds of processes import the package: from bytecode, as an installed one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest


@pytest.fixture(scope="session", autouse=True)
def programs_in_memory():
    """Equal programs of different tests are compiled once, as for users, but no disk has them."""
    from nlsq.utils.kept import keep_in_memory

    keep_in_memory(b"")


@pytest.fixture(scope="module")
def compiled():
    """All fits of a module run by programs, the first of a model too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "jax")
        yield


@pytest.fixture(scope="module")
def quickly():
    """Programs of a module are compiled without LLVM's optimisations, a third of the time.

    For tests of what is compiled and how it is driven; `tests.table` has all roads as users do.
    """
    import jax

    import nlsq
    from nlsq.caching import programs

    usual = programs.compiler_options

    def quick(unrolled):
        options = usual(unrolled)
        return options and options | {"xla_backend_optimization_level": 0}

    nlsq.clear_cache()  # other modules have models of the same content
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "compiler_options", quick)
        jax.config.update("jax_disable_most_optimizations", True)  # of the tests' own programs
        yield
        jax.config.update("jax_disable_most_optimizations", False)
    nlsq.clear_cache()


@pytest.fixture
def unpaid():
    """No program is bought because of what the tests before have fitted."""
    from nlsq.core.drive import buying
    from nlsq.core.drive.batch import renting

    buying._accounts.clear()
    renting._accounts.clear()


@pytest.fixture(scope="module")
def one_window(qapp):
    """What makes the window of a module, and brings it back."""
    from tests.gui_window import OneWindow

    made = OneWindow()
    yield made
    made.close()


@pytest.fixture
def window(one_window, qtbot, tmp_path, request):
    """The window as it opens, to which keys come, with its files in the folder of the test."""
    opened = one_window.fresh(tmp_path, request.session.testsfailed)
    with qtbot.waitActive(opened):  # another may have been opened since
        opened.activateWindow()
    return opened


def pytest_collection_modifyitems(config, items):
    """What C prints of an exception is one of Qt's in the window's tests alone.

    MINPACK's callbacks print those of a user's function that SciPy then raises.
    """
    if config.pluginmanager.hasplugin("pytest-qt"):
        for item in items:
            if not item.path.name.startswith("test_gui"):
                item.add_marker("qt_no_exception_capture")
