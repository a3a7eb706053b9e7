"""The exceptions of fastbpr that are not plain TypeError or ValueError."""

__all__ = [
    "LightFMAssertionError",
    "MissingExtraError",
    "ModelFileError",
    "NotFittedError",
    "TrainingError",
    "UnknownLabelError",
]


class TrainingError(RuntimeError):
    """Training left the finite numbers; the message says what to change."""


class NotFittedError(ValueError, AttributeError):
    """A model was asked before it was fitted or loaded."""


class ModelFileError(ValueError):
    """A file is not a model that this version of fastbpr can read."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message has the command that installs it."""


class UnknownLabelError(KeyError):
    """A label is not in the data; the message has the closest ones that are."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the message in quotes


class LightFMAssertionError(ValueError, AssertionError):
    """An argument is not as it must be where LightFM has an `assert`: for code that catches either error."""
