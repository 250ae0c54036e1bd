"""The hybrid log: where every write goes first, and from where it is replayed."""

from tempest.log.frame import (
    FRAME_HEADER_BYTES as FRAME_HEADER_BYTES,
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
from tempest.log.open_frame import OpenFrame as OpenFrame
from tempest.log.orphan import holds_entered_frames as holds_entered_frames
from tempest.log.scanner import (
    FrameScanner as FrameScanner,
    SegmentReader as SegmentReader,
    scan_frames as scan_frames,
)
from tempest.log.segment import (
    OpenSegment as OpenSegment,
    SegmentMeta as SegmentMeta,
    open_segment as open_segment,
    segment_name as segment_name,
    segment_number as segment_number,
)
from tempest.log.visibility import Visibility as Visibility

__all__ = [
    "FRAME_HEADER_BYTES",
    "ActiveSegment",
    "Frame",
    "FrameScanner",
    "HybridLog",
    "OpenFrame",
    "OpenSegment",
    "SealedFrame",
    "SegmentMeta",
    "SegmentReader",
    "Visibility",
    "capacity_bytes",
    "decode_payload",
    "encode_payload",
    "holds_entered_frames",
    "open_segment",
    "scan_frames",
    "segment_name",
    "segment_number",
]
