"""Seeded damage to files of any kind, and to the fields of JSON objects."""

import copy

JUNK = (None, True, 0, -1, 2**63, 10**400, 1e308, float("nan"), "", "x" * 100_000, "../../secret", "\x1b[31m", [], {},
        [None] * 10_000, {"a": {"b": []}}, [[[]]] * 100, "manifest.json", 67, "dark")  # fmt: skip


def damaged(data, rng):
    """Bytes with one kind of damage; text stays text half of the time."""
    data, kind = bytearray(data or b"\0"), rng.randrange(8)
    place, count = rng.randrange(len(data)), rng.randint(1, 64)
    if kind == 0:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[place : place + count] = rng.randbytes(count)
    elif kind == 2:
        data[place : place + count] = b"\xff" * count
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        data[place : place + count] = b""
    elif kind == 5:
        other = rng.randrange(len(data))
        data[place : place + count] = data[other : other + count]
    elif kind == 6:  # The first bytes, where most formats declare their sizes.
        place = rng.randrange(min(len(data), 200))
        data[place : place + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, rng.randbytes(8)])
    else:  # A block that the disk lost.
        place -= place % 512
        data[place : place + 512] = bytes(len(data[place : place + 512]))
    return bytes(data)


def change_a_field(fields, rng):
    """Replaces, or deletes, a random value somewhere in an object."""
    target = fields
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = rng.choice(keys)
        if isinstance(target[key], dict | list) and target[key] and rng.random() < 0.6:
            target = target[key]
        elif rng.random() < 0.2:
            del target[key]
            return
        else:
            target[key] = copy.deepcopy(rng.choice(JUNK))
            return
