"""implicit's names and defaults over fastbpr's engine: change the import, keep the program.

Of implicit 0.7, what belongs to BPR is here under the same names: ``bpr``, ``cpu.bpr``, ``evaluation``, ``utils``,
``recommender_base``, and a ``gpu`` that says that there is none. The notes of
``bpr.BayesianPersonalizedRanking`` list what is not the same as in implicit, on purpose.
"""

from fastbpr.compat.implicit import bpr, cpu, evaluation, gpu, recommender_base, utils
from fastbpr.compat.implicit.cpu import bpr as _cpu_bpr  # noqa: F401  so that cpu.bpr is at hand, as in implicit

__all__ = ["bpr", "cpu", "evaluation", "gpu", "recommender_base", "utils"]
