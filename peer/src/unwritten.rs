//! What could not be written, told once, by a program that goes on without it, and writes it when it can if it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use sealift_command::console::Console;
use sealift_command::exit::{Exit, Failure};

/// Whether something is owed to the disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Unwritten {
    owed: Arc<AtomicBool>,
    stays: bool,
}

impl Unwritten {
    /// Of a program that stays, and tries again until everything is written.
    #[must_use]
    pub fn of_one_that_stays() -> Self {
        Self { stays: true, ..Self::default() }
    }

    /// Takes note of `written`. That the disk is full, read-only or fails for now is told once and is no error.
    ///
    /// # Errors
    /// Any other, such as that a file is damaged.
    pub fn bear(&self, console: &Console, written: Result<(), Failure>) -> Result<(), Failure> {
        match written {
            Err(failure) if failure.exit == Exit::Disk && failure.may_pass() => {
                if !self.owed.swap(true, Ordering::Relaxed) {
                    self.tell(console, &failure);
                }
                Ok(())
            }
            written => written,
        }
    }

    /// Whether something waits to be written.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.owed.load(Ordering::Relaxed)
    }

    /// Says that everything has been written.
    pub fn settled(&self, console: &Console) {
        if self.owed.swap(false, Ordering::Relaxed) {
            let words = "what could not be written has been written now";
            console.note(words, &json!({"type": "written"}));
        }
    }

    fn tell(&self, console: &Console, failure: &Failure) {
        let then = match self.stays {
            true => "going on without, and writing it when that is possible",
            false => "going on without; what is new is not kept",
        };
        let json = json!({"type": "unwritten", "what": failure.what, "why": failure.why});
        console.warn(format!("{}; {then}", failure.in_one_line()), &json);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_borne_and_told_once_and_damage_is_not() {
        let (console, lines) = Console::captured(false);
        let unwritten = Unwritten::of_one_that_stays();
        let full = || Err(Failure::disk("members.json", &Error::from(ErrorKind::StorageFull)));
        for _ in 0..3 {
            assert_eq!(unwritten.bear(&console, full()), Ok(()));
        }
        assert!(unwritten.is_owed());
        let damaged = Failure::new(Exit::Disk, "members.json is damaged");
        assert_eq!(unwritten.bear(&console, Err(damaged.clone())), Err(damaged));
        assert_eq!(lines.lock().unwrap().len(), 1);
        unwritten.settled(&console);
        assert!(!unwritten.is_owed());
    }

    #[test]
    fn only_who_stays_promises_to_write_later() {
        for (unwritten, later) in
            [(Unwritten::default(), false), (Unwritten::of_one_that_stays(), true)]
        {
            let (console, lines) = Console::captured(false);
            let failed = Failure::disk("x", &Error::from(ErrorKind::ReadOnlyFilesystem));
            unwritten.bear(&console, Err(failed)).unwrap();
            let line = lines.lock().unwrap()[0].1.clone();
            assert_eq!(line.contains("writing it when"), later, "{line}");
            assert_eq!(line.contains("is not kept"), !later, "{line}");
        }
    }
}
