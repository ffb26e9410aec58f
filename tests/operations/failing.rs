//! What does not hold yet, and is left out by name; to be emptied.

/// (harness, operation or the beginning of its name).
const KNOWN: &[(&str, &str)] = &[];

/// Whether it is left out. `REGATTA_KNOWN=1` runs it all the same.
pub(crate) fn is_known(harness: &str, operation: &str) -> bool {
    let known = KNOWN
        .iter()
        .any(|(h, o)| *h == harness && operation.starts_with(o));
    known && std::env::var_os("REGATTA_KNOWN").is_none()
}

/// Fails with everything that went wrong, by operation.
#[track_caller]
pub(crate) fn report(wrong: &[(&'static str, String)]) {
    let list: Vec<_> = wrong
        .iter()
        .map(|(operation, why)| format!("{operation}: {why}"))
        .collect();
    assert!(
        list.is_empty(),
        "{} wrong:\n{}",
        list.len(),
        list.join("\n")
    );
}
