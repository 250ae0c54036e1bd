"""The hybrid log: where every write goes first, and from where it is replayed."""

from tempest.log.frame import (
    FRAME_HEADER_BYTES as FRAME_HEADER_BYTES,
    SECTOR_BYTES as SECTOR_BYTES,
    Frame as Frame,
    SealedFrame as SealedFrame,
    decode_payload as decode_payload,
    encode_payload as encode_payload,
)
from tempest.log.hybrid_log import (
    ActiveSegment as ActiveSegment,
    HybridLog as HybridLog,
    capacity_bytes as capacity_bytes,
)
from tempest.log.locate import value_addresses as value_addresses
from tempest.log.open_frame import (
    FRAME_ENTRY_BYTES as FRAME_ENTRY_BYTES,
    OpenFrame as OpenFrame,
)
from tempest.log.orphan import holds_entered_frames as holds_entered_frames
from tempest.log.pages import PAGE_BYTES as PAGE_BYTES
from tempest.log.regions import Regions as Regions, Watermarks as Watermarks
from tempest.log.scanner import (
    FrameScanner as FrameScanner,
    SegmentReader as SegmentReader,
    scan_frames as scan_frames,
    segment_at as segment_at,
)
from tempest.log.segment import (
    OpenSegment as OpenSegment,
    SegmentMeta as SegmentMeta,
    open_segment as open_segment,
    segment_name as segment_name,
    segment_number as segment_number,
)
from tempest.log.serials import (
    SessionEntry as SessionEntry,
    session_entries as session_entries,
    session_run as session_run,
)
from tempest.log.stretch import SealedStretch as SealedStretch, Stretch as Stretch
from tempest.log.value_segment import ValueSegmentWriter as ValueSegmentWriter
from tempest.log.visibility import Visibility as Visibility

__all__ = [
    "FRAME_ENTRY_BYTES",
    "FRAME_HEADER_BYTES",
    "PAGE_BYTES",
    "SECTOR_BYTES",
    "ActiveSegment",
    "Frame",
    "FrameScanner",
    "HybridLog",
    "OpenFrame",
    "OpenSegment",
    "Regions",
    "SealedFrame",
    "SealedStretch",
    "SegmentMeta",
    "SegmentReader",
    "SessionEntry",
    "Stretch",
    "ValueSegmentWriter",
    "Visibility",
    "Watermarks",
    "capacity_bytes",
    "decode_payload",
    "encode_payload",
    "holds_entered_frames",
    "open_segment",
    "scan_frames",
    "segment_at",
    "segment_name",
    "segment_number",
    "session_entries",
    "session_run",
    "value_addresses",
]
