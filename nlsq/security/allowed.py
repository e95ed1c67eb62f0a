"""What a stranger's model may use of which module: names without files, processes or addresses.

A name that is not here is refused, new ones of newer versions included: whoever adds one has looked
at what it does. Left out are, for example, `numpy.load`, `numpy.memmap`, `numpy.ctypeslib`,
`numpy.lib.stride_tricks.as_strided` (any address), `scipy.LowLevelCallable`, `typing.Type` (makes
classes), `scipy.stats.rv_continuous` (writes and runs source), `typing.get_type_hints` (evaluates
text), `operator.attrgetter`, `functools.update_wrapper` (attributes by name),
`scipy.interpolate.Rbf` (sets attributes by name), `jax.pure_callback`, `jax.profiler` and
everything else of `jax.experimental`; what trusts its arguments too much is in `rules.INSTEAD`.
"""

from __future__ import annotations

_TEXT = """
numpy:
  abs absolute acos acosh add all allclose amax amin angle any append apply_along_axis
  apply_over_axes arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
  argpartition argsort argwhere around array array2string array_equal array_equiv array_repr
  array_split array_str asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asin
  asinh astype atan atan2 atanh atleast_1d atleast_2d atleast_3d average bartlett base_repr
  binary_repr bincount bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not
  bitwise_or bitwise_right_shift bitwise_xor blackman block bool bool_ broadcast_arrays
  broadcast_shapes broadcast_to busday_count busday_offset byte bytes_ c_ can_cast cbrt cdouble
  ceil choose clip clongdouble column_stack common_type complex128 complex256 complex64
  complexfloating compress concat concatenate conj conjugate convolve copy copysign copyto corrcoef
  correlate cos cosh count_nonzero cov cross csingle cumprod cumsum cumtrapz cumulative_prod
  cumulative_sum datetime64 datetime_as_string datetime_data deg2rad degrees delete diag
  diag_indices diag_indices_from diagflat diagonal diff digitize divide divmod dot double dsplit
  dstack dtype e ediff1d einsum einsum_path empty empty_like equal errstate euler_gamma exp exp2
  expand_dims expm1 extract eye fabs False_ fill_diagonal finfo fix flatnonzero flip fliplr flipud
  float128 float16 float32 float64 float_ float_power floating floor floor_divide fmax fmin fmod
  format_float_positional format_float_scientific frexp frombuffer fromfunction fromiter fromstring
  full full_like gcd geomspace geterr gradient greater greater_equal half hamming hanning heaviside
  histogram histogram2d histogram_bin_edges histogramdd hsplit hstack hypot i0 identity iinfo imag
  in1d index_exp indices inexact inf inner insert int16 int32 int64 int8 int_ intc integer interp
  intersect1d intp invert is_busday isclose iscomplex iscomplexobj isdtype isfinite isfortran isin
  isinf isnan isnat isneginf isposinf isreal isrealobj isscalar issubdtype iterable ix_ kaiser kron
  lcm ldexp left_shift less less_equal lexsort linspace little_endian log log10 log1p log2
  logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace long longdouble
  longlong mask_indices matmul matrix_transpose matvec max maximum mean median meshgrid mgrid min
  min_scalar_type minimum mintypecode mod modf moveaxis multiply nan nan_to_num nanargmax nanargmin
  nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd
  nansum nanvar ndarray ndenumerate ndim ndindex negative newaxis nextafter nonzero not_equal
  number ogrid ones ones_like outer packbits pad partition percentile permute_dims pi piecewise
  place poly poly1d polyadd polyder polydiv polyfit polyint polymul polysub polyval positive pow
  power printoptions prod promote_types ptp put put_along_axis putmask quantile r_ rad2deg radians
  ravel ravel_multi_index real real_if_close reciprocal remainder repeat require reshape resize
  result_type right_shift rint roll rollaxis roots rot90 round row_stack s_ searchsorted select
  setdiff1d seterr setxor1d shape short sign signbit signedinteger sin sinc single sinh size sort
  sort_complex spacing split sqrt square squeeze stack std str_ subtract sum swapaxes take
  take_along_axis tan tanh tensordot tile timedelta64 trace transpose trapezoid trapz tri tril
  tril_indices tril_indices_from trim_zeros triu triu_indices triu_indices_from True_ true_divide
  trunc typename ubyte uint uint16 uint32 uint64 uint8 uintc uintp ulong ulonglong union1d unique
  unique_all unique_counts unique_inverse unique_values unpackbits unravel_index unsignedinteger
  unstack unwrap ushort vander var vdot vecdot vecmat vectorize vsplit vstack where zeros
  zeros_like round_
numpy.linalg:
  cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv LinAlgError lstsq matmul
  matrix_norm matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve
  svd svdvals tensordot tensorinv tensorsolve trace vecdot vector_norm
numpy.fft:
  fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft
  rfft2 rfftfreq rfftn
numpy.random:
  beta binomial chisquare choice default_rng dirichlet exponential f gamma Generator geometric
  gumbel hypergeometric laplace logistic lognormal logseries multinomial multivariate_normal
  negative_binomial noncentral_chisquare noncentral_f normal pareto permutation poisson power rand
  randint randn random random_integers random_sample RandomState ranf rayleigh sample seed
  SeedSequence shuffle standard_cauchy standard_exponential standard_gamma standard_normal
  standard_t triangular uniform vonmises wald weibull zipf
numpy.typing:
  ArrayLike DTypeLike NDArray
numpy.lib.stride_tricks:
  sliding_window_view
numpy.polynomial:
  Chebyshev Hermite HermiteE Laguerre Legendre Polynomial
numpy.polynomial.polynomial:
  Polynomial polyadd polycompanion polyder polydiv polydomain polyfit polyfromroots polygrid2d
  polygrid3d polyint polyline polymul polymulx polyone polypow polyroots polysub polytrim polyval
  polyval2d polyval3d polyvalfromroots polyvander polyvander2d polyvander3d polyx polyzero
numpy.polynomial.chebyshev:
  Chebyshev cheb2poly chebadd chebcompanion chebder chebdiv chebdomain chebfit chebfromroots
  chebgauss chebgrid2d chebgrid3d chebint chebinterpolate chebline chebmul chebmulx chebone chebpow
  chebpts1 chebpts2 chebroots chebsub chebtrim chebval chebval2d chebval3d chebvander chebvander2d
  chebvander3d chebweight chebx chebzero poly2cheb
numpy.polynomial.hermite:
  Hermite herm2poly hermadd hermcompanion hermder hermdiv hermdomain hermfit hermfromroots
  hermgauss hermgrid2d hermgrid3d hermint hermline hermmul hermmulx hermone hermpow hermroots
  hermsub hermtrim hermval hermval2d hermval3d hermvander hermvander2d hermvander3d hermweight
  hermx hermzero poly2herm
numpy.polynomial.hermite_e:
  HermiteE herme2poly hermeadd hermecompanion hermeder hermediv hermedomain hermefit hermefromroots
  hermegauss hermegrid2d hermegrid3d hermeint hermeline hermemul hermemulx hermeone hermepow
  hermeroots hermesub hermetrim hermeval hermeval2d hermeval3d hermevander hermevander2d
  hermevander3d hermeweight hermex hermezero poly2herme
numpy.polynomial.laguerre:
  Laguerre lag2poly lagadd lagcompanion lagder lagdiv lagdomain lagfit lagfromroots laggauss
  laggrid2d laggrid3d lagint lagline lagmul lagmulx lagone lagpow lagroots lagsub lagtrim lagval
  lagval2d lagval3d lagvander lagvander2d lagvander3d lagweight lagx lagzero poly2lag
numpy.polynomial.legendre:
  Legendre leg2poly legadd legcompanion legder legdiv legdomain legfit legfromroots leggauss
  leggrid2d leggrid3d legint legline legmul legmulx legone legpow legroots legsub legtrim legval
  legval2d legval3d legvander legvander2d legvander3d legweight legx legzero poly2leg
scipy.special:
  agm ai_zeros airy airye assoc_laguerre assoc_legendre_p assoc_legendre_p_all bdtr bdtrc bdtri
  bdtrik bdtrin bei bei_zeros beip beip_zeros ber ber_zeros bernoulli berp berp_zeros besselpoly
  beta betainc betaincc betainccinv betaincinv betaln bi_zeros binom boxcox boxcox1p btdtria
  btdtrib c_roots cbrt cg_roots chdtr chdtrc chdtri chdtriv chebyc chebys chebyt chebyu chndtr
  chndtridf chndtrinc chndtrix comb cosdg cosm1 cotdg dawsn digamma diric ellip_harm ellip_harm_2
  ellip_normal ellipe ellipeinc ellipj ellipk ellipkinc ellipkm1 elliprc elliprd elliprf elliprg
  elliprj entr erf erf_zeros erfc erfcinv erfcx erfi erfinv euler eval_chebyc eval_chebys
  eval_chebyt eval_chebyu eval_gegenbauer eval_genlaguerre eval_hermite eval_hermitenorm
  eval_jacobi eval_laguerre eval_legendre eval_sh_chebyt eval_sh_chebyu eval_sh_jacobi
  eval_sh_legendre exp1 exp10 exp2 expi expit expm1 expn exprel factorial factorial2 factorialk
  fdtr fdtrc fdtri fdtridfd fresnel fresnel_zeros fresnelc_zeros fresnels_zeros gamma gammainc
  gammaincc gammainccinv gammaincinv gammaln gammasgn gdtr gdtrc gdtria gdtrib gdtrix gegenbauer
  genlaguerre h1vp h2vp h_roots hankel1 hankel1e hankel2 hankel2e he_roots hermite hermitenorm
  huber hyp0f1 hyp1f1 hyp2f1 hyperu i0 i0e i1 i1e inv_boxcox inv_boxcox1p it2i0k0 it2j0y0
  it2struve0 itairy iti0k0 itj0y0 itmodstruve0 itstruve0 iv ive ivp j0 j1 j_roots jacobi jn
  jn_zeros jnjnp_zeros jnp_zeros jnyn_zeros js_roots jv jve jvp k0 k0e k1 k1e kei kei_zeros keip
  keip_zeros kelvin kelvin_zeros ker ker_zeros kerp kerp_zeros kl_div kn kolmogi kolmogorov kv kve
  kvp l_roots la_roots laguerre lambertw legendre legendre_p legendre_p_all lmbda log1p log_expit
  log_ndtr log_softmax log_wright_bessel loggamma logit logsumexp lpmv lqmn lqn mathieu_a mathieu_b
  mathieu_cem mathieu_even_coef mathieu_modcem1 mathieu_modcem2 mathieu_modsem1 mathieu_modsem2
  mathieu_odd_coef mathieu_sem modfresnelm modfresnelp modstruve multigammaln nbdtr nbdtrc nbdtri
  nbdtrik nbdtrin ncfdtr ncfdtri ncfdtridfd ncfdtridfn ncfdtrinc nctdtr nctdtridf nctdtrinc
  nctdtrit ndtr ndtri ndtri_exp nrdtrimn nrdtrisd obl_ang1 obl_ang1_cv obl_cv obl_cv_seq obl_rad1
  obl_rad1_cv obl_rad2 obl_rad2_cv owens_t p_roots pbdn_seq pbdv pbdv_seq pbvv pbvv_seq pbwa pdtr
  pdtrc pdtri pdtrik perm poch polygamma powm1 pro_ang1 pro_ang1_cv pro_cv pro_cv_seq pro_rad1
  pro_rad1_cv pro_rad2 pro_rad2_cv ps_roots pseudo_huber psi radian rel_entr rgamma riccati_jn
  riccati_yn roots_chebyc roots_chebys roots_chebyt roots_chebyu roots_gegenbauer roots_genlaguerre
  roots_hermite roots_hermitenorm roots_jacobi roots_laguerre roots_legendre roots_sh_chebyt
  roots_sh_chebyu roots_sh_jacobi roots_sh_legendre round s_roots sh_chebyt sh_chebyu sh_jacobi
  sh_legendre shichi sici sinc sindg smirnov smirnovi softmax softplus SpecialFunctionError
  SpecialFunctionWarning spence sph_harm_y sph_harm_y_all sph_legendre_p sph_legendre_p_all
  spherical_in spherical_jn spherical_kn spherical_yn stdtr stdtridf stdtrit stirling2 struve
  t_roots tandg tklmbda ts_roots u_roots us_roots voigt_profile wofz wright_bessel wrightomega
  xlog1py xlogy y0 y0_zeros y1 y1_zeros y1p_zeros yn yn_zeros ynp_zeros yv yve yvp zeta zetac
scipy.constants:
  acre alpha angstrom arcmin arcminute arcsec arcsecond astronomical_unit atm atmosphere
  atomic_mass atto au Avogadro bar barrel bbl blob Boltzmann Btu Btu_IT Btu_th c calorie calorie_IT
  calorie_th carat centi convert_temperature day deci degree degree_Fahrenheit deka dyn dyne e
  electron_mass electron_volt elementary_charge epsilon_0 erg eV exa exbi femto fermi find
  fine_structure fluid_ounce fluid_ounce_imp fluid_ounce_US foot G g gallon gallon_imp gallon_US
  gas_constant gibi giga golden golden_ratio grain gram gravitational_constant h hbar hectare hecto
  horsepower hour hp inch Julian_year k kgf kibi kilo kilogram_force kmh knot lambda2nu lb lbf
  light_year liter litre long_ton m_e m_n m_p m_u mach mebi mega metric_ton micro micron mil mile
  milli minute mmHg mph mu_0 N_A nano nautical_mile neutron_mass nu2lambda ounce oz parsec pebi
  peta physical_constants pi pico Planck point pound pound_force precision proton_mass psi pt
  quecto quetta R ronna ronto Rydberg short_ton sigma slinch slug speed_of_light speed_of_sound
  Stefan_Boltzmann stone survey_foot survey_mile tebi tera ton_TNT torr troy_ounce troy_pound u
  unit value week Wien yard year yobi yocto yotta zebi zepto zero_Celsius zetta
scipy.integrate:
  BDF complex_ode cubature cumulative_simpson cumulative_trapezoid dblquad DenseOutput DOP853
  fixed_quad IntegrationWarning lebedev_rule LSODA newton_cotes nquad nsum ode odeint ODEintWarning
  OdeSolution OdeSolver qmc_quad quad quad_vec Radau RK23 RK45 romb simpson solve_bvp solve_ivp
  tanhsinh tplquad trapezoid
scipy.interpolate:
  AAA Akima1DInterpolator approximate_taylor_polynomial barycentric_interpolate
  BarycentricInterpolator bisplrep BivariateSpline BPoly BSpline CloughTocher2DInterpolator
  CubicHermiteSpline CubicSpline FloaterHormannInterpolator generate_knots griddata interp1d
  interp2d interpn InterpolatedUnivariateSpline krogh_interpolate KroghInterpolator lagrange
  LinearNDInterpolator LSQBivariateSpline LSQSphereBivariateSpline LSQUnivariateSpline
  make_interp_spline make_lsq_spline make_smoothing_spline make_splprep make_splrep NdBSpline
  NdPPoly NearestNDInterpolator pade pchip_interpolate PchipInterpolator PPoly RBFInterpolator
  RectBivariateSpline RectSphereBivariateSpline RegularGridInterpolator SmoothBivariateSpline
  SmoothSphereBivariateSpline splantider splder splprep splrep
  UnivariateSpline
scipy.optimize:
  anderson approx_fprime basinhopping BFGS bisect Bounds bracket brent brenth brentq broyden1
  broyden2 BroydenFirst brute check_grad curve_fit diagbroyden differential_evolution direct
  dual_annealing excitingmixing fixed_point fmin fmin_bfgs fmin_cg fmin_cobyla fmin_l_bfgs_b
  fmin_ncg fmin_powell fmin_slsqp fmin_tnc fminbound fsolve golden HessianUpdateStrategy
  InverseJacobian isotonic_regression KrylovJacobian LbfgsInvHessProduct least_squares leastsq
  line_search linear_sum_assignment LinearConstraint linearmixing linprog lsq_linear milp minimize
  minimize_scalar newton newton_krylov nnls NoConvergence NonlinearConstraint
  OptimizeWarning quadratic_assignment ridder root root_scalar RootResults rosen rosen_der
  rosen_hess rosen_hess_prod shgo SR1 toms748
scipy.stats:
  abs alexandergovern alpha anderson anderson_ksamp anglit ansari arcsine argus barnard_exact
  bartlett bayes_mvs bernoulli beta betabinom betanbinom betaprime binned_statistic
  binned_statistic_2d binned_statistic_dd binom Binomial binomtest boltzmann bootstrap
  BootstrapMethod boschloo_exact boxcox boxcox_llf boxcox_normmax boxcox_normplot bradford
  brunnermunzel burr burr12 bws_test cauchy CensoredData chatterjeexi chi chi2 chi2_contingency
  chisquare circmean circstd circvar combine_pvalues ConstantInputWarning cosine Covariance
  cramervonmises cramervonmises_2samp crystalball cumfreq DegenerateDataWarning describe dgamma
  differential_entropy directional_stats dirichlet dirichlet_multinomial dlaplace dpareto_lognorm
  dunnett dweibull ecdf energy_distance entropy epps_singleton_2samp erlang exp expectile expon
  exponnorm exponpow exponweib f f_oneway false_discovery_control fatiguelife fisher_exact fisk
  fligner foldcauchy foldnorm friedmanchisquare gamma gausshyper gaussian_kde genexpon genextreme
  gengamma genhalflogistic genhyperbolic geninvgauss genlogistic gennorm genpareto geom gibrat
  gmean gompertz goodness_of_fit gstd gumbel_l gumbel_r gzscore halfcauchy halfgennorm halflogistic
  halfnorm hmean hypergeom hypsecant invgamma invgauss invweibull invwishart iqr irwinhall
  jarque_bera jf_skew_t johnsonsb johnsonsu kappa3 kappa4 kendalltau kruskal ks_1samp ks_2samp
  ksone kstat kstatvar kstest kstwo kstwobign kurtosis kurtosistest landau laplace
  laplace_asymmetric levene levy levy_l levy_stable linregress lmoment log loggamma logistic
  Logistic loglaplace lognorm logrank logser loguniform lomax mannwhitneyu matrix_normal matrix_t
  maxwell median_abs_deviation median_test mielke mode moment monte_carlo_test MonteCarloMethod
  mood moyal multinomial multiscale_graphcorr multivariate_hypergeom multivariate_normal
  multivariate_t mvsdist nakagami nbinom ncf nchypergeom_fisher nchypergeom_wallenius nct ncx2
  NearConstantInputWarning nhypergeom norm Normal normal_inverse_gamma normaltest norminvgauss
  obrientransform order_statistic ortho_group page_trend_test pareto pearson3 pearsonr
  percentileofscore permutation_test PermutationMethod planck pmean pointbiserialr poisson
  poisson_binom poisson_means_test power power_divergence powerlaw powerlognorm powernorm ppcc_max
  ppcc_plot probplot quantile quantile_test randint random_correlation random_table rankdata
  ranksums rayleigh rdist recipinvgauss reciprocal rel_breitwigner relfreq rice scoreatpercentile
  sem semicircular shapiro siegelslopes sigmaclip skellam skew skewcauchy skewnorm skewtest
  sobol_indices somersd spearmanr spearmanrho special_ortho_group studentized_range t theilslopes
  tiecorrect tmax tmean tmin trapezoid triang trim1 trim_mean trimboth truncate truncexpon
  truncnorm truncpareto truncweibull_min tsem tstd ttest_1samp ttest_ind ttest_ind_from_stats
  ttest_rel tukey_hsd tukeylambda tvar uniform Uniform uniform_direction unitary_group variation
  vonmises vonmises_fisher vonmises_line wald wasserstein_distance wasserstein_distance_nd
  weibull_max weibull_min weightedtau wilcoxon wishart wrapcauchy yeojohnson yeojohnson_llf
  yeojohnson_normmax yeojohnson_normplot yulesimon zipf zipfian zmap zscore
scipy.signal:
  abcd_normalize argrelextrema argrelmax argrelmin BadCoefficients band_stop_obj bessel besselap
  bilinear bilinear_zpk bode buttap butter buttord cheb1ap cheb1ord cheb2ap cheb2ord cheby1 cheby2
  check_COLA check_NOLA chirp choose_conv_method closest_STFT_dual_window coherence cont2discrete
  convolve convolve2d correlate correlate2d correlation_lags csd cspline1d cspline1d_eval cspline2d
  CZT czt czt_points dbode decimate deconvolve detrend dfreqresp dimpulse dlsim dlti dstep ellip
  ellipap ellipord envelope fftconvolve filtfilt find_peaks find_peaks_cwt findfreqs firls firwin
  firwin2 firwin_2d freqresp freqs freqs_zpk freqz freqz_sos freqz_zpk gammatone gauss_spline
  gausspulse get_window group_delay hilbert hilbert2 iircomb iirdesign iirfilter iirnotch iirpeak
  impulse invres invresz istft kaiser_atten kaiser_beta kaiserord lfilter lfilter_zi lfiltic
  lombscargle lp2bp lp2bp_zpk lp2bs lp2bs_zpk lp2hp lp2hp_zpk lp2lp lp2lp_zpk lsim lti max_len_seq
  medfilt medfilt2d minimum_phase normalize oaconvolve order_filter peak_prominences peak_widths
  periodogram place_poles qspline1d qspline1d_eval qspline2d remez resample resample_poly residue
  residuez savgol_coeffs savgol_filter sawtooth ShortTimeFFT sos2tf sos2zpk sosfilt
  sosfilt_zi sosfiltfilt sosfreqz spectrogram spline_filter square ss2tf ss2zpk StateSpace step
  stft sweep_poly symiirorder1 symiirorder2 tf2sos tf2ss tf2zpk TransferFunction unique_roots
  unit_impulse upfirdn vectorstrength welch wiener ZerosPolesGain zoom_fft ZoomFFT zpk2sos zpk2ss
  zpk2tf
scipy.linalg:
  bandwidth block_diag cdf2rdf cho_factor cho_solve cho_solve_banded cholesky cholesky_banded
  circulant clarkson_woodruff_transform companion convolution_matrix coshm cosm cossin det dft
  diagsvd eig eig_banded eigh eigh_tridiagonal eigvals eigvals_banded eigvalsh eigvalsh_tridiagonal
  expm expm_cond expm_frechet fiedler fiedler_companion fractional_matrix_power funm hadamard
  hankel helmert hessenberg hilbert inv invhilbert invpascal ishermitian issymmetric khatri_rao ldl
  leslie LinAlgError LinAlgWarning logm lstsq lu lu_factor matmul_toeplitz matrix_balance
  norm null_space ordqz orth orthogonal_procrustes pascal pinv pinvh polar qr qr_delete qr_insert
  qr_multiply qr_update qz rq rsf2csf schur signm sinhm sinm solve solve_banded solve_circulant
  solve_continuous_are solve_continuous_lyapunov solve_discrete_are solve_discrete_lyapunov
  solve_lyapunov solve_sylvester solve_toeplitz solve_triangular solveh_banded sqrtm
  subspace_angles svd svdvals tanhm tanm toeplitz
scipy.fft:
  dct dctn dst dstn fft fft2 fftfreq fftn fftshift fht fhtoffset hfft hfft2 hfftn idct idctn idst
  idstn ifft ifft2 ifftn ifftshift ifht ihfft ihfft2 ihfftn irfft irfft2 irfftn next_fast_len
  prev_fast_len rfft rfft2 rfftfreq rfftn
scipy.ndimage:
  binary_closing binary_dilation binary_erosion binary_fill_holes binary_hit_or_miss binary_opening
  binary_propagation black_tophat center_of_mass convolve convolve1d correlate correlate1d
  distance_transform_bf distance_transform_cdt distance_transform_edt extrema find_objects
  fourier_ellipsoid fourier_gaussian fourier_shift fourier_uniform gaussian_filter
  gaussian_filter1d gaussian_gradient_magnitude gaussian_laplace generate_binary_structure
  generic_filter generic_filter1d generic_gradient_magnitude generic_laplace grey_closing
  grey_dilation grey_erosion grey_opening histogram iterate_structure label labeled_comprehension
  laplace maximum maximum_filter maximum_filter1d maximum_position mean median median_filter
  minimum minimum_filter minimum_filter1d minimum_position morphological_gradient
  morphological_laplace percentile_filter prewitt rank_filter sobel spline_filter spline_filter1d
  standard_deviation sum sum_labels uniform_filter uniform_filter1d value_indices variance
  vectorized_filter watershed_ift white_tophat
jax:
  Array ShapeDtypeStruct block_until_ready checkpoint closure_convert custom_gradient custom_jvp
  custom_vjp device_get device_put disable_jit enable_x64 eval_shape float0 grad hessian jacfwd
  jacobian jacrev jit jvp linear_transpose linearize named_call named_scope remat typeof
  value_and_grad vjp vmap
jax.lax:
  AccuracyMode ConvDimensionNumbers ConvGeneralDilatedDimensionNumbers DotAlgorithm
  DotAlgorithmPreset DotDimensionNumbers FftType GatherDimensionNumbers GatherScatterMode Precision
  PrecisionLike RaggedDotDimensionNumbers RandomAlgorithm RoundingMethod ScatterDimensionNumbers
  Tolerance abs acos acosh add approx_max_k approx_min_k argmax argmin asin asinh associative_scan
  atan atan2 atanh batch_matmul bessel_i0e bessel_i1e betainc bitcast_convert_type bitwise_and
  bitwise_not bitwise_or bitwise_xor broadcast broadcast_in_dim broadcast_like broadcast_shapes
  broadcast_to_rank broadcasted_iota cbrt ceil clamp clz collapse complex concatenate cond conj
  conv conv_dimension_numbers conv_general_dilated conv_general_dilated_local
  conv_general_dilated_patches conv_general_permutations conv_general_shape_tuple conv_shape_tuple
  conv_transpose conv_transpose_shape_tuple conv_with_general_padding convert_element_type cos cosh
  cumlogsumexp cummax cummin cumprod cumsum custom_linear_solve custom_root digamma div dot
  dot_general dtype dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim
  dynamic_update_index_in_dim dynamic_update_slice dynamic_update_slice_in_dim empty eq erf erf_inv
  erfc exp exp2 expand_dims expm1 fft floor fori_loop full full_like gather ge gt igamma
  igamma_grad_a igammac imag index_in_dim index_take integer_pow iota is_finite le lgamma log log1p
  logistic lt map max min mul mulhi ne neg nextafter optimization_barrier pad padtype_to_pads
  platform_dependent polygamma population_count pow ragged_dot ragged_dot_general random_gamma_grad
  real reciprocal reduce reduce_and reduce_max reduce_min reduce_or reduce_precision reduce_prod
  reduce_sum reduce_window reduce_window_shape_tuple reduce_xor rem reshape rev rng_bit_generator
  rng_uniform round rsqrt scan scatter scatter_add scatter_apply scatter_max scatter_min
  scatter_mul scatter_sub select select_n shape_as_value shift_left shift_right_arithmetic
  shift_right_logical sign sin sinh slice slice_in_dim sort sort_key_val split sqrt square squeeze
  stack stop_gradient sub switch tan tanh tile top_k transpose unstack while_loop zeta
jax.nn:
  celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log1mexp
  log_sigmoid log_softmax logmeanexp logsumexp mish one_hot relu relu6 selu sigmoid silu soft_sign
  softmax softplus sparse_plus sparse_sigmoid squareplus standardize swish tanh
jax.random:
  PRNGKey ball bernoulli beta binomial bits categorical cauchy chisquare choice dirichlet
  double_sided_maxwell exponential f fold_in gamma generalized_normal geometric gumbel key key_data
  laplace loggamma logistic lognormal maxwell multinomial multivariate_normal normal orthogonal
  pareto permutation poisson rademacher randint rayleigh split t triangular truncated_normal
  uniform wald weibull_min
jax.scipy.stats:
  gaussian_kde mode rankdata sem
jax.experimental.ode:
  odeint
jax.tree_util:
  tree_map tree_leaves
jax.typing:
  ArrayLike
math:
  acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc
  exp exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf
  isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians
  remainder sin sinh sqrt tan tanh tau trunc ulp fma
cmath:
  acos acosh asin asinh atan atanh cos cosh e exp inf infj isclose isfinite isinf isnan log log10
  nan nanj phase pi polar rect sin sinh sqrt tan tanh tau
itertools:
  accumulate chain combinations combinations_with_replacement compress count cycle dropwhile
  filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest
  batched
operator:
  abs add and_ concat contains eq floordiv ge getitem gt index inv invert itemgetter le lshift lt
  matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor
functools:
  cache cached_property lru_cache partial reduce wraps
typing:
  TYPE_CHECKING Annotated Any Callable ClassVar Dict Final FrozenSet Generic Iterable Iterator List
  Literal Mapping NamedTuple NewType Optional Protocol Self Sequence Set Tuple TypeAlias
  TypeVar Union cast overload
dataclasses:
  KW_ONLY InitVar asdict astuple dataclass field replace
collections:
  ChainMap Counter OrderedDict defaultdict deque namedtuple
collections.abc:
  Callable Collection Container Generator Hashable Iterable Iterator Mapping MutableMapping
  MutableSequence Sequence Set Sized
numbers:
  Complex Integral Number Rational Real
abc:
  ABC abstractmethod
warnings:
  catch_warnings filterwarnings simplefilter warn
time:
  perf_counter time
decimal:
  Decimal
__future__:
  annotations division print_function absolute_import
jax.numpy:
  bfloat16
jax.scipy.special:
  bessel_jn
jax.scipy.ndimage:
  map_coordinates
jax.config:
  update
"""
# Modules with the names of another one, where they have them.
_LIKE = {
    "jax.numpy": "numpy",
    "jax.numpy.linalg": "numpy.linalg",
    "jax.numpy.fft": "numpy.fft",
    "jax.scipy.special": "scipy.special",
    "jax.scipy.linalg": "scipy.linalg",
    "jax.scipy.signal": "scipy.signal",
    "jax.scipy.integrate": "scipy.integrate",
    "jax.scipy.interpolate": "scipy.interpolate",
    "jax.scipy.ndimage": "scipy.ndimage",
    "jax.scipy.fft": "scipy.fft",
    "jax.scipy.optimize": "scipy.optimize",
}
# Distributions of jax.scipy.stats, each a module of its own.
_DISTRIBUTIONS = """
  bernoulli beta betabinom binom cauchy chi2 dirichlet expon gamma gennorm geom gumbel_l gumbel_r
  laplace logistic multinomial multivariate_normal nbinom norm pareto poisson t truncnorm uniform
  vonmises wrapcauchy
"""
_OF_DISTRIBUTIONS = frozenset("cdf isf logcdf logpdf logpmf logsf pdf pmf ppf sf entropy".split())


def _read() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in _TEXT.splitlines():
        if line.endswith(":"):
            module = line[:-1]
            found[module] = frozenset()
        elif line:
            found[module] |= frozenset(line.split())
    for module, other in _LIKE.items():
        found[module] = found.get(module, frozenset()) | found[other]
    for name in _DISTRIBUTIONS.split():
        found[f"jax.scipy.stats.{name}"] = _OF_DISTRIBUTIONS
    return found


#: Names that may be used, by module.
MODULES = _read()
#: Packages that only lead to those modules.
PACKAGES = frozenset(
    ".".join(parts[:n]) for parts in (m.split(".") for m in MODULES) for n in range(1, len(parts))
)
