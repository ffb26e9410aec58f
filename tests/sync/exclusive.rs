//! `Exclusive`: the second user is told who the first is.

use super::support::{spawn, until, yield_now};
use regatta::sync::Exclusive;

async fn the_second_user_is_refused_and_told_who_is_there() {
    let socket = Exclusive::new("the socket");
    let reader = {
        let socket = socket.clone();
        spawn(async move {
            let using = socket.enter_as("reader").unwrap();
            yield_now().await;
            using
        })
    };
    until(|| socket.is_in_use()).await;
    let conflict = socket.enter_as("writer").unwrap_err();
    assert_eq!(conflict.what(), "the socket");
    assert_eq!(
        (conflict.first().0, conflict.second().0),
        ("reader", "writer")
    );
    let (first, second) = (conflict.first().1, conflict.second().1);
    assert!(first.line() < second.line() && first.file() == second.file());
    assert_eq!(
        conflict.to_string(),
        format!(
            "`writer` (at {second}) cannot enter: the socket is in use by `reader` (at {first}); give each a thing of its own, or a turn through a `Mutex`"
        )
    );
    drop(reader.await.unwrap());
    assert!(!socket.is_in_use());
    drop(socket.enter().unwrap());
}

async fn a_panic_ends_the_use() {
    let thing = Exclusive::new("it");
    let task = {
        let thing = thing.clone();
        spawn(async move {
            let _using = thing.enter();
            panic!("on purpose");
        })
    };
    assert!(task.await.is_err());
    until(|| !thing.is_in_use()).await;
}

regatta::matrix! {
    the_second_user_is_refused_and_told_who_is_there;
    a_panic_ends_the_use;
}
