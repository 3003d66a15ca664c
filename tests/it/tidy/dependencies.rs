//! The crates that are linked: their licences are those of a list, they come from crates.io, and
//! what is there in two versions has a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::root;

/// The licences that a crate may have; of a choice, one.
const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The crates that are there in several versions, and who needs the older one.
const TWICE: [(&str, &str); 14] = [
    ("base64", "jsonwebtoken, bson and sqlx"),
    ("block-buffer", "digest 0.10 of sqlx"),
    ("cpufeatures", "sha2 0.10 of sqlx"),
    ("crypto-common", "digest 0.10 of sqlx"),
    ("digest", "sha2 0.10 of sqlx"),
    ("getrandom", "jsonwebtoken (0.2) and bson (0.3)"),
    ("hashbrown", "sqlx and hashlink"),
    ("http", "actix"),
    ("openssl-probe", "mongodb"),
    ("r-efi", "getrandom 0.3 of bson; for UEFI alone"),
    ("rand", "bson and mongodb"),
    ("rand_core", "signature (0.6), rand 0.9 of bson"),
    ("sha2", "sqlx"),
    ("syn", "macros at build time"),
];

/// Returns the packages of the lock file.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Not offline: a machine that has only built for itself lacks the crates of other platforms.
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let told = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    told["packages"].as_array().unwrap().clone()
}

/// Returns whether a licence expression is met by the list: one of each choice, all of each sum.
fn is_met(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    expression
        .split(" AND ")
        .all(|choice| choice.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[test]
fn every_crate_has_a_licence_of_the_list_and_comes_from_crates_io() {
    let mut wrong = Vec::new();
    for package in packages() {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        if !is_met(licence) {
            wrong.push(format!("{name} has the licence `{licence}`"));
        }
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        if package["source"].as_str().is_some_and(|source| source != registry) {
            wrong.push(format!("{name} comes from {}", package["source"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_licence_is_met_by_one_of_each_choice_and_all_of_a_sum() {
    for met in ["MIT", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND Zlib", "MIT/GPL-3.0"] {
        assert!(is_met(met), "{met}");
    }
    for unmet in ["", "GPL-3.0-only", "MIT AND GPL-3.0", "AGPL-3.0 OR SSPL-1.0", "mit"] {
        assert!(!is_met(unmet), "{unmet}");
    }
}

#[test]
fn what_is_there_twice_has_a_reason() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    let several = versions.iter().filter(|(_, versions)| versions.len() > 1);
    let several: Vec<_> = several.map(|(name, _)| name.as_str()).collect();
    assert_eq!(several, TWICE.map(|(name, _)| name), "{:#?}", TWICE);
}
