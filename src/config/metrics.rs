//! `[metrics]`: where else can they be scraped?

use super::reader::Section;
use crate::admin::Scrape;

pub(super) fn read(metrics: &mut Section<'_>) -> Scrape {
    Scrape { listen: metrics.take("listen") }
}
