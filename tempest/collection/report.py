"""What a collection would do, and what one has done: immutable records of plain numbers."""

from enum import Enum

import attrs

from tempest.collection.liveness import SegmentLiveness, segment_liveness
from tempest.compaction import JobResult
from tempest.version import Version


class CollectionMethod(Enum):
    """How `should_collect` finds out what is live.

    `LIVENESS`: from what tables say they point to, at once and without IO. What was overwritten
    or deleted counts as live until a compaction has met it.
    `SCAN`: exactly, by walking over the keys of the store; values are not read.
    `LOOKUP`: exactly, by reading the segments and looking every key in them up.
    """

    LIVENESS = "liveness"
    SCAN = "scan"
    LOOKUP = "lookup"


@attrs.frozen(kw_only=True)
class CollectionEstimate:
    """What `collect` would do to the segments that are on disk now.

    Attributes:
        segments: those that would be emptied, the sparsest first.
        bytes_to_copy: values in them that are still wanted.
        bytes_freed: what their files take, less `bytes_to_copy`. Keys and frame headers are
            copied with the values, and are not counted.
    """

    segments: tuple[SegmentLiveness, ...] = ()
    bytes_to_copy: int = 0
    bytes_freed: int = 0

    @classmethod
    def of(cls, segments: list[SegmentLiveness]) -> "CollectionEstimate":
        return cls(
            segments=tuple(segments),
            bytes_to_copy=sum(segment.live_bytes for segment in segments),
            bytes_freed=sum(segment.bytes_freed for segment in segments),
        )

    @property
    def is_worthwhile(self) -> bool:
        """Whether anything would be freed."""
        return bool(self.segments)


@attrs.frozen(kw_only=True)
class CollectionReport:
    """What collections did. A file goes once no reader, checkpoint or backup needs it any more.

    Attributes:
        runs: steps, each published by one edit.
        segments_removed: numbers of the segments that the store no longer needs.
        bytes_removed: bytes of their files.
        values_copied: values that were still wanted.
        bytes_copied: bytes of these values.
        bytes_written: bytes of the value segments that hold them now.
    """

    runs: int = 0
    segments_removed: tuple[int, ...] = ()
    bytes_removed: int = 0
    values_copied: int = 0
    bytes_copied: int = 0
    bytes_written: int = 0

    @classmethod
    def of(
        cls, version: Version, removed: tuple[int, ...], result: JobResult | None
    ) -> "CollectionReport":
        """Describe one step: what leaves the version, and what the job made."""
        gone = [s for s in version.all_segments if s.number in removed]
        made = () if result is None else result.segments
        return cls(
            runs=1,
            segments_removed=removed,
            bytes_removed=sum(segment.file_bytes for segment in gone),
            values_copied=0 if result is None else result.values,
            bytes_copied=0 if result is None else result.value_bytes,
            bytes_written=sum(segment.file_bytes for segment in made),
        )

    def __add__(self, other: "CollectionReport") -> "CollectionReport":
        return CollectionReport(
            runs=self.runs + other.runs,
            segments_removed=self.segments_removed + other.segments_removed,
            bytes_removed=self.bytes_removed + other.bytes_removed,
            values_copied=self.values_copied + other.values_copied,
            bytes_copied=self.bytes_copied + other.bytes_copied,
            bytes_written=self.bytes_written + other.bytes_written,
        )

    @property
    def bytes_freed(self) -> int:
        """Bytes removed, less bytes written."""
        return self.bytes_removed - self.bytes_written


@attrs.frozen(kw_only=True)
class CollectionStatistics:
    """The closed segments of a store, by what its tables say, and what collections did.

    Attributes:
        segments: every closed segment, log segments first, by address.
        value_segments: how many of them hold nothing but values that were copied.
        bytes: bytes of their files.
        live_bytes: bytes of the values in them that tables point to.
        done: what collections did since the store was opened.
    """

    segments: tuple[SegmentLiveness, ...]
    value_segments: int
    bytes: int
    live_bytes: int
    done: CollectionReport


def describe_segments(version: Version, done: CollectionReport) -> CollectionStatistics:
    """Add up the closed segments of a version."""
    segments = segment_liveness(version)
    return CollectionStatistics(
        segments=segments,
        value_segments=len(version.value_segments),
        bytes=sum(segment.bytes for segment in segments),
        live_bytes=sum(segment.live_bytes for segment in segments),
        done=done,
    )
