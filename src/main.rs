//! What runs as `signoff`? The command line, nothing else.
fn main() {}
