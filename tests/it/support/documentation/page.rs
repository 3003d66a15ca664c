//! A page that is run from its first block to its last, in a folder and a shell of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::folder::Folder;

use super::block::{self, How, Kind, Step};
use super::names::{self, Names};
use super::output::is_shown;
use super::shell::{Output, Shell};
use crate::support::helm;
use crate::support::services::kafka;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Kafka's own program, which its jars have without its script.
const KAFKA_CONFIGS: &str = "exec java -cp \"$KAFKA_HOME/libs/*\" kafka.admin.ConfigCommand \"$@\"";

struct Page {
    name: &'static str,
    folder: Folder,
    names: Names,
    env: String,
    shell: Shell,
}

/// Runs a page; panics at the first command that fails or prints something else than the page.
pub async fn run(name: &'static str) {
    let mut page = Page::open(name);
    let text = fs::read_to_string(root().join(name)).unwrap();
    for block in block::read(&text).unwrap_or_else(|e| panic!("{name}: {e}")) {
        match block.kind {
            Kind::Commands(How::Foreground, steps) => {
                steps.iter().for_each(|step| page.run(block.line, step));
            }
            Kind::Commands(How::Background { after }, steps) => {
                page.happen(after.as_deref()).await;
                page.launch(block.line, &steps[0]);
            }
            Kind::File(file, text) => page.save(&file, &text),
            Kind::NotRun | Kind::Other => {}
        }
    }
}

/// Writes a script that anybody may run.
fn script(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/bash\n{line}\n")).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Lays what the archive of a release has beside the tenants' files. The binary is a script, since
/// one that is to be tested is large.
fn lay_archive(work: &Path) {
    for part in ["helm", "packaging"] {
        symlink(root().join(part), work.join(part)).unwrap();
    }
    fs::create_dir(work.join("bin")).unwrap();
    script(&work.join("bin/event-gateway"), "exec event-gateway \"$@\"");
}

impl Page {
    /// Lays out the folder that a reader has: the tenants' files, what else the archive of a
    /// release has, and `run`, which need not build.
    fn open(name: &'static str) -> Self {
        let (folder, (mut names, port, env)) = (Folder::own(), Names::choose());
        names.put_under(&folder.path().join("root"));
        let [work, programs, outputs] =
            ["work", "programs", "outputs"].map(|part| folder.path().join(part));
        for part in [&work.join("tenants"), &programs, &outputs] {
            fs::create_dir_all(part).unwrap();
        }
        for file in ["_default.toml", "diku.toml"] {
            fs::copy(root().join("tenants").join(file), work.join("tenants").join(file)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_event-gateway"), programs.join("event-gateway")).unwrap();
        symlink(helm::program(), programs.join("helm")).unwrap();
        script(&programs.join("kafka-configs.sh"), KAFKA_CONFIGS);
        lay_archive(&work);
        let serve = "case ${1-} in '' | -*) set -- serve \"$@\" ;; esac";
        script(
            &work.join("run"),
            &format!("{serve}\nENV=${{ENV-{env}}} exec event-gateway \"$@\""),
        );
        let kafka_home = std::env::var("EVENT_GATEWAY_TEST_KAFKA_HOME").unwrap();
        let variables = [
            ("PATH", names::path(&programs)),
            ("HOME", folder.path().display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("HTTP_PORT", port.to_string()),
            ("EVENT_GATEWAY_URL", format!("http://127.0.0.1:{port}")),
            ("KAFKA_HOME", kafka_home),
        ];
        let shell = Shell::start(&work, &outputs, &variables);
        Self { name, folder, names, env, shell }
    }

    fn run(&mut self, line: usize, step: &Step) {
        let (status, output) = self.shell.run(&self.names.real(&step.command));
        let printed = self.names.shown(&output.stdout());
        if status != Some(0) || !is_shown(&printed, &step.expected) {
            self.fail(line, step, &printed, &output);
        }
    }

    /// Waits until a program has printed what the page shows, and lets it go on.
    fn launch(&mut self, line: usize, step: &Step) {
        let output = self.shell.launch(&self.names.real(&step.command));
        let until = Instant::now() + PATIENCE;
        while output.stdout().lines().count() < step.expected.len() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.names.learn(&step.expected, &output.stdout());
        let printed = self.names.shown(&output.stdout());
        if !is_shown(&printed, &step.expected) {
            self.fail(line, step, &printed, &output);
        }
    }

    fn fail(&self, line: usize, step: &Step, printed: &str, output: &Output) {
        panic!(
            "{}:{line}: $ {}\nthe page shows:\n{}\n\nit printed:\n{printed}\nand on stderr:\n{}",
            self.name,
            step.command,
            step.expected.join("\n"),
            output.stderr()
        );
    }

    fn save(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join("work").join(file), self.names.real(text)).unwrap();
    }

    /// Lets something happen to the services that the page tells of.
    async fn happen(&self, event: Option<&str>) {
        match event {
            None => {}
            Some("kafka-lost") => {
                let address = kafka::address();
                let own = format!("{}.", self.env);
                for topic in kafka::topics(&address).into_keys().filter(|it| it.starts_with(&own)) {
                    kafka::delete_topic(&address, &topic).await;
                }
            }
            Some(event) => panic!("{}: nobody knows what `after={event}` means", self.name),
        }
    }
}
