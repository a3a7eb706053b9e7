"""``python -m fastbpr`` is the `fastbpr` command."""

import sys

from fastbpr.cli import main

if __name__ == "__main__":
    sys.exit(main())
