//! `[metrics]`: where else can they be scraped?

use super::reader::Section;
use super::tls;
use crate::admin::Scrape;

pub(super) fn read(metrics: &mut Section<'_>) -> Scrape {
    let scrape = Scrape { listen: metrics.take("listen"), tls: tls::read(metrics) };
    if scrape.tls.is_some() && scrape.listen.is_none() && !metrics.was_wrong("listen") {
        metrics.wrong("tls", "is of no use without a `listen` beside it; name an address, or remove it");
    }
    scrape
}
