"""What each part of the store costs, beside the others of its kind, in one run: no peer takes part.

    python -m benchmarks.parts [--folder FOLDER] [PART ...]

`PARTS` in `__main__` names them. docs/benchmarks.md says what the figures mean and what they were.
"""
