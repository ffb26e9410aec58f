//! The two environment variables.

/// Replays one seed.
pub(super) const SEED: &str = "REGATTA_SEED";
/// How many seeds.
pub(super) const SEEDS: &str = "REGATTA_SEEDS";

pub(super) fn seed() -> Option<u64> {
    number(SEED)
}

pub(super) fn seeds() -> Option<u64> {
    number(SEEDS)
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var_os(variable)?;
    Some(parse(variable, &value.to_string_lossy()))
}

/// Separate from the environment, which a test must not change.
fn parse(variable: &str, value: &str) -> u64 {
    let number = value.trim().parse();
    number.unwrap_or_else(|_| {
        panic!("{variable}={value:?} is no number from 0 to 18446744073709551615")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_have_blanks_around_it() {
        assert_eq!(parse(SEED, " 42\n"), 42);
        assert_eq!(parse(SEED, "18446744073709551615"), u64::MAX);
    }

    #[test]
    #[should_panic(expected = r#"REGATTA_SEED="forty-two" is no number"#)]
    fn anything_else_is_refused_by_name() {
        parse(SEED, "forty-two");
    }

    #[test]
    #[should_panic(expected = r#"REGATTA_SEEDS="" is no number"#)]
    fn so_is_nothing() {
        parse(SEEDS, "");
    }
}
