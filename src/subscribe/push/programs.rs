//! The programs that this replica may run: those that its own files name now, each for its group
//! and its tenants.
//!
//! The group's row alone starts none: whoever can write it, a backup of another site, or a file
//! that is gone has no command run. A group whose program is in no file of any replica stands where
//! it is, and each replica tells so.

use std::collections::BTreeMap;

use super::Name;
use crate::domain::subscription::{Group, Handler, SubscriptionFile, Target};
use crate::subscribe::Look;

/// The reason why a replica leaves a group to others.
pub(super) const NOT_NAMED: &str = "its program is in no file of this replica that is about this \
                                    group and tenant: write the file, or remove the group";

/// The files' wishes, as they were last read.
pub(super) struct Programs {
    look: Look,
    files: BTreeMap<Group, SubscriptionFile>,
}

impl Programs {
    /// Takes the way to the files, of which none is read yet.
    pub(super) fn new(look: Look) -> Self {
        Self { look, files: BTreeMap::new() }
    }

    /// Reads the files again, if they have changed.
    pub(super) async fn look_again(&mut self) {
        let look = self.look.clone();
        match tokio::task::spawn_blocking(move || look()).await {
            Ok(files) => self.files = files,
            Err(error) => tracing::warn!(%error, "failed to read the subscriptions' files"),
        }
    }

    /// Returns whether this replica may bring a group's events to its handler: to any webhook, and
    /// to a program if a file names the same command line.
    pub(super) fn may_run(&self, (tenant, group): &Name, handler: &Handler) -> bool {
        let Target::Exec(words) = &handler.target else { return true };
        let file = self.files.get(group).filter(|file| file.tenants.have(tenant));
        let named = file.and_then(|file| file.form.handler.as_ref());
        named.is_some_and(|named| matches!(&named.target, Target::Exec(its) if its == words))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::Programs;
    use crate::domain::subscription::{FileTenants, Form, Group, Handler, Start, SubscriptionFile};
    use crate::domain::tenant::TenantId;

    fn form(handler: &str) -> Form {
        Form::from_column(&format!(r#"{{"handler":{handler}}}"#)).unwrap()
    }

    fn handler(text: &str) -> Handler {
        form(text).handler.unwrap()
    }

    #[tokio::test]
    async fn a_program_may_run_if_a_file_names_its_words_for_the_group_and_the_tenant() {
        let [diku, college] = ["diku", "college"].map(|it| TenantId::parse(it).unwrap());
        let [mail, other] = ["cg.mail", "cg.other"].map(|it| Group::parse(it).unwrap());
        let file = SubscriptionFile {
            tenants: FileTenants::Some(BTreeSet::from([diku.clone()])),
            form: form(r#"{"exec":["mail","-v"],"concurrency":2}"#),
            start: Start::Earliest,
        };
        let files = BTreeMap::from([(mail.clone(), file)]);
        let mut programs = Programs::new(Arc::new(move || files.clone()));
        let named = handler(r#"{"exec":["mail","-v"]}"#);
        let of = |tenant: &TenantId, group: &Group| (tenant.clone(), group.clone());
        assert!(!programs.may_run(&of(&diku, &mail), &named), "no file was read yet");
        programs.look_again().await;
        assert!(programs.may_run(&of(&diku, &mail), &named));
        for (name, text) in [
            (of(&college, &mail), r#"{"exec":["mail","-v"]}"#),
            (of(&diku, &other), r#"{"exec":["mail","-v"]}"#),
            (of(&diku, &mail), r#"{"exec":["mail"]}"#),
            (of(&diku, &mail), r#"{"exec":["rm","-v"]}"#),
        ] {
            assert!(!programs.may_run(&name, &handler(text)), "{name:?}: {text}");
        }
        let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
        let webhook = format!(r#"{{"webhook":{{"url":"https://a","secrets":["{secret}"]}}}}"#);
        assert!(programs.may_run(&of(&college, &other), &handler(&webhook)), "it is no program");
    }
}
