"""Frames are kept in lists, one for a sync; what is kept is what one list of all of them would keep."""

from collections import deque

import attrs
from hypothesis import given, settings

from tempest.log import HybridLog, SealedFrame
from tempest.log.hybrid_log import FORGET_FRAMES
from tests.tempest.log.support import Shelf, text_payload
from tests.tempest.log.test_hybrid_log import STEPS, Driver


@attrs.define
class Plain:
    """All frames that were sealed, in one list; they go one by one once they are confirmed."""

    log: HybridLog
    frames: deque[SealedFrame] = attrs.field(factory=deque)

    def __attrs_post_init__(self) -> None:
        seal, unseal = self.log.seal, self.log.unseal

        def sealed(payload: bytes, last_sequence: int) -> SealedFrame:
            self.frames.append(frame := seal(payload, last_sequence))
            return frame

        def unsealed(frame: SealedFrame) -> None:
            assert self.frames.pop() is frame
            unseal(frame)

        self.log.seal, self.log.unseal = sealed, unsealed  # type: ignore[method-assign,assignment]

    def synced(self) -> None:
        while self.frames and self.frames[0].end <= self.log.confirmed:
            self.frames.popleft()

    def behind(self, address: int) -> SealedFrame | None:
        return next((frame for frame in self.frames if frame.end > address), None)


@settings(max_examples=60)
@given(STEPS)
async def test_lists_of_frames_keep_what_one_list_keeps(steps: list[str]) -> None:
    driver = await Driver.make()
    log = driver.log
    plain = Plain(log)
    for name in steps:
        await getattr(driver, name)()
        if name in ("sync", "roll"):
            plain.synced()
        assert log.retained == list(plain.frames)
        ends = [frame.end for frame in plain.frames]
        for address in {0, log.tail, *ends, *(end - 1 for end in ends)}:
            assert log.retained_behind(address) is plain.behind(address)


async def test_many_frames_that_are_confirmed_go_piece_by_piece() -> None:
    log = await (await Shelf.make()).log()
    for count, is_kept in ((FORGET_FRAMES, False), (FORGET_FRAMES + 1, True)):
        for number in range(count):
            log.flush_nowait(log.seal(text_payload("x", number + 1), number + 1))
        assert await log.sync() == count
        await log.sync()
        assert log.retained == []
        assert bool(log.leftovers.going) is is_kept
