//! The stories that are left out, since this machine lacks what they need: `./test` tells them at
//! its end. Cargo shows nothing of what a test that passes prints.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Tells that stories are left out, and how they come to run.
pub fn tell(stories: &str, why: &str) {
    if let Some(file) = std::env::var_os("EVENT_GATEWAY_TEST_LEFT_OUT") {
        tell_in(Path::new(&file), stories, why);
    }
}

/// Tells it in a file, where every test has a line of its own.
pub fn tell_in(file: &Path, stories: &str, why: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    // In one call, or lines of several processes might be mixed.
    file.write_all(format!("{stories}: {why}\n").as_bytes()).unwrap();
}
