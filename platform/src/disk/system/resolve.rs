//! Reaching what lies beneath an open folder, no link followed on the way nor at the end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How a folder on the way is opened: where the system can, without asking to read it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASSING: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSING: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open folder and the way to resolve paths beneath it.
pub(super) struct Beneath {
    folder: OwnedFd,
    in_kernel: bool,
}

/// The folder that holds a name: the root itself, or one opened on the way.
pub(super) enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(folder) => *folder,
            Self::Opened(folder) => folder.as_fd(),
        }
    }
}

impl Beneath {
    /// Resolves in the kernel if it can (Linux 5.6 and up, unless a sandbox forbids it), else step by step.
    pub(super) fn new(folder: OwnedFd) -> Self {
        let in_kernel =
            kernel::open(folder.as_fd(), Path::new("."), PASSING, Mode::empty()).is_ok();
        Self { folder, in_kernel }
    }

    /// As on a system that cannot resolve in the kernel.
    #[cfg(test)]
    pub(super) const fn walking(folder: OwnedFd) -> Self {
        Self { folder, in_kernel: false }
    }

    pub(super) const fn root(&self) -> &OwnedFd {
        &self.folder
    }

    /// Opens what is at `path`; the root itself if it is empty.
    pub(super) fn open(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        if path.as_os_str().is_empty() {
            return rustix::fs::openat(&self.folder, ".", flags | OFlags::NOFOLLOW, mode);
        }
        check(path)?;
        if self.in_kernel {
            return kernel::open(self.folder.as_fd(), path, flags, mode);
        }
        let (parent, name) = self.parent(path)?;
        rustix::fs::openat(parent, name, flags | OFlags::NOFOLLOW, mode)
    }

    /// The folder that holds the last name of `path`, and that name.
    pub(super) fn parent<'a>(&self, path: &'a Path) -> Result<(Parent<'_>, &'a Path), Errno> {
        check(path)?;
        let name = path.file_name().map(Path::new).ok_or(Errno::INVAL)?;
        let above = path.parent().unwrap_or(Path::new(""));
        if above.as_os_str().is_empty() {
            return Ok((Parent::Root(self.folder.as_fd()), name));
        }
        let opened = if self.in_kernel {
            kernel::open(self.folder.as_fd(), above, PASSING, Mode::empty())?
        } else {
            self.walk(above)?
        };
        Ok((Parent::Opened(opened), name))
    }

    fn walk(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut at = rustix::fs::openat(&self.folder, ".", PASSING, Mode::empty())?;
        for part in path.components() {
            at = rustix::fs::openat(&at, part.as_os_str(), PASSING, Mode::empty())?;
        }
        Ok(at)
    }
}

/// Only plain names: nothing that goes up, and nothing from the top.
fn check(path: &Path) -> Result<(), Errno> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && path.file_name().is_some() { Ok(()) } else { Err(Errno::INVAL) }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel {
    use super::{BorrowedFd, Errno, Mode, OFlags, OwnedFd, Path};
    use rustix::fs::ResolveFlags;

    /// How often to try again when a rename elsewhere disturbed the kernel's walk.
    const TRIES: u32 = 128;

    pub(super) fn open(
        folder: BorrowedFd<'_>,
        path: &Path,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            match rustix::fs::openat2(folder, path, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod kernel {
    use super::{BorrowedFd, Errno, Mode, OFlags, OwnedFd, Path};

    pub(super) fn open(_: BorrowedFd<'_>, _: &Path, _: OFlags, _: Mode) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
    }
}
