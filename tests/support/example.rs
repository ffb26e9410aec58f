//! The programs in `examples/`, as `cargo test` has built them.
#![allow(
    dead_code,
    reason = "shared by test programs that need some of it each"
)]

use std::path::Path;
use std::process::Command;

/// What `--runtime` may be, as far as it is compiled in.
#[cfg(all(feature = "tokio", feature = "smol"))]
pub(crate) const RUNTIMES: &[&str] = &["tokio", "tokio-current", "smol"];
#[cfg(all(feature = "tokio", not(feature = "smol")))]
pub(crate) const RUNTIMES: &[&str] = &["tokio", "tokio-current"];
#[cfg(all(feature = "smol", not(feature = "tokio")))]
pub(crate) const RUNTIMES: &[&str] = &["smol"];

/// `target/<profile>/examples/<name>`; a test is `target/<profile>/deps/<test>-<hash>`.
pub(crate) fn program(name: &str) -> Command {
    let me = std::env::current_exe().expect("tests know where they are");
    let profile = me.parent().and_then(Path::parent).expect("two folders up");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(file);
    assert!(
        program.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test ..` alone does not",
        program.display()
    );
    Command::new(program)
}
