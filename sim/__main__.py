"""`python -m sim`: run seeds, run one of them again, make it small, look at it."""

import sys

from sim.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
