"""What a stranger's model may read of any object: attributes behind which there is only data.

A name that is not here is read only from what the file itself defines (`own`), and attributes are
set only there. Left out are, for example, ``obj`` (of an AttributeError: the module that lacked a
name), ``base``, ``data``, ``ctypes`` (memory), ``flags`` (its protection), ``bit_generator`` and
``state`` (positions that nobody checks), ``delete`` (frees memory), ``client`` (the compiler),
``register`` (changes what isinstance says), ``primitive``, ``bind`` and ``aval`` (JAX's inside).
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

#: Modules made of strangers' files have names that begin like this.
PREFIX = "nlsq_model_"

_TEXT = """
numbers, arrays and their types:
  alignment all any argmax argmin argpartition argsort as_integer_ratio astype bit_count
  bit_length bits byteorder byteswap char choose clip compress conj conjugate coords copy cumprod
  cumsum denominator descr diagonal dot dtype eps epsneg fields fill flat flatten from_bytes
  fromhex hasobject hex imag index is_integer isbuiltin isnative item itemsize kind machep max
  maxexp mean min minexp mT name names nbytes ndim negep newbyteorder nexp nmant nonzero num
  numerator partition precision prod ptp put ravel real repeat reshape resolution round
  searchsorted shape size smallest_normal smallest_subnormal sort squeeze std strides subdtype sum
  swapaxes T take tiny to_bytes tobytes tolist trace transpose type var view
functions of NumPy:
  accumulate at excluded identity nargs nin nout ntypes otypes outer pyfunc reduce reduceat
  signature types
JAX:
  add apply block_until_ready clear_cache defjvp defjvps defvjp divide eval_shape get
  is_fully_addressable lower max min mul multiply power set subtract weak_type
text and bytes:
  capitalize casefold center count decode encode endswith expandtabs find index isalnum isalpha
  isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper
  join ljust lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust
  rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill
containers, iterators and functions:
  add add_note append appendleft args cache_clear cache_info cache_parameters category clear close
  copy count currsize default_factory deleter difference difference_update discard elements extend
  extendleft from_iterable fromkeys func get getter hits index insert intersection
  intersection_update isdisjoint issubset issuperset items keys keywords maps maxlen maxsize
  message misses most_common move_to_end new_child parents pop popitem popleft remove reverse
  rotate send setdefault setter start step stop subtract symmetric_difference
  symmetric_difference_update throw total union update value values
decimal numbers:
  adjusted as_tuple compare copy_abs copy_negate copy_sign exp fma is_finite is_infinite is_nan
  is_signed is_zero ln log10 logb max_mag min_mag next_minus next_plus normalize quantize radix
  remainder_near scaleb sqrt to_integral_value
random numbers:
  beta binomial bytes chisquare choice dirichlet entropy exponential gamma generate_state
  geometric gumbel hypergeometric integers laplace logistic lognormal logseries multinomial
  multivariate_hypergeometric multivariate_normal negative_binomial noncentral_chisquare
  noncentral_f normal pareto permutation permuted poisson power rand randint randn random
  random_integers random_sample rayleigh seed shuffle spawn spawn_key standard_cauchy
  standard_exponential standard_gamma standard_normal standard_t triangular uniform vonmises wald
  weibull zipf
polynomials and splines:
  antiderivative axis basis basis_element bounds_error c coef coefficients coeffs convert cutdeg
  deg degree degrees deriv derivative derivatives design_matrix domain ev extrapolate fill_value
  fp from_bernstein_basis from_cholesky from_derivatives from_diagonal from_dual
  from_eigendecomposition from_power_basis from_precision from_spline from_win_equals_dual
  from_window fromroots get_coeffs get_knots get_residual grid has_samecoef has_samedomain
  has_sametype has_samewindow insert_knot integ integral integrate k linspace mapparms method o
  order partial_derivative poles r residues roots solve support_points support_values symbol t tck
  trim truncate variable weights window x y
