//! Does each store behave? The public suites, one module per store.

mod memory;
