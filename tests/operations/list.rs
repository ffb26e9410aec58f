//! The catalogue has every operation of the sources, and no other.

use crate::user::User;
use crate::{catalogue, ground, sources, world};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// `name (in this case)` is another case of `name`.
fn bare(name: &str) -> &str {
    name.split(" (").next().unwrap_or(name)
}

#[test]
fn every_public_operation_is_in_the_catalogue() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = sources::operations(&src);
    let mut listed = BTreeSet::new();
    for entry in catalogue::all() {
        listed.insert(bare(entry.name).to_owned());
        listed.extend(entry.covers.iter().map(|name| (*name).to_owned()));
    }
    // What a feature or a system leaves out is listed where it is there.
    let left_out = |name: &&String| {
        let unit = name.split("::").next().unwrap_or_default();
        (unit == "http" && !cfg!(feature = "http"))
            || (unit == "tower" && !cfg!(feature = "tower"))
            || (!cfg!(feature = "net") && sources::is_net(name))
            || (*name == "runtime::ctrl_c" && !cfg!(feature = "signal"))
            || (!cfg!(unix) && name.contains("::Unix"))
    };
    let missing: Vec<_> = found
        .difference(&listed)
        .filter(|name| !left_out(name))
        .collect();
    assert!(
        missing.is_empty(),
        "public, awaited, and in no entry of tests/operations/catalogue: {missing:#?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        gone.is_empty(),
        "entries of the catalogue that are nothing in the sources: {gone:#?}"
    );
}

/// What the entries say of themselves is true: at once, or not; waiting, or not.
#[test]
fn the_entries_do_what_they_say() {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        for place in ground::all() {
            let (build, name) = (entry.build, entry.name);
            let ended = ground::in_time(Duration::from_secs(20), move || {
                place.run(Box::pin(world::behaves(
                    build,
                    place.is_virtual(),
                    User::default(),
                )))
            });
            if let Err(why) = ended {
                wrong.push(format!("{name}, {place:?}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
