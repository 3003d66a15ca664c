//! Circles between files: who names whose items, found in the sources' text.
//!
//! File A points at file B where code of A names, by a `use` or in a path, something that B
//! defines. A path is followed from module to module, and through each `use` that it meets. A `mod`
//! points at nothing, nor does a re-export (`pub use`) unless the module's own code names it. A
//! method that another file's `impl` gives a type is named by its call, if no other file has a
//! function of that name.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Place, Tree};

/// The crates' root files. A crate can't name items of another crate that names it.
const CRATES: [&str; 4] =
    ["src/lib.rs", "tests/it/main.rs", "tests/crash/src/lib.rs", "benches/src/main.rs"];

/// The arrows between files: from, to, and a name that makes it.
pub type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// Returns every arrow between two files.
pub fn arrows(texts: &BTreeMap<String, String>) -> Arrows {
    let mut arrows = Arrows::new();
    for root in CRATES {
        add_arrows(&Tree::read(root, texts), &mut arrows);
    }
    arrows
}

/// Returns whether a file lies in the folder of another, as `a/b.rs` lies in that of `a.rs`.
pub fn is_below(file: &str, other: &str) -> bool {
    file.starts_with(&format!("{}/", other.trim_end_matches(".rs")))
}

fn add_arrows(tree: &Tree, arrows: &mut Arrows) {
    let point = |arrows: &mut Arrows, from: usize, place: Option<Place>, name: &str| {
        if let Some(Place::Item(to)) = place.filter(|place| *place != Place::Item(from)) {
            let from = arrows.entry(tree.files[from].clone()).or_default();
            from.entry(tree.files[to].clone()).or_insert_with(|| name.to_owned());
        }
    };
    for (module, path) in &tree.paths {
        point(arrows, tree.modules[*module].file, tree.resolve(*module, path), &path.join("::"));
    }
    for (module, word) in &tree.words {
        point(arrows, tree.modules[*module].file, tree.resolve_word(*module, word), word);
    }
    let lent = lent_methods(tree);
    for (name, of, to) in &lent {
        for (_, from) in tree.calls.iter().filter(|(called, _)| called == name) {
            if from == of || knows(arrows, &tree.files[*from], &tree.files[*of]) {
                point(arrows, *from, Some(Place::Item(*to)), &format!(".{name}"));
            }
        }
    }
}

fn knows(arrows: &Arrows, from: &str, to: &str) -> bool {
    arrows.get(from).is_some_and(|tos| tos.contains_key(to))
}

/// Returns the methods that a file gives another file's type, if no other function has that name:
/// the name, the type's file, the method's file.
fn lent_methods(tree: &Tree) -> BTreeSet<(String, usize, usize)> {
    let mut lent = BTreeSet::new();
    for (module, path, name) in &tree.methods {
        let file = tree.modules[*module].file;
        let is_alone = tree.functions.iter().filter(|(other, _)| other == name).count() == 1;
        match tree.resolve(*module, path) {
            Some(Place::Item(of)) if of != file && is_alone => {
                lent.insert((name.clone(), of, file))
            }
            _ => false,
        };
    }
    lent
}

/// Returns the circles, each as its arrows.
pub fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|file| (file, reached_from(file, arrows))).collect();
    let reaches = |a: &String, b: &String| reached.get(a).is_some_and(|all| all.contains(b));
    let mut rings = BTreeMap::<BTreeSet<&String>, Vec<String>>::new();
    for (from, tos) in arrows {
        for (to, name) in tos.iter().filter(|(to, _)| reaches(to, from)) {
            let ring = arrows.keys().filter(|file| reaches(file, from) && reaches(from, file));
            rings.entry(ring.collect()).or_default().push(format!("{from} -> {to} ({name})"));
        }
    }
    rings.into_values().collect()
}

fn reached_from<'a>(file: &'a String, arrows: &'a Arrows) -> BTreeSet<&'a String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(file) = open.pop() {
        let next = arrows.get(file).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.filter(|next| reached.insert(*next)));
    }
    reached
}
