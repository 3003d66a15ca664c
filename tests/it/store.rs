//! Stories about the stores: the contract that every adapter keeps, and SQLite's own files.

mod contract;
mod sqlite_files;
mod sqlite_place;
