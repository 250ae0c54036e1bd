"""The README's code runs as it is printed, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = ["README.md", "CONTRIBUTING.md"]


def test_the_first_screen_has_code() -> None:
    assert len(CODE) == 1


def test_the_code_runs_as_it_is_printed(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", CODE[0]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (finished.stdout, finished.stderr) == ("b'user:2' b'grace'\n", "")
    assert finished.returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_links_into_the_project_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / target).is_file(), target
