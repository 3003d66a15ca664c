//! The chart's archive of a release: Helm takes it as it is, and renders the same as from the
//! chart's folder.

use std::path::{Path, PathBuf};

use super::{VERSION, program, release};
use crate::support::helm::{Helm, value_files};

/// Makes a release without its bill, and returns the chart's archive.
fn archive(folder: &Path) -> PathBuf {
    let out = folder.join("out");
    let made = release(&["--draft", "--no-bill"], &program(folder, VERSION), &out);
    assert!(made.status.success(), "{made:?}");
    out.join(format!("event-gateway-chart-{VERSION}.tar.gz"))
}

#[test]
fn helm_renders_the_release_s_archive_of_the_chart_as_it_renders_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for file in value_files("ci") {
        let of_archive = || Helm::of(archive.clone()).file(&file);
        let linted = of_archive().lint();
        assert!(linted.status.success(), "{file:?}: {linted:?}");
        let of_folder = Helm::new().file(&file).template().unwrap();
        let rendered = of_archive().template().unwrap();
        assert!(rendered == of_folder, "{file:?}: {rendered}");
    }
    let file = &value_files("ci/refused")[0];
    Helm::of(archive).file(file).template().expect_err("what makes no sense is refused");
}
