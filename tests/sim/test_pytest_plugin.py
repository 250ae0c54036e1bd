"""Crash tests of other people's programs under pytest, with the plugin and without it."""

import re
import textwrap
from pathlib import Path

import pytest

import sim
from io_backends import Io, NotFoundError
from sim import CrashFailure, CrashWorld, Program
from sim.crash_testing import Hardship, Session, session, survive, survive_all

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
Notes = list[int]

LOG = """
import pytest
import sim
from io_backends import IoError, NotFoundError

async def write(io, number):
    file = await io.create_exclusive(f"{number}.new")
    try:
        await file.write_at(0, b"note")
        await file.sync()
    finally:
        await file.aclose()
    await io.rename(f"{number}.new", f"{number}")

async def note(world):
    for name in await world.io.list("/"):
        if name.endswith(".new"):
            await world.io.remove(name)
    names = await world.io.list("/")
    for number in world.memory:
        assert f"{number}" in names, f"note {number} is lost"
    for number in range(len(names), len(names) + 2):
        await write(world.io, number)
        SYNC
        world.memory.append(number)

@sim.crash_test(seeds=30)
async def test_notes(world):
    await note(world)
"""
SOUND = LOG.replace("SYNC", 'await world.io.sync_dir("/")')
UNSOUND = LOG.replace("SYNC", "pass")


async def read_note(io: Io) -> bytes:
    try:
        file = await io.open("note")
    except NotFoundError:
        return b""
    try:
        return await file.read_at(0, await file.size())
    finally:
        await file.aclose()


async def write_note(io: Io, data: bytes, *, is_synced: bool = True) -> None:
    try:
        file = await io.create_exclusive("note")
    except Exception:  # noqa: BLE001 - there already
        file = await io.open("note", writable=True)
    try:
        await file.write_at(0, data)
        if is_synced:
            await file.sync()
    finally:
        await file.aclose()
    await io.sync_dir("/")


# Without the plugin.


def test_a_sound_program_passes_every_seed() -> None:
    lives: list[int] = []

    @sim.crash_test(memory=list[int], seeds=20)
    async def program(world: CrashWorld[Notes]) -> None:
        lives.append(world.life)
        if await read_note(world.io) == b"":
            assert world.memory == []
        await write_note(world.io, b"n")
        world.memory.append(1)

    program()

    assert max(lives) > 1


def test_a_failure_says_how_to_make_it_again() -> None:
    @sim.crash_test(memory=list[int], seeds=50)
    async def forgets(world: CrashWorld[Notes]) -> None:
        assert not world.memory or await read_note(world.io) == b"n", "lost"
        await write_note(world.io, b"n", is_synced=False)
        world.memory.append(1)

    with pytest.raises(CrashFailure) as failure:
        forgets()

    text = str(failure.value)
    seed = re.match(r"seed (\d+): invariant in life \d+: AssertionError: lost", text)
    assert seed is not None
    assert "made small: invariant in life 1" in text
    plan = re.search(r"-k forgets --sim-plan '(.*)'$", text)
    assert plan is not None
    for told in (Session(seed=int(seed[1])), Session(plan=plan[1])):
        with session(told), pytest.raises(CrashFailure, match="AssertionError: lost"):
            forgets()
    assert isinstance(failure.value.__cause__, AssertionError)


def test_a_check_of_its_own_looks_after_restarts() -> None:
    seen: list[int] = []

    async def look(world: CrashWorld[Notes]) -> None:
        seen.append(world.life)
        assert len(world.memory) < 2, "promised twice"

    @sim.crash_test(memory=list[int], check=look, seeds=5, errors=False)
    async def promises(world: CrashWorld[Notes]) -> None:
        await write_note(world.io, b"n")
        world.memory.append(1)

    with pytest.raises(CrashFailure, match="promised twice"):
        promises()
    assert 0 not in seen


def test_a_program_that_is_broken_without_crashes_says_so() -> None:
    @sim.crash_test()
    async def broken(world: CrashWorld[list[object]]) -> None:
        raise KeyError(1)

    with pytest.raises(CrashFailure, match=r"undocumented-error without any crash"):
        broken()


def test_a_program_that_cannot_be_run_again_is_refused() -> None:
    runs: list[int] = []

    @sim.crash_test()
    async def moody(world: CrashWorld[list[object]]) -> None:
        runs.append(1)
        await write_note(world.io, b"%d" % len(runs))

    with pytest.raises(CrashFailure, match="does not do the same when run twice"):
        moody()


def test_what_a_test_draws_differs_from_life_to_life_and_not_from_run_to_run() -> None:
    drawn: list[tuple[int, float]] = []

    @sim.crash_test(seeds=2, lives=2)
    async def draws(world: CrashWorld[list[object]]) -> None:
        drawn.append((world.life, world.random.random()))
        await world.io.list("/")

    draws()
    once = set(drawn)
    draws()

    assert set(drawn) == once
    assert len({number for _, number in once}) == len(once)


