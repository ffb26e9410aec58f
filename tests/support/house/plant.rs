//! Plants a source file beside a crate root and compares what the rules say of it.

use super::{Report, Rule};

/// A crate root with short cuts, for planted sources.
pub(crate) const LIB: &str = "
    mod internal; pub mod patterns; pub mod runtime; pub mod testing; pub mod integrations; pub mod monitor;
    pub use patterns::{cancel, task, time, queue};
    pub use patterns::cancel::{CancelToken as Token, shield};
    pub use runtime::{Runtime, run};
";

/// Judges one file beside [`LIB`].
pub(crate) fn judged(path: &str, text: &str) -> Report {
    super::check(&[("lib.rs".into(), LIB.into()), (path.into(), text.into())])
}

/// `text` at `path` breaks exactly these rules, on these lines.
#[track_caller]
pub(crate) fn breaks(path: &str, text: &str, expected: &[(usize, Rule)]) {
    let report = judged(path, text);
    let found: Vec<(usize, Rule)> = report.violations.iter().map(|v| (v.line, v.rule)).collect();
    assert_eq!(found, expected, "{path}:\n{text}\n{:#?}", report.violations);
    for violation in &report.violations {
        assert!(
            violation
                .to_string()
                .starts_with(&format!("src/{path}:{}: ", violation.line))
        );
    }
}

#[track_caller]
pub(crate) fn clean(path: &str, text: &str) {
    breaks(path, text, &[]);
}
