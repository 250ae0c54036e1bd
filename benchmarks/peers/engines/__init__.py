"""The engines by name; the module of one is imported when it is asked for.

`trio+NAME` is a synchronous engine used from trio, each call through a thread.
"""

from importlib import import_module

from benchmarks.peers.engine import AnyEngine

WHERE = {
    "dict": "reference",
    "plyvel": "leveldb",
    "plyvel_tuned": "leveldb",
    "plyvel_unflushed": "leveldb",
    "rocksdict": "rocksdb",
    "rocksdict_tuned": "rocksdb",
    "lmdb": "lightning",
    "lsm_db": "lsm1",
    "sqlite3": "sqlite",
    "sqlite3_tuned": "sqlite",
    "tempest": "tempest_store",
    "tempest_memory": "tempest_store",
    "tempest_nowait": "tempest_store",
    "tempest_memory_nowait": "tempest_store",
    "tempest_chunks": "tempest_store",
    "tempest_unflushed": "tempest_store",
}
PEERS = (
    *("plyvel", "plyvel_tuned", "rocksdict", "rocksdict_tuned"),
    *("lmdb", "lsm_db", "sqlite3", "sqlite3_tuned"),
)
THREADED = "trio+"
REFERENCE = "dict"  # no store; told once, never compared


def load(name: str) -> AnyEngine:
    """Return the engine of this name."""
    if name.startswith(THREADED):
        module = import_module("benchmarks.peers.engines.threaded")
        threaded: AnyEngine = module.Threaded(load(name.removeprefix(THREADED)))
        return threaded
    module = import_module(f"benchmarks.peers.engines.{WHERE[name]}")
    engine: AnyEngine = module.ENGINES[name]
    return engine
