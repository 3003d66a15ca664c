//! Partitions: where Java's default partitioner puts a key.
//!
//! Sinks, the audit and the listener ask here, so that a record is found where it was put.

/// Returns the partition of a key among so many: the 32 bits of murmur2 with Kafka's seed, without
/// their sign, modulo the number. It is 0 if there are no partitions.
pub fn of_key(key: &[u8], partitions: usize) -> usize {
    let hash = murmur2::murmur2(key, murmur2::KAFKA_SEED) & 0x7fff_ffff;
    (hash as usize).checked_rem(partitions).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::of_key;

    #[test]
    fn keys_are_where_java_puts_them() {
        // By org.apache.kafka.common.utils.Utils: toPositive(murmur2(key)) % 50.
        for (key, partition) in [
            ("21", (-973_932_308_i32 as u32 & 0x7fff_ffff) % 50),
            ("foobar", (-790_332_482_i32 as u32 & 0x7fff_ffff) % 50),
            ("a-little-bit-long-string", (-985_981_536_i32 as u32 & 0x7fff_ffff) % 50),
        ] {
            assert_eq!(of_key(key.as_bytes(), 50), partition as usize, "{key}");
        }
        assert_eq!(of_key(b"any", 1), 0);
        assert_eq!(of_key(b"any", 0), 0);
    }
}
