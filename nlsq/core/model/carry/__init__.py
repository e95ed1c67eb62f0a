"""Carry a user's NumPy model to JAX without changing it.

`carry(f)` returns `g(x, *params)`, to be called inside a JAX trace. The model runs once, in Python,
on proxies (`proxy`) that stand for arrays, over stand-ins (`namespaces`, `rebuild`) for the modules
it names; what it computes from traced values is computed by `jax.numpy` and by `special`. What
cannot be computed that way is never guessed: `NotCarried` says why.
"""

from nlsq.core.model.carry.call import carry as carry
from nlsq.core.model.carry.state import NotCarried as NotCarried
