//! What is logged, and how does a line look?

use tracing::level_filters::LevelFilter;

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The level of our own lines.
    pub level: LevelFilter,
    /// The level of everybody else's.
    pub dependencies: LevelFilter,
    /// `[log.targets]`: the level of a module and what is below it, ours or not.
    pub targets: Vec<(String, LevelFilter)>,
    /// How a line looks.
    pub format: Format,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: LevelFilter::INFO,
            dependencies: LevelFilter::WARN,
            targets: Vec::new(),
            format: Format::default(),
        }
    }
}
