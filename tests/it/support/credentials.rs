//! Credentials' files, as stories write them for Kafka's clients without a user.

use std::path::PathBuf;

use crash::serve::Setup;
use event_gateway::access::PasswordHash;

/// Gives a set-up a folder for credentials' files.
pub fn with_folder(setup: Setup) -> Setup {
    let folder = setup.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    setup.with("CREDENTIALS_DIR", folder.display())
}

/// Returns the path of a credential's file.
pub fn path(setup: &Setup, name: &str) -> PathBuf {
    setup.path().join(format!("credentials/{name}.toml"))
}

/// Returns the password of a credential.
pub fn password(name: &str) -> String {
    format!("the password of {name}")
}

/// Writes the file of a credential, whose password is `password(name)`.
pub fn write(setup: &Setup, name: &str, group: &str, more: &str) {
    let tenant = name.split('.').next().unwrap();
    let hash = PasswordHash::of(&password(name).into()).unwrap();
    let text = format!(
        "tenant = \"{tenant}\"\ngroups = [\"{group}\"]\npassword_hash = \"{hash}\"\n{more}\n"
    );
    std::fs::write(path(setup, name), text).unwrap();
}
