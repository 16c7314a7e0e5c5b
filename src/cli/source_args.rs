//! `--input` and what says how it is written, for every command that takes it.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use crate::config::check_format;
use crate::decode::Format;
use crate::lab::source::{
    ColumnsError, Delimited, Lines, Mapping, Parquet, Rows, Separator, Source, SourceError, Table,
};

use super::error::{CliError, Exit};
use super::input::open_input;
use super::progress::Progress;

const HEADING: &str = "How the input is written";

/// How the input is written.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct SourceArgs {
    /// Format of the records, as in `inputs` of the configuration [default: canonical]
    #[arg(long, value_name = "NAME", requires = "input", value_parser = format_name)]
    format: Option<String>,

    /// Lines of records or rows of a table [default: by the name: .csv, .tsv, .parquet, else lines]
    #[arg(long = "as", value_name = "KIND", requires = "input", value_enum)]
    kind: Option<Kind>,

    /// Which column of a table holds which field (YAML)
    #[arg(long, value_name = "FILE", requires = "input", value_hint = ValueHint::FilePath)]
    columns: Option<PathBuf>,

    /// The column of a table that holds a field, as in time=sent_at; may be repeated
    #[arg(long = "column", value_name = "FIELD=COLUMN", requires = "input")]
    column: Vec<String>,

    /// A field that is the same in every row of a table, as in price.currency=USD; may be repeated
    #[arg(long = "constant", value_name = "FIELD=VALUE", requires = "input")]
    constant: Vec<String>,

    /// The zone of times in a table that name none: UTC, or an offset as in +05:00
    #[arg(long, value_name = "ZONE", requires = "input", allow_hyphen_values = true)]
    zone: Option<String>,

    /// The app where records name none
    #[arg(long, value_name = "NAME", requires = "input")]
    app: Option<String>,
}

/// The same with the tenant, for commands that do not ask for one otherwise.
#[derive(Debug, Args)]
pub(super) struct TenantSourceArgs {
    #[command(flatten)]
    written: SourceArgs,

    /// The tenant where records name none
    #[arg(long, value_name = "NAME", requires = "input", help_heading = HEADING)]
    tenant: Option<String>,
}

impl TenantSourceArgs {
    /// Opens `path` and, if it is a table, reads it.
    pub(super) fn open(&self, path: &Path) -> Result<Box<dyn Source>, CliError> {
        self.written.open(path, self.tenant.as_deref())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One record a line
    Lines,
    /// Rows of comma-separated (or semicolons, bars) values with a header
    Csv,
    /// The same, with tabs
    Tsv,
    /// Rows of a Parquet file
    Parquet,
}

fn format_name(name: &str) -> Result<String, String> {
    check_format(name).map(|()| name.to_owned())
}

impl SourceArgs {
    /// Opens `path` and, if it is a table, reads it. `tenant` is that of records that
    /// name none.
    pub(super) fn open(&self, path: &Path, tenant: Option<&str>) -> Result<Box<dyn Source>, CliError> {
        let kind = self.kind.unwrap_or_else(|| by_name(path));
        if kind == Kind::Lines {
            return self.lines(path, tenant);
        }
        if self.format.is_some() {
            return Err(CliError::new(
                Exit::Usage,
                format!(
                    "--format says how the records of lines are written, and {} is a table; leave it out, or say --as lines",
                    path.display()
                ),
            ));
        }
        let mapping = self.mapping(tenant)?;
        let name = shown(path);
        let mut rows: Box<dyn Rows> = match kind {
            Kind::Parquet => Box::new(Parquet::open(path).map_err(|error| refused(&error))?),
            Kind::Csv | Kind::Tsv | Kind::Lines => {
                let input = open_input(path, true).map_err(|error| CliError::input(&error))?;
                let separator = if kind == Kind::Tsv {
                    Separator::Tab
                } else {
                    Separator::Guessed
                };
                Box::new(Delimited::open(&name, input, separator).map_err(|error| refused(&error))?)
            }
        };
        // The bar of a file of text counts its bytes.
        let bar = rows.total().map(|total| (Progress::items(total, "rows"), total));
        let table = Table::read(&name, &mapping, rows.as_mut(), &mut |done| {
            if let Some((bar, total)) = &bar {
                bar.reach(done, *total);
            }
        });
        if let Some((bar, _)) = bar {
            bar.finish();
        }
        Ok(Box::new(table.map_err(|error| refused(&error))?))
    }

    fn lines(&self, path: &Path, tenant: Option<&str>) -> Result<Box<dyn Source>, CliError> {
        let of_tables = [
            ("--columns", self.columns.is_some()),
            ("--column", !self.column.is_empty()),
            ("--constant", !self.constant.is_empty()),
            ("--zone", self.zone.is_some()),
        ];
        if let Some((flag, _)) = of_tables.iter().find(|(_, given)| *given) {
            return Err(CliError::new(
                Exit::Usage,
                format!(
                    "{flag} is for tables, and {} is read as lines of records; say --as csv, --as tsv or --as parquet",
                    shown(path)
                ),
            ));
        }
        let format = self.format.as_deref().map(Format::parse).transpose();
        let format = format.map_err(|error| CliError::new(Exit::Usage, error.to_string()))?;
        let input = open_input(path, true).map_err(|error| CliError::input(&error))?;
        Ok(Box::new(Lines::new(
            input,
            format.unwrap_or_default(),
            tenant.map(str::to_owned),
            self.app.clone(),
        )))
    }

    fn mapping(&self, tenant: Option<&str>) -> Result<Mapping, CliError> {
        let mut mapping = match &self.columns {
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| CliError::new(Exit::Config, format!("cannot read the mapping {name}: {error}")))?;
                Mapping::parse(&name, &text).map_err(|error| CliError::new(Exit::Config, error.to_string()))?
            }
            None => Mapping::default(),
        };
        let usage = |error: ColumnsError| CliError::new(Exit::Usage, error.to_string());
        for column in &self.column {
            mapping.add_column(column).map_err(usage)?;
        }
        for constant in &self.constant {
            mapping.add_constant(constant).map_err(usage)?;
        }
        if let Some(zone) = &self.zone {
            mapping
                .set_zone(zone)
                .map_err(|reason| CliError::new(Exit::Usage, format!("--zone: {reason}")))?;
        }
        for (field, value) in [("tenant", tenant), ("app", self.app.as_deref())] {
            if let Some(value) = value {
                mapping.add_default(field, value);
            }
        }
        Ok(mapping)
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// What a name promises, with or without a compression's ending.
fn by_name(path: &Path) -> Kind {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let plain = ["gz", "gzip", "zst", "zstd"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
    let plain = plain.unwrap_or(&name);
    match plain.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "csv" => Kind::Csv,
        "tsv" | "tab" => Kind::Tsv,
        "parquet" | "pq" => Kind::Parquet,
        _ => Kind::Lines,
    }
}

/// The exit code that goes with a source that cannot be read.
pub(super) fn refused(error: &SourceError) -> CliError {
    CliError::new(Exit::Input, error.to_string())
}
