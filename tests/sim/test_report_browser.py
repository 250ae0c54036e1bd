"""Pages in a real headless Chromium: they show, nothing fails, nothing is fetched."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sim import canary, draw, run
from sim.record import Recorder
from sim.report import write_report, write_sweep_report
from sim.runner import draw_lying

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr"),
    *("--virtual-time-budget=2000", "--window-size=1400,2400"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def browse(page: str, folder: Path, *more: str) -> tuple[str, str]:
    """Return the document after its script ran, and what the browser complained of."""
    place = folder / "page.html"
    place.write_text(page, encoding="utf-8")
    command = [CHROMIUM or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", *more]
    done = subprocess.run(
        [*command, place.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(complaints)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    found = canary()
    assert found is not None
    script = draw_lying(found.seed)
    recorder = Recorder()
    failed = run(script, recorder)
    results = [*(run(draw(seed)) for seed in range(3)), failed]
    return {
        "run": write_report(script, failed, recorder),
        "sweep": write_sweep_report(results),
    }


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_the_script_of_a_page_runs_to_its_end(
    name: str, pages: dict[str, str], tmp_path: Path
) -> None:
    document, complaints = browse(pages[name], tmp_path, "--dump-dom")

    assert complaints == ""
    assert '<div id="tip"' in document
    assert "<button" in document
    assert 'hidden=""' not in document


def test_titles_become_hover_details(pages: dict[str, str], tmp_path: Path) -> None:
    document, _ = browse(pages["run"], tmp_path, "--dump-dom")

    assert "data-title=" in document
    assert re.search(r"<title>seed \d+: [a-z-]+</title>", document)
    assert document.count("<title>") == 1


@pytest.mark.parametrize("scheme", ["0", "1"], ids=["dark", "light"])
def test_a_page_can_be_looked_at(
    scheme: str, pages: dict[str, str], tmp_path: Path
) -> None:
    picture = tmp_path / "page.png"
    browse(
        pages["run"],
        tmp_path,
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={scheme}",
    )

    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 50_000
