"""Where the programs put what they receive."""

import shutil

MIB = 1 << 20
# How each kind of file system is made; one in memory has nothing to make.
KINDS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "tmpfs": None,
}


class Outputs:
    """Empty folders, one after the other, in `folder`; `run` runs a command and raises `failure` if it fails."""

    def __init__(self, folder, run, failure):
        self.folder, self.run, self.failure = folder, run, failure
        self.count, self.deletable, self.mounted, self.can_mount = 0, None, None, None
        # The kind of file system that everything goes onto; `None` for the machine's own, but for many small files.
        self.kind = None
        folder.mkdir()

    def fresh(self, payload):
        """A new one for `payload`. For many small files it lies on a file system made for it, where that is permitted: else it
        would matter what the machine's has just been through (ext4 avoids for minutes what was deleted)."""
        self.give_up()
        self.count += 1
        out = self.folder / str(self.count)
        out.mkdir()
        if self.kind:
            self._mount(out, self.kind, 2 * payload.size + 512 * MIB)
        elif payload.many:
            inodes = ["-N", 2 * payload.files + 1000]
            self._mount(out, "ext4", 2 * payload.size + 8192 * payload.files + 256 * MIB, inodes)
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
            self._image(self.mounted).unlink(missing_ok=True)
        self.deletable = self.mounted = None

    def _image(self, out):
        return out.with_suffix(".img")

    def _mount(self, out, kind, size, options=()):
        if self.can_mount is False:
            return
        image = self._image(out)
        try:
            if KINDS[kind] is None:
                self.run(["mount", "-t", kind, "-o", f"size={size}", kind, out])
            else:
                with open(image, "wb") as file:
                    file.truncate(size)
                self.run([*KINDS[kind], *options, image])
                self.run(["mount", "-o", "loop", image, out])
        except (self.failure, OSError):
            if self.can_mount or self.kind:
                raise
            image.unlink(missing_ok=True)
            self.can_mount = False
            return
        self.can_mount, self.mounted = True, out
        if (out / "lost+found").exists():
            (out / "lost+found").rmdir()
