//! Limits: a table that a program makes with [`limits!`](crate::limits!), from which come a struct, its defaults, the names in a
//! configuration file, and the lists for people.
//!
//! The parts of this crate do not know a program's table. Each says in a struct of its own, `Bounds`, what it goes by, and is given
//! a [`View`] that reads those numbers from the limits in force, so that new ones hold from the next look on.

mod listing;
mod table;
mod value;

use std::sync::{Arc, RwLock};

use sealift_platform::sync::{read, write};
use sealift_proto::limits as agreed;

pub use listing::{listing, markdown, toml_section};
pub use value::{DAY, GIB, KIB, MIB, MINUTE, SECOND, Unit, Value};

/// How long one may take to show who it is, unless a program says otherwise.
#[doc(hidden)]
pub const HANDSHAKE: u64 = agreed::HELLO_TIME * SECOND;

/// One limit, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as in a configuration file.
    pub name: &'static str,
    /// The value in force, as [`set`] reads it.
    pub value: String,
    /// The value when nothing is said.
    pub default: String,
    /// What it limits.
    pub words: &'static str,
    /// What it is about, as the others of its kind.
    pub group: &'static str,
}

impl Entry {
    /// Whether a running program goes on with the value that it started with.
    #[must_use]
    pub fn is_read_at_start(&self) -> bool {
        self.group.ends_with("read at start")
    }
}

/// Why a limit is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is none of that name.
    #[error("there is no limit called {name:?}; `{program} limits` lists them")]
    Unknown {
        /// What it was called.
        name: String,
        /// Whose limits these are.
        program: &'static str,
    },
    /// It cannot have that value.
    #[error("{name} cannot be {text:?}: write {example}, at least {least}")]
    Value {
        /// Which limit.
        name: &'static str,
        /// What was to be its value.
        text: String,
        /// How values of it are written.
        example: &'static str,
        /// Its smallest value.
        least: String,
    },
}

/// A row of a table.
#[derive(Debug)]
pub struct Row<L> {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its smallest value.
    pub least: u64,
    /// What it limits.
    pub words: &'static str,
    /// What it is about.
    pub group: &'static str,
    /// Whether it may be `unlimited`.
    pub optional: bool,
    /// Reads it.
    pub get: fn(&L) -> u64,
    /// Sets it, or the nearest that its type holds.
    pub set: fn(&mut L, u64),
}

/// The limits of a program, as [`limits!`](crate::limits!) makes them.
pub trait Table: Default + Send + Sync + 'static {
    /// What the program is called.
    const PROGRAM: &'static str;
    /// Its limits, in order.
    const ROWS: &'static [Row<Self>];
}

/// Sets a limit by its name, as `Limits::set` of a table says.
///
/// # Errors
/// [`LimitError`] if there is no such limit, or it cannot have that value; nothing is changed then.
pub fn set<L: Table>(limits: &mut L, name: &str, text: &str) -> Result<(), LimitError> {
    let row = L::ROWS.iter().find(|row| row.name == name);
    let row =
        row.ok_or_else(|| LimitError::Unknown { name: name.to_owned(), program: L::PROGRAM })?;
    let wrong = || LimitError::Value {
        name: row.name,
        text: text.to_owned(),
        example: row.unit.example(),
        least: row.unit.show(row.least),
    };
    let fits = |number: &u64| {
        let unlimited = *number > row.unit.most();
        *number >= row.least && (row.optional || !unlimited)
    };
    let number = row.unit.read(text).filter(fits).ok_or_else(wrong)?;
    let before = (row.get)(limits);
    (row.set)(limits, number);
    if (row.get)(limits) == number {
        return Ok(());
    }
    // More than its type holds.
    (row.set)(limits, before);
    Err(wrong())
}

/// All limits, in the order of the table.
pub fn entries<L: Table>(limits: &L) -> impl Iterator<Item = Entry> {
    let default = L::default();
    L::ROWS.iter().map(move |row| Entry {
        name: row.name,
        value: row.unit.show((row.get)(limits)),
        default: row.unit.show((row.get)(&default)),
        words: row.words,
        group: row.group,
    })
}

/// The limits that a running program goes by. Clones share them; what is set holds for what happens from then on, except
/// for those that are read at start.
#[derive(Debug)]
pub struct InForce<L>(Arc<RwLock<Arc<L>>>);

impl<L> Clone for InForce<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L> InForce<L> {
    /// These.
    #[must_use]
    pub fn new(limits: L) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(limits))))
    }

    /// Those of this moment.
    #[must_use]
    pub fn get(&self) -> Arc<L> {
        Arc::clone(&read(&self.0))
    }

    /// Others from now on.
    pub fn set(&self, limits: L) {
        *write(&self.0) = Arc::new(limits);
    }
}

impl<L: Send + Sync + 'static> InForce<L> {
    /// What one part of a server goes by.
    #[must_use]
    pub fn view<B: for<'l> From<&'l L>>(&self) -> View<B> {
        let all = self.clone();
        View(Arc::new(move || B::from(&all.get())))
    }
}

/// What one part of a server goes by, read anew from the limits in force at each look.
pub struct View<B>(Arc<dyn Fn() -> B + Send + Sync>);

impl<B> View<B> {
    /// The bounds of this moment.
    #[must_use]
    pub fn get(&self) -> B {
        (self.0)()
    }
}

impl<B: Copy + Send + Sync + 'static> View<B> {
    /// Bounds that never change.
    #[must_use]
    pub fn fixed(bounds: B) -> Self {
        Self(Arc::new(move || bounds))
    }
}

impl<B> Clone for View<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> std::fmt::Debug for View<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("View")
    }
}
