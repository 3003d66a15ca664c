//! Stories about intake: group commit, and the commits that fail.

mod bisect;
mod group_commit;
