//! What the system says of a file system, and flushing one whole.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// File systems whose changes come from other machines too, or from outside the kernel.
#[cfg(target_os = "linux")]
const REMOTE: [u64; 14] = [
    0x6969,      // NFS
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2 and up
    0x517b,      // SMB
    0x6573_5546, // FUSE, virtiofs
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x6b41_4653, // kAFS
    0x7375_7245, // Coda
    0x0bd0_0bd0, // Lustre
    0x786f_4256, // VirtualBox shared folders
    0x7461_636f, // OCFS2
    0x0116_1970, // GFS2
];

/// File systems whose flush is known to tell what could not be written. An overlay's, for one, tells nothing of the disk
/// beneath it, and FUSE does not pass it on.
#[cfg(target_os = "linux")]
const TRUSTED: [u64; 5] = [
    0xef53,      // ext2 to ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0xf2f5_2010, // F2FS
    0x0102_1994, // tmpfs
];

/// File systems on disks of this machine that read and write past the system's cache well, and know holes. Their files may be as
/// long as they are to be before anything is written, which lets several writes be under way.
#[cfg(target_os = "linux")]
const PLAIN: [u64; 4] = [
    0xef53,      // ext2 to ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0xf2f5_2010, // F2FS
];

#[cfg(target_os = "linux")]
pub(super) fn is_plain(file: &std::fs::File) -> bool {
    kind(file).is_ok_and(|kind| PLAIN.contains(&kind))
}

/// The type is a 32-bit number that some machines hold in a signed field.
#[cfg(target_os = "linux")]
fn kind(opened: impl AsFd) -> io::Result<u64> {
    Ok((rustix::fs::fstatfs(opened)?.f_type as u64) & 0xffff_ffff)
}

#[cfg(target_os = "linux")]
pub(super) fn is_remote(folder: &OwnedFd) -> bool {
    kind(folder).map_or(true, |kind| REMOTE.contains(&kind))
}

/// File systems without files: what is read there is made at that moment.
#[cfg(target_os = "linux")]
const MADE_UP: [u64; 12] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0xcafe_4a11, // bpf
    0x1cd1,      // devpts
    0xf97c_ff8c, // selinuxfs
    0x4249_4e4d, // binfmt_misc
];

#[cfg(target_os = "linux")]
pub(super) fn is_made_up(folder: &OwnedFd) -> bool {
    kind(folder).is_ok_and(|kind| MADE_UP.contains(&kind))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_made_up(_: &OwnedFd) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_remote(_: &OwnedFd) -> bool {
    false
}

/// Flushes the file system of `folder`, if a failure of that would be told: each open folder is told of failures since it was
/// opened, once.
#[cfg(target_os = "linux")]
pub(super) fn file_system(folder: &OwnedFd) -> io::Result<()> {
    if !tells_failures() || !TRUSTED.contains(&kind(folder)?) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(rustix::fs::syncfs(folder)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn file_system(_: &OwnedFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Linux tells them since 5.8.
#[cfg(target_os = "linux")]
fn tells_failures() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_str().unwrap_or("");
    at_least(release, (5, 8))
}

/// Whether a release such as `5.10.0-8-amd64` is not before `wanted`.
#[cfg(any(target_os = "linux", test))]
fn at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    next().zip(next()).is_some_and(|found| found >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        for told in ["5.8", "5.10.0-8-amd64", "6.0.0-rc1", "10.1"] {
            assert!(at_least(told, (5, 8)), "{told}");
        }
        for early in ["5.7.19", "4.18.0-553.el8", "5", "", "six.1"] {
            assert!(!at_least(early, (5, 8)), "{early}");
        }
    }
}
