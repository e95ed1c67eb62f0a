"""What is kept between fits: programs, fits, buffers, and the memory that fits may take."""

import gc
import pickle
import threading
import time

import numpy as np
import pytest

import nlsq
from nlsq import CurveFit, MemoryConfig, SmartCache, curve_fit, least_squares, memory_context
from nlsq.caching.memory_manager import MemoryManager
from nlsq.caching.memory_pool import MemoryPool
from nlsq.caching.smart_cache import kept_fit
from nlsq.caching.unified_cache import CacheInfo, UnifiedCache

X = np.linspace(0, 5, 40)
Y = 2.0 * np.exp(-0.8 * X) + 0.01 * np.random.default_rng(0).standard_normal(40)


def decay(x, a, b):
    return a * np.exp(-b * x)


# ------------------------------------------------------------------------------- tables


def test_the_least_recently_used_entry_goes_first():
    table = UnifiedCache("test", maxsize=2)
    for key in "abac":
        table.get_or_make(key, lambda key=key: key.upper())
    assert table.info() == CacheInfo(hits=1, misses=3, size=2, maxsize=2)
    made = []
    for key in "ab":
        table.get_or_make(key, lambda key=key: made.append(key) or key)
    assert made == ["b"]
    assert table.info().hit_rate == pytest.approx(2 / 6)


class OnDisk:
    """A user's own table, which pickles what it keeps."""

    def __init__(self):
        self.kept = {}

    def get(self, key, default=None):
        return pickle.loads(self.kept[key]) if key in self.kept else default

    def set(self, key, value):
        self.kept[key] = pickle.dumps(value)

    def clear(self):
        self.kept.clear()


@pytest.mark.parametrize("make", [SmartCache, OnDisk])
def test_what_is_not_worth_keeping_is_made_again(make):
    cache = make()
    found = [kept_fit(cache, "k", lambda v=v: v, keep=lambda v: v > 5) for v in (3, 4, 6, 7)]
    assert found == [3, 4, 6, 6]
    cache.clear()
    assert kept_fit(cache, "k", lambda: 9, keep=bool) == 9


def test_a_users_own_cache_keeps_fits():
    cache = OnDisk()
    first, again = (curve_fit(decay, X, Y, cache=cache) for _ in range(2))
    direct = curve_fit(decay, X, Y)
    for key in ("popt", "pcov", "nfev", "status", "message"):
        assert np.array_equal(first[key], direct[key]) and np.array_equal(again[key], direct[key])
    curve_fit(decay, X, Y[::-1], cache=cache)
    assert len(cache.kept) == 2 and all(isinstance(key, str) for key in cache.kept)
    with pytest.raises(TypeError, match=r"methods get\(key, default\), set"):
        curve_fit(decay, X, Y, cache={})
    for wrong in (
        0,
        {},
        pickle.loads(next(iter(cache.kept.values()))),
    ):  # the last of another model
        cache.get = lambda key, default=None, wrong=wrong: wrong
        with pytest.raises(TypeError, match=r"under an equal key.*get\(\) returned"):
            curve_fit(lambda x, a: a * x, X, Y, cache=cache)


