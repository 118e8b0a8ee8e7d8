//! A copy of the store for a backup, made while the writer goes on, in one file: all rows as
//! of one commit, and over them those that the journal comes to. A copy has no journal.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{
    Database, Key, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableHandle, Value,
};

use crate::error::StoreError;
use crate::state::Checkpoint;
use crate::store::checkpoint::{Beside, write_checkpoint};
use crate::store::open_file::private;
use crate::store::tables;

/// So many rows go into one transaction of the copy: what it keeps in memory is bounded.
const ROWS_AT_ONCE: u64 = 20_000;

/// Told after every few rows how many of how many are copied; an error ends the copy.
pub(crate) type Told<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), StoreError>;

/// Copies every table of `from` into a new file at `path`, and the rows over it. Rows
/// that are in no table were read together with the transaction.
pub(crate) fn copy(
    from: &ReadTransaction,
    over: &Checkpoint,
    path: &Path,
    told: Told<'_>,
) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let file = private(&mut options).open(path);
    let file = file.map_err(|error| StoreError::from(redb::StorageError::Io(error)))?;
    let to = Database::builder().create_with_backend(FileBackend::new(file)?)?;
    let mut copying = Copying {
        from,
        to: &to,
        names: BTreeSet::new(),
        done: 0,
        rows: 0,
        told,
    };
    tables::each_table(&mut Counting(&mut copying))?;
    copying.all_known()?;
    tables::each_table(&mut copying)?;
    // No old rows are looked for: nothing is to be pruned from a copy.
    write_checkpoint(&to, over, &Beside::default(), 0).map(drop)
}

/// Something done with every table.
pub(super) trait EachTable {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError>;
}

struct Copying<'a> {
    from: &'a ReadTransaction,
    to: &'a Database,
    /// The tables that are known here.
    names: BTreeSet<String>,
    done: u64,
    rows: u64,
    told: Told<'a>,
}

impl Copying<'_> {
    /// A backup without one of the tables would be found out when it is needed.
    fn all_known(&self) -> Result<(), StoreError> {
        for table in self.from.list_tables()? {
            if !self.names.contains(table.name()) {
                return Err(StoreError::UnknownTable(table.name().to_owned()));
            }
        }
        Ok(())
    }
}

impl EachTable for Copying<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        let source = self.from.open_table(table)?;
        let mut rows = source.iter()?;
        loop {
            let write = self.to.begin_write()?;
            let mut into = write.open_table(table)?;
            let mut copied = 0;
            while copied < ROWS_AT_ONCE {
                let Some(row) = rows.next() else { break };
                let (key, value) = row?;
                into.insert(key.value(), value.value())?;
                copied = copied.saturating_add(1);
            }
            drop(into);
            write.commit()?;
            self.done = self.done.saturating_add(copied);
            (self.told)(self.done, self.rows)?;
            if copied < ROWS_AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// The first pass: which tables there are and how many rows.
struct Counting<'a, 'b>(&'a mut Copying<'b>);

impl EachTable for Counting<'_, '_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        let rows = self.0.from.open_table(table)?.len()?;
        self.0.rows = self.0.rows.saturating_add(rows);
        self.0.names.insert(table.name().to_owned());
        Ok(())
    }
}
