//! `[log]`: what is logged, and how?

use super::reader::Section;
use crate::telemetry::Settings;

pub(super) fn read(log: &mut Section<'_>) -> Settings {
    let default = Settings::default();
    Settings {
        level: log.or("level", default.level),
        dependencies: log.or("dependencies", default.dependencies),
        targets: log.named("targets"),
        format: log.or("format", default.format),
    }
}
