"""Fresh seeds for hours, unattended, on every core, and what they leave in a folder.

Soak(folder, jobs=2, seconds=8 * 3600).run()    until the time is over, or an interrupt
reload(folder)                                  every script that was kept, run again
"""

from sim.soak.reload import Again as Again, reload as reload
from sim.soak.soak import Soak as Soak
from sim.soak.tally import Tally as Tally
from sim.soak.task import Task as Task

__all__ = ["Again", "Soak", "Tally", "Task", "reload"]
