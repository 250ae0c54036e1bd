"""A failing script made small, and printed as a test to paste.

shrunk = shrink(script)         at most a minute; the verdict stays
print(as_pytest(shrunk))        a test of pytest with everything that it needs

`sim.shrink.planted` does the same for what a planted bug makes fail.
"""

from sim.literal import literal as literal
from sim.shrink.as_pytest import as_pytest as as_pytest
from sim.shrink.rounds import Shrunk as Shrunk, measure as measure, shrink as shrink
from sim.shrink.search import Search as Search

__all__ = ["Search", "Shrunk", "as_pytest", "literal", "measure", "shrink"]
