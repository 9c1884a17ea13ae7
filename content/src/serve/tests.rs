use sealift_proto::identity::SecretKey;
use sealift_proto::link::{ToLeecher, ToSeeder};

use super::*;
use crate::link::{Outbox, outbox};
use crate::testing::{Memory, Nobody};

#[tokio::test]
async fn addresses_said_again_and_again_take_no_memory_without_end() {
    let (Outbox { jobs, .. }, waiting) = outbox();
    let to = SecretKey::from_seed([1; 32]).id();
    let service = Service { holdings: Arc::new(Memory::default()), to, listener: Arc::new(Nobody) };
    let mut server = Server { service, seat: None, answer: None };
    let mut links = Links::<ToLeecher, ToSeeder>::new(None, None);
    for _ in 0..10_000 {
        let addresses = Addresses { candidates: List::default(), answer: jobs.downgrade() };
        Side::<ToLeecher, ToSeeder>::heard(&mut server, &mut links, addresses).await;
    }
    assert!((1..=64).contains(&waiting.count()), "{} answers that nobody reads", waiting.count());
}
