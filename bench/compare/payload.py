"""What is transferred."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from machine import MIB

GIB = 1 << 30


@dataclass
class Payload:
    """A file or a folder below the shared folder."""

    path: Path
    size: int
    files: int = 1

    @property
    def name(self):
        return self.path.name

    @property
    def many(self):
        return self.files > 1


def one_file(path, size):
    """A file of random bytes, as old as users' files are: one that changed a moment ago is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        for start in range(0, size, 16 * MIB):
            file.write(os.urandom(min(16 * MIB, size - start)))
    age(path)
    return Payload(path, size)


def sparse_file(path, size):
    """A file of `size` zero bytes that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    age(path)
    return Payload(path, size)


def many_files(path, count, size):
    """A folder of `count` files of `size` random bytes."""
    path.mkdir(parents=True)
    content = os.urandom(count * size)
    for number in range(count):
        file = path / f"file {number:05}.bin"
        file.write_bytes(content[number * size : (number + 1) * size])
        age(file)
    return Payload(path, count * size, count)


def large_files(folder, count):
    """`count` files of 1 GiB with different contents: copies of one, changed in every MiB."""
    first = one_file(folder / "0.bin", GIB)
    for number in range(1, count):
        path = folder / f"{number}.bin"
        with open(first.path, "rb") as source, open(path, "w+b") as target:
            while os.copy_file_range(source.fileno(), target.fileno(), GIB):
                pass
            for start in range(0, GIB, MIB):
                target.seek(start)
                target.write(number.to_bytes(8, "big"))
        age(path)
    return Payload(folder, count * GIB, count)


def age(path):
    day = time.time() - 2 * 24 * 3600
    os.utime(path, (day, day))
