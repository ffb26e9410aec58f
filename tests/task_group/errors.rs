//! `ErrorGroup`: every error is kept, and so is the shape of the tree. Checked against a plain model.

use futures::future::BoxFuture;
use regatta::task::{ErrorGroup, OnFailure, scope};

/// What a group reports, as plain data.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(Option<String>, u32),
    Group(String, Vec<Tree>),
}

impl Tree {
    fn random(rng: &mut fastrand::Rng, depth: u32) -> Tree {
        let label = format!("g{}", rng.u8(..));
        let branches = (0..rng.usize(1..5)).map(|_| {
            if depth > 0 && rng.u8(0..3) == 0 {
                Tree::random(rng, depth - 1)
            } else {
                let name = rng.bool().then(|| format!("t{}", rng.u8(..)));
                Tree::Leaf(name, rng.u32(0..50))
            }
        });
        Tree::Group(label, branches.collect())
    }

    /// Runs groups that fail like this.
    fn run(self) -> BoxFuture<'static, Result<(), ErrorGroup<u32>>> {
        let Tree::Group(label, branches) = self else {
            unreachable!("the root is a group")
        };
        Box::pin(scope(async move |g| {
            g.name(label);
            g.on_failure(OnFailure::Collect);
            for branch in branches {
                match branch {
                    Tree::Leaf(None, e) => drop(g.spawn(async move { Err::<(), _>(e) })),
                    Tree::Leaf(Some(name), e) => {
                        drop(g.named(name).spawn(async move { Err::<(), _>(e) }));
                    }
                    group => drop(g.spawn_nested(group.run())),
                }
            }
            Ok(())
        }))
    }

    fn leaves(&self) -> Vec<(Option<String>, u32)> {
        match self {
            Tree::Leaf(name, e) => vec![(name.clone(), *e)],
            Tree::Group(_, branches) => branches.iter().flat_map(Tree::leaves).collect(),
        }
    }

    fn map(self, f: &impl Fn(u32) -> u32) -> Tree {
        match self {
            Tree::Leaf(name, e) => Tree::Leaf(name, f(e)),
            Tree::Group(label, b) => Tree::Group(label, b.into_iter().map(|t| t.map(f)).collect()),
        }
    }

    /// Without the leaves that fail the test, and without groups that have none left.
    fn only(self, test: &impl Fn(u32) -> bool) -> Option<Tree> {
        match self {
            Tree::Leaf(name, e) => test(e).then_some(Tree::Leaf(name, e)),
            Tree::Group(label, b) => {
                let left: Vec<_> = b.into_iter().filter_map(|t| t.only(test)).collect();
                (!left.is_empty()).then_some(Tree::Group(label, left))
            }
        }
    }

    fn flat(self) -> Tree {
        let leaves = self.leaves().into_iter().map(|(n, e)| Tree::Leaf(n, e));
        match &self {
            Tree::Group(label, _) => Tree::Group(label.clone(), leaves.collect()),
            Tree::Leaf(..) => self,
        }
    }

    fn print(&self, indent: &str, text: &mut String) {
        match self {
            Tree::Leaf(None, e) => text.push_str(&e.to_string()),
            Tree::Leaf(Some(name), e) => text.push_str(&format!("{name}: {e}")),
            Tree::Group(label, branches) => {
                let n = self.leaves().len();
                let s = if n == 1 { "" } else { "s" };
                text.push_str(&format!("{label}: {n} task{s} failed"));
                for (i, branch) in branches.iter().enumerate() {
                    let last = i + 1 == branches.len();
                    let (here, below) = if last {
                        ("└─ ", "   ")
                    } else {
                        ("├─ ", "│  ")
                    };
                    text.push_str(&format!("\n{indent}{here}"));
                    branch.print(&format!("{indent}{below}"), text);
                }
            }
        }
    }
}

fn text(tree: &Tree) -> String {
    let mut text = String::new();
    tree.print("", &mut text);
    text
}

fn printed(errors: Option<ErrorGroup<u32>>) -> Option<String> {
    errors.map(|e| format!("{e:#}"))
}

#[test]
fn taking_errors_apart_loses_none_and_keeps_the_shape() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..500 {
        let tree = Tree::random(&mut rng, 5);
        // A task of ours has a whole budget for each tree: a group that gives way in between would report later.
        let run = regatta::Runtime::neutral().within(tree.clone().run());
        let errors = futures::executor::block_on(run).unwrap_err();
        let leaves = tree.leaves();
        let values: Vec<u32> = leaves.iter().map(|(_, e)| *e).collect();

        assert_eq!(format!("{errors:#}"), text(&tree));
        assert_eq!(format!("{errors:?}"), text(&tree));
        assert_eq!((errors.len(), errors.is_empty()), (values.len(), false));
        let named: Vec<_> = errors
            .iter_named()
            .map(|(n, e)| (n.map(str::to_owned), *e))
            .collect();
        assert_eq!(named, leaves);
        assert_eq!(errors.iter().copied().collect::<Vec<_>>(), values);
        assert_eq!(errors.first(), values.first());
        assert_eq!(errors.clone().into_first(), values.first().copied());
        assert_eq!(errors.clone().into_iter().collect::<Vec<_>>(), values);
        assert_eq!(
            printed(Some(errors.clone().flatten())),
            Some(text(&tree.clone().flat()))
        );
        let tenfold = errors.clone().map(|e| e * 10);
        assert_eq!(format!("{tenfold:#}"), text(&tree.clone().map(&|e| e * 10)));

        let cut = rng.u32(0..51);
        let (small, large) = errors.clone().split(|e| *e < cut);
        assert_eq!(
            printed(small),
            tree.clone().only(&|e| e < cut).as_ref().map(text)
        );
        assert_eq!(
            printed(large),
            tree.clone().only(&|e| e >= cut).as_ref().map(text)
        );

        let (even, odd) = errors.extract(|e| if e % 2 == 0 { Ok(e) } else { Err(e) });
        let evens: Vec<_> = values.iter().copied().filter(|e| e % 2 == 0).collect();
        assert_eq!(even, evens);
        assert_eq!(printed(odd), tree.only(&|e| e % 2 == 1).as_ref().map(text));
    }
}

