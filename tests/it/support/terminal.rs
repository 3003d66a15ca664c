//! The actor `Terminal`: a subcommand on a terminal of its own, which util-linux's `script` makes, and
//! the keys that are pressed there.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::serve::Setup;
use regex::Regex;

/// The keys that send SIGINT, and that end the input.
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";

/// Returns whether a bar with this message was shown: how much of how much is done, and the time
/// that is left.
pub fn has_bar(shown: &str, message: &str) -> bool {
    let rest = r" [^\r\n\x1b]*[0-9] of [0-9][^\r\n\x1b]* left";
    let bar = Regex::new(&format!("{}{rest}", regex::escape(message))).unwrap();
    bar.is_match(shown)
}

/// A subcommand on a terminal; it is killed when it is dropped.
pub struct Terminal {
    script: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Runs a subcommand as the set-up does, on a terminal.
    pub fn run(setup: &Setup, arguments: &[&str]) -> Self {
        let command = setup.command(arguments);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        // Whoever runs the tests in the background has them ignore SIGINT.
        let line = format!("exec env --default-signal=INT {}", words.join(" "));
        script.args(["-qefc", &line, "/dev/null"]).env_clear();
        let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        script.envs(set).env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
        script.current_dir(setup.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().expect("util-linux's script");
        let (keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let so_far = shown.clone();
        let reader = thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(read @ 1..) = screen.read(&mut part) {
                so_far.lock().unwrap().extend_from_slice(&part[..read]);
            }
        });
        Self { script, keys, shown, reader: Some(reader) }
    }

    /// Returns all that was shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until a text is shown.
    pub fn shows(&self, text: &str) {
        let since = Instant::now();
        while !self.shown().contains(text) {
            assert!(since.elapsed() < PATIENCE, "never `{text}`: {:?}", self.shown());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for its end; returns its exit status, and all that was shown.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.script.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < PATIENCE, "it does not end: {:?}", self.shown());
            thread::sleep(Duration::from_millis(5));
        };
        self.reader.take().unwrap().join().unwrap();
        (status.code(), self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