def test_room_is_made_for_a_fit():
    sizes, one = [], curve_fit(decay, X, Y, cache=(whole := SmartCache()))
    cache = SmartCache(max_size_bytes=int(2.5 * whole.size_bytes))
    for k in range(5):
        curve_fit(decay, X, Y + k, cache=cache)
        sizes.append(cache.size_bytes // whole.size_bytes)
    assert sizes == [1, 2, 2, 2, 2] and cache.info().size == 2
    assert cache.evict(1) == whole.size_bytes and cache.info().size == 1
    curve_fit(decay, X, Y, cache=(none := SmartCache(max_size_bytes=9)))
    assert none.info().size == 0 and one.success
    cache.set("a", curve_fit), cache.set("a", curve_fit)
    assert cache.info().size == 2
    cache.clear()
    assert cache.size_bytes == 0


def test_threads_get_one_entry():
    table, seen = UnifiedCache("test"), []

    def ask():
        seen.append(table.get_or_make("k", lambda: time.sleep(0.01) or object()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1


def test_a_cache_that_nobody_holds_is_not_listed():
    table = UnifiedCache("short-lived")
    assert "short-lived" in nlsq.cache_info()
    del table
    gc.collect()
    assert "short-lived" not in nlsq.cache_info()


def test_caches_of_one_name_are_told_apart():
    caches = [SmartCache(), SmartCache()]
    names = [name for name in nlsq.cache_info() if name.split(" ")[0] == "fits"]
    assert len(names) >= len(caches)


def test_warm_fits_hit():
    nlsq.clear_cache()
    for k in range(10):
        model, points = (lambda x, a, b: a * np.exp(-b * x)), slice(20 + k)
        curve_fit(model, X[points], Y[points], backend="jax")
    info = nlsq.cache_info()
    assert info["programs"].hits >= 9
    assert info["models"].hits == 9
    assert info["models"].hit_rate >= 0.8
    nlsq.clear_cache()
    assert nlsq.cache_info()["programs"] == CacheInfo(0, 0, 0, 128)
    assert np.allclose(curve_fit(decay, X, Y).popt, [2.0, 0.8], atol=0.02)


# ------------------------------------------------------------------------------- fits


def test_the_same_fit_is_not_made_again():
    cache = SmartCache()
    fitter = CurveFit(cache=cache, bounds=(0, 9))
    first = fitter.curve_fit(decay, X, Y, [1.0, 1.0])
    first.popt[:] = np.nan  # nobody's changes reach the next
    again = fitter.curve_fit(decay, X.copy(), list(Y), [1.0, 1.0])
    direct = curve_fit(decay, X, Y, [1.0, 1.0], bounds=(0, 9))
    assert cache.info().hits == 1
    assert np.array_equal(again.popt, direct.popt)
    assert np.array_equal(again.pcov, direct.pcov)
    assert again.nfev == direct.nfev


def _one_bit(array):
    changed = array.copy()
    changed.view(np.int64)[17] ^= 1
    return changed


OTHER = {
    "one bit of y": lambda c: curve_fit(decay, X, _one_bit(Y), [1, 1], cache=c),
    "one bit of x": lambda c: curve_fit(decay, _one_bit(X), Y, [1, 1], cache=c),
    "the start": lambda c: curve_fit(decay, X, Y, [1, 2], cache=c),
    "sigma": lambda c: curve_fit(decay, X, Y, [1, 1], sigma=X + 1, cache=c),
    "bounds": lambda c: curve_fit(decay, X, Y, [1, 1], bounds=(0, 5), cache=c),
    "the loss": lambda c: curve_fit(decay, X, Y, [1, 1], loss="huber", cache=c),
    "its scale": lambda c: curve_fit(decay, X, Y, [1, 1], loss="huber", f_scale=0.1, cache=c),
    "a tolerance": lambda c: curve_fit(decay, X, Y, [1, 1], ftol=1e-3, cache=c),
    "the method": lambda c: curve_fit(decay, X, Y, [1, 1], method="lm", cache=c),
    "derivatives": lambda c: curve_fit(decay, X, Y, [1, 1], jac="3-point", cache=c),
    "the model": lambda c: curve_fit(lambda x, a, b: a * np.exp(-b * x) + 0, X, Y, [1, 1], cache=c),
    "residuals": lambda c: least_squares(lambda p: decay(X, *p) - Y, [1, 1], cache=c),
}


def test_whatever_differs_is_another_fit():
    cache = SmartCache()
    curve_fit(decay, X, Y, [1, 1], cache=cache)
    for count, fit in enumerate(OTHER.values(), start=2):
        fit(cache)
        assert cache.info()[:3] == (0, count, count)


def test_a_fit_that_failed_is_made_again():
    cache = SmartCache()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            curve_fit(decay, X, Y, [1, 1], max_nfev=1, cache=cache)
    assert cache.info().size == 0


def test_a_fit_that_is_watched_is_made_again():
    cache, calls = SmartCache(), []
    for _ in range(2):
        curve_fit(decay, X, Y, [1, 1], cache=cache, callback=lambda *a: calls.append(a))
    assert cache.info().size == 0
    assert len(calls) % 2 == 0
    assert calls


def test_a_fit_that_changed_its_road_is_made_again():
    cache = SmartCache()
    roads = [
        curve_fit(
            lambda x, a, b: np.sqrt(a**2) * x + b, X, 2 * X + 1, [0.0, 1.0], cache=cache
        ).model_info.road
        for _ in range(2)
    ]
    assert roads == ["host", "host"]


def test_an_index_is_not_in_the_content_that_is_compared():
    pandas = pytest.importorskip("pandas")
    cache = SmartCache()

    def model(frame, a, b):
        return a * frame.index.values + b * frame["u"]

    for scale in (1.0, 2.0):
        frame = pandas.DataFrame({"u": np.cos(X)}, index=scale * X)
        result = curve_fit(model, frame, 3 * X + np.cos(X), [1.0, 2.0], cache=cache)
        assert np.allclose(result.popt, [3 / scale, 1.0], rtol=1e-6)


def test_a_cache_is_a_smart_cache():
    with pytest.raises(TypeError, match="SmartCache"):
        curve_fit(decay, X, Y, cache={})


# ------------------------------------------------------------------------------- buffers


@pytest.mark.parametrize("shape", [(1,), (100,), (3, 1000), (1 << 18,)])
@pytest.mark.parametrize("dtype", [float, complex, np.int32])
def test_buffers_are_aligned_and_serve_again(shape, dtype):
    pool = MemoryPool()
    buffer = pool.allocate(shape, dtype)
    assert buffer.ctypes.data % 64 == 0
    assert (buffer.shape, buffer.dtype) == (shape, np.dtype(dtype))
    buffer[...] = 7
    where = buffer.ctypes.data
    pool.release([buffer])
    smaller = pool.allocate((*shape[:-1], max(shape[-1] - 1, 1)), dtype)
    assert smaller.ctypes.data == where
    assert pool.held_bytes == 0


def test_the_pool_is_bounded():
    pool = MemoryPool(max_bytes=1 << 20)
    pool.release([pool.allocate((1 << 16,), float) for _ in range(5)])
    assert pool.held_bytes == 1 << 20
    pool.clear()
    assert pool.held_bytes == 0


def test_two_holders_never_share():
    pool = MemoryPool()
    a, b = pool.allocate((64,), float), pool.allocate((64,), float)
    assert not np.shares_memory(a, b)


# ------------------------------------------------------------------------------- budget


def test_a_model_taken_whole_must_fit_into_memory():
    m = 300_000
    x = np.linspace(0, 5, m)

    def normalised(x, a, b):
        return a * np.exp(-b * x) / x.max()

    with (
        memory_context(MemoryConfig(memory_limit_gb=0.02)),
        pytest.raises(MemoryError, match=r"taken whole.*memory_limit_gb"),
    ):
        curve_fit(normalised, x, normalised(x, 2.0, 0.8), [1.0, 1.0], backend="jax")
    curve_fit(decay, x, decay(x, 2.0, 0.8), [1.0, 1.0])


def test_a_host_jacobian_must_fit_into_memory():
    m = 2_000_000
    x = np.linspace(0, 5, m)
    with (
        memory_context(MemoryConfig(memory_limit_gb=0.1)),
        pytest.raises(MemoryError, match="Jacobian"),
    ):
        curve_fit(decay, x, x, [1.0, 1.0], jac="2-point")


def test_requests_are_remembered_and_bounded():
    manager = MemoryManager(ttl=60)
    with memory_context(MemoryConfig(memory_limit_gb=1, safety_factor=1)):
        for _ in range(1200):
            manager.require(10**8, "a tenth")
        assert len(manager.requests) == 1000
        assert all(request.granted for request in manager.requests)
        with pytest.raises(MemoryError, match="too much"):
            manager.require(2 * 10**9, "too much")
        assert not manager.requests[-1].granted
    with memory_context(MemoryConfig(memory_limit_gb=4, safety_factor=1)):
        manager.require(2 * 10**9, "with another budget")
