"""What programs ask of implicit before they train on a GPU."""

__all__ = ["HAS_CUDA"]

HAS_CUDA = False
