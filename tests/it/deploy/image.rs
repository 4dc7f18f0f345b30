//! Can the image be built from what is copied into it, and does it hold what the binary needs?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use toml::Table;

use super::tools::succeeds;
use super::{copy, deploy, read, root};

const BINARY: &str = env!("CARGO_BIN_EXE_signoff");

/// What gcr.io/distroless/cc-debian12 holds of the libraries that a Rust program may ask for.
const LIBRARIES: [&str; 8] = [
    "linux-vdso.so.1",
    "libgcc_s.so.1",
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "/lib64/ld-linux-x86-64.so.2",
];

/// The instructions of each stage: what is done, with what.
fn stages() -> Vec<Vec<(String, String)>> {
    let text = read(&deploy("Dockerfile"));
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).collect();
    let mut stages: Vec<Vec<_>> = Vec::new();
    for line in lines.join("\n").replace("\\\n", " ").lines() {
        let (what, with) = line.split_once(' ').expect("an instruction");
        if what == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().expect("FROM comes first").push((what.to_owned(), with.trim().to_owned()));
    }
    stages
}

/// What this instruction is given, each time.
fn given(stage: &[(String, String)], instruction: &str) -> Vec<String> {
    stage.iter().filter(|(what, _)| what == instruction).map(|(_, with)| with.clone()).collect()
}

/// What the build copies from the repository.
fn sources() -> Vec<String> {
    let mut sources = Vec::new();
    for copied in given(&stages()[0], "COPY") {
        let mut paths: Vec<_> = copied.split_whitespace().map(ToOwned::to_owned).collect();
        let into = paths.pop().expect("a destination");
        assert!(into == "./" || [&into] == paths.iter().collect::<Vec<_>>()[..], "{copied}: goes elsewhere");
        sources.extend(paths);
    }
    sources
}

/// Whether the builder is sent this path. All is left out but what `!` names.
fn is_sent(path: &str) -> bool {
    let ignored = read(&deploy("Dockerfile.dockerignore"));
    let mut lines = ignored.lines();
    assert_eq!(lines.next(), Some("*"));
    lines.any(|line| line.strip_prefix('!') == Some(path))
}

#[test]
fn what_is_copied_is_there_and_is_sent_to_the_builder() {
    let sources = sources();
    assert!(sources.len() > 3, "{sources:?}");
    for source in sources {
        assert!(root().join(&source).exists(), "{source} is not there");
        assert!(is_sent(&source), "{source} is not sent");
    }
}

#[test]
fn cargo_takes_the_manifests_from_what_is_copied() {
    let build = TempDir::new().expect("a directory");
    for source in sources() {
        copy(&root().join(&source), &build.path().join(&source));
    }
    let mut cargo = Command::new(env!("CARGO"));
    // Of this platform alone: cargo has fetched what it has built.
    let arguments = ["metadata", "--locked", "--offline", "--format-version=1", "--filter-platform", env_target()];
    succeeds(cargo.args(arguments).current_dir(build.path()));
}

const fn env_target() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

/// The files that macros read while our sources are compiled, but for tests.
fn read_by_macros(sources: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(sources).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_by_macros(&path, found);
            continue;
        }
        let text = read(&path);
        let compiled = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (macro_name, from) in [("include_str!(\"", path.parent().expect("a folder")), ("migrate!(\"", root())] {
            let calls = compiled.split(macro_name).skip(1);
            found.extend(calls.map(|call| from.join(call.split('"').next().expect("a path"))));
        }
        assert!(!compiled.contains("include_bytes!") && !compiled.contains("include!("), "{}", path.display());
    }
}

#[test]
fn what_macros_read_is_copied() {
    let (sources, mut found) = (sources(), Vec::new());
    for folder in ["src", "receiver/src"] {
        read_by_macros(&root().join(folder), &mut found);
    }
    assert!(found.len() >= 3, "{found:?}");
    for path in found {
        let inside = path.canonicalize().expect("it is there");
        let inside = inside.strip_prefix(root()).expect("a file of the repository");
        assert!(sources.iter().any(|source| inside.starts_with(source)), "{} is not copied", inside.display());
    }
}

#[test]
fn the_binary_needs_no_library_that_the_image_lacks() {
    let linked = succeeds(Command::new("ldd").arg(BINARY));
    let needed: Vec<_> = linked.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(needed.contains(&"libc.so.6"), "{linked}");
    for library in needed {
        let known = LIBRARIES.contains(&library) || library.starts_with("/lib/ld-linux-");
        assert!(known, "{library} is not in the image");
    }
}

#[test]
fn the_image_is_made_by_our_rust_and_profile_and_runs_the_service_without_root() {
    let manifest: Table = read(&root().join("Cargo.toml")).parse().expect("TOML");
    let [build, image] = &stages()[..] else { panic!("two stages") };
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().expect("a version");
    assert_eq!(given(build, "FROM"), [format!("rust:{rust}-bookworm AS build")]);
    let run = given(build, "RUN").join(" ");
    assert!(run.contains("cargo build --locked --profile dist --bin signoff "), "{run}");
    assert!(manifest["profile"].get("dist").is_some());

    assert_eq!(given(image, "FROM"), ["gcr.io/distroless/cc-debian12:nonroot"]);
    let user = &given(image, "USER")[0];
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    let copies = given(image, "COPY");
    assert!(copies[0].starts_with("--from=build ") && copies[0].ends_with(" /usr/local/bin/signoff"), "{copies:?}");
    assert!(copies[1].contains(&format!("--chown={user} ")) && copies[1].ends_with(" /var/lib/signoff"), "{copies:?}");
    assert_eq!(given(image, "EXPOSE"), ["8080 9090"]);
    assert_eq!(given(image, "ENTRYPOINT"), [r#"["/usr/local/bin/signoff"]"#]);
    assert_eq!(given(image, "CMD"), [r#"["serve"]"#]);
}
