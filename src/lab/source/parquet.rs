//! The rows of a Parquet file. Only the columns that are mapped are read.

use std::cell::Cell as Flag;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, TimeUnit};
use parquet::data_type::Decimal;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::SourceError;
use super::cell::Cell;
use super::table::{Row, Rows};

const DAY_MS: i64 = 86_400_000;

thread_local! {
    static GUARDED: Flag<bool> = const { Flag::new(false) };
}

/// Whether this thread is inside the reader of a Parquet file. Its library may
/// panic over a damaged file: that is caught and becomes a sentence, so a panic
/// hook should stay silent and not end the process.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// The rows of a Parquet file.
pub struct Parquet {
    name: String,
    columns: Vec<String>,
    leaves: Vec<Leaf>,
    reader: Option<SerializedFileReader<File>>,
    rows: Option<RowIter<'static>>,
    /// For each column its root among those that are read; `None`: not read.
    roots: Vec<Option<usize>>,
    current: Option<parquet::record::Row>,
    row: u64,
    total: u64,
}

/// A column that holds one value a row.
#[derive(Clone, Debug)]
struct Leaf {
    path: Vec<String>,
    /// Whole numbers of it are times in this unit.
    unit: Option<TimeUnit>,
    /// Its times are without a zone.
    is_civil: bool,
}

impl std::fmt::Debug for Parquet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parquet")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Parquet {
    /// Reads the file's metadata.
    ///
    /// # Errors
    /// The file is missing, is no Parquet file, or is compressed in a way that is
    /// not read here.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Err(SourceError::Table(
                "a Parquet file is read from its end, so it cannot come from standard input; save it as a file".into(),
            ));
        }
        let mut file = File::open(path).map_err(|error| {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            SourceError::Table(format!("cannot open {name}: {text}"))
        })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(SourceError::Table(format!(
                "{name} is no file; Parquet is read from its end, so it must be one"
            )));
        }
        if metadata.len() == 0 {
            return Err(SourceError::Table(format!("{name} is empty")));
        }
        // The library looks at the end alone.
        let mut mark = [0; 4];
        if file.read_exact(&mut mark).is_err() || mark != *b"PAR1" {
            return Err(SourceError::Table(format!(
                "{name} is no Parquet file that can be read (it does not begin with PAR1); is it a table of another kind? Say so with --as"
            )));
        }
        let reader = guarded(&name, || SerializedFileReader::new(file))?;
        let facts = reader.metadata();
        let mut leaves = Vec::new();
        for column in facts.file_metadata().schema_descr().columns() {
            if column.max_rep_level() == 0 {
                leaves.push(Leaf::of(column));
            }
        }
        for group in facts.row_groups() {
            for chunk in group.columns() {
                if let Compression::LZO | Compression::BROTLI(_) = chunk.compression() {
                    return Err(SourceError::Table(format!(
                        "{name} is compressed with {:?}, which is not read here; write it with ZSTD, SNAPPY, GZIP or LZ4",
                        chunk.compression()
                    )));
                }
            }
        }
        let total = u64::try_from(facts.file_metadata().num_rows()).unwrap_or_default();
        Ok(Self {
            columns: leaves.iter().map(|leaf| leaf.path.join(".")).collect(),
            roots: vec![None; leaves.len()],
            leaves,
            name,
            reader: Some(reader),
            rows: None,
            current: None,
            row: 0,
            total,
        })
    }
}

impl Leaf {
    fn of(column: &ColumnDescriptor) -> Self {
        let (mut unit, mut is_civil) = (None, false);
        if let Some(LogicalType::Timestamp(timestamp)) = column.logical_type_ref() {
            unit = Some(timestamp.unit);
            is_civil = !timestamp.is_adjusted_to_u_t_c;
        }
        Self {
            path: column.path().parts().to_vec(),
            unit,
            is_civil,
        }
    }

