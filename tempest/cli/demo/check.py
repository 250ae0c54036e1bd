"""Compare a reopened store with what the acknowledgement log allows.

Invariants
- Every acknowledged file is there, with the content last acknowledged (or begun since).
- A file in flight may be there, with its own content only; a batch in flight is there
  whole or not at all. Nothing else is there.
"""

from collections.abc import Container, Iterable, Iterator

import attrs
import xxhash

import tempest
from tempest.cli.demo.acks import Acks
from tempest.cli.demo.plan import Manner, Plan
from tempest.cli.text import show

SCAN_ROWS = 64


@attrs.frozen
class Verdict:
    """What was found. `faults` are sentences; there are none in a sound store."""

    acknowledged: int
    in_flight: int
    in_flight_kept: int
    rows: int
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.faults


async def check_store(store: tempest.Store, plan: Plan, acks: Acks) -> Verdict:
    """Read the whole store and judge it."""
    digests: dict[bytes, int] = {}
    async with store.scan() as rows:
        async for chunk in rows.chunks(SCAN_ROWS):
            for key, value in chunk:
                digests[key] = xxhash.xxh3_64_intdigest(value)
    return judge(digests, plan, acks)


def judge(digests: dict[bytes, int], plan: Plan, acks: Acks) -> Verdict:
    """Judge the store's keys and the digests of its values."""
    indexes = {plan.key(index): index for index in range(len(plan.files))}
    faults = []
    for key, digest in digests.items():
        allowed = acks.allowed(indexes[key]) if key in indexes else set()
        if not allowed:
            faults.append(f"{show(key)} is there and was never written")
        elif digest not in allowed:
            faults.append(f"{show(key)} has content that was never written under it")
    lost = [
        f"{show(plan.key(index))} was acknowledged and is gone"
        for index in acks.acknowledged
        if plan.key(index) not in digests
    ]
    in_flight = [index for index in acks.begun if index not in acks.acknowledged]
    return Verdict(
        acknowledged=len(acks.acknowledged),
        in_flight=len(in_flight),
        in_flight_kept=sum(plan.key(index) in digests for index in in_flight),
        rows=len(digests),
        faults=(*faults, *lost, *_torn_batches(digests, plan, in_flight)),
    )


def _torn_batches(
    digests: Container[bytes], plan: Plan, in_flight: Iterable[int]
) -> Iterator[str]:
    """Name the batches that were in flight and are there in part."""
    for first in sorted({plan.group(index).start for index in in_flight}):
        group = plan.group(first)
        present = sum(plan.key(index) in digests for index in group)
        if plan.manner(first) is Manner.BATCH and 0 < present < len(group):
            yield f"the batch of {show(plan.key(first))} was torn"
