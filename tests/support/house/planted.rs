//! Every rule can be seen to fail: one planted offence, or a few, for each.

use super::Rule::*;
use super::plant::{LIB, breaks, clean, judged};

#[test]
fn an_import_from_a_higher_floor_is_found() {
    for (path, text) in [
        (
            "patterns/cancel/token.rs",
            "use crate::patterns::task::TaskGroup;",
        ),
        ("patterns/cancel/token.rs", "use crate::task::TaskGroup;"),
        (
            "patterns/cancel/token.rs",
            "use super::super::task::TaskGroup;",
        ),
        ("patterns/cancel/mod.rs", "use super::task::TaskGroup;"),
        (
            "patterns/cancel/mod.rs",
            "use self::super::task::TaskGroup;",
        ),
        (
            "patterns/cancel/mod.rs",
            "mod deep { use super::super::task::TaskGroup; }",
        ),
        (
            "patterns/cancel/mod.rs",
            "pub(crate) use crate::task as jobs;",
        ),
        ("patterns/cancel/mod.rs", "use regatta::task;"),
        (
            "patterns/cancel/mod.rs",
            "fn f() { crate::task::task_group(|g| async {}); }",
        ),
        (
            "patterns/cancel/mod.rs",
            "struct S { group: Option<crate::task::TaskGroup<'static, ()>> }",
        ),
        (
            "patterns/cancel/mod.rs",
            "fn f(x: impl Into<super::task::Id>) {}",
        ),
        (
            "patterns/cancel/mod.rs",
            "impl From<crate::r#task::Id> for X {}",
        ),
        (
            "patterns/cancel/mod.rs",
            "macro_rules! m { () => { $crate::task::task_group() } }",
        ),
        (
            "patterns/cancel/mod.rs",
            "pin_project_lite::pin_project! { struct S { #[pin] f: crate::task::Task<()> } }",
        ),
        (
            "patterns/cancel/mod.rs",
            "#[cfg(not(test))] use crate::task;",
        ),
        (
            "patterns/cancel/mod.rs",
            "#[cfg(any(test, unix))] use crate::task;",
        ),
        ("runtime/mod.rs", "use crate::internal::label;"),
        ("internal/mod.rs", "use crate::Token;"),
        ("internal/mod.rs", "use crate::shield;"),
        ("internal/list.rs", "use crate::patterns::time::sleep;"),
        (
            "patterns/retry/mod.rs",
            "use crate::patterns::policy::Policy;",
        ),
        ("patterns/retry/mod.rs", "use crate::testing;"),
        (
            "patterns/pool/mod.rs",
            "use crate::integrations::http::Client;",
        ),
        ("monitor/mod.rs", "use crate::testing::run;"),
    ] {
        breaks(path, text, &[(1, Up)]);
    }
}

#[test]
fn an_import_from_a_sibling_is_found() {
    for (path, text) in [
        ("patterns/time/mod.rs", "use crate::cancel::CancelToken;"),
        ("patterns/time/mod.rs", "use crate::Token;"),
        (
            "patterns/retry/state.rs",
            "use crate::patterns::hedge::Hedge;",
        ),
        (
            "patterns/task/group/mod.rs",
            "use super::super::queue::Queue;",
        ),
        ("patterns/pool/mod.rs", "use crate::monitor::tasks;"),
        ("integrations/http/mod.rs", "use crate::testing::run;"),
        ("integrations/http/mod.rs", "use super::redis::Client;"),
        ("testing/mod.rs", "use crate::integrations::http;"),
    ] {
        breaks(path, text, &[(1, Sideways)]);
    }
}

#[test]
fn nested_use_groups_are_followed_to_their_leaves() {
    let text = "
        use crate::{
            patterns::{cancel::CancelToken, task::{TaskGroup, group::{self, Limit}}},
            runtime::Runtime,
            time::{sleep, Sleep as Nap},
            hedge,
        };";
    breaks(
        "patterns/cancel/mod.rs",
        text,
        &[
            (3, Up),
            (3, Up),
            (3, Up),
            (5, Sideways),
            (5, Sideways),
            (6, Up),
        ],
    );
}

#[test]
fn the_module_that_holds_the_floors_is_not_imported_whole() {
    for text in [
        "use crate::*;",
        "use crate as root;",
        "use crate::patterns;",
        "use crate::patterns::*;",
        "use crate::patterns::{self as all};",
        "use super::super::*;",
        "use super::super as up;",
        "use crate::integrations::*;",
    ] {
        breaks("patterns/cancel/token.rs", text, &[(1, WholeFloor)]);
    }
}

#[test]
fn a_module_without_a_floor_is_found() {
    breaks("patterns/juggle/mod.rs", "", &[(1, NoFloor)]);
    breaks("helpers.rs", "", &[(1, NoFloor)]);
    breaks(
        "patterns/cancel/mod.rs",
        "use crate::helpers::x;",
        &[(1, NoFloor)],
    );
    breaks(
        "patterns/cancel/mod.rs",
        "\nuse crate::patterns::juggle;",
        &[(2, NoFloor)],
    );
}

