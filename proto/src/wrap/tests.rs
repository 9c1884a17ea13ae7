mod published;

use super::*;
use crate::testing::{RSA_KEY, Seeded};

const CONTEXT: [u8; 32] = [0xc0; 32];
const SUITES: [Suite; 3] = [Suite::X25519, Suite::Rsa, Suite::Hybrid];

fn rng() -> Seeded {
    Seeded::new(42)
}

fn share(suite: Suite) -> ShareSecret {
    match suite {
        Suite::Rsa => ShareSecret::from_bytes(Suite::Rsa, RSA_KEY).unwrap(),
        _ => ShareSecret::generate(suite, &mut rng()).unwrap(),
    }
}

fn fresh() -> FreshKey {
    FreshKey::new([0xf0; 32])
}

fn wrapped(suite: Suite) -> Wrapped {
    wrap(suite, &share(suite).public(), &CONTEXT, &fresh(), &mut rng()).unwrap()
}

/// Whether `wrapped` gives the fresh key; with RSA a refusal shows as another key.
fn opens(suite: Suite, context: [u8; 32], wrapped: &Wrapped) -> bool {
    let opened = share(suite).unwrap(&context, wrapped, &mut rng());
    opened.is_ok_and(|key| key.0 == fresh().0)
}

fn altered(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn every_suite_delivers_the_key_for_its_context_only() {
    for suite in SUITES {
        assert_eq!(Suite::from_number(suite.number()), Some(suite));
        let wrapped = wrapped(suite);
        assert!(opens(suite, CONTEXT, &wrapped), "{suite:?}");
        assert!(!opens(suite, [0xc1; 32], &wrapped), "{suite:?}");
    }
    assert!([0, 4, 255].iter().all(|number| Suite::from_number(*number).is_none()));
}

#[test]
fn what_was_altered_does_not_open() {
    for suite in SUITES {
        let good = wrapped(suite);
        let step = if suite == Suite::X25519 { 1 } else { 37 };
        for bit in (0..good.encapsulation.len() * 8).step_by(step) {
            let encapsulation = Bytes::new(altered(&good.encapsulation, bit)).unwrap();
            let bad = Wrapped { encapsulation, sealed: good.sealed.clone() };
            assert!(!opens(suite, CONTEXT, &bad), "{suite:?} {bit}");
        }
        let step = if suite == Suite::Rsa { 97 } else { 1 };
        for bit in (0..good.sealed.len() * 8).step_by(step) {
            let sealed = Bytes::new(altered(&good.sealed, bit)).unwrap();
            let bad = Wrapped { encapsulation: good.encapsulation.clone(), sealed };
            assert!(!opens(suite, CONTEXT, &bad), "{suite:?} {bit}");
        }
    }
}

#[test]
fn encapsulations_do_not_cross_between_keys() {
    for suite in [Suite::X25519, Suite::Hybrid] {
        let mut rng = rng();
        let (a, b) = (share(suite), ShareSecret::generate(suite, &mut Seeded::new(1)));
        let b = b.unwrap();
        let for_a = wrap(suite, &a.public(), &CONTEXT, &fresh(), &mut rng).unwrap();
        let for_b = wrap(suite, &b.public(), &CONTEXT, &fresh(), &mut rng).unwrap();
        let crossed = Wrapped { encapsulation: for_b.encapsulation, sealed: for_a.sealed };
        assert!(a.unwrap(&CONTEXT, &crossed, &mut rng).is_err());
        let crossed = Wrapped { encapsulation: for_a.encapsulation, sealed: for_b.sealed };
        assert!(b.unwrap(&CONTEXT, &crossed, &mut rng).is_err());
    }
}

#[test]
fn keys_of_other_lengths_and_suites_are_refused() {
    let refused = |suite, public: &[u8]| {
        let outcome = wrap(suite, public, &CONTEXT, &fresh(), &mut rng());
        assert_eq!(outcome, Err(WrapError::Key), "{suite:?} {}", public.len());
    };
    for suite in SUITES {
        let public = share(suite).public();
        refused(suite, &[]);
        refused(suite, &public[1..]);
        refused(suite, &public[..public.len() - 1]);
        refused(suite, &[&public[..], &[1]].concat());
        for other in SUITES.into_iter().filter(|other| *other != suite) {
            refused(other, &public);
            let wrong = wrapped(suite);
            assert!(!opens(other, CONTEXT, &wrong));
        }
    }
}

/// Every one of low order, and p + 1, also with the bit set that X25519 ignores.
fn bad_points() -> Vec<[u8; 32]> {
    let hex = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let points = hex.map(|hex| <[u8; 32]>::try_from(crate::text::from_hex(hex).unwrap()).unwrap());
    let with_top_bit = points.map(|mut point| {
        point[31] |= 0x80;
        point
    });
    [points, with_top_bit].concat()
}

#[test]
fn bad_points_are_refused_in_share_and_encapsulation() {
    assert_eq!(bad_points().len(), 14);
    for point in bad_points() {
        let outcome = wrap(Suite::X25519, &point, &CONTEXT, &fresh(), &mut rng());
        assert_eq!(outcome, Err(WrapError::Key));
        for suite in [Suite::X25519, Suite::Hybrid] {
            let mut public = share(suite).public();
            let at = public.len() - 32;
            public[at..].copy_from_slice(&point);
            let outcome = wrap(suite, &public, &CONTEXT, &fresh(), &mut rng());
            assert_eq!(outcome, Err(WrapError::Key), "{suite:?}");
            let mut encapsulation = wrapped(suite).encapsulation.into_vec();
            let at = encapsulation.len() - 32;
            encapsulation[at..].copy_from_slice(&point);
            let bad = Wrapped::new(encapsulation, wrapped(suite).sealed.into_vec()).unwrap();
            let outcome = share(suite).unwrap(&CONTEXT, &bad, &mut rng());
            assert_eq!(outcome.err(), Some(WrapError::Key), "{suite:?}");
        }
    }
}

/// A PKCS#1 public key in DER with the given parts, lengths in the shortest form.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let length = |len: usize| match len {
        0..128 => vec![u8::try_from(len).unwrap()],
        128..256 => vec![0x81, u8::try_from(len).unwrap()],
        _ => [&[0x82][..], &u16::try_from(len).unwrap().to_be_bytes()].concat(),
    };
    let integer = |bytes: &[u8]| [&[0x02], &length(bytes.len())[..], bytes].concat();
    let body = [integer(modulus), integer(exponent)].concat();
    [&[0x30], &length(body.len())[..], &body].concat()
}

