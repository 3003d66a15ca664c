//! The actor of a subcommand, as the trail names it: the user of the operating system.
//!
//! The user's number is the kernel's, and its name is looked up in `/etc/passwd`; a variable such
//! as `USER` is not asked, since anyone may set it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::domain::trail::Actor;

/// Returns the actor that runs this process.
pub fn actor() -> Actor {
    let uid = fs::metadata("/proc/self").map(|it| it.uid().to_string()).ok();
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = uid.unwrap_or_else(|| "unknown".to_owned());
    Actor::shell(name_of(&names, &uid).unwrap_or(&uid))
}

/// Returns the name of a user in the lines of `/etc/passwd`.
fn name_of<'a>(names: &'a str, uid: &str) -> Option<&'a str> {
    names.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::{actor, name_of};

    #[test]
    fn a_user_is_named_by_the_number_of_the_process() {
        let names = "root:x:0:0::/root:/bin/sh\nfolio:x:1000:0::/:/bin/sh\n";
        assert_eq!(name_of(names, "1000"), Some("folio"));
        assert_eq!(name_of(names, "10"), None);
        assert_ne!(actor().who, "shell:unknown");
    }
}
