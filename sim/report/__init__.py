"""Runs as pages: one self-contained HTML file for a run, one for a sweep.

write_report(script, result, recorder)      what happened, and why it failed
write_sweep_report(results)                 every seed, every fault, every situation
"""

from sim.report.run_page import write_report as write_report
from sim.report.sweep_page import write_sweep_report as write_sweep_report

__all__ = ["write_report", "write_sweep_report"]