/// An odd number of `bits` bits without small factors, as a DER integer.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0; bits.div_ceil(8)];
    bytes[0] = 1 << ((bits - 1) % 8);
    for last in (1..=255).step_by(2) {
        *bytes.last_mut().unwrap() = last;
        let padded = [&[0][..], &bytes].concat();
        let plain = if bits.is_multiple_of(8) { &padded } else { &bytes };
        if rsa::check(&pkcs1(plain, &[1, 0, 1])).is_ok() || !(2048..=4096).contains(&bits) {
            return plain.clone();
        }
    }
    panic!("no such modulus");
}

#[test]
fn rsa_keys_follow_the_policy_before_any_arithmetic() {
    let accepted = |der: &[u8]| rsa::check(der).is_ok();
    let public = share(Suite::Rsa).public();
    assert!(accepted(&public));
    for bits in [2048, 2049, 3072, 4095, 4096] {
        assert!(accepted(&pkcs1(&modulus(bits), &[1, 0, 1])), "{bits}");
    }
    for bits in [8, 512, 768, 1024, 2040, 2047, 4097, 8192, 16384, 65536] {
        assert!(!accepted(&pkcs1(&modulus(bits), &[1, 0, 1])), "{bits}");
    }
    let good = modulus(3072);
    let exponents: [&[u8]; 8] =
        [&[0], &[1], &[2], &[3], &[1, 0, 0], &[1, 0, 3], &[1, 0, 0, 0, 1], &[0, 1, 0, 1]];
    for exponent in exponents {
        assert!(!accepted(&pkcs1(&good, exponent)), "{exponent:?}");
    }
    let mut even = good.clone();
    *even.last_mut().unwrap() -= 1;
    assert!(!accepted(&pkcs1(&even, &[1, 0, 1])));
    let mut threefold = vec![0xff; 385];
    threefold[0] = 0;
    assert!(!accepted(&pkcs1(&threefold, &[1, 0, 1])), "divisible by three");
    assert!(!accepted(&pkcs1(&[0], &[1, 0, 1])) && !accepted(&pkcs1(&[1], &[1, 0, 1])));
    assert!(!accepted(&pkcs1(&good[1..], &[1, 0, 1])), "negative");
    assert!(!accepted(&pkcs1(&[&[0][..], &good].concat(), &[1, 0, 1])), "a superfluous zero");
    assert!(!accepted(&[&public[..], &[0]].concat()), "trailing bytes");
    let mut long_form = public.clone();
    long_form.splice(1..2, [0x83, 0x00]);
    assert!(!accepted(&long_form), "a longer form of the length");
    let spki = [&[0x30, 0x82, 1, 0xa2, 0x30, 0x0d][..], &public].concat();
    assert!(!accepted(&spki), "SubjectPublicKeyInfo");
}

