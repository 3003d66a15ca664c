//! `subscriptions hash-password`: makes the hash of a password, for the file of a credential.

use std::io::{self, BufRead, Write};

use anyhow::{Context, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::access::{PASSWORD_BYTES_MIN, PasswordHash, new_password};
use crate::cli::output::{Output, OutputOptions, say};

/// Options of `subscriptions hash-password`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Makes a password that nobody can guess, and prints it once: on stderr, or with `--output
    /// json` beside the hash.
    #[arg(long)]
    generate: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
}

/// Prints the hash of the password that is the first line of stdin, or that is made.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let password = if options.generate { new_password()? } else { read()? };
    let hash = PasswordHash::of(&password)?.to_string();
    let mut object = json!({ "passwordHash": hash });
    if options.generate {
        match options.output.form {
            Output::Table => writeln!(io::stderr(), "{}", password.expose_secret())?,
            Output::Json => object["password"] = json!(password.expose_secret()),
        }
    }
    Ok(say(options.output.form, format!("password_hash = \"{hash}\""), &object)?)
}

fn read() -> anyhow::Result<SecretString> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("failed to read the password from stdin")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(
        password.len() >= PASSWORD_BYTES_MIN,
        "the first line of stdin must be the password, of at least {PASSWORD_BYTES_MIN} bytes: a \
         shorter one can be guessed; --generate makes one"
    );
    ensure!(!password.contains('\0'), "a password has no NUL, since SASL ends it there");
    Ok(password.to_owned().into())
}
