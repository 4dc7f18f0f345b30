//! Does the endpoint do, case by case, what the catalogue of cases demands?
//!
//! The ids stand in the names of the tests. [`coverage`] holds all ids, and knows why some have no test.

mod coverage;
mod effects;
mod id_tokens;
mod logs;
mod site;
mod tokens;
