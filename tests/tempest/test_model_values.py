"""The store against a dict once more, with nearly every value left in the log."""

from typing import ClassVar

import attrs
from hypothesis import settings

from tempest import Options
from tests.tempest.crash.world import TINY
from tests.tempest.test_model import StoreMachine


class SeparatingMachine(StoreMachine):
    """The same steps; a read cache so small that it evicts all the time."""

    options: ClassVar[Options] = attrs.evolve(
        TINY, separated_value_bytes_min=64, read_cache_bytes_max=1500
    )


SeparatingMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, derandomize=True
)
TestSeparatingStore = SeparatingMachine.TestCase
