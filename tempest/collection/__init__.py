"""Which segments are worth emptying, what that would free, and what it has freed."""

from tempest.collection.census import Census as Census
from tempest.collection.liveness import (
    COPY_BYTES_MAX as COPY_BYTES_MAX,
    CollectionChoice as CollectionChoice,
    LiveBytes as LiveBytes,
    SegmentLiveness as SegmentLiveness,
    choose_sparse as choose_sparse,
    collectable as collectable,
    is_worthwhile as is_worthwhile,
    live_bytes as live_bytes,
    segment_liveness as segment_liveness,
    sparse_segments as sparse_segments,
)
from tempest.collection.report import (
    CollectionEstimate as CollectionEstimate,
    CollectionMethod as CollectionMethod,
    CollectionReport as CollectionReport,
    CollectionStatistics as CollectionStatistics,
    describe_segments as describe_segments,
)

__all__ = [
    "COPY_BYTES_MAX",
    "Census",
    "CollectionChoice",
    "CollectionEstimate",
    "CollectionMethod",
    "CollectionReport",
    "CollectionStatistics",
    "LiveBytes",
    "SegmentLiveness",
    "choose_sparse",
    "collectable",
    "describe_segments",
    "is_worthwhile",
    "live_bytes",
    "segment_liveness",
    "sparse_segments",
]
