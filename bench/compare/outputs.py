"""Where the programs put what they receive."""

import shutil

MIB = 1 << 20


class Outputs:
    """Empty folders, one after the other, in `folder`; `run` runs a command and raises `failure` if it fails."""

    def __init__(self, folder, run, failure):
        self.folder, self.run, self.failure = folder, run, failure
        self.count, self.deletable, self.mounted, self.can_mount = 0, None, None, None
        folder.mkdir()

    def fresh(self, payload):
        """A new one for `payload`. For many small files it lies on a file system made for it, where that is permitted: else it
        would matter what the machine's has just been through (ext4 avoids for minutes what was deleted)."""
        self.give_up()
        self.count += 1
        out = self.folder / str(self.count)
        out.mkdir()
        if payload.many:
            self._mount(out, 2 * payload.size + 8192 * payload.files + 256 * MIB, 2 * payload.files + 1000)
        else:
            self.deletable = out
        return out

    def give_up(self):
        """Deletes the last one. Many small files on the machine's own file system stay to the end: deleting ten thousand slows the
        next ten thousand down."""
        if self.deletable:
            shutil.rmtree(self.deletable)
        if self.mounted:
            self.run(["umount", self.mounted])
            self._image(self.mounted).unlink()
        self.deletable = self.mounted = None

    def _image(self, out):
        return out.with_suffix(".img")

    def _mount(self, out, size, inodes):
        if self.can_mount is False:
            return
        image = self._image(out)
        try:
            with open(image, "wb") as file:
                file.truncate(size)
            self.run(["mkfs.ext4", "-q", "-F", "-N", inodes, "-E", "lazy_itable_init=0,lazy_journal_init=0", image])
            self.run(["mount", "-o", "loop", image, out])
        except (self.failure, OSError):
            if self.can_mount:
                raise
            image.unlink(missing_ok=True)
            self.can_mount = False
            return
        self.can_mount, self.mounted = True, out
        (out / "lost+found").rmdir()
