//! The files of a ConfigMap in a folder, as the kubelet keeps them there: each is a link through
//! `..data` into the folder of the present version, so that all change at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Lays these files into the folder, in the place of those that it has laid there before.
pub fn put(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    let former = fs::read_link(folder.join("..data")).ok();
    let mut versions = (0..).map(|number| format!("..2027_01_31_12_00_00.{number}"));
    let version = versions.find(|version| !folder.join(version).exists()).unwrap();
    fs::create_dir(folder.join(&version)).unwrap();
    for (name, text) in files {
        fs::write(folder.join(&version).join(name), text).unwrap();
    }
    symlink(&version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    for (name, _) in files {
        if !fs::exists(folder.join(name)).unwrap() {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
    }
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_there = files.iter().any(|(file, _)| *file == name);
        if !is_there && !name.starts_with("..") {
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    if let Some(former) = former {
        fs::remove_dir_all(folder.join(former)).unwrap();
    }
}