def test_any_program_can_be_explored() -> None:
    async def work(io: Io, memory: Notes) -> None:
        await write_note(io, b"n", is_synced=False)
        memory.append(1)

    async def check(io: Io, memory: Notes) -> None:
        assert not memory or await read_note(io) == b"n"

    program = Program(name="note", memory=Notes, work=work, check=check)

    with pytest.raises(CrashFailure, match="cut at the end"):
        survive_all(program)
    with pytest.raises(CrashFailure, match="invariant"):
        survive(lambda _: program, Hardship(seeds=30))


# With the plugin.


def run_pytest(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_notes=text)
    return pytester.runpytest_inprocess("-p", "sim.pytest_plugin", *options)


@pytest.mark.parametrize("trio", [(), ("-p", "no:trio")], ids=["trio", "no trio"])
def test_a_crash_test_is_an_ordinary_test(
    pytester: pytest.Pytester, trio: tuple[str, ...]
) -> None:
    run_pytest(pytester, SOUND, *trio).assert_outcomes(passed=1)


def test_it_goes_together_with_trio_mode(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntrio_mode = true")

    run_pytest(pytester, SOUND).assert_outcomes(passed=1)


def test_a_failing_test_prints_a_line_that_fails_again(
    pytester: pytest.Pytester,
) -> None:
    result = run_pytest(pytester, UNSOUND)

    result.assert_outcomes(failed=1)
    output = result.stdout.str()
    assert "is lost" in output
    again = re.findall(
        r"again: pytest -p sim.pytest_plugin (\S+::test_notes) (--sim-\w+) (.*)$",
        output,
        re.MULTILINE,
    )
    assert {option for _, option, _ in again} == {"--sim-seed", "--sim-plan"}
    for place, option, value in again:
        command = ["-p", "sim.pytest_plugin", place, option, value.strip("'")]
        again_result = pytester.runpytest_inprocess(*command)
        again_result.assert_outcomes(failed=1)


def test_more_seeds_are_run_when_asked_for(pytester: pytest.Pytester) -> None:
    text = SOUND.replace("    await note(world)", "    print('ran'); await note(world)")

    one, more = (
        run_pytest(pytester, text, "-s", "--sim-seeds", count).stdout.str()
        for count in ("1", "20")
    )

    assert more.count("ran") > 2 * one.count("ran")


def test_fixtures_and_parameters_come_after_the_world(
    pytester: pytest.Pytester,
) -> None:
    text = SOUND.replace(
        """@sim.crash_test(seeds=30)
async def test_notes(world):""",
        """@pytest.fixture
def word():
    return "note"

@pytest.mark.parametrize("number", [1, 2])
@sim.crash_test(seeds=3)
async def test_notes(world, word, number):
    assert word == "note" and number in (1, 2)""",
    )

    run_pytest(pytester, text).assert_outcomes(passed=2)


def test_a_fixture_runs_any_program(pytester: pytest.Pytester) -> None:
    text = (
        SOUND
        + """
async def work(io, memory):
    await write(io, 0)

async def check(io, memory):
    assert "0" not in await io.list("/")

def test_program(crash_world):
    program = sim.Program(name="one", memory=list, work=work, check=check)
    with pytest.raises(sim.CrashFailure):
        crash_world.run(program)
    with pytest.raises(sim.CrashFailure, match="--sim-plan"):
        crash_world.explore(program)
"""
    )

    run_pytest(pytester, text).assert_outcomes(passed=2)


def test_pytest_fail_counts_as_a_broken_promise(pytester: pytest.Pytester) -> None:
    text = SOUND.replace(
        "    await note(world)",
        "    await note(world)\n    if len(world.memory) > 2: pytest.fail('too many')",
    )
    result = run_pytest(pytester, text)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*too many*"])


@pytest.mark.parametrize("place", ["conftest", "test_notes"])
def test_the_plugin_may_be_named_in_a_file(
    pytester: pytest.Pytester, place: str
) -> None:
    naming = 'pytest_plugins = ("sim.pytest_plugin",)\n'
    pytester.makepyfile(test_notes=UNSOUND)
    file = pytester.path / f"{place}.py"
    file.write_text(naming + (file.read_text() if file.exists() else ""))

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*again: pytest -p sim.pytest_plugin *--sim-seed *"])


def test_the_example_passes_as_it_is_documented(pytester: pytest.Pytester) -> None:
    example = (ROOT / "examples" / "test_job_queue.py").read_text()

    run_pytest(pytester, example, "--sim-seeds", "5").assert_outcomes(passed=1)


def test_the_page_shows_what_happens(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "testing-your-program.md").read_text()
    block = re.search(r"((?:    .*\n|\n)+)\n`pytest` runs it", page)
    assert block is not None
    text = textwrap.dedent(block[1])
    printed = re.findall(r"^    (seed 0: .*|  made small: .*)$", page, re.MULTILINE)

    result = run_pytest(pytester, text)

    result.assert_outcomes(failed=1)
    for line in printed:
        assert line in result.stdout.str()
