"""The public page on the corpus: the code writes it, and a test holds it to the code.

    as_page(results)    docs/published-bugs.md, of cases and their results

Invariants
- Everything on the page but the numbers of states is the same however Tempest and the disk change.
"""

from collections.abc import Iterable

from sim.corpus.case import Case, CaseResult
from sim.corpus.hunt import Look

HEAD = """\
# Published bugs, replayed

Each row is a bug that was published of another engine or file system. A *strawman* is a small
engine that has it; its *mended twin* is the same code with the fix, one flag. Strawman, twin and
Tempest run the same script through the same hunt: the power fails at every operation and every
subset of what was unsynced is kept, or operations fail, writes surface late, recovery is cut, or
plans are drawn. A case holds if the strawman fails, and the twin and Tempest pass.

*After* is how many states it took until the strawman failed, and *states* how many Tempest came
through, both when this page was written. A state is a disk after a power cut, different from those
before, that was opened and compared with what was promised; or a crash of a plan.

CrashMonkey's bugs are those of file systems that broke their promises; here the same disks are
reached without any promise, and the strawman is a program that believed in one. Its bug 8 (blocks
beyond the end of a file) has no counterpart, for `Io` keeps no such blocks.

`python -m sim corpus` runs all of it, `python -m sim corpus NAME` one case. `sim.corpus.page()`
writes this page, and `tests/sim/test_corpus.py` holds it to the code.
"""
COLUMNS = """\
| case | source | strawman | mended | Tempest | after | states |
|---|---|---|---|---|---:|---:|"""


def as_page(results: Iterable[tuple[Case, CaseResult]]) -> str:
    """Return the page for these results."""
    pairs = list(results)
    rows = [f"{row_of(*pair)} {_states(pair[1])} |" for pair in pairs]
    stories = [story_of(case) for case, _ in pairs]
    return "\n".join(
        (HEAD, f"## {len(rows)} cases\n", COLUMNS, *rows, "\n## Stories\n", *stories)
    )


def row_of(case: Case, result: CaseResult) -> str:
    """Return a row of the table up to its numbers."""
    look = result.strawman
    cells = (
        f"[{case.title}](#{case.name.replace('.', '')})",
        case.source,
        "passes" if look.is_ok else f"fails: {_words(look)}",
        _verdict(result.mended),
        _verdict(result.tempest),
    )
    return f"| {' | '.join(cells)} |"


def story_of(case: Case) -> str:
    """Return what happens in a case, under its name."""
    return f"### {case.name}\n\n{case.story}\n"


def _states(result: CaseResult) -> str:
    return f"{result.strawman.states} | {result.tempest.states}"


def _verdict(look: Look) -> str:
    return "passes" if look.is_ok else "fails"


def _words(look: Look) -> str:
    """Shorten what a failure says of itself: no class, no place in the code."""
    words = look.detail.rpartition(" (")[0].partition(": ")[2].partition(": ")[2]
    return words.replace("no prefix of the writes explains what came back: ", "")
