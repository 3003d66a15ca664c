//! Stories about access: tokens, the keys that sign them, and the permissions that they carry.

mod keys;
mod tokens;
