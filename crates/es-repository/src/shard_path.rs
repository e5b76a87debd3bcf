//! Where OpenSearch puts the shards of an index: `PathType` and `PathHashAlgorithm`.

/// URL-safe base64 digits.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `FNV_1A_COMPOSITE_1`: six bits as one character, then fourteen bits as they are.
pub(crate) fn hash(shard: u32, index_id: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in format!("{shard}{index_id}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let digit = usize::try_from(hash >> 58).unwrap_or(0);
    let mut path = String::from(char::from(DIGITS[digit]));
    for bit in (44..58).rev() {
        path.push(if hash >> bit & 1 == 1 { '1' } else { '0' });
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_a_real_repository() {
        assert_eq!(hash(0, "EA-HryusTxO81BMRyw9Giw"), "j11111110001010");
        assert_eq!(hash(1, "EA-HryusTxO81BMRyw9Giw"), "F00101010000110");
    }
}