#[test]
fn a_huge_rsa_key_costs_nothing() {
    let huge = pkcs1(&modulus(65_536), &[1, 0, 1]);
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        assert!(wrap(Suite::Rsa, &huge, &CONTEXT, &fresh(), &mut rng()).is_err());
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn what_rsa_cannot_open_becomes_a_random_key() {
    let public = rsa::check(&share(Suite::Rsa).public()).unwrap().to_vec();
    let mut below = public.clone();
    *below.last_mut().unwrap() -= 1;
    let one = [&vec![0; 383][..], &[1]].concat();
    let sealed_by = |label: &[u8; 32], len: usize| {
        use ::rsa::{Oaep, RsaPrivateKey, pkcs8::DecodePrivateKey, sha2};
        let key = RsaPrivateKey::from_pkcs8_der(RSA_KEY).unwrap().to_public_key();
        let padding = Oaep::<sha2::Sha256>::new_with_label(&label[..]);
        key.encrypt(&mut rng(), padding, &vec![0xf0; len]).unwrap()
    };
    let good = wrapped(Suite::Rsa).sealed.into_vec();
    let cases = [
        vec![],
        vec![0; 384],
        one,
        below,
        public,
        vec![0xff; 384],
        good[1..].to_vec(),
        [&[0], &good[..]].concat(),
        sealed_by(&[1; 32], 32),
        sealed_by(&CONTEXT, 31),
        sealed_by(&CONTEXT, 33),
        sealed_by(&CONTEXT, 0),
    ];
    for sealed in cases {
        let bad = Wrapped::new(Vec::new(), sealed).unwrap();
        let mut rng = rng();
        let first = share(Suite::Rsa).unwrap(&CONTEXT, &bad, &mut rng).unwrap();
        let second = share(Suite::Rsa).unwrap(&CONTEXT, &bad, &mut rng).unwrap();
        assert!(first.0 != fresh().0 && first.0 != [0; 32] && first.0 != second.0);
    }
    assert!(opens(Suite::Rsa, CONTEXT, &Wrapped::new(Vec::new(), good).unwrap()));
}

/// Suite 1 again, from the text of RFC 9180 and other crates' primitives alone.
mod independent {
    use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead};
    use hkdf::Hkdf;
    use sha2::Sha256;
    use x25519_dalek::{PublicKey, StaticSecret};

    const KEM: &[u8] = b"KEM\x00\x20";
    const HPKE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";

    fn extract(suite: &[u8], salt: &[u8], label: &str, ikm: &[u8]) -> Hkdf<Sha256> {
        let ikm = [b"HPKE-v1", suite, label.as_bytes(), ikm].concat();
        Hkdf::extract(Some(salt), &ikm).1
    }

    fn expand<const N: usize>(
        prk: &Hkdf<Sha256>,
        suite: &[u8],
        label: &str,
        info: &[u8],
    ) -> [u8; N] {
        let length = u16::try_from(N).unwrap().to_be_bytes();
        let mut out = [0; N];
        prk.expand(&[&length, &b"HPKE-v1"[..], suite, label.as_bytes(), info].concat(), &mut out)
            .unwrap();
        out
    }

    pub(super) fn open(
        secret: [u8; 32],
        encapsulation: &[u8],
        info: &[u8],
        sealed: &[u8],
    ) -> Vec<u8> {
        let secret = StaticSecret::from(secret);
        let encapsulation: [u8; 32] = encapsulation.try_into().unwrap();
        let dh = secret.diffie_hellman(&PublicKey::from(encapsulation));
        let kem_context = [encapsulation, *PublicKey::from(&secret).as_bytes()].concat();
        let eae = extract(KEM, b"", "eae_prk", dh.as_bytes());
        let shared: [u8; 32] = expand(&eae, KEM, "shared_secret", &kem_context);
        let hash = |label, bytes: &[u8]| {
            let ikm = [b"HPKE-v1", HPKE, str::as_bytes(label), bytes].concat();
            Hkdf::<Sha256>::extract(Some(b""), &ikm).0
        };
        let context = [&[0][..], &hash("psk_id_hash", b""), &hash("info_hash", info)].concat();
        let secret = extract(HPKE, &shared, "secret", b"");
        let key: [u8; 32] = expand(&secret, HPKE, "key", &context);
        let nonce: [u8; 12] = expand(&secret, HPKE, "base_nonce", &context);
        Aes256Gcm::new(&key.into()).decrypt(&nonce.into(), sealed).unwrap()
    }
}

#[test]
fn suite_1_is_what_the_rfc_says() {
    for seed in 0..20 {
        let secret = [seed + 1; 32];
        let share = ShareSecret::from_bytes(Suite::X25519, &secret).unwrap();
        let mut rng = Seeded::new(u64::from(seed));
        let wrapped = wrap(Suite::X25519, &share.public(), &CONTEXT, &fresh(), &mut rng).unwrap();
        let opened = independent::open(secret, &wrapped.encapsulation, &CONTEXT, &wrapped.sealed);
        assert_eq!(opened, fresh().0);
    }
}
