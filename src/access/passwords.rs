//! Passwords, hashed by OpenSSL's scrypt, as credentials' files have them.
//!
//! `cli` makes a hash, and `credentials` checks passwords against those of the files. A hash is a
//! PHC string, as other tools write it, too: `$scrypt$ln=15,r=8,p=3$salt$hash`. A check takes
//! 0.1 s of a processor and the memory that its cost says, so it is never made where others wait.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine};
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkcs5::scrypt;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use secrecy::{ExposeSecret, SecretString};

/// The bytes of a salt and of a hash that are made here.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// The bytes that a salt and a hash of a file may have.
const SALT_LENGTHS: RangeInclusive<usize> = 8..=64;
const HASH_LENGTHS: RangeInclusive<usize> = 16..=64;
/// The random bytes of a password that is made here.
const PASSWORD_BYTES: usize = 32;
/// The least bytes of a password: a shorter one can be guessed.
pub const PASSWORD_BYTES_MIN: usize = 12;
/// The size of scrypt's blocks, which is the same for all.
const BLOCKS: u64 = 8;
/// The memory that the costliest hash takes, twice.
const MEMORY_MAX: u64 = 256 << 20;

/// The text is no hash, or one that costs too much or too little to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be a hash that `event-gateway subscriptions hash-password` has printed: \
     $scrypt$ln=15,r=8,p=3$ with a salt and a hash; ln may be 14 to 17, p 1 to 16"
)]
pub struct NoHash;

/// The cost of a hash: the binary logarithm of its memory's blocks, and how often it is gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    log_n: u8,
    passes: u64,
}

/// The cost of the hashes that are made here: 32 MiB.
const COST: Cost = Cost { log_n: 15, passes: 3 };

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
    /// Parses what `Display` writes.
    pub fn parse(text: &str) -> Result<Self, NoHash> {
        let mut parts = text.strip_prefix("$scrypt$").ok_or(NoHash)?.split('$');
        let mut next = || parts.next().ok_or(NoHash);
        let (cost, salt, hash) = (Cost::parse(next()?).ok_or(NoHash)?, next()?, next()?);
        let bytes = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| NoHash);
        let read = Self { cost, salt: bytes(salt)?, hash: bytes(hash)? };
        let lengths = (read.salt.len(), read.hash.len());
        let is_legal = SALT_LENGTHS.contains(&lengths.0) && HASH_LENGTHS.contains(&lengths.1);
        if is_legal && parts.next().is_none() { Ok(read) } else { Err(NoHash) }
    }

    /// Hashes a password. It blocks while it does.
    pub fn of(password: &SecretString) -> io::Result<Self> {
        let mut salt = vec![0; SALT_BYTES];
        rand_bytes(&mut salt)?;
        let hash = COST.hash(password, &salt, HASH_BYTES)?;
        Ok(Self { cost: COST, salt, hash })
    }

    /// Returns its cost: a password takes the same time beside any hash of the same cost.
    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    /// Returns whether it is the hash of a password. It blocks while it looks.
    pub(super) fn fits(&self, password: &SecretString) -> io::Result<bool> {
        let hash = self.cost.hash(password, &self.salt, self.hash.len())?;
        Ok(memcmp::eq(&hash, &self.hash))
    }
}

