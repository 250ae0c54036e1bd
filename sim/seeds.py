"""Named streams of random numbers from one seed.

Invariants
- A stream depends on the seed and its name alone: one more draw in one stream, or one more
  stream, moves no other.
- Streams are the same on every machine, Python and `PYTHONHASHSEED`.
"""

from hashlib import blake2b
from random import Random

import attrs


@attrs.frozen
class Seeds:
    """Where everything that is drawn in a run comes from."""

    seed: int
    path: str = ""

    def stream(self, name: str) -> Random:
        """Return the generator of this name, at its beginning."""
        return Random(self.number(name))

    def number(self, name: str) -> int:
        """Return the number that belongs to this name: 64 bits."""
        text = f"{self.seed}{self.path}/{name}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")

    def child(self, name: str) -> "Seeds":
        """Return a family of streams of its own."""
        return Seeds(self.seed, f"{self.path}/{name}")