#[test]
fn a_group_prints_one_line_or_a_tree() {
    let errors = futures::executor::block_on(scope::<(), _, _, _>(async |g| {
        g.name("nightly");
        g.on_failure(OnFailure::Collect);
        g.named("disk").spawn(async { Err::<(), _>("full") });
        g.named("net").spawn_nested(scope(async |g| {
            g.named("dns").spawn(async { Err::<(), _>("no answer") });
            g.spawn(async { Err::<(), _>("reset") });
            g.on_failure(OnFailure::Collect);
            Ok(())
        }));
        Err("body")
    }))
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "nightly: 4 tasks failed: body; disk: full; dns: no answer; reset"
    );
    let tree = "\
nightly: 4 tasks failed
├─ body
├─ disk: full
└─ net: 2 tasks failed
   ├─ dns: no answer
   └─ reset";
    assert_eq!(format!("{errors:#}"), tree);
    assert_eq!(errors.label(), Some("nightly"));
    let debug = tree.replace("body", "\"body\"").replace("full", "\"full\"");
    let debug = debug
        .replace("no answer", "\"no answer\"")
        .replace("reset", "\"reset\"");
    assert_eq!(format!("{errors:?}"), debug);
    // It is an error like any other.
    let boxed: Box<dyn std::error::Error> = errors.into();
    assert!(boxed.to_string().starts_with("nightly: 4 tasks failed"));
}

#[test]
fn errors_are_taken_out_by_type() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;
    let errors = futures::executor::block_on(scope::<(), BoxError, _, _>(async |g| {
        g.on_failure(OnFailure::Collect);
        g.spawn(async { Err::<(), BoxError>(std::io::Error::other("disk").into()) });
        g.spawn(async { Err::<(), BoxError>("other".into()) });
        Ok(())
    }))
    .unwrap_err();
    let (io, rest) = errors.extract(|e| e.downcast::<std::io::Error>());
    assert_eq!(io.len(), 1);
    assert_eq!(rest.unwrap().to_string(), "1 task failed: other");
}

#[test]
fn a_deep_tree_of_groups_is_taken_apart() {
    fn nest(depth: u32) -> BoxFuture<'static, Result<(), ErrorGroup<u32>>> {
        Box::pin(scope(async move |g| {
            if depth > 0 {
                g.spawn_nested(nest(depth - 1));
                return Ok(());
            }
            Err(7)
        }))
    }
    let errors = futures::executor::block_on(nest(200)).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(format!("{errors:#}").lines().count(), 202);
    let (hits, rest) = errors.split(|e| *e == 7);
    assert!(rest.is_none());
    assert_eq!(hits.unwrap().into_first(), Some(7));
}

/// One group around the other, `depth` of them, made from the inside out.
fn deep(depth: u32) -> ErrorGroup<u32> {
    let leaf = scope::<(), u32, _, _>(async |_| Err(7));
    let mut errors = futures::executor::block_on(leaf).unwrap_err();
    for _ in 1..depth {
        let inner = Err::<(), _>(errors);
        errors = futures::executor::block_on(scope::<(), u32, _, _>(async |g| {
            g.spawn_nested(std::future::ready(inner));
            Ok(())
        }))
        .unwrap_err();
    }
    errors
}

const DEEP: u32 = 30_000;

#[test]
fn no_tree_is_too_deep() {
    drop(deep(DEEP));
    let errors = deep(DEEP).clone();
    assert_eq!((errors.len(), errors.first()), (1, Some(&7)));
    let errors = errors.map(|e| e + 1);
    let (hits, rest) = errors.split(|e| *e == 8);
    assert!(rest.is_none());
    let (taken, rest) = hits
        .unwrap()
        .extract(|e| if e == 8 { Ok(e) } else { Err(e) });
    assert!(taken == [8] && rest.is_none());
    assert_eq!(deep(DEEP).flatten().into_first(), Some(7));
    // A panic of the closure drops the rest.
    let split = std::panic::catch_unwind(|| deep(DEEP).map(|_| panic!("by the user") as u8));
    assert!(split.is_err());
}

#[test]
fn what_a_deep_tree_prints_grows_with_its_depth_and_not_with_its_square() {
    let size = |depth| format!("{:?}", deep(depth)).len();
    let (small, large) = (size(1_000), size(10_000));
    assert!(large < small * 12, "{small}, {large}");
    let shown = format!("{:?}", deep(100));
    let last = shown.lines().last().unwrap().trim_start();
    assert_eq!(last, "└─ [100 levels down] 7");
    assert_eq!(shown.lines().count(), 101);
}
