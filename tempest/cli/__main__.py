"""`python -m tempest.cli`, for when the console script is not on the path."""

import sys

from tempest.cli import main

sys.exit(main())
