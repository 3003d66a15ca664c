//! Stories about access: tokens, the keys that sign them, and the permissions that they carry.

mod attacks;
mod kept;
mod keys;
mod modes;
mod permissions;
#[cfg(feature = "services")]
mod real;
mod strangers;
mod tenant_interface;
mod tokens;
