//! What do linters say?

use super::deploy;
use super::tools::{Venv, succeeds};

#[test]
fn the_dockerfile_lints_clean() {
    let Some(venv) = Venv::new() else { return };
    succeeds(venv.program("hadolint").args(["--no-color", "--failure-threshold=style"]).arg(deploy("Dockerfile")));
}
