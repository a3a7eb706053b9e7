"""Related items and recommendations from logs of clicks."""
from fastbpr._version import __version__
