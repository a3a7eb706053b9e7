"""A model's parameters by name, as scikit-learn has them."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from fastbpr import _validation

N_SHOWN = 6  # parameters, the first of `BPR`, that a model shows of itself


class ModelParameters:
    """`get_params` and `set_params` of `BPR`, for it and its subclasses, and of what has implicit's interface."""

    @classmethod
    def _parameter_names(cls) -> tuple[str, ...]:
        """Return the names of what the constructor takes: also what it hands on, by ``**others``, to a parent's."""
        names: dict[str, None] = {}
        for kind in cls.__mro__:
            if "__init__" in vars(kind):
                parameters = list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]
                names |= dict.fromkeys(
                    it.name for it in parameters if it.kind not in (it.VAR_KEYWORD, it.VAR_POSITIONAL)
                )
                if not any(it.kind is it.VAR_KEYWORD for it in parameters):
                    break
        return tuple(names)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as they were given: what `sklearn.base.clone` makes another model from.

        Parameters
        ----------
        deep : bool, default True
            Without effect: no parameter has parameters of its own. It is here for scikit-learn.

        Returns
        -------
        dict

        Examples
        --------
        >>> from fastbpr import BPR
        >>> BPR(factors=8).get_params()["factors"]
        8
        """
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Any:
        """Change parameters: the next fit has them, and `similarity`, `num_threads` and `dtype` the next call.

        Parameters
        ----------
        **parameters
            Any that the constructor takes. If one is refused, none is changed.

        Returns
        -------
        BPR, or the model's own class
            This model.

        Raises
        ------
        TypeError, ValueError
            If there is no such parameter, or a value is not as it must be.

        Examples
        --------
        >>> from fastbpr import BPR
        >>> BPR(factors=8).set_params(factors=16, loss="warp").loss
        'warp'
        """
        _validation.check_parameters_exist(type(self).__name__, parameters, self._parameter_names())
        trial = copy.copy(self)
        vars(trial).update(parameters)
        trial._check_parameters()
        for name in parameters:
            setattr(self, name, getattr(trial, name))
        return self

    def _shown_parameters(self, known: tuple[str, ...]) -> str:
        """Return the first parameters, and those that a subclass adds to the known ones, as a call has them."""
        names = [*known[:N_SHOWN], *(name for name in self._parameter_names() if name not in known)]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