impl Cost {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("ln=")?;
        let (log_n, rest) = rest.split_once(",r=8,p=")?;
        let cost = Self { log_n: log_n.parse().ok()?, passes: rest.parse().ok()? };
        let is_legal = (14..=17).contains(&cost.log_n) && (1..=16).contains(&cost.passes);
        is_legal.then_some(cost)
    }

    fn hash(self, password: &SecretString, salt: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
        let (password, mut hash) = (password.expose_secret().as_bytes(), vec![0; bytes]);
        let (blocks, size, passes) = (1 << self.log_n, BLOCKS, self.passes);
        scrypt(password, salt, blocks, size, passes, MEMORY_MAX, &mut hash)?;
        Ok(hash)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { log_n, passes } = self.cost;
        let [salt, hash] = [&self.salt, &self.hash].map(|it| BASE64_STANDARD_NO_PAD.encode(it));
        write!(f, "$scrypt$ln={log_n},r={BLOCKS},p={passes}${salt}${hash}")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Makes a password that nobody can guess.
pub fn new_password() -> io::Result<SecretString> {
    let mut bytes = [0; PASSWORD_BYTES];
    rand_bytes(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

/// The key under which this process remembers passwords that were right: in memory alone.
pub(super) struct Memory([u8; HASH_BYTES]);

/// A password that was right, as it is remembered.
pub(super) struct Remembered(Vec<u8>);

impl Memory {
    pub(super) fn new() -> io::Result<Self> {
        let mut key = [0; HASH_BYTES];
        rand_bytes(&mut key)?;
        Ok(Self(key))
    }

    /// Returns what is remembered of a password.
    pub(super) fn of(&self, password: &SecretString) -> io::Result<Remembered> {
        let key = PKey::hmac(&self.0)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        Ok(Remembered(signer.sign_oneshot_to_vec(password.expose_secret().as_bytes())?))
    }
}

impl Remembered {
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && memcmp::eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret, SecretString};

    use super::{Memory, PASSWORD_BYTES_MIN, PasswordHash, new_password};

    /// The hash of "pleaseletmein" that RFC 7914 has for this cost, in its first 32 bytes.
    const OF_RFC: &str = "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$\
                          cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI";

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn a_password_fits_its_own_hash_and_no_other_one_does() {
        let password = new_password().unwrap();
        assert!(password.expose_secret().len() > PASSWORD_BYTES_MIN);
        let hash = PasswordHash::of(&password).unwrap();
        let read = PasswordHash::parse(&hash.to_string()).unwrap();
        assert_eq!(read, hash);
        assert_eq!(read.fits(&password).ok(), Some(true));
        assert_eq!(read.fits(&new_password().unwrap()).ok(), Some(false));
        assert!(hash != PasswordHash::of(&password).unwrap(), "each has a salt of its own");
        assert!(!format!("{hash:?}").contains(&hash.to_string()[24..]));
        let of_rfc = PasswordHash::parse(OF_RFC).unwrap();
        assert_eq!(of_rfc.fits(&secret("pleaseletmein")).ok(), Some(true));
        assert_eq!(of_rfc.to_string(), OF_RFC);
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_shown() {
        let hash = PasswordHash::of(&secret("a password of 24 letters")).unwrap().to_string();
        let other = |from: &str, to: &str| hash.replace(from, to);
        for bad in [
            String::new(),
            "a password of 24 letters".to_owned(),
            other("$scrypt$", "$argon2id$"),
            other("ln=15", "ln=13"),
            other("ln=15", "ln=18"),
            other("p=3", "p=0"),
            other("p=3", "p=17"),
            other("r=8", "r=16"),
            format!("{hash}$"),
            format!("{hash}!"),
            hash.rsplit_once('$').unwrap().0.to_owned(),
            "$scrypt$ln=15,r=8,p=3$c2FsdA$c2FsdA".to_owned(),
        ] {
            let refused = PasswordHash::parse(&bad).unwrap_err().to_string();
            assert!(refused.contains("hash-password") && !refused.contains("letters"), "{bad}");
        }
    }

    #[test]
    fn a_password_is_remembered_under_the_process_s_own_key() {
        let [one, two] = [(); 2].map(|()| Memory::new().unwrap());
        let of = |memory: &Memory, password: &str| memory.of(&secret(password)).unwrap();
        assert!(of(&one, "x").is(&of(&one, "x")));
        assert!(!of(&one, "x").is(&of(&one, "y")));
        assert!(!of(&one, "x").is(&of(&two, "x")));
    }
}
