//! The options of the sink `hexkit`.

use clap::Args;
use secrecy::SecretString;

/// Options of the sink `hexkit`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "hexkit")]
pub struct HexkitOptions {
    /// The MongoDB replica set and database of hexkit services, whose collections get the tenants'
    /// events: mongodb://USER@HOST/DATABASE. The tenants' files name the services.
    #[arg(long, env)]
    pub hexkit_mongodb_url: Option<SecretString>,
}
