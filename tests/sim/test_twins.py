"""Damage is done to a twin; the judge lets an honest engine pass and finds each that is not."""

from random import Random
from types import MethodType
from typing import get_args

import attrs
import pytest

import tempest.log.hybrid_log
import tempest.log.scanner
import tempest.replay
import tempest.table.reader
from io_backends import (
    READS,
    CrashPolicy,
    FaultPlan,
    FaultyIo,
    LateError,
    StaleRead,
    VirtualDisk,
    VirtualIo,
)
from sim import Ending, Life, RunResult, Script, draw, run
from sim.faults import History, file_kind, hurt, hurt_runs, lacking
from sim.faults.history import SECTOR_BYTES
from sim.operations import Compact, Flush, Operation, Put
from sim.script import Damage, DamagedFile, DamageKind
from sim.trial import is_predecessor, stands_in
from tempest.log import HybridLog, SegmentReader
from tempest.replay import Replay

KEYS = tuple(b"%02d" % number for number in range(60))
KEPT = CrashPolicy.keep_all()
LOST = CrashPolicy.drop_all()


def script(
    damages: tuple[Damage, ...],
    operations: tuple[Operation, ...],
    ending: Ending,
    **life: object,
) -> Script:
    """Make a life that ends, with damage done to twins of what it leaves, and a last one."""
    first = Life(clients=(operations,), damages=damages, ending=ending, **life)  # type: ignore[arg-type]
    return Script(keys=(KEYS,), lives=(first, Life(ending=Ending(kind="close"))))


def puts(count: int, size: int = 30) -> tuple[Operation, ...]:
    return tuple(Put(KEYS[number % len(KEYS)], size) for number in range(count))


def damaged(kind: DamageKind, file: DamagedFile, seeds: range) -> RunResult:
    """Do one kind of damage to many twins of a store that has tables and a log."""
    damages = tuple(
        Damage(kind=kind, file=file, seed=seed, read_only=seed % 2 == 0)
        for seed in seeds
    )
    work = (*puts(8), Flush(), *puts(8), Compact(), *puts(8), Flush(), *puts(6))
    ending = Ending(operations=10_000, policy=KEPT)
    return run(script(damages, work, ending))


@pytest.mark.parametrize("file", get_args(DamagedFile))
@pytest.mark.parametrize("kind", get_args(DamageKind))
def test_an_honest_engine_passes_under_damage(
    kind: DamageKind, file: DamagedFile
) -> None:
    result = damaged(kind, file, range(8))

    assert result.verdict == "ok", result.detail


