//! Lists laid out for as many columns as a terminal has. Names are never cut, since people paste them: one that needs more than
//! its share gets a line to itself.

mod cell;
mod columns;
mod table;

pub use cell::Cell;
pub use columns::columns;
pub use table::{Side, Table};

/// Between two columns.
const GAP: usize = 2;
