//! The store itself, blocking: opening, transactions, and recovery from a disk that failed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, Durability, ReadableTable};

use sealift_platform::disk::Root;
use sealift_platform::redb_file;
use sealift_proto::control::Refusal;
use sealift_server::metrics::Counter;

use super::presence::Presence;
use super::staging::{SentAhead, Staged};
use super::tables::{LogKey, META, Tables};
use super::{Change, FILE, Op, Outcome, StoreError};
use crate::limits::{InForce, Limits};

/// Format of the tables.
const FORMAT: u64 = 1;
/// Largest database that is read through for damage at each start, bytes.
const VERIFIED_AT_START: u64 = 256 << 20;

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The publisher's fault; nothing was changed.
    Refused(Refusal),
    /// The store's.
    Broken(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

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
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().ok_or(StoreError::Stopped)?)
    }

    fn open_database(&self) -> Result<Database, StoreError> {
        Ok(redb_file::open(&*self.root, Path::new(FILE), true, self.cache)?)
    }

    /// After a failed write the database trusts nothing it holds in memory; opening it again makes it go by what is on
    /// the disk.
    fn open_again(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
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
        shared.database.write().unwrap_or_else(PoisonError::into_inner).replace(database);
        let shared = Arc::new(shared);
        let mut core = Self { shared, in_force, limits, staged: HashMap::new() };
        core.forget_all_staged()?;
        Ok(core)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Applies all of `ops` in one transaction: each is done whole or refused whole, and all of them fail if the disk
    /// does.
    pub(crate) fn apply(&mut self, ops: Vec<Op>) -> Vec<Result<Outcome, Refusal>> {
        let count = ops.len();
        let sent_ahead: Vec<SentAhead> = ops.iter().filter_map(SentAhead::of).collect();
        match self.transact(|core, tables| core.apply_to(tables, ops)) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.shared.failures.add(1);
                tracing::error!(%error, "the store could not be written");
                let why = if error.is_full() { Refusal::Full } else { Refusal::Internal };
                // Kept-aside segments of earlier transactions may be gone with it: their publishers send them again.
                self.fail_staged(sent_ahead, why);
                self.shared.open_again();
                (0..count).map(|_| Err(why)).collect()
            }
        }
    }

    fn apply_to(
        &mut self,
        tables: &mut Tables<'_>,
        ops: Vec<Op>,
    ) -> Result<(Vec<Result<Outcome, Refusal>>, Durability), StoreError> {
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut durability = Durability::None;
        for op in ops {
            durability = match op {
                Op::Change(_, Change::Stage { .. } | Change::DropStaged) | Op::Answer => durability,
                _ => Durability::Immediate,
            };
            outcomes.push(match self.apply_one(tables, op) {
                Ok(outcome) => Ok(outcome),
                Err(Failure::Refused(why)) => Err(why),
                Err(Failure::Broken(error)) => return Err(error),
            });
        }
        Ok((outcomes, durability))
    }

    fn apply_one(&mut self, tables: &mut Tables<'_>, op: Op) -> Result<Outcome, Failure> {
        match op {
            Op::Change(writer, Change::Stage { log, log_id, position, segment }) => {
                self.stage(tables, &writer, log, &log_id, position, &segment)
            }
            Op::Change(writer, Change::DropStaged) => self.drop_staged(tables, &writer),
            Op::Change(writer, Change::Publish { log, follows, statement }) => {
                self.publish(tables, &writer, log, follows, &statement)
            }
            Op::Change(writer, Change::PutInvite { id, deadline, uses, package, now }) => {
                self.put_invite(tables, &writer.space, &id, deadline, uses, &package, now)
            }
            Op::TakeInvite { device, id, now } => Self::take_invite(tables, device, &id, now),
            Op::SweepInvites { now } => self.sweep_invites(tables, now),
            Op::Admit { space, token, now } => self.admit(tables, &space, token, now),
            Op::KeepBudget(budget) => {
                tables.meta.insert("month", budget.month)?;
                tables.meta.insert("month_bytes", budget.used)?;
                Ok(Outcome::Done)
            }
            Op::Seen { spaces, now } => Self::seen(tables, spaces, now),
            Op::Answer => Ok(Outcome::Done),
        }
    }

    /// Runs `work` in a write transaction, which is committed if it succeeds.
    fn transact<T>(
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
                let mut log = [0; 66];
                log.copy_from_slice(&found?.0.value()[..66]);
                logs.push(log);
            }
            for log in logs {
                core.clear_staged(tables, &log)?;
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
