"""Tempest and its peers, measured side by side: `python -m benchmarks.peers`, `make bench`.

Every run (an engine, a workload, a repetition) has a process and a copy of a prepared database
of its own. Operations and the answers expected are made before the engine opens; answers are
checked outside of the timed sections, and what was written once more after a reopen.

    rows        what is compared with what, and the ratio that is wanted
    schedule    runs it, repetitions outermost, engines innermost
    child       one run in a process: `bodies` on an engine of `engines`, timed by a `Meter`
    ratios      the table; `picture` the same as bars
"""
