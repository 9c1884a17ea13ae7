//! The store itself, blocking: opening, transactions, and recovery from a disk that failed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use redb::{Database, Durability, ReadableTable};

use sealift_platform::disk::Root;
use sealift_platform::redb_file;
use sealift_platform::sync::{read, write};
use sealift_server::metrics::Counter;

use super::error::StoreError;
use super::keys::{LogKey, StagedKey};
use super::presence::Presence;
use super::staged::Staged;
use super::tables::{META, Tables};
use crate::limits::{InForce, Limits};

/// Name of the database in the relay's home.
pub(crate) const FILE: &str = "relay.redb";
/// Format of the tables.
const FORMAT: u64 = 1;
/// Largest database that is read through for damage at each start, bytes.
const VERIFIED_AT_START: u64 = 256 << 20;

/// What readers and the writer share.
pub(crate) struct Shared {
    pub(super) root: Arc<dyn Root>,
    cache: usize,
    pub(crate) presence: Presence,
    /// Transactions that the disk failed.
    pub(super) failures: Counter,
    /// `None` only while, or after, opening it again failed.
    database: RwLock<Option<Database>>,
}

impl Shared {
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = read(&self.database);
        work(database.as_ref().ok_or(StoreError::Stopped)?)
    }

    fn open_database(&self) -> Result<Database, StoreError> {
        Ok(redb_file::open(&*self.root, Path::new(FILE), true, self.cache)?)
    }

    /// After a failed write the database trusts nothing it holds in memory; opening it again makes it go by what is on
    /// the disk.
    pub(super) fn open_again(&self) {
        let mut database = write(&self.database);
        *database = None;
        match self.open_database() {
            Ok(opened) => *database = Some(opened),
            Err(error) => tracing::error!(%error, "the store cannot be opened again"),
        }
    }
}

/// The store's one writer.
pub(crate) struct Core {
    shared: Arc<Shared>,
    in_force: InForce,
    /// Those of this transaction.
    pub(super) limits: Arc<Limits>,
    pub(super) staged: HashMap<LogKey, Staged>,
}

impl Core {
    pub(crate) fn open(root: Arc<dyn Root>, in_force: InForce) -> Result<Self, StoreError> {
        let limits = in_force.get();
        let cache = limits.store_cache;
        let (failures, database) = (Counter::default(), RwLock::new(None));
        let shared = Shared { root, cache, presence: Presence::default(), failures, database };
        let mut database = shared.open_database()?;
        let len = shared.root.stat(Path::new(FILE))?.len;
        if len <= VERIFIED_AT_START && !database.check_integrity()? {
            tracing::warn!("the store was damaged by an unclean end and has been repaired");
        }
        check_format(&database)?;
        write(&shared.database).replace(database);
        let shared = Arc::new(shared);
        let mut core = Self { shared, in_force, limits, staged: HashMap::new() };
        core.forget_all_staged()?;
        Ok(core)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs `work` in a write transaction, which is committed if it succeeds.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Tables<'_>) -> Result<(T, Durability), StoreError>,
    ) -> Result<T, StoreError> {
        let shared = self.shared();
        self.limits = self.in_force.get();
        let room = shared.root.free_bytes()? > self.limits.disk_reserve;
        let done = shared.with(|database| {
            let mut transaction = database.begin_write()?;
            let (result, durability) = work(self, &mut Tables::open(&transaction, room)?)?;
            transaction.set_durability(durability)?;
            transaction.commit()?;
            Ok(result)
        });
        shared.presence.dropped();
        done
    }

    /// What an earlier process kept aside has nobody who would publish it.
    fn forget_all_staged(&mut self) -> Result<(), StoreError> {
        self.transact(|core, tables| {
            let mut logs = Vec::new();
            for found in tables.staged.iter()? {
                logs.push(StagedKey::read(found?.0.value())?.log);
            }
            for log in logs {
                core.clear_staged(tables, log)?;
            }
            Self::know_spaces(tables)?;
            Ok(((), Durability::Immediate))
        })
    }
}

/// Marks a new store with its format, and refuses one of another format.
fn check_format(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("format")?.map(|found| found.value());
        match found {
            Some(FORMAT) => {}
            Some(other) => return Err(StoreError::Format(other)),
            None => drop(meta.insert("format", FORMAT)?),
        }
    }
    // Readers expect every table.
    drop(Tables::open(&transaction, true)?);
    transaction.commit()?;
    Ok(())
}
