//! What this device publishes of itself and, as the owner, of the space.

use sealift_proto::codec::Bytes;
use sealift_proto::control::{Refusal, ToRelay};
use sealift_proto::wrap::{ShareSecret, Suite};
use sealift_space::members::Member;
use sealift_space::profile::Device;

use super::Connected;
use crate::control::CallError;
use crate::device::ThisDevice;
use crate::error::Error;

impl Connected {
    /// Publishes the space record if the relay has an older one or none, and this device's card likewise.
    pub(super) async fn put_right(
        &mut self,
        this: &ThisDevice,
        record_seen: u64,
    ) -> Result<(), Error> {
        if record_seen < self.space.record().unverified().number {
            self.publish_record().await?;
        }
        self.publish_card(this).await
    }

    /// Publishes the space record as it is now.
    ///
    /// # Errors
    /// When the relay refuses or the connection ends.
    pub async fn publish_record(&self) -> Result<(), Error> {
        self.publish(0, self.space.record().to_bytes()).await.map(|_| ())
    }

    /// Publishes this device's card, unless the relay has shown on this connection one that says the same.
    ///
    /// # Errors
    /// When the relay refuses, the connection ends, or the profile cannot be read.
    pub async fn publish_card(&mut self, this: &ThisDevice) -> Result<(), Error> {
        let name = this.profile.device_name()?;
        let (says_the_same, number) = {
            let members = self.members();
            let own = members.get(&this.device.key.id());
            let same =
                |own: &Member| own.secret.name == name && own.secret.chain == *self.space.chain();
            (own.is_some_and(same), own.map(Member::card_number))
        };
        if says_the_same && number == self.card_shown {
            return Ok(());
        }
        let platform = this.profile.platform();
        let after = number.max(self.card_shown).unwrap_or(0);
        let number = platform.clock.unix_millis().max(after.saturating_add(1));
        let receive_key = receive_key(&this.device)?;
        let card = self
            .space
            .make_card(&*platform.random, &this.device.key, number, name, receive_key)
            .map_err(Error::CardOutgrown)?;
        if !self.publish(1, card.to_bytes()).await? {
            return Ok(());
        }
        self.members().take_own(&self.space, &card, this.now());
        self.card_shown = Some(number);
        self.save(this)
    }

    /// False if the relay has a newer one: another program was quicker, and the relay tells of it.
    async fn publish(&self, log: u16, statement: Vec<u8>) -> Result<bool, Error> {
        let statement = Bytes::new(statement).map_err(|_| Error::StatementOutgrown)?;
        let message = |request| ToRelay::Publish { request, log, follows: None, statement };
        match self.control.call(message).await {
            Ok(()) => Ok(true),
            Err(CallError::Refused(Refusal::Stale)) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// The public X-Wing key of `device`.
fn receive_key(device: &Device) -> Result<Vec<u8>, Error> {
    ShareSecret::from_bytes(Suite::Hybrid, &device.receive_seed.0)
        .map(|secret| secret.public())
        .map_err(Error::ReceiveKey)
}
