"""A place in the log that can be kept: a timeline, and an address in it.

Written as text it is `timeline:address`, both decimal, so that it can stand in a file, a database
or a command line.

Invariants
- Within one timeline positions are ordered as the log is. Restoring a checkpoint begins another
  timeline, and a position of one means nothing in another.
"""

from typing import Self

import attrs

from tempest.errors import InvalidError

ADDRESS_MAX = 2**63 - 1


@attrs.frozen(order=True)
class Position:
    """Everything below `address` of a timeline's log has been seen."""

    timeline: int
    address: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that `str` gave; `InvalidError` for anything else."""
        timeline, _, address = text.partition(":")
        for number in (timeline, address):
            if not (number.isascii() and number.isdecimal() and len(number) <= 19):
                raise InvalidError(f"{text!r} is no position: 'timeline:address'")
        position = cls(int(timeline), int(address))
        if str(position) != text or position.address > ADDRESS_MAX:
            raise InvalidError(f"{text!r} is no position: 'timeline:address'")
        return position

    def __str__(self) -> str:
        return f"{self.timeline}:{self.address}"
