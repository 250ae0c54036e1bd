"""How a client makes, lists, reads and drops checkpoints, and what it holds against each answer.

Invariants
- A checkpoint counts from its commit point on, as the callback tells it: not when the call returns.
- What a refusal says is excused only by what the client knows: somebody else at work, no base.
"""

from collections.abc import Callable, Iterable
from typing import NoReturn

import attrs
import trio

import tempest
from sim import services
from sim.faults import STORE
from sim.keepsakes import Keepsake, Listed, Request, Sort, in_doubt
from sim.oracle import Violation
from sim.surroundings import RefusedError, Surroundings
from tempest import (
    CheckpointInfo,
    CheckpointKind,
    CheckpointOutcome,
    CheckpointPhase,
    CheckpointStyle,
    Store,
)

ORDER = ("PREPARE", "IN_PROGRESS", "WAIT_PENDING", "WAIT_FLUSH", "PERSIST", "REST")
BASES = ("FULL", "INCREMENTAL")


@attrs.define(eq=False)
class Hearing:
    """What the callbacks of one request were told."""

    request: Request
    phases: list[str] = attrs.field(factory=list)
    outcomes: list[CheckpointOutcome] = attrs.field(factory=list)
    made: Keepsake | None = None
    droppings: int = 0  # that were begun or had ended when it was asked for

    def enter(self, phase: CheckpointPhase) -> None:
        """Take in a phase that begins."""
        self.phases.append(phase.name)


@attrs.define(eq=False)
class Started:
    """A checkpoint that goes on by itself."""

    ticket: tempest.CheckpointTicket
    hearing: Hearing


