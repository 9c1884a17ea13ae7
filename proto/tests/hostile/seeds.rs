//! Valid bytes to begin from: everything in hexadecimal in `docs/vectors`, and what stands there only inside something else.

use std::path::Path;

use sealift_proto::catalogue::{Change, Entry, Folder, Root};
use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::control::{HelloBody, Purpose, Welcome};
use sealift_proto::features::Features;
use sealift_proto::frame::{LinkKind, Preamble};
use sealift_proto::handshake::Refuse;
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::path::RelativePath;
use serde_json::Value;

/// Longest seed that is altered everywhere; longer ones differ from shorter ones in length alone.
const LONGEST: usize = 6 * 1024;

/// All of them, each once; a frame also without its header.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors");
    let mut found = Vec::new();
    for file in std::fs::read_dir(&folder).expect("docs/vectors is part of the project") {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        collect(&serde_json::from_str(&text).unwrap(), &mut found);
    }
    found.extend(parts());
    found.retain(|seed| seed.len() <= LONGEST);
    found.sort();
    found.dedup();
    found
}

fn parts() -> Vec<Vec<u8>> {
    let key = SecretKey::from_seed([4; 32]);
    let extensions = Extensions::default();
    let versions = List::new(vec![1]).unwrap();
    let purpose = Purpose::Join;
    let features = Features::from_bits(1 << 63 | 5);
    let device = key.id();
    let hello = HelloBody { versions, device, purpose, features, extensions: extensions.clone() };
    let seen_as = Bytes::new(b"192.0.2.1:5000".to_vec()).unwrap();
    let time = 1_800_000_000_000;
    let welcome = Welcome {
        version: 1,
        connection: 7,
        time,
        seen_as,
        features,
        extensions: extensions.clone(),
    };
    let refuse = Refuse { version: 1, offer: [3; 32], code: 2, extensions };
    let path = RelativePath::new("share/a.txt").unwrap();
    let entry = Entry { path, size: 3_000_000, modified: -1, flags: 1, root: Some(Root([5; 32])) };
    let path = RelativePath::new("share/empty").unwrap();
    let folder = Folder { path, modified: -1, unshared: 70_000, left_out: 1 };
    vec![
        codec::encode(&hello),
        codec::encode(&welcome),
        Signed::sign(refuse, &key).unwrap().to_bytes(),
        codec::encode(&entry),
        codec::encode(&Change::Put(entry)),
        codec::encode(&Change::Folder(folder)),
        vec![0],
        Preamble { kind: LinkKind::Relay, value: [9; 32] }.to_bytes().to_vec(),
        [&3_000_000_u64.to_be_bytes()[..], &[0; 8], &[1; 32], &[2; 96]].concat(),
        format!("sealift:relay.example:7743/{0}/{0}", "abcdefghijklmnopqrstuvwxy2").into_bytes(),
        format!("sealift:[2001:db8::1]/{0}/{0}", "a".repeat(26)).into_bytes(),
        b"share/a folder/report.pdf".to_vec(),
        b"0123456789abcdef".to_vec(),
    ]
}

fn collect(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => {
            let Some(bytes) = sealift_proto::text::from_hex(text) else { return };
            if let Some((header, body)) = bytes.split_first_chunk::<4>()
                && u32::from_be_bytes(*header) as usize == body.len()
            {
                found.push(body.to_vec());
            }
            found.push(bytes);
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Object(map) => map.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}
