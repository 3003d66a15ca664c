//! One shell for the commands of a page, as a reader has it: variables, functions and programs in
//! the background stay from one command to the next.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crash::PATIENCE;

/// A bash, with everything that it has started in its process group.
pub struct Shell {
    child: Child,
    commands: ChildStdin,
    /// A line for each command that has ended: its exit status.
    ended: Receiver<String>,
    /// Where the output of the commands is written.
    outputs: PathBuf,
    count: usize,
}

/// The output of a command, which may still grow.
pub struct Output {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Output {
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

impl Shell {
    /// Starts it in a folder, with this environment alone.
    pub fn start(folder: &Path, outputs: &Path, env: &[(&str, String)]) -> Self {
        let mut command = Command::new("bash");
        command.arg("--norc").current_dir(folder).env_clear().envs(env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, ended) = channel();
        // It ends with the shell.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Self { child, commands, ended, outputs: outputs.to_owned(), count: 0 }
    }

    /// Runs a command to its end; returns its exit status, none if it does not end in time.
    pub fn run(&mut self, command: &str) -> (Option<i32>, Output) {
        let output = self.output();
        let (out, err) = (output.stdout.display(), output.stderr.display());
        self.tell(&format!("{{ {command}\n}} >{out} 2>{err} </dev/null; echo $?"));
        let status = self.ended.recv_timeout(PATIENCE).ok();
        (status.map(|status| status.parse().unwrap()), output)
    }

    /// Starts a command that goes on running. `$!` is its process.
    pub fn launch(&mut self, command: &str) -> Output {
        let output = self.output();
        let (out, err) = (output.stdout.display(), output.stderr.display());
        self.tell(&format!("{command} >{out} 2>{err} </dev/null &"));
        output
    }

    fn output(&mut self) -> Output {
        self.count += 1;
        let file = |kind: &str| self.outputs.join(format!("{}.{kind}", self.count));
        Output { stdout: file("stdout"), stderr: file("stderr") }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