class CheckpointClient:
    """The part of a client that has to do with checkpoints."""

    def __init__(self, world: Surroundings, store: Store) -> None:
        self._world = world
        self._keepsakes = world.keepsakes
        self._store = store
        self._started: dict[int, Started] = {}

    async def perform(self, operation: services.Service) -> None:  # noqa: C901 a table
        """Perform one operation."""
        match operation:
            case services.Checkpoint(kind, style, cookie):
                await self._make((kind, style, cookie))
            case services.CheckpointStart(slot, kind, style, cookie):
                self._start(slot, (kind, style, cookie))
            case services.CheckpointWait(slot):
                await self._wait(slot)
            case services.CheckpointList():
                await self._list()
            case services.CheckpointRead(which):
                await self._read(which)
            case services.CheckpointValidate(which):
                await self._validate(which)
            case services.CheckpointDrop(which):
                await self._drop(which)
            case services.CheckpointPrune(keep, automatic_only):
                await self._prune(keep, automatic_only=automatic_only)
            case _:
                raise AssertionError(f"nobody performs {operation}")

    # Making.

    async def _make(self, sort: Sort) -> None:
        hearing = self._ask(sort)
        try:
            kind, style, cookie = _words(sort)
            token = await self._store.checkpoint(
                kind,
                style,
                cookie,
                on_phase=hearing.enter,
                on_persisted=self._listener(hearing),
            )
        except tempest.CheckpointError as error:
            self._refused(error, hearing)
        finally:
            self._keepsakes.answered(hearing.request)
        self._check_made(token, hearing)

    def _start(self, slot: int, sort: Sort) -> None:
        hearing = self._ask(sort)
        kind, style, cookie = _words(sort)
        try:
            ticket = self._store.start_checkpoint(
                kind,
                style,
                cookie,
                on_phase=hearing.enter,
                on_persisted=self._listener(hearing),
            )
        except tempest.CheckpointError as error:
            self._keepsakes.answered(hearing.request)
            self._refused(error, hearing)
        except tempest.TempestError:
            self._keepsakes.answered(hearing.request)
            raise
        self._started[slot] = Started(ticket, hearing)

    async def _wait(self, slot: int) -> None:
        started = self._started.pop(slot, None)
        if started is None:
            return
        try:
            token = await started.ticket.wait()
        except tempest.CheckpointError as error:
            self._refused(error, started.hearing)
        except trio.Cancelled:
            self._started.setdefault(slot, started)
            raise
        self._check_made(token, started.hearing)

    def _ask(self, sort: Sort) -> Hearing:
        request = self._keepsakes.ask(self._world.model, sort)
        return Hearing(request, droppings=self._keepsakes.droppings)

    def _listener(self, hearing: Hearing) -> Callable[[CheckpointOutcome], None]:
        world, keepsakes = self._world, self._keepsakes

        def on_persisted(outcome: CheckpointOutcome) -> None:
            hearing.outcomes.append(outcome)
            token, request = outcome.token, hearing.request

            def take() -> None:
                assert token is not None, "it was made"
                hearing.made = keepsakes.made(token, request, world.model)

            if token is not None and not world.is_dark:
                world.guard(take)
            if outcome.error is not None and _is_of_the_disk(outcome.error):
                world.hear()
            keepsakes.answered(request)

        return on_persisted

    def _refused(self, error: tempest.CheckpointError, hearing: Hearing) -> NoReturn:
        """Excuse an error that tells of others at work, or of no base; raise it else."""
        request = hearing.request
        if hearing.made is not None:
            raise Violation(
                "checkpoint", f"{hearing.made.name!r} is there, and {error}"
            )
        is_first = request.sort[0] == "INCREMENTAL" and not any(
            one.sort[0] in BASES
            and one.name in self._keepsakes.line
            and not one.is_automatic
            for one in self._keepsakes.kept()
        )
        is_dropped = request.sort[0] == "INCREMENTAL" and (
            hearing.droppings != self._keepsakes.droppings
        )
        is_busy = request.has_met and "is being made" in str(error)
        is_excused = is_first or is_dropped or is_busy or self._world.is_automatic
        if is_excused and not _is_of_the_disk(error):
            raise RefusedError from error
        raise error

    def _check_made(self, token: bytes, hearing: Hearing) -> None:
        told = [outcome.token for outcome in hearing.outcomes]
        if told != [token] and not self._world.is_dark:
            raise Violation("checkpoint", f"{token!r} was made, and told was {told}")
        places = [ORDER.index(phase) for phase in hearing.phases]
        is_log = hearing.request.sort[0] == "LOG"
        if places != sorted(dict.fromkeys(places)) or (
            is_log and "WAIT_FLUSH" in hearing.phases
        ):
            raise Violation("checkpoint", f"{token!r} went through {hearing.phases}")

    # Looking.

    async def _list(self) -> None:
        before = self._keepsakes.kept()
        infos = await self._store.checkpoints()
        self._world.guard(
            lambda: self._keepsakes.listed(listed(infos), before, self._world.model)
        )
        check_infos(infos)
        if infos:
            last = infos[-1]
            try:
                found = await self._store.checkpoint_info(last.token)
            except tempest.CheckpointError:
                known = self._keepsakes.checkpoints[last.token]
                self._check_gone(known)
            else:
                if attrs.evolve(found, is_abandoned=last.is_abandoned) != last:
                    raise Violation("checkpoint", f"{last} is {found} alone")

    async def _read(self, which: int) -> None:
        keepsake = self._keepsakes.choose(which, readable=True)
        if keepsake is None:
            return
        try:
            found = await self._world.read_elsewhere(STORE, keepsake.name)
        except tempest.CheckpointError:
            self._check_gone(keepsake)
            return
        if found is not None:
            keepsake.check(*found)

    async def _validate(self, which: int) -> None:
        keepsake = self._keepsakes.choose(which)
        if keepsake is None:
            return
        try:
            report = await self._store.validate_checkpoint(keepsake.name)
        except tempest.CheckpointError:
            self._check_gone(keepsake)
            return
        if report.is_valid:
            return
        if not self._world.is_troubled:
            self._check_gone(keepsake, f"is not valid: {report}")
        self._world.hear()

    def _check_gone(self, keepsake: Keepsake, what: str = "is not there") -> None:
        if keepsake.state == "kept" and not keepsake.is_automatic:
            raise Violation("checkpoint", f"{keepsake.name!r} {what}")
        raise RefusedError

    # Dropping.

    async def _drop(self, which: int) -> None:
        keepsake = self._keepsakes.choose(which)
        if keepsake is None:
            return
        keepsake.state = "doubtful"
        self._keepsakes.droppings += 1
        droppings = self._keepsakes.droppings
        try:
            await self._store.drop_checkpoint(keepsake.name)
        except tempest.CheckpointError as error:
            if droppings != self._keepsakes.droppings or keepsake.is_automatic:
                raise RefusedError from error
            raise
        self._keepsakes.droppings += 1
        if not self._world.is_dark:
            keepsake.state = "gone"

    async def _prune(self, keep: int, *, automatic_only: bool) -> None:
        keepsakes = self._keepsakes
        keepsakes.droppings += 1
        kept = keepsakes.kept()
        newest = next((one for one in kept if one.is_readable), None)
        doubted = list(
            in_doubt(k for k in kept if k.is_automatic or not automatic_only)
        )
        tokens = await self._store.prune_checkpoints(
            keep, automatic_only=automatic_only
        )
        keepsakes.droppings += 1
        if self._world.is_dark:
            return
        if newest is not None and newest.name in tokens:
            self._check_newest(newest)
        for one in doubted:
            if one.name in tokens:
                one.state = "gone"
            elif one.state == "doubtful":
                one.state = "kept"

    def _check_newest(self, pruned: Keepsake) -> None:
        """Check that a newer one is there, or that the store has left this one behind."""
        keepsakes = self._keepsakes
        is_newest = pruned.name >= max(keepsakes.checkpoints)
        is_past = pruned.name not in keepsakes.line or self._world.is_automatic
        if is_newest and not is_past:
            raise Violation("checkpoint", f"the newest, {pruned.name!r}, is pruned")


def _words(sort: Sort) -> tuple[CheckpointKind, CheckpointStyle, bytes]:
    kind, style, cookie = sort
    return CheckpointKind[kind], CheckpointStyle[style], b"%d" % cookie


def listed(infos: Iterable[CheckpointInfo]) -> list[Listed]:
    """Return what a list says that the model can be asked about."""
    return [
        Listed(
            info.token,
            (info.kind.name, info.style.name, int(info.cookie or b"0")),
            info.automatic,
            info.is_abandoned,
        )
        for info in infos
    ]


def check_infos(infos: Iterable[CheckpointInfo]) -> None:
    """Check what needs no model: the order, and times that are possible."""
    tokens = [info.token for info in infos]
    if tokens != sorted(dict.fromkeys(tokens)):
        raise Violation("checkpoint", f"{tokens} are listed in no order")
    for info in infos:
        if not 0.0 <= info.duration_seconds <= trio.current_time() + 1.0:
            raise Violation("checkpoint", f"{info} took an impossible time")


def _is_of_the_disk(error: tempest.CheckpointError) -> bool:
    """Whether it tells of something that failed, not of others at work or of an end."""
    cause = error.__cause__
    return cause is not None and not isinstance(
        cause, tempest.CheckpointError | tempest.NotOpenError
    )