    fn time(&self, ms: i64) -> Cell<'static> {
        if self.is_civil { Cell::Civil(ms) } else { Cell::Time(ms) }
    }

    fn cell<'a>(&self, field: &'a Field) -> Cell<'a> {
        match field {
            Field::Null => Cell::Empty,
            Field::Bool(flag) => Cell::Bool(*flag),
            Field::Byte(n) => Cell::Integer((*n).into()),
            Field::Short(n) => Cell::Integer((*n).into()),
            Field::Int(n) => Cell::Integer((*n).into()),
            Field::Long(n) => match self.unit {
                Some(TimeUnit::MILLIS) => self.time(*n),
                Some(TimeUnit::MICROS) => self.time(n.div_euclid(1_000)),
                Some(TimeUnit::NANOS) => self.time(n.div_euclid(1_000_000)),
                None => Cell::Integer(*n),
            },
            Field::UByte(n) => Cell::Integer((*n).into()),
            Field::UShort(n) => Cell::Integer((*n).into()),
            Field::UInt(n) => Cell::Integer((*n).into()),
            Field::ULong(n) => i64::try_from(*n).map_or(Cell::Float(*n as f64), Cell::Integer),
            Field::Float16(n) => Cell::Float(n.to_f64()),
            // By its digits: 0.2 is 0.2, not 0.200000003.
            Field::Float(n) => Cell::Float(n.to_string().parse().unwrap_or(f64::from(*n))),
            Field::Double(n) => Cell::Float(*n),
            Field::Decimal(decimal) => of_decimal(decimal),
            Field::Str(text) => Cell::of_text(text),
            Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).map_or(Cell::Other("bytes"), Cell::of_text),
            Field::Date(days) => Cell::Civil(i64::from(*days) * DAY_MS),
            Field::TimestampMillis(ms) => self.time(*ms),
            Field::TimestampMicros(us) => self.time(us.div_euclid(1_000)),
            Field::TimeMillis(_) | Field::TimeMicros(_) => Cell::Other("a time of day"),
            Field::Group(_) => Cell::Other("a group"),
            Field::ListInternal(_) => Cell::Other("a list"),
            Field::MapInternal(_) => Cell::Other("a map"),
        }
    }
}

fn of_decimal(decimal: &Decimal) -> Cell<'static> {
    let (data, scale) = (decimal.data(), decimal.scale());
    if data.is_empty() || data.len() > 16 || !(0..=38).contains(&scale) {
        return Cell::Other("a decimal number of more than 38 digits");
    }
    let mut bytes = [if data[0] & 0x80 == 0 { 0 } else { 0xff }; 16];
    bytes[16 - data.len()..].copy_from_slice(data);
    let value = i128::from_be_bytes(bytes);
    match i64::try_from(value) {
        Ok(whole) if scale == 0 => Cell::Integer(whole),
        _ => Cell::Float(value as f64 / libm::pow(10.0, f64::from(scale))),
    }
}

impl Rows for Parquet {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn total(&self) -> Option<u64> {
        Some(self.total)
    }

    fn select(&mut self, columns: &[usize]) -> Result<(), SourceError> {
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        let mut wanted: Vec<&str> = Vec::new();
        for place in columns {
            let root = self.leaves[*place].path[0].as_str();
            let at = wanted.iter().position(|known| *known == root).unwrap_or_else(|| {
                wanted.push(root);
                wanted.len() - 1
            });
            self.roots[*place] = Some(at);
        }
        let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
        let find = |root: &&str| schema.get_fields().iter().find(|field| field.name() == *root).cloned();
        let fields: Vec<Arc<Type>> = wanted.iter().filter_map(find).collect();
        let rows = guarded(&self.name, || {
            let projection = Type::group_type_builder(schema.name()).with_fields(fields).build()?;
            RowIter::from_file_into(Box::new(reader)).project(Some(projection))
        })?;
        self.rows = Some(rows);
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, SourceError> {
        let Some(rows) = self.rows.as_mut() else {
            return Ok(None);
        };
        let next = guarded(&self.name, || rows.next().transpose());
        self.current = next.inspect_err(|_| self.rows = None)?;
        let Some(row) = &self.current else {
            // The reader stops without a word where a page's values run out.
            if self.row < self.total {
                return Err(SourceError::Table(format!(
                    "{} ends after row {} of {}; it is damaged, export it again",
                    self.name, self.row, self.total
                )));
            }
            return Ok(None);
        };
        self.row += 1;
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let cells = self.leaves.iter().zip(&self.roots).map(|(leaf, root)| {
            let mut field = root.and_then(|root| fields.get(root)).copied();
            for name in &leaf.path[1..] {
                field = match field {
                    Some(Field::Group(group)) => group.get_column_iter().find(|(n, _)| *n == name).map(|(_, f)| f),
                    _ => None,
                };
            }
            field.map_or(Cell::Empty, |field| leaf.cell(field))
        });
        Ok(Some(Row::Cells(cells.collect())))
    }
}

/// Runs the library's code; its errors and panics become a sentence.
fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, SourceError> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    let reason = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.split_once(": ").map_or(line, |(_, rest)| rest);
            format!(" ({})", line.trim_end_matches('.'))
        }
        Err(_) => String::new(),
    };
    Err(SourceError::Table(format!(
        "{name} is no Parquet file that can be read{reason}; it is damaged or cut off, export it again"
    )))
}
