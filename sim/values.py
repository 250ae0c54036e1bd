"""The bytes that clients write: each value names the write that made it.

    value := life "." client "." number ":" filling

Invariants
- No two writes of a run write the same value.
"""

from random import Random

BANK = b"bank/"
RING = b"ring/"
RACE = b"race/"
COMMON = (BANK, RING, RACE)
SESSION = b"session/"  # what the model keeps the serial number of a session under
SLOTS = 2  # sessions, and tickets of checkpoints, of each client
FOLDERS = 2  # of backups
ACCOUNTS = 4
PLACES = 5
START_BALANCE = 100


def make_value(life: int, client: int, number: int, size: int) -> bytes:
    """Return the value of one write: at least `size` bytes; one in three cannot be compressed."""
    name = b"%d.%d.%d:" % (life, client, number)
    rest = size - len(name)
    if rest <= 0:
        return name
    if number % 3:
        return name + b"tempest " * (rest // 8) + b"." * (rest % 8)
    return name + Random((life << 40) + (client << 32) + number).randbytes(rest)


def account(number: int) -> bytes:
    """Return the key of an account of the bank."""
    return BANK + b"%d" % (number % ACCOUNTS)


def place(number: int) -> bytes:
    """Return the key of a place of the ring; its value is the place after it."""
    return RING + b"%d" % (number % PLACES)


def first_deposit() -> dict[bytes, bytes]:
    """Return what the bank and the ring begin with."""
    bank = {account(n): b"%d" % START_BALANCE for n in range(ACCOUNTS)}
    return bank | {place(n): place(n + 1) for n in range(PLACES)}


def session_name(client: int, slot: int) -> str:
    """Return the name of a client's session."""
    return f"client {client}, {slot}"


def session_key(name: str) -> bytes:
    """Return under which key the model keeps the serial number of a session."""
    return SESSION + name.encode()


def is_session(key: bytes) -> bool:
    """Whether a key is none of the store's: the model keeps a serial number under it."""
    return key.startswith(SESSION)
