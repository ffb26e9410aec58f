//! What a plain thread finds. A process of its own, for what other tests run would be found, too; and one test, for the
//! same reason.

use regatta::Runtime;
use regatta::runtime::{Flavor, Notice, notices, on_notice, run_on};
use std::sync::Mutex;

fn name() -> &'static str {
    Runtime::current().name()
}

fn name_on_a_thread() -> &'static str {
    std::thread::spawn(name).join().expect("it does not panic")
}

static TOLD: Mutex<Vec<Notice>> = Mutex::new(Vec::new());

fn tell(notice: Notice) {
    TOLD.lock().expect("nobody panics under it").push(notice);
}

fn told() -> Vec<Notice> {
    TOLD.lock().expect("nobody panics under it").clone()
}

#[test]
fn a_plain_thread_finds_what_run_runs_on_and_otherwise_smol_or_nothing() {
    on_notice(tell);
    let default = if Flavor::Smol.is_available() {
        "smol"
    } else {
        "neutral"
    };
    // While `run` runs, its threads and those of the program agree, and nothing is chosen behind anybody's back.
    for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
        let (inside, beside) = run_on(flavor, async { (name(), name_on_a_thread()) });
        if flavor == Flavor::Neutral {
            break;
        }
        assert_eq!(inside, beside, "{flavor}");
        assert!(flavor.name().starts_with(inside), "{flavor}");
    }
    let (inside, beside) = regatta::run(async { (name(), name_on_a_thread()) });
    assert_eq!(inside, beside);
    // Of two, the one that was started last; and it is forgotten with its end, also by a panic.
    let nested = std::thread::spawn(|| regatta::run(async { panic!("{}", name_on_a_thread()) }));
    let said = nested.join().expect_err("it panics");
    assert_eq!(
        said.downcast_ref::<String>().map(String::as_str),
        Some(inside)
    );

    // Nothing runs.
    assert_eq!((name(), name_on_a_thread()), (default, default));
    assert_eq!(futures::executor::block_on(async { name() }), default);
    assert_eq!(Runtime::current().can_spawn(), Flavor::Smol.is_available());
    #[cfg(feature = "smol")]
    {
        assert_eq!(smol::block_on(async { name() }), "smol");
        assert_eq!(smol::block_on(smol::spawn(async { name() })), "smol");
        assert_eq!(smol::block_on(smol::unblock(name)), "smol");
    }
    let both = Flavor::Smol.is_available() && Flavor::Tokio.is_available();
    let expected: &[Notice] = if both { &[Notice::SmolByDefault] } else { &[] };
    assert_eq!((&*told(), &*notices()), (expected, expected));

    // A thread that looks like tokio's, where tokio is not known.
    let worker = std::thread::Builder::new().name("tokio-rt-worker".into());
    let found = worker.spawn(|| {
        let refused = Runtime::current().try_spawn(async {}).err();
        (name(), refused.map(|refused| refused.to_string()))
    });
    let (found, refused) = found.expect("a thread").join().expect("it does not panic");
    assert_eq!(found, default);
    let notice = if Flavor::Tokio.is_available() {
        None
    } else if Flavor::Smol.is_available() {
        Some(Notice::TokioThreadOnSmol)
    } else {
        let refused = refused.expect("nothing can be spawned");
        assert!(refused.contains("a thread of tokio's"), "{refused}");
        Some(Notice::TokioThreadOnNeutral)
    };
    assert_eq!(told().len(), expected.len() + usize::from(notice.is_some()));
    assert!(notice.is_none_or(|notice| told().contains(&notice)));
    // A hook that comes late is told all the same.
    TOLD.lock().expect("nobody panics under it").clear();
    on_notice(tell);
    assert_eq!(told(), notices());
    assert!(
        told()
            .iter()
            .all(|notice| notice.to_string().contains("feature"))
    );
}
