"""Model files of strangers, one after the other: ``--- name`` begins one.

A hostile one is refused before it runs. One with ``runs`` behind its name passes, since it gives
names to attributes of its own, or stands in library code; then what it tries must end in an error.
Each that defines no function f gets one at its end.
"""

import re

_HOSTILE = r"""
--- error_obj
try: np.trapz
except AttributeError as e: m = e.obj
--- error_obj_with_own_obj runs
class A: obj = 1
def f(x, a):
    try: np.trapz
    except AttributeError as e: return e.obj
--- error_obj_by_self runs
class A:
    def get(self): return self.obj
    def set(self): self.obj = 1
def f(x, a):
    try: np.trapz
    except AttributeError as e: return A.get(e)
--- error_obj_by_field runs
P = namedtuple("P", "obj x")
def f(x, a):
    try: np.trapz
    except AttributeError as e: return e.obj
--- error_obj_by_function runs
def g(): pass
g.obj = 1
def f(x, a):
    try: np.trapz
    except AttributeError as e: return e.obj
--- error_obj_by_setter runs
class A:
    @property
    def obj(self): return 1
def f(x, a):
    try: np.trapz
    except AttributeError as e: return (lambda self: self.obj)(e)
--- error_obj_matched
def f(x, a):
    try: np.trapz
    except AttributeError as e:
        match e:
            case AttributeError(obj=m): return m
--- error_obj_matched_with_own_obj
class A: obj = 1
def f(x, a):
    match x:
        case AttributeError(obj=m): return m
--- error_obj_matched_by_position
match 1:
    case AttributeError(m): pass
--- error_obj_matched_as_own_class
class A: obj = 1
A = AttributeError
match 1:
    case A(obj=m): pass
--- error_obj_matched_as_virtual_class
import abc
class A(abc.ABC): obj = 1
A.register(AttributeError)
--- error_obj_of_super
class A(ValueError):
    def get(self): return super().obj
--- error_obj_in_fstring
print(f"{1.0.obj}")
--- error_file
try: open_it
except OSError as e: print(e.filename)
--- error_path
try: import numpy
except ImportError as e: print(e.path)
--- error_object
try: b"".decode()
except ValueError as e: print(e.object)
--- error_frame_of_exit
class A:
    def __enter__(self): pass
    def __exit__(self, kind, error, trace): return trace.tb_next
--- error_frame_named
class A: tb_frame = 1
def g(self): return self.tb_frame
--- error_notes_are_no_road
try: 1 / 0
except ZeroDivisionError as e: e.__context__
--- generator_source
(i for i in ()).gi_yieldfrom
--- generator_running_named
class A: gi_frame = 1
(i for i in ()).gi_frame
--- array_base
np.zeros(3).base
--- array_base_named runs
class A: base = 1
def f(x, a): return np.arange(4.0)[1:].base
--- array_data
np.zeros(3).data
--- array_data_named runs
class A: data = 1
def f(x, a): return np.arange(4.0).data
--- array_data_set runs
class A:
    def set(self): self.data = np.zeros(1).real
def f(x, a): return A.set(np.zeros(9))
--- array_flags
np.zeros(3).flags
--- array_flags_named runs
class A: flags = 1
def f(x, a): np.frombuffer(b"12345678").flags["W"] = True
--- array_strides_set runs
class A:
    def set(self): self.strides = (10**6,)
def f(x, a): return A.set(np.zeros(9))
--- array_shape_set runs
class A:
    def set(self): self.shape = (10**6,)
def f(x, a): return A.set(np.zeros(9))
--- array_dtype_set runs
class A:
    def set(self): self.dtype = "O"
def f(x, a): return A.set(np.zeros(9))
--- array_deleted_attribute runs
class A:
    def drop(self): del self.shape
def f(x, a): return A.drop(np.zeros(9))
--- array_struct
np.zeros(1).__array_struct__
--- array_dlpack
np.zeros(1).__dlpack__
--- array_flat_base
np.zeros(1).flat.base
--- array_setfield
np.zeros(1).setfield(1, "i4", 8)
--- array_device
np.zeros(1).device
--- dtype_metadata
np.dtype("f8").metadata
--- objects_from_bytes runs
def f(x, a): return np.frombuffer(b"\1" * 8, "V8").view("O")[0]
--- objects_in_structures runs
def f(x, a): return np.frombuffer(b"\1" * 8, [("a", "O")])
--- objects_over_numbers runs
def f(x, a): return np.array([1], np.dtype((np.int64, [("a", "O")])))["a"][0]
--- objects_side_by_side runs
def f(x, a): return np.dtype({"names": "ab", "formats": ["O", "i8"], "offsets": [0, 0]}).x
--- result_interface runs
from scipy.optimize import minimize_scalar
def f(x, a):
    r = minimize_scalar(lambda t: t * t)
    r["__array_interface__"] = MEMORY
    return np.asarray(r)[0]
--- result_interface_updated runs
from scipy.optimize import root_scalar
def f(x, a):
    r = root_scalar(lambda t: t - 1, bracket=[0, 3])
    r.update(MEMORY_NAMED)
    return np.array(r)[0]
--- result_interface_default runs
from scipy.optimize import linprog
def f(x, a):
    r = linprog([1.0])
    r.setdefault("__array_interface__", MEMORY)
    return np.add(r, 0)[0]
--- result_interface_joined runs
from scipy.optimize import least_squares
def f(x, a):
    r = least_squares(lambda t: t, [1.0])
    r |= MEMORY_NAMED
    return np.frombuffer(r)
--- result_interface_of_ode runs
from scipy.integrate import solve_ivp
def f(x, a):
    r = solve_ivp(lambda t, y: -y, (0, 1), [1.0])
    r["__array_interface__"] = MEMORY
    return np.sum(r)[0]
--- result_interface_of_roots runs
from scipy.optimize import RootResults
def f(x, a):
    r = RootResults(1.0, 1, 1, 0, "brentq")
    r["__array_interface__"] = MEMORY
    return np.atleast_1d(r)[0] + 1
--- result_interface_of_quadrature runs
from scipy.integrate import tanhsinh
def f(x, a):
    r = tanhsinh(lambda t: t, 0, 1)
    r["__array_interface__"] = MEMORY
    return np.asarray(r)[0]
--- result_struct runs
from scipy.optimize import root
def f(x, a):
    r = root(lambda t: t, 1.0)
    r["__array_struct__"] = r
    return np.asarray(r)[0]
--- result_for_jax runs
from scipy.optimize import minimize_scalar
import jax.numpy as jnp
def f(x, a):
    r = minimize_scalar(lambda t: t * t)
    r["__cuda_array_interface__"] = MEMORY
    return jnp.asarray(r)
--- result_in_callback runs
from scipy.optimize import minimize
def f(x, a):
    def seen(intermediate_result):
        intermediate_result["__array_interface__"] = MEMORY
        np.asarray(intermediate_result)[0]
    return minimize(lambda t: (t * t).sum(), [1.0, 2.0], callback=seen)
--- result_attribute_set runs
from scipy.optimize import minimize_scalar
class A:
    def set(self): self.extra = 1
def f(x, a): return A.set(minimize_scalar(lambda t: t * t))
--- keywords_become_attributes
from scipy.interpolate import Rbf
Rbf([1, 2], [1, 2], **{"__array_interface__": 1})
--- interface_of_self
class A:
    def __init__(self): self.__array_interface__ = 1
--- interface_defined
class A:
    def __array_interface__(self): return 1
--- function_protocol
class A:
    def __array_function__(self, *a): return 1
--- buffer_protocol
class A:
    def __buffer__(self, flags): return b""
--- special_field runs
def f(x, a): return namedtuple("A", ["__array_interface__"])
--- special_field_typed runs
from typing import NamedTuple
def f(x, a): return NamedTuple("A", [("__array_struct__", int)])
--- field_with_code runs
def f(x, a): return namedtuple("A", "x=print")
--- cached_special
from functools import cached_property
cached_property(len).__set_name__(1, "__array_interface__")
--- cached_renamed runs
from functools import cached_property
class A:
    def set(self): self.attrname = "__array_interface__"
def f(x, a): return A.set(cached_property(len))
--- field_renamed runs
from dataclasses import field
class A:
    def set(self): self.name = "__array_interface__"
def f(x, a): return A.set(field())
--- spline_coefficients runs
from scipy.interpolate import CubicSpline
class A:
    def set(self): self.c = np.zeros((1, 1))
def f(x, a):
    s = CubicSpline([0, 1, 2], [0, 1, 4])
    A.set(s)
    return s(1.5)
--- spline_knots runs
from scipy.interpolate import BSpline
class A:
    def set(self): self.t = np.zeros(1)
def f(x, a): return A.set(BSpline(np.arange(9.0), np.ones(5), 3))
--- spline_degree runs
from scipy.interpolate import BSpline
def put(self): self.k = 90
class A: k = 1
def f(x, a):
    class B:
        def set(self): self.k = 90
    return B.set(BSpline(np.arange(9.0), np.ones(5), 3))
--- grid_values runs
from scipy.interpolate import RegularGridInterpolator
class A:
    def set(self): self.values = np.zeros(1)
def f(x, a): return A.set(RegularGridInterpolator(([0, 1, 2],), [0, 1, 2]))
--- knots_of_self runs
from scipy.interpolate import BivariateSpline
class A: tck, degrees = (np.zeros(3), np.zeros(3), np.zeros(1)), (3, 3)
def f(x, a): return BivariateSpline.integral(A(), 0, 1, 0, 1)
--- knots_of_self_by_method runs
from scipy.interpolate import BSpline
class A:
    t, c, k = np.zeros(3), np.zeros(1), 30
    insert_knot = BSpline.insert_knot
def f(x, a): return A().insert_knot(0.5)
--- points_of_self runs
from scipy.stats import gaussian_kde
class A: d, n, dataset, weights, cho_cov = 1, 9, np.zeros((1, 10**6)), np.ones(1), np.eye(1)
def f(x, a): return [gaussian_kde][0].evaluate(A(), np.zeros((1, 3)))
--- knots_unchecked
from scipy.interpolate import splev
splev([5e8], (np.array([0.0, 1e9]), np.ones(1), 5))
--- knots_unchecked_integral
from scipy.interpolate import splint
--- knots_unchecked_derivatives
from scipy.interpolate import spalde
--- knots_unchecked_zeros
from scipy.interpolate import sproot
--- knots_unchecked_insert
from scipy.interpolate import insert
--- knots_unchecked_surface
from scipy import interpolate
interpolate.bisplev
--- pivots_unchecked
from scipy.linalg import lu_solve
lu_solve((np.eye(2), np.array([10**6] * 2)), np.ones(2))
--- pivots_unchecked_jax
from jax.scipy.linalg import lu_solve
--- coordinates_unchecked
from scipy import ndimage
ndimage.shift(np.ones(3), 1e300, mode="grid-wrap")
--- coordinates_unchecked_map
from scipy.ndimage import map_coordinates
map_coordinates(np.ones(3), [[1e300]], mode="grid-wrap")
--- filter_unchecked
import scipy.signal as signal
signal.sepfir2d(np.ones((3, 3)), np.ones(99), np.ones(99))
--- random_state_of_bits
np.random.default_rng().bit_generator
--- random_state_position
np.random.RandomState().set_state(("MT19937", np.zeros(624, "u4"), 10**9))
--- random_state_named runs
class A: state = bit_generator = 1
def f(x, a): return np.random.default_rng(0).bit_generator.state
--- random_capsule runs
class B: capsule = lock = 1
def f(x, a): return np.random.Generator(B())
--- polynomial_patched runs
class A:
    def set(self): self.coeffs = 1
def f(x, a): return A.set(np.poly1d([1]))
--- ufunc_patched runs
class A:
    def set(self): self.nin = 9
def f(x, a): return A.set(np.add)
--- library_function_patched runs
class A:
    def set(self): self.used = 1
def f(x, a): return A.set(np.linspace)
--- library_class_patched runs
class A:
    def set(self): self.used = 1
def f(x, a): return A.set(np.poly1d)
--- warnings_of_another_module runs
import warnings
def f(x, a):
    with warnings.catch_warnings(module=np.poly1d): pass
--- warnings_source
import warnings
with warnings.catch_warnings(record=True) as w: w[0].source
--- wraps_a_library_function
import functools
def g(): pass
functools.wraps(g)(np.linspace)
--- wraps_a_library_class
import functools
from scipy.interpolate import BSpline
class A: pass
d = functools.wraps(A)
--- wraps_by_partial
import functools
functools.partial(functools.wraps, len)
--- wraps_gives_attributes runs
import functools
from scipy import stats
class A: vecentropy = 1
@functools.wraps(stats.norm)
def g(): pass
def f(x, a): return g.vecentropy
--- dataclass_of_a_library_class
import dataclasses
from scipy.interpolate import BSpline
dataclasses.dataclass(BSpline)
--- dataclass_aliased
import dataclasses
d = dataclasses.dataclass
--- super_of_a_library_class runs
class A: base = 1
def f(x, a): return super(np.float64, np.float64(1.0)).base
--- library_object_taken_apart runs
import dataclasses
from scipy import stats
def f(x, a): return dataclasses.asdict(stats.bootstrap(([1.0, 2.0],), np.mean, n_resamples=9))
--- library_object_made_anew runs
import dataclasses
import jax
def f(x, a): return dataclasses.replace(jax.jit(lambda t: t).lower(1.0), **{"x": 1})
--- library_object_unpacked
import dataclasses
dataclasses.astuple(*[1])
--- class_made_by_partial
import functools
X = functools.partial(type, "X", (object,))({"__array_interface__": MEMORY})
--- class_made_by_two_partials
import functools
X = functools.partial(functools.partial, type, "X", (object,))
--- class_made_by_decorator
import functools
@functools.partial(type, "X", (object,))
def g(): pass
--- taken_apart_by_partial
import functools, dataclasses
functools.partial(dataclasses.asdict)(np.sin)
--- attribute_asked_by_partial
import functools
functools.partial(hasattr, 1)("__class__")
--- wrapped_by_decorating_partial
import functools
@functools.partial(functools.wraps, assigned=("__globals__",))
def g(): pass
--- replaced_by_star
import dataclasses
dataclasses.replace(*[np.sin])
--- replace_as_value
import dataclasses
g = dataclasses.replace
--- dataclass_made
import dataclasses
dataclasses.make_dataclass("A", ["x"])
--- self_of_print
print.__self__
--- self_of_math
import math
math.sin.__self__
--- self_of_a_method
[].append.__self__
--- self_of_a_distribution
from scipy import stats
stats.norm.pdf.__self__
--- self_matched
match print:
    case object(__self__=m): pass
--- function_matched
match print:
    case object(func_globals=m): pass
--- wrapped_of_cache
import functools
functools.lru_cache(len).__wrapped__
--- wrapped_of_jit
import jax
jax.jit(np.sin).__wrapped__
--- wrapped_of_numpy
np.linspace.__wrapped__.__globals__
--- objclass
"".join.__objclass__
--- module_name_as_argument
def g(np): return np.lib
--- module_name_in_loop
for np in (1, 2): np.random
--- module_name_in_lambda
g = lambda np: np.linalg
--- module_name_caught
try: pass
except ValueError as np: np.random
--- module_name_of_a_class
class np: pass
np.random
--- attributes_by_reduce
import functools
functools.reduce(getattr, ["__class__"], 1)
--- attributes_by_object
object.__getattribute__(1, "real")
--- attributes_by_text
np.vectorize(getattr)
--- load
np.load("a")
--- load_by_error runs
class A: load = genfromtxt = obj = 1
def f(x, a):
    try: np.trapz
    except AttributeError as e: return e.obj.genfromtxt("/etc/passwd", str, delimiter=":")
--- save
np.savez("a", 1)
--- save_compressed
from numpy import savez_compressed
--- save_text
np.savetxt("a", [1])
--- load_text
np.loadtxt("/etc/passwd")
--- load_by_pattern
np.fromregex("/etc/passwd", "(.)", [("a", "S1")])
--- load_mapped
from numpy.lib.format import open_memmap
--- load_records
np.rec.fromfile("a")
--- load_by_jax
import jax.numpy as jnp
jnp.load("a")
--- save_by_jax
import jax.numpy as jnp
jnp.savez("a")
--- load_matlab
from scipy.io import loadmat
--- load_wave
import scipy.io.wavfile
--- load_dataset
from scipy import datasets
--- load_table
import numpy.lib.npyio
--- dlpack
np.from_dlpack(1)
--- dlpack_of_jax
import jax.dlpack
--- matrix_of_frames
np.bmat("A")
--- iterators
np.nditer([1], op_flags=["writeonly"])
--- error_stream
np.seterrcall(1)
--- help_of_numpy
np.info(np.load)
--- include_folder
np.get_include()
--- callable_in_c
from scipy import LowLevelCallable
--- jax_partial
from jax.tree_util import Partial
--- jax_registered
from jax.tree_util import register_pytree_node
--- jax_export
from jax import export
--- jax_core
from jax.extend import core
--- jax_monitoring
import jax.monitoring
--- jax_distributed
import jax
jax.distributed.initialize()
--- jax_make_jaxpr
import jax
jax.make_jaxpr(np.sin)
--- jax_inside
import jax
def f(x, a): return jax.vmap(lambda t: t.aval)(x)
--- jax_inside_named runs
import jax
class A: aval = 1
def f(x, a): return jax.vmap(lambda t: t.aval.shape[0] + t)(np.zeros(2))
--- jax_compiler
import jax
jax.jit(np.sin).lower(1.0).compiler_ir()
--- jax_compiler_named runs
import jax
class A: compiler_ir = 1
def f(x, a): return jax.jit(lambda t: t).lower(1.0).compiler_ir()
--- jax_client runs
import jax.numpy as jnp
class A: client = devices = 1
def f(x, a): return jnp.zeros(2).devices()
--- jax_freed runs
import jax.numpy as jnp
class A:
    def delete(self): pass
def f(x, a):
    v = jnp.zeros(2)
    v.delete()
    return "freed"
--- jax_memory_given_away
import jax
jax.jit(lambda t: t + 1, donate_argnums=0)
--- jax_primitives runs
import jax
class A: bind = 1
def f(x, a):
    def policy(primitive, *args, **more): return primitive.bind(1.0)
    return jax.grad(jax.checkpoint(lambda t: jax.numpy.sin(t) ** 2, policy=policy))(1.0)
--- method_of_ode runs
from scipy.integrate import solve_ivp
class Method:
    def __init__(self, *a, **k): pass
def f(x, a): return solve_ivp(lambda t, y: y, (0, 1), [1.0], method=Method)
--- distribution_inside
from scipy import stats
stats.norm(1, 2).dist
--- distribution_by_name runs
from scipy import stats
def f(x, a): return stats.probplot([1.0, 2.0, 3.0], dist="np")
--- optimizer_by_name runs
from scipy import stats
def f(x, a): return stats.gamma.fit([1.0, 2.0, 3.0], optimizer="os")
--- window_by_name runs
from scipy import signal
def f(x, a): return signal.get_window("__builtins__", 4)
--- processes runs
from scipy.optimize import differential_evolution
def f(x, a): return differential_evolution(lambda t: t[0] ** 2, [(0, 1)], workers=2, maxiter=2)
--- codec_of_a_file runs
def f(x, a): return "a".encode("/etc/passwd")
"""