def test_no_write_to_the_log_touches_a_sector_that_was_synced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D1: zeros ahead of a sync that had nothing to carry did, and a cut could take the sector."""
    touched: list[str] = []
    count = 0

    class Watching(History):
        def note_write(self, path: str, offset: int, data: bytes) -> None:
            nonlocal count
            if file_kind(path) == "log":
                count += 1
                synced = self._synced.get(path, 0)
                if offset - offset % SECTOR_BYTES < synced:
                    touched.append(f"{path}: {offset}, synced up to {synced}")
            super().note_write(path, offset, data)

    monkeypatch.setattr("sim.world.History", Watching)
    for seed in range(20):
        run(draw(seed))

    assert count > 1000
    assert touched == []


@pytest.mark.parametrize("file", get_args(DamagedFile))
def test_damage_is_found_and_counted(file: DamagedFile) -> None:
    result = damaged("rot", file, range(60))

    assert set(result.fault_places["rot"]) == {file}
    assert "rot found" in result.situations
    if file == "table":
        assert "the rest of a damaged store is read" in result.situations


def test_damage_to_what_nothing_proves_passes_for_a_tear() -> None:
    """The process dies between the last sync and the mark behind it."""
    damages = tuple(Damage(kind="rot", file="log", seed=seed) for seed in range(12))
    situations = {
        situation
        for io in range(6)
        for situation in run(
            script(damages, puts(4), Ending(kind="kill", operations=4, io=io))
        ).situations
    }

    assert "damage passes for a tear" in situations


def test_a_tear_may_begin_inside_of_damage() -> None:
    """A write goes astray over frames that a flush has put into a table, and the mark behind them."""
    damages = tuple(
        Damage(kind="misdirected", file="log", seed=seed) for seed in range(12)
    )
    work = (Put(KEYS[0], 1500), *puts(2), Flush(), Put(KEYS[1], level="os"))
    result = run(script(damages, work, Ending(kind="kill", operations=5, io=1)))

    assert result.verdict == "ok", result.detail
    assert "damage passes for a tear" in result.situations


def test_half_of_a_write_proves_nothing() -> None:
    """Seed 402352: the power went in the middle of a mark, and a judge took its half for a proof."""
    damages = tuple(Damage(kind="stale", file="log", seed=seed) for seed in range(12))
    ending = Ending(operations=4, io=1, when="during", policy=CrashPolicy.keep_all())
    for io in range(6):
        result = run(script(damages, puts(8), attrs.evolve(ending, io=io)))

        assert result.verdict == "ok", result.detail


def test_a_manifest_may_be_blamed_for_its_successor() -> None:
    """Seed 25417: the newest manifest was gone, and the one before it lacked what it had said."""
    older, newer = "store/manifest-000000000001", "store/manifest-000000000002"

    assert is_predecessor(older, [newer], [older, "store/log-000000000003"])
    assert not is_predecessor(older, [newer], [older, newer])
    assert not is_predecessor(newer, [older], [newer])
    assert not is_predecessor("store/log-000000000003", [newer], [older])
    assert not is_predecessor(older, ["store/table-000000000004"], [older])


def test_a_manifest_under_both_names_is_blamed_by_its_retired_one() -> None:
    """Seed 19587: a cut had undone half of the renaming, and then the newest manifest was gone."""
    older, newer = "store/manifest-000000000001", "store/manifest-000000000002"

    assert is_predecessor(f"{older}.old", [newer], [older, f"{older}.old"])
    assert not is_predecessor(f"{older}.old", [newer], [f"{older}.old", newer])
    assert not is_predecessor(f"{older}.old", [], [older, f"{older}.old"])


def test_a_manifest_that_was_not_retired_stands_in_for_the_one_that_is_gone() -> None:
    """Seed 10770: the power had gone between publishing a manifest and retiring the one before."""
    older, newer = "store/manifest-000000000001", "store/manifest-000000000002"

    assert stands_in([newer], [f"/{older}", "/store/log-000000000003"])
    assert not stands_in([newer], [f"/{older}.old"])
    assert not stands_in([newer], [f"/{older}", f"/{newer}"])
    assert not stands_in(["store/table-000000000004"], [f"/{older}"])


async def no_mark(_: SegmentReader) -> int:
    return 0


async def unchecked(
    self: Replay, reader: SegmentReader, replayed: tempest.replay.Replayed, end: int
) -> None:
    while reader.address < end and (frame := await reader.next()) is not None:
        await self._load(frame, reader.segment.path, replayed)
    replayed.confirmed = end


@pytest.mark.parametrize(
    ("place", "name", "replacement"),
    [
        (SegmentReader, "mark_behind", no_mark),
        (tempest.replay.Replay, "_read_closed", unchecked),
    ],
)
def test_an_engine_that_leaves_out_what_was_proven_is_found(
    place: type, name: str, replacement: MethodType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole in the middle of the log, taken for its end; the same in a closed segment."""
    monkeypatch.setattr(place, name, replacement)
    damages = tuple(Damage(kind="rot", file="log", seed=seed) for seed in range(30))
    ending = Ending(operations=10_000, policy=KEPT)
    options = (("segment_bytes_max", 2048),)
    result = run(script(damages, puts(60), ending, options=options))

    assert result.verdict == "silent-loss", result.detail


def test_an_engine_that_blames_a_sound_file_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It refuses the newest segment whatever it holds."""

    def damage(reader: SegmentReader, known: str) -> tempest.CorruptionError:
        return tempest.CorruptionError("store/lock", 0, known)

    monkeypatch.setattr(tempest.replay, "_damage", damage)
    damages = tuple(Damage(kind="rot", file="log", seed=seed) for seed in range(30))
    ending = Ending(operations=10_000, policy=KEPT)
    result = run(script(damages, puts(30), ending))

    assert result.verdict == "needless-loss", result.detail


def late(operations: tuple[Operation, ...]) -> Script:
    lie = LateError(path="store/log-*", at=40)
    return script((), operations, Ending(operations=10_000, policy=LOST), faults=(lie,))


def test_pages_that_a_sync_lost_in_silence_are_missed_or_passed_for_a_tear() -> None:
    counts = [run(late(puts(count))) for count in range(1, 20)]

    assert {result.verdict for result in counts} == {"ok"}
    assert any("lost pages done" in result.situations for result in counts)
    assert any("a late error is got over" in result.situations for result in counts)


def test_a_table_that_is_mended_does_not_bring_back_a_torn_frame() -> None:
    """One crash takes a table, which is refused, and the last frame of the log, which is not."""
    work = (*puts(3), Flush(), *puts(3))
    runs = [
        run(
            script(
                (),
                work,
                Ending(operations=len(work), policy=LOST),
                faults=(
                    LateError(path="store/table-*"),
                    LateError(path="store/log-*", at=at),
                ),
            )
        )
        for at in range(30, 60)
    ]

    assert {(result.verdict, result.detail) for result in runs} == {("ok", "")}
    both = {"damage is found", "damage passes for a tear"}
    assert any(both <= set(result.situations) for result in runs)


def test_an_engine_that_forgets_frames_at_their_own_sync_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The late error is told with the next sync, and then nobody has the frames any more."""

    def synced(self: HybridLog, target: int) -> int:
        self.confirmed = self.durable = target
        return self.flushed_sequence

    monkeypatch.setattr(HybridLog, "_synced", synced)
    verdicts = {run(late(puts(count))).verdict for count in range(1, 20)}

    assert verdicts - {"ok"}, "nobody noticed"
    assert verdicts <= {"ok", "needless-loss", "silent-loss"}


