//! Clean code that looks like an offence passes.

use super::Rule::*;
use super::plant::{LIB, breaks, clean};
use super::source::module_of;

#[test]
fn comments_docs_and_strings_do_not_count() {
    clean(
        "patterns/cancel/mod.rs",
        r##"
        //! Unlike [`crate::task::task_group`]; see `tokio::select!`.
        //!
        //! ```
        //! use regatta::task::task_group;
        //! # #[cfg(feature = "tokio")]
        //! tokio::spawn(async { std::thread::sleep(d); todo!() });
        //! ```
        #![doc = "use crate::task::x; unsafe"]
        /* use crate::task; /* unsafe { tokio::spawn() } */ */
        /// `unsafe`, `todo!()`, [`Instant::now()`](std::time::Instant::now)
        fn f() -> &'static str { // crate::task::TaskGroup
            let _ = 'u';
            let _ = r#"use crate::task::x; tokio::spawn(); #[ignore]"#;
            "Instant::now() in crate::testing, cfg(feature = \"tokio\")"
        }
        "##,
    );
}

#[test]
fn test_code_may_look_up() {
    clean(
        "patterns/cancel/mod.rs",
        "
        #[cfg(test)]
        #[allow(clippy::unwrap_used)]
        pub(crate) mod tests {
            use super::*;
            use crate::testing::run;
            use crate::task::task_group;
            #[test] fn t() { tokio::spawn(async {}); std::thread::sleep(d); }
            mod deeper { use crate::testing; }
        }
        #[cfg(all(unix, test))] use crate::{testing, task::TaskGroup};
        struct S { #[cfg(test)] seen: crate::testing::Log, plain: u8 }
        fn f() { #[cfg(test)] crate::testing::settle(); g(); }
        #[cfg(test)] const LOG: fn() -> X = { crate::testing::log };
        #[cfg(test)] const fn h<A, B>(a: A, b: B) { crate::testing::log() }
        ",
    );
    // What stands behind the test item counts again.
    breaks(
        "patterns/cancel/mod.rs",
        "#[cfg(test)] mod tests {}\nuse crate::task::X;",
        &[(2, Up)],
    );
    breaks(
        "patterns/cancel/mod.rs",
        "#[cfg(test)] use crate::testing::{a, b};\nuse crate::task::X;",
        &[(2, Up)],
    );
    breaks(
        "patterns/cancel/mod.rs",
        "struct S { #[cfg(test)] a: u8,\n b: crate::task::X }",
        &[(2, Up)],
    );
}

#[test]
fn a_test_module_in_its_own_file_may_look_up() {
    let files = [
        ("lib.rs", LIB),
        ("patterns/cancel/mod.rs", "#[cfg(test)] mod tests;"),
        (
            "patterns/cancel/tests.rs",
            "use crate::testing::run; mod more;",
        ),
        ("patterns/cancel/tests/more.rs", "use crate::testing::run;"),
        ("patterns/time/tests.rs", "use crate::testing::run;"),
    ];
    let report = super::check(&files.map(|(p, t)| (p.to_owned(), t.to_owned())));
    let found: Vec<_> = report.violations.iter().map(|v| v.file.as_str()).collect();
    assert_eq!(found, ["src/patterns/time/tests.rs"]);
}

#[test]
fn imports_that_go_down_or_stay_are_clean() {
    clean("lib.rs", LIB);
    clean(
        "patterns/mod.rs",
        "pub mod cancel; pub mod task; pub use task::TaskGroup; use self::cancel::CancelToken;",
    );
    clean(
        "patterns/cancel/mod.rs",
        "mod token; pub use token::CancelToken; use self::token::Node; use crate::run;",
    );
    clean(
        "patterns/cancel/token.rs",
        "use super::*; use super::guard::Guard; use crate::{Runtime, internal::label};",
    );
    clean(
        "patterns/cancel/token.rs",
        "use crate::cancel::shield; use crate::patterns::cancel::{self, finally}; use crate::shield as s;",
    );
    clean(
        "patterns/task/group/state.rs",
        "use super::super::error::ErrorGroup; use super::super::super::cancel::CancelToken;",
    );
    clean(
        "patterns/policy/mod.rs",
        "use crate::patterns::{retry::Backoff, rate_limit, time::timeout, cancel};",
    );
    clean(
        "testing/mod.rs",
        "use crate::{patterns::pool::Pool, monitor, task, runtime::Backend};",
    );
    clean(
        "integrations/http/client.rs",
        "use super::tls; use crate::patterns::pool::Pool; use crate::integrations::http::x;",
    );
    clean(
        "runtime/current.rs",
        "use super::Runtime; use super::super::runtime::Kind;",
    );
}

#[test]
fn names_that_only_look_like_an_offence_are_clean() {
    clean(
        "patterns/cancel/mod.rs",
        "
        pub(in crate::patterns) fn visible() {}
        fn f<'unsafe_>(tokio: u8, smol: u8) -> u8 { tokio + smol }
        fn g(h: Handle) { Runtime::tokio(h); my::tokio::spawn(); <T as Into<X>>::tokio::x(); }
        fn capture<'a>() -> impl Sized + use<'a> { let todo = 1; if todo != 2 { self::task::local() } }
        fn h(s: Settings) { let feature = \"tokio\"; s.instant.now(); thread.sleep(d); Clock::now(); }
        mod task { pub fn local() {} }
        use std::time::{Duration, Instant};
        use other::task::TaskGroup;
        use tokio_postgres::Client;
        #[doc(alias = \"tokio\")] #[must_use = \"unsafe\"] fn i() { ignore(); unsafe_code(); }
        ",
    );
}

#[test]
fn module_paths_follow_the_file_tree() {
    assert_eq!(module_of("lib.rs"), [""; 0]);
    assert_eq!(module_of("runtime/mod.rs"), ["runtime"]);
    assert_eq!(
        module_of("patterns/cancel/token.rs"),
        ["patterns", "cancel", "token"]
    );
}