_HONEST = r"""
--- optimum
from scipy.optimize import minimize_scalar, root_scalar
def f(x, a):
    r = minimize_scalar(lambda t: (t - a) ** 2)
    s = root_scalar(lambda t: t - a, bracket=[0, 9])
    return x * r.x + r.fun + s.root * r.success
--- ode
from scipy.integrate import solve_ivp
def f(x, a):
    s = solve_ivp(lambda t, y: -a * y, (0, 2), [1.0], dense_output=True)
    return s.sol(x)[0] + s.y[0, -1] + s.t.size
--- splines
from scipy.interpolate import BSpline, CubicSpline, splrep
def f(x, a):
    t = np.linspace(0, 3, 9)
    s = CubicSpline(t, t**2)
    own = BSpline.basis_element([0, 1, 2, 3])
    return a * s.derivative()(x) + s.integrate(0, 1) + BSpline(*splrep(t, t**3))(x) + own(1.5)
--- own_names
class Peak:
    count = 0
    def __init__(self, data, base):
        self.data, self.base, self._n = data, base, 0
        self.history = []
    def height(self, x):
        self._n += 1
        self.history.append(self._n)
        return self.base + self.data * x
def f(x, a):
    p = Peak(a, 2.0)
    return p.height(x) + len(p.history)
--- fields
from typing import NamedTuple
class Line(NamedTuple):
    obj: float
    width: float = 1.0
Pair = namedtuple("Pair", ["left", "right"])
def f(x, a):
    pair = Pair(left=a, right=Line(2.0))
    return x * pair.left + pair.right.obj / pair.right.width
--- data_classes
import dataclasses
from dataclasses import dataclass
@dataclass(frozen=True)
class Setup:
    gain: float = 2.0
    @property
    def twice(self): return 2 * self.gain
def f(x, a):
    s = dataclasses.replace(Setup(), gain=a)
    match s:
        case Setup(gain=g): return x * g + s.twice + dataclasses.asdict(s)["gain"]
--- decorated
import functools
def counted(g):
    @functools.wraps(g)
    def inner(*p):
        inner.calls += 1
        return g(*p)
    inner.calls = 0
    return inner
@counted
def f(x, a): return a * x
--- function_with_memory
def f(x, a):
    f.before = a
    return f.before * x
--- inheritance
class Base:
    steepness = 2.0
    def respond(self, x): return self.steepness * x
class Model(Base):
    def respond(self, x): return super().respond(x) + 1
    def __call__(self, x, a): return a * self.respond(x)
f = Model()
f.estimate_p0 = lambda x, y: [1.0]
--- generic
from typing import Generic, TypeVar
T = TypeVar("T")
class Box(Generic[T]):
    def __init__(self, content: T): self.content = content
def f(x, a): return Box(a).content * x
--- cached
from functools import cached_property
class Table:
    @cached_property
    def nodes(self): return np.polynomial.legendre.leggauss(5)[0]
table = Table()
def f(x, a): return a * x + table.nodes.sum()
--- errors
class Bad(ValueError):
    def __init__(self, limit):
        self.limit = limit
def f(x, a):
    try: raise Bad(3.0)
    except Bad as e: return a * x + e.limit + len(e.args)
--- jax
import jax, jax.numpy as jnp
class P:
    def __init__(self, rate): self.rate = rate
p = P(0.5)
@jax.jit
def f(x, a): return jnp.zeros(3).at[0].set(a)[0] * jnp.exp(-p.rate * x)
--- custom_derivative
import jax
@jax.custom_jvp
def g(t): return t**2
g.defjvp(lambda p, t: (g(p[0]), 2 * p[0] * t[0]))
def f(x, a): return a * x + jax.grad(g)(1.5)
--- statistics
from scipy import stats
def f(x, a):
    r = stats.linregress([0, 1, 2], [1, 2, 3.5])
    t = stats.ttest_1samp([1, 2, 3], 2)
    return a * stats.norm(0, 2).pdf(x) + r.slope + r.pvalue + t.statistic
--- linear_algebra
def f(x, a):
    u = np.linalg.svd(np.eye(2))
    return a * x + u.S.sum() + np.linalg.eigh(np.eye(2)).eigenvalues.max() + np.finfo(float).eps
--- random
rng = np.random.default_rng(3)
noise = rng.normal(size=4)
def f(x, a): return a * x + noise.std() + rng.integers(3)
--- text_and_containers
from collections import Counter, deque
def f(x, a):
    words = "b a b".upper().split()
    last = deque(words, maxlen=2)
    return a * x + Counter(words).most_common(1)[0][1] + last.maxlen + {"k": 1.0}.get("k")
"""

_HEAD = (
    "import numpy as np\nfrom collections import namedtuple\n"
    'MEMORY = {"data": (id(np.sin), False), "shape": (64,), "typestr": "|u1", "version": 3}\n'
    'MEMORY_NAMED = {"__array_interface__": MEMORY}\n'
)
_TAIL = "\ndef f(x, a): return a * x\n"


def _snippets(text: str) -> dict[str, tuple[bool, str]]:
    """By name: whether it runs, and its source."""
    found = {}
    for part in text.split("\n--- ")[1:]:
        title, source = part.split("\n", 1)
        name, *runs = title.split()
        assert name not in found, name
        end = "" if re.search(r"^(def f\(|f = )", source, re.M) else _TAIL
        found[name] = (bool(runs), _HEAD + source.rstrip("\n") + "\n" + end)
    return found


HOSTILE = _snippets(_HOSTILE)
HONEST = _snippets(_HONEST)