# How damage is done, and what proves that something was there.


def a_disk() -> tuple[VirtualDisk, History]:
    """Make two segments of three writes each, the first two of each synced."""
    disk, history = VirtualDisk(), History()
    disk.make_dir("store")
    for number in (1, 2):
        path = f"store/log-{number:012d}"
        handle = disk.create(path)
        for place in range(3):
            data = bytes([number * 16 + place]) * 512
            history.note_write(path, place * 512, data)
            disk.write_at(handle, place * 512, data)
            history.note_written(path, place * 512 + 512)
            if place < 2:
                history.note_synced(path, history.sync_mark(path))
        disk.close(handle)
    return disk, history


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", get_args(DamageKind))
def test_a_twin_is_hurt_where_it_says_and_the_disk_is_spared(
    kind: DamageKind, seed: int
) -> None:
    disk, history = a_disk()
    before = disk.contents()
    twin = hurt(disk, Damage(kind=kind, file="log", seed=seed), history)

    assert disk.contents() == before
    if twin is None or twin.faults:
        return
    after = twin.disk.contents()
    for path in before.keys() | after.keys():
        for start, _ in hurt_runs(before.get(path, b""), after.get(path, b"")):
            assert any(at <= start for at in twin.places[path.removeprefix("/")])


def test_a_place_is_proven_by_a_later_write_or_a_newer_segment() -> None:
    disk, history = a_disk()
    first, second = (f"store/log-{number:012d}" for number in (1, 2))
    contents = disk.contents()

    assert history.proven_until(contents, second) == 1024, "the third write knew of it"
    assert history.proven_until(contents, first) > 1024, "the log went on elsewhere"
    disk.overwrite(second, 1024, bytes(512))
    assert history.proven_until(disk.contents(), second) == 512, "its witness is gone"
    assert history.proven_until(contents, "store/table-000000000001") > 0


def test_what_two_disks_differ_in() -> None:
    disk, _ = a_disk()
    other = disk.clone()

    assert lacking(disk, other) is None
    other.corrupt("store/log-000000000001", 700)
    twin = lacking(disk, other)
    assert twin is not None
    assert twin.places == {"store/log-000000000001": (700,)}
    assert not twin.is_resized
    assert hurt_runs(b"abc", b"abcd") == [(3, 4)]
    assert hurt_runs(b"x" * 2000, b"y" + b"x" * 1998 + b"y") == [(0, 1), (1999, 2000)]


def test_damage_is_the_same_for_the_same_seed() -> None:
    disk, history = a_disk()
    damage = Damage(kind="misdirected", file="log", seed=Random(7).getrandbits(32))
    twins = [hurt(disk, damage, history) for _ in range(2)]

    assert twins[0] is not None
    assert twins[1] is not None
    assert twins[0].disk.contents() == twins[1].disk.contents()
    assert attrs.evolve(damage, seed=1) != damage


async def test_a_lie_is_placed_where_it_differs_sector_by_sector() -> None:
    """Seed 44075: the header of a stale manifest was nearly the true one, its edits were not there.

    A cut at the read's first byte explains nothing then; one at the first edit does.
    """
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan((StaleRead(kinds=READS),)))
    file = await io.create_exclusive("file")
    await file.write_at(0, b"header 1" + bytes(504))
    await file.write_at(0, b"header 2" + bytes(504))
    await file.write_at(512, b"edit" * 128)
    await file.write_at(1024, bytes(512) + b"edit" * 900)
    assert await file.read_at(0, 5136) == b"header 1" + bytes(5128)
    assert list(io.lied_at.values()) == [(7, 512, 1536, 2048)]
    await file.aclose()
