//! Where does the demo keep its files? In a directory of its own, gone at the end.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A directory for its owner alone; deleted with this value.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(run: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("signoff-demo-{run}"));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create the directory {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system, which empties its temporary directory.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
