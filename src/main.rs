//! One binary, one verb per subcommand.

fn main() {}
