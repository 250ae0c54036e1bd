"""Where and with what it was measured."""

import os
import platform
import sqlite3
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("plyvel", "rocksdict", "lmdb", "lsm-db", "trio", "msgspec", "lz4", "xxhash")


def machine() -> dict[str, str]:
    """Return what may explain a figure."""
    cpu = ""
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.partition(":")[2].strip()
            for line in information.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else ""
    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def versions() -> dict[str, str]:
    """Return the versions of the peers and of what Tempest stands on."""
    found = {"sqlite3": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
