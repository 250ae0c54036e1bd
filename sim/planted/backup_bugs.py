"""Bugs of backups: folders that hold less than they promise, or nothing for a while."""

from io_backends import CrashPolicy
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed
from sim.script import Recover
from sim.services import Backup

MADE = Directed(
    mix={"put": 6, "delete": 1, "large": 1, "flush": 1, "compact": 0.5, "backup": 3},
    options={
        "separated_value_bytes_min": 64,
        "memtable_bytes_max": 1024,
        "segment_bytes_max": 1024,
    },
    levels=(1, 1, 1),
    operations=24,
    lives=2,
    policies=(CrashPolicy.drop_all(),),
)
REPLACED = Directed(
    mix={"put": 6, "flush": 1, "compact": 1, "backup": 1},
    options={"memtable_bytes_max": 1024, "segment_bytes_max": 1024},
    sizes=(60, 200),
    operations=16,
    lives=4,
    finale=(Backup(), Backup()),
    armed=17,
    io=tuple(range(90)),
)
RESTORED = Directed(
    mix={"put": 6, "backup": 2, "session": 2, "checkpoint": 1},
    operations=20,
    lives=2,
    recovers=(Recover(what="backup"), Recover(what="backup", which=1)),
)

BACKUP_BUGS = (
    Planted.edit(
        "backup-lacks-what-was-written-last",
        "a backup holds every write that had returned, whatever its level",
        Edit(
            "tempest.backup.making:make_backup",
            "pinned = await committer.roll()",
            "pinned = manifest.pin()",
        ),
        draw=MADE,
    ),
    Planted.edit(
        "backup-lacks-the-log",
        "a backup holds the log that was not in tables",
        Edit(
            "tempest.backup.making:version_to_back_up",
            "        segments=closed,\n",
            "        segments=(),\n        replay_from=address,\n",
        ),
        draw=MADE,
    ),
    Planted.edit(
        "backup-does-not-sync-the-parent",
        "the name of the folder itself has to last",
        Edit(
            "tempest.backup.target:open_target",
            "            await io.sync_dir(_parent(folder))\n",
            "            pass\n",
        ),
        draw=MADE,
    ),
    Planted.edit(
        "backup-removes-the-older-one-first",
        "files of the older backup go once the new one is published",
        Edit(
            "tempest.backup.making:fill",
            "    await target.publish(version)\n",
            "    for name in [n for n in present if n not in wanted]:\n"
            "        await target.io.remove(f'{target.folder}/{name}')\n"
            "    present = {}\n"
            "    await target.publish(version)\n",
        ),
        draw=REPLACED,
    ),
    Planted.edit(
        "backup-leaves-old-files",
        "what the new backup does not name goes",
        Edit(
            "tempest.backup.making:fill",
            "gone = [name for name in present if name not in wanted]",
            "gone = list[str]()",
        ),
        draw=MADE,
    ),
    Planted.edit(
        "backup-forgets-checkpoints",
        "a backup holds the checkpoints, too",
        Edit(
            "tempest.backup.making:version_to_back_up",
            "        segments=closed,\n",
            "        segments=closed,\n        checkpoints=(),\n",
        ),
        draw=RESTORED,
    ),
)