distributions and tests:
  a b bin_edges bin_numbers binnumber bins bootstrap_distribution ccdf cdf colorize
  confidence_interval correlation count counts cov cov_object covariance covariance_factor
  critical_values d dataset df entropy evaluate expect expected_freq factor fit fit_loc_scale high
  iccdf icdf indices integrate_box integrate_box_1d integrate_gaussian integrate_kde intercept
  intercept_stderr interval inv_cov inverse_indices isf kurtosis kwds location log_pdet logccdf
  logcdf logentropy logpdf logpmf logsf low lower marginal maximum maxlog median minimum minmax
  mode moment mu n neff nnlf nobs null_distribution pdf pmf ppf probabilities pvalue quantile
  quantiles rank resample rvalue rvs scotts_factor sf sigma significance_level silverman_factor
  skewness slope standard_deviation standard_error standard_normal statistic statistic_location
  statistic_sign stats std stderr support upper variance whiten zstatistic
solutions:
  A active_mask allvecs col_ind con converged cost crossover_nit dense_output direction
  eigenvalues eigenvectors eqlin error estimate final_simplex fjac flag fun function_calls funl
  fvec grad h_abs hess hess_inv ineqlin integral iterations jac keep_feasible lb logabsdet
  lowest_optimization_result marginals matmat matvec maxcv maxlevel message minimization_failures
  mip_dual_bound mip_gap mip_node_count n_segments nfev nhev nit niter njev nlfev nlhev nljev nlu
  optimality p population population_energies Q qtf R regions residual rmatvec rms_residuals root
  S set_f_params set_initial_value set_integrator set_jac_params sign slack sol status step_size
  subdivisions success successful t_bound t_events t_max t_min t_old todense ts U ub
  unbounded_mask v Vh xl y_events y_old yp
signals:
  B bode C D delta_f delta_t den dt dual_win f fac_psd fft_mode freqresp fs gain hop impulse
  invertible istft lower_border_end mfft num output p_max p_min p_num p_range points scaling slice
  spectrogram stft T to_discrete to_ss to_tf to_zpk upper_border_begin win zeros
"""

#: Names that may be read of anything.
ATTRIBUTES = frozenset(
    name for line in _TEXT.splitlines() if line[:1] == " " for name in line.split()
)
#: Methods of libraries' classes that hand their object's arrays to compiled code unchecked.
METHODS_OF_OBJECTS = frozenset(
    """
    antiderivative derivative derivatives ev evaluate extend get_coeffs get_knots get_residual
    insert_knot integral integrate integrate_box integrate_box_1d integrate_gaussian integrate_kde
    logpdf partial_derivative pdf resample roots solve step
    """.split()
)


def of_object(thing: Any, name: str) -> Any:
    """The thing itself, unless it is a library's class, of which a method takes anything as self.

    ``BivariateSpline.integral(mine, ...)`` would read knots and degrees that nobody checked.

    Raises
    ------
    AttributeError
        If it is one.

    Examples
    --------
    >>> of_object([1], "extend")
    [1]
    """
    if isinstance(thing, type) and callable(getattr(thing, name, None)):
        return own(thing, name)
    return thing


def own(thing: Any, name: str) -> Any:
    """The thing itself if a stranger's file defines it: an instance, a class or a function.

    `nlsq.security.loading` writes it around whatever the file reads or sets other attributes of.

    Raises
    ------
    AttributeError
        If it comes from elsewhere.

    Examples
    --------
    >>> own(3.5, "real_part")
    Traceback (most recent call last):
    AttributeError: the attribute 'real_part' of float: what is on no list is read, and ...
    """
    kind = type(thing)
    if kind is FunctionType:
        home = thing.__globals__.get("__name__")
        inner = thing.__dict__.get("__wrapped__")  # its attributes were copied
        if inner is not None:
            own(inner, name)
    elif issubclass(kind, type):
        home = thing.__module__
    else:
        home = kind.__module__
    if isinstance(home, str) and home.startswith(PREFIX):
        return thing
    raise AttributeError(
        f"the attribute {name!r} of {kind.__name__}: what is on no list is read, and anything is "
        "set, only of classes and functions of the model's file"
    )
