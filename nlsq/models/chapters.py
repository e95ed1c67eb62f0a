"""Which models are built in, and the chapter of each, which is loaded with its first model.

Most chapters need SciPy's special functions, whose loading takes longer than a small fit.
"""

from __future__ import annotations

from importlib import import_module

from nlsq.models.model import Model

_CHAPTERS = {
    "polynomials": """
        constant linear quadratic cubic
    """,
    "peaks": """
        gaussian lorentzian voigt pseudo_voigt skewed_gaussian exponentially_modified_gaussian fano
        pearson7 moffat split_gaussian split_lorentzian lognormal_peak sech2 doniach_sunjic
        sinc_squared dispersive_lorentzian gaussian_2d
    """,
    "decays": """
        exponential_decay exponential biexponential double_exponential stretched_exponential
        power_law_decay newton_cooling exponential_pulse gamma_variate maxwell_boltzmann rayleigh
        weibull_peak gamma_distribution
    """,
    "growth": """
        exponential_growth sigmoid logistic_growth gompertz gompertz_lag richards von_bertalanffy
        saturating_growth weibull_growth logarithmic
    """,
    "dose_response": """
        hill emax four_parameter_logistic five_parameter_logistic log_agonist log_inhibitor
        inhibition biphasic_dose_response hormesis
    """,
    "kinetics": """
        michaelis_menten substrate_inhibition competitive_inhibition noncompetitive_inhibition
        morrison first_order second_order pseudo_second_order elovich bateman avrami slow_binding
    """,
    "isotherms": """
        langmuir freundlich sips toth temkin bet dual_site_langmuir redlich_peterson jovanovic
        dubinin_radushkevich
    """,
    "transport": """
        frap diffusion_front surface_diffusion fcs_2d fcs_3d anomalous_diffusion confined_diffusion
        stejskal_tanner cottrell
    """,
    "rheology": """
        power_law_fluid bingham herschel_bulkley casson carreau cross maxwell_storage maxwell_loss
        burgers
    """,
    "oscillations": """
        sine damped_sine chirp driven_resonance resonance_phase
    """,
    "steps": """
        erf_step logistic_step arctan_step tanh_step fermi rectangle bent_line
    """,
    "power_laws": """
        power_law power_law_offset power_law_cutoff broken_power_law hyperbola rational rational2
    """,
    "physics": """
        arrhenius vogel_fulcher_tammann planck schottky curie_weiss langevin malus gaussian_beam
        fabry_perot cauchy_dispersion saturable_absorption diode rc_charge low_pass high_pass
        band_pass debye_loss
    """,
}
CHAPTER_OF = {name: chapter for chapter, names in _CHAPTERS.items() for name in names.split()}


def built_in(name: str) -> Model | None:
    """The model of a name; None where none has it."""
    chapter = CHAPTER_OF.get(name)
    return None if chapter is None else getattr(import_module(f"nlsq.models.{chapter}"), name)
