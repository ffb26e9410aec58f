//! The house rules hold: floors, who may name a runtime, time, size, nothing unfinished.
//!
//! The rules themselves are in `support/house/`; the first test applies them to the sources, `support/house/planted.rs` shows that every
//! rule can fail and `support/house/innocent.rs` that clean code passes.

#[path = "support/house/mod.rs"]
mod house;

use std::fs;
use std::path::Path;

#[test]
fn the_sources_keep_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = read_tree(&root.join("src"));
    assert!(
        files.iter().any(|(path, _)| path == "lib.rs"),
        "no sources found below {}",
        root.display()
    );
    let mut report = house::check(&files);
    for folder in ["tests", "examples", "benches"] {
        for (path, text) in read_tree(&root.join(folder)) {
            report
                .violations
                .extend(house::stubs(&format!("{folder}/{path}"), &text));
        }
    }
    for note in &report.notes {
        println!("note: {note}");
    }
    let list: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} broken house rules:\n{}",
        list.len(),
        list.join("\n")
    );
}

/// Every Rust file below `folder` (none when there is no such folder) as (path below it, text), in order of path.
fn read_tree(folder: &Path) -> Vec<(String, String)> {
    fn visit(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let entry = entry.expect("the folder can be listed");
            let name = entry
                .file_name()
                .into_string()
                .expect("file names are UTF-8");
            if entry.file_type().expect("it has a type").is_dir() {
                if name != "target" {
                    visit(&entry.path(), &format!("{below}{name}/"), files);
                }
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(entry.path()).expect("the file can be read");
                files.push((format!("{below}{name}"), text));
            }
        }
    }
    let mut files = Vec::new();
    visit(folder, "", &mut files);
    files.sort();
    files
}
