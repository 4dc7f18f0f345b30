//! Do a hung and a failing client delay the other eighteen? Measured; see `tests/bench/README.md`.
//!
//! `tests/bench/run` starts what this needs; the tests assert what does not depend on speed.

#[cfg(test)]
mod arguments;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod report;
#[cfg(test)]
mod scene;
#[cfg(test)]
#[expect(dead_code, reason = "the integration tests' harness, of which this needs a part")]
#[path = "../../it/support/mod.rs"]
mod support;

fn main() {
    #[cfg(test)]
    report::run();
}
