//! Stories about subscriptions: groups that follow a log over HTTP.

mod claims;
mod dead_letters;
mod killed;
mod limits;
mod poll;
mod push;
mod push_shares;
mod removed;
mod streams;
mod subcommands;
mod webhooks;
