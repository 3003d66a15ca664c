//! Compressions: how the batches of a topic's records are packed.
//!
//! The tenants' files tell it. A topic in Kafka is created with it, and the listener packs what its
//! clients read.

/// A compression of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// LZ4, in frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    const ALL: [(&str, Self); 3] = [("none", Self::None), ("lz4", Self::Lz4), ("zstd", Self::Zstd)];

    /// Returns the compression that has this name in a tenant's file.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(its, compression)| (its == name).then_some(compression))
    }

    /// Returns the names of all compressions, as a message lists them.
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| format!("\"{name}\"")).join(" or ")
    }

    /// Returns the name that it has in a tenant's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Returns the value of Kafka's `compression.type`.
    pub fn as_kafka(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Lz4 | Self::Zstd => self.name(),
        }
    }
}