#[test]
fn an_exported_macro_belongs_to_the_floor_that_defines_it() {
    let files = [
        ("lib.rs", LIB),
        (
            "testing/matrix.rs",
            "/// Doc.\n#[doc(hidden)] #[macro_export] #[allow(x)] macro_rules! matrix { () => {} }",
        ),
        ("patterns/task/mod.rs", "crate::matrix!();"),
    ];
    let report = super::check(&files.map(|(p, t)| (p.to_owned(), t.to_owned())));
    let found: Vec<_> = report
        .violations
        .iter()
        .map(|v| (v.file.as_str(), v.rule))
        .collect();
    assert_eq!(found, [("src/patterns/task/mod.rs", Up)]);
}

#[test]
fn a_runtime_crate_named_outside_runtime_is_found() {
    for text in [
        "use tokio::sync::Mutex;",
        "use tokio;",
        "use ::smol as other;",
        "use {std::fmt, async_io::Timer};",
        "extern crate smol;",
        "fn f() { tokio::spawn(async {}); }",
        "fn f() { ::async_std::task::spawn(async {}); }",
        "fn f(t: async_executor::Task<()>) {}",
        "fn f() { vec![smol::Timer::never()]; }",
        "type Delay = futures_timer::Delay;",
        "impl<T: tokio::io::AsyncRead> X for T {}",
    ] {
        breaks("patterns/task/mod.rs", text, &[(1, RuntimeNamed)]);
        breaks("lib.rs", text, &[(1, RuntimeNamed)]);
        clean("runtime/tokio.rs", text);
    }
}

#[test]
fn a_runtime_feature_tested_outside_runtime_is_found() {
    for text in [
        "#[cfg(feature = \"tokio\")] fn f() {}",
        "#[cfg(not(any(unix, feature = \"smol\")))] fn f() {}",
        "fn f() -> bool { cfg!(feature = \"tokio\") }",
        "#[cfg_attr(feature = \"smol\", derive(Debug))] struct S;",
        "#![cfg(feature = \"tokio\")]",
    ] {
        breaks("patterns/task/mod.rs", text, &[(1, RuntimeFeature)]);
        breaks("integrations/http/mod.rs", text, &[(1, RuntimeFeature)]);
        clean("runtime/mod.rs", text);
    }
}

#[test]
fn a_stray_feature_test_is_found() {
    let text = "#[cfg(feature = \"http\")] pub mod http;";
    breaks("patterns/task/mod.rs", text, &[(1, StrayFeature)]);
    breaks("monitor/mod.rs", text, &[(1, StrayFeature)]);
    clean("integrations/mod.rs", text);
    clean("integrations/http/tls.rs", text);
    clean("runtime/mod.rs", text);
}

#[test]
fn real_time_outside_runtime_is_found() {
    for text in [
        "fn f() { let t = Instant::now(); }",
        "fn f() { let t = std::time::Instant::now(); }",
        "fn f(t: Option<Instant>) { t.unwrap_or_else(Instant::now); }",
        "fn f() { std::time::SystemTime::now(); }",
        "fn f() { thread::sleep(d); }",
        "use std::{fmt, thread::{self, sleep}};",
        "fn f() { assert!(Instant::now() > t); }",
    ] {
        breaks("patterns/time/mod.rs", text, &[(1, RealTime)]);
        clean("runtime/neutral.rs", text);
    }
}

#[test]
fn unsafe_code_is_found_everywhere() {
    breaks(
        "runtime/mod.rs",
        "\nfn f() { unsafe { g() } }",
        &[(2, Unsafe)],
    );
    breaks(
        "internal/mod.rs",
        "unsafe impl Send for X {}",
        &[(1, Unsafe)],
    );
    breaks(
        "internal/mod.rs",
        "macro_rules! m { () => { unsafe { f() } } }",
        &[(1, Unsafe)],
    );
    breaks(
        "internal/mod.rs",
        "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }",
        &[(1, Unsafe)],
    );
}

#[test]
fn unfinished_work_is_found_everywhere() {
    breaks("runtime/mod.rs", "fn f() { todo!() }", &[(1, Stub)]);
    breaks(
        "patterns/time/mod.rs",
        "fn f() {\n unimplemented!(\"later\") }",
        &[(2, Stub)],
    );
    let ignored = "#[cfg(test)]\nmod tests {\n #[test]\n #[ignore = \"slow\"]\n fn t() {}\n}";
    breaks("patterns/time/mod.rs", ignored, &[(4, Stub)]);
    breaks(
        "patterns/time/mod.rs",
        "#[cfg_attr(miri, ignore)] fn t() {}",
        &[(1, Stub)],
    );
    let found = super::stubs(
        "tests/task.rs",
        "#[test] #[ignore] fn t() { tokio::spawn(x); }",
    );
    assert_eq!(found.iter().map(|v| v.rule).collect::<Vec<_>>(), [Stub]);
}

#[test]
fn a_long_file_is_found_and_a_longish_one_noted() {
    let lines = |n: usize| "// one line\n".repeat(n);
    breaks("patterns/time/mod.rs", &lines(501), &[(501, TooLong)]);
    clean("patterns/time/mod.rs", &lines(500));
    assert_eq!(judged("patterns/time/mod.rs", &lines(301)).notes.len(), 1);
    assert_eq!(judged("patterns/time/mod.rs", &lines(300)).notes.len(), 0);
}

#[test]
fn what_is_no_rust_is_found() {
    breaks("patterns/time/mod.rs", "fn f() {", &[(1, Unreadable)]);
}
