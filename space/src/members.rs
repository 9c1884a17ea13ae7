//! Who is in a space: the cards seen, the names met, and how often an invite was used.
//!
//! Kept with the space, so that names are known offline, that a name met once stays with its device, and that an invite
//! used by more devices than it allows is noticed whoever relays the cards.

mod uses;

use std::collections::{BTreeMap, BTreeSet};

use sealift_proto::control::LogHead;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::space::{Card, CardSecret, Chain, InviteUse, Membership};
use sealift_proto::text;
use serde::{Deserialize, Serialize};

use crate::alike::skeleton;
use crate::profile::Profile;
use crate::profile::file::{FileError, Kept};
use crate::profile::space::{SpaceState, path};
use sealift_proto::shown::{escape, is_confusing};
use uses::{Met, Uses};

/// Names remembered for one device: a device that changes its name without end fills nobody's disk.
const NAMES_PER_DEVICE: usize = 16;
/// Most bytes of cards kept on disk; those beyond are learnt from the relay again.
const CARDS_KEPT: usize = 4 * 1024 * 1024;

#[derive(Default, Serialize, Deserialize)]
struct MembersFile {
    /// Newest card of each device, encoded, as hexadecimal.
    cards: Vec<String>,
    /// Devices met under each invite, by serial.
    invites: Met,
    /// The device that first had a name.
    names: BTreeMap<String, String>,
}

impl Kept for MembersFile {
    const KIND: &'static str = "members";
}

/// One member.
#[derive(Debug, Clone)]
pub struct Member {
    /// The device.
    pub device: DeviceId,
    /// What it says of itself.
    pub secret: CardSecret,
    /// How it belongs to the space.
    pub membership: Membership,
    /// The card as it was published.
    card: Signed<Card>,
    /// What its name looks like.
    looks: String,
}

impl Member {
    /// Its name as it gave it; to be escaped before it is shown.
    #[must_use]
    pub fn name(&self) -> &str {
        self.secret.name.as_str()
    }

    /// Number of its card.
    #[must_use]
    pub fn card_number(&self) -> u64 {
        self.card.unverified().number
    }
}

/// What a card changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardNews {
    /// A member not seen before.
    New,
    /// A member's card changed.
    Changed,
    /// Nothing new.
    Known,
    /// The relay shows an older card than it showed before.
    Older,
    /// No card of a member: forged, expired, removed, or of another space.
    Refused,
    /// The invite behind it has been used by more devices than it allows.
    Overused(InviteUse),
}

/// The members of one space.
#[derive(Clone)]
pub struct Members {
    members: BTreeMap<DeviceId, Member>,
    uses: Uses,
    names: BTreeMap<String, String>,
    /// Devices whose kept card no longer holds.
    dropped: BTreeSet<DeviceId>,
    changed: bool,
    file: String,
}

impl Members {
    /// Those met so far.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn load(profile: &Profile, space: &SpaceState, now: u64) -> Result<Self, FileError> {
        let file = path(&space.id().short(), "members.json");
        let kept: MembersFile = profile.folder().read(&file)?.unwrap_or_default();
        let mut members = Self {
            members: BTreeMap::new(),
            uses: Uses::new(kept.invites),
            names: kept.names,
            dropped: BTreeSet::new(),
            changed: false,
            file,
        };
        for card in kept.cards.iter().filter_map(|card| text::from_hex(card)) {
            let Ok(card) = Signed::<Card>::from_bytes(&card) else { continue };
            let device = card.unverified().device;
            // A card that no longer holds, because it ended or was removed, is dropped here.
            if members.take(space, card, now) == CardNews::Refused {
                members.dropped.insert(device);
            }
        }
        members.changed = false;
        Ok(members)
    }

    /// Writes what has changed since it was read or written, beside what other programs have learnt meanwhile. Devices whose
    /// invite those have used up are members no more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self, profile: &Profile) -> Result<(), FileError> {
        if !self.changed {
            return Ok(());
        }
        let folder = profile.folder();
        folder.in_turn(|| {
            let written: MembersFile = folder.read(&self.file)?.unwrap_or_default();
            for late in self.uses.settle(written.invites) {
                tracing::warn!(
                    device = late.short(),
                    "the invite of this device was used up meanwhile"
                );
                self.members.remove(&late);
                self.dropped.insert(late);
            }
            // The device that another program saw first with a name stays the first.
            self.names.extend(written.names);
            let file = MembersFile {
                cards: self.newest_cards(&written.cards),
                invites: self.uses.met().clone(),
                names: self.names.clone(),
            };
            folder.write(&self.file, &file, true)
        })?;
        self.uses.kept();
        self.changed = false;
        Ok(())
    }

    /// The newest card of each device, of those here and `written`, as hexadecimal.
    fn newest_cards(&self, written: &[String]) -> Vec<String> {
        let mut cards: BTreeMap<_, _> = written
            .iter()
            .filter_map(|card| Signed::<Card>::from_bytes(&text::from_hex(card)?).ok())
            .filter(|card| !self.dropped.contains(&card.unverified().device))
            .map(|card| (card.unverified().device, card))
            .collect();
        for (device, member) in &self.members {
            let newer = |old: &Signed<Card>| old.unverified().number > member.card_number();
            if !cards.get(device).is_some_and(newer) {
                cards.insert(*device, member.card.clone());
            }
        }
        let mut room = CARDS_KEPT;
        let texts = cards.values().map(|card| text::hex(&card.to_bytes()));
        texts
            .take_while(|text| {
                let fits = text.len() <= room;
                room = room.saturating_sub(text.len());
                fits
            })
            .collect()
    }

    /// Drops members that are no longer so under a new record of `space`.
    pub fn recheck(&mut self, space: &SpaceState, now: u64) {
        let holds = |member: &Member| space.verify_member(&member.secret.chain, now).is_ok();
        let gone: Vec<_> = self.members.values().filter(|member| !holds(member)).collect();
        let gone: Vec<_> = gone.into_iter().map(|member| member.device).collect();
        for device in gone {
            self.members.remove(&device);
            self.dropped.insert(device);
            self.changed = true;
        }
    }

    /// Takes a card that the relay showed as `head`.
    pub fn take_head(&mut self, space: &SpaceState, head: &LogHead, now: u64) -> CardNews {
        match Signed::<Card>::from_bytes(&head.statement) {
            Ok(card) if card.unverified().device == head.device => self.take(space, card, now),
            _ => CardNews::Refused,
        }
    }

    /// Takes this device's own card, just published.
    pub fn take_own(&mut self, space: &SpaceState, card: &Signed<Card>, now: u64) {
        let _ = self.take(space, card.clone(), now);
    }

    fn take(&mut self, space: &SpaceState, card: Signed<Card>, now: u64) -> CardNews {
        let Some((secret, membership)) = space.open_card(&card, now) else {
            return CardNews::Refused;
        };
        let device = membership.device;
        let before = self.members.get(&device).map(Member::card_number);
        match before {
            Some(number) if number == card.unverified().number => return CardNews::Known,
            Some(number) if number > card.unverified().number => return CardNews::Older,
            _ => {}
        }
        if let Err(invite) = self.meet(&membership) {
            return CardNews::Overused(invite);
        }
        self.remember_name(secret.name.as_str(), &device);
        self.dropped.remove(&device);
        let looks = skeleton(secret.name.as_str());
        self.members.insert(device, Member { device, secret, membership, card, looks });
        self.changed = true;
        if before.is_some() { CardNews::Changed } else { CardNews::New }
    }

    /// A name stays with the device that had it first.
    fn remember_name(&mut self, name: &str, device: &DeviceId) {
        let device = text::hex(device.as_bytes());
        let had = self.names.values().filter(|first| **first == device).count();
        if had < NAMES_PER_DEVICE {
            self.names.entry(name.to_owned()).or_insert(device);
        }
    }

    /// Counts the device against the invite it came by. Every verifier of a chain asks this, not only readers of cards.
    ///
    /// # Errors
    /// The invite, when it already has as many other devices as it allows.
    pub fn meet(&mut self, membership: &Membership) -> Result<(), InviteUse> {
        let Some(invite) = membership.invite else {
            return Ok(());
        };
        self.changed |= self.uses.count(invite, membership.device)?;
        Ok(())
    }

    /// As [`Members::meet`], among all programs of the profile: of two that meet another device of one invite at the same
    /// moment, one comes first. What is counted is kept before this returns.
    ///
    /// # Errors
    /// When the profile cannot be written; within, the invite that has been used up.
    pub fn admit(
        &mut self,
        profile: &Profile,
        membership: &Membership,
    ) -> Result<Result<(), InviteUse>, FileError> {
        if let Err(invite) = self.meet(membership) {
            return Ok(Err(invite));
        }
        self.save(profile)?;
        Ok(self.meet(membership))
    }

    /// Checks that `chain` leads to a member who came in by the rules.
    #[must_use]
    pub fn verify(&mut self, space: &SpaceState, chain: &Chain, now: u64) -> Option<Membership> {
        let membership = space.verify_member(chain, now).ok()?;
        self.meet(&membership).ok().map(|()| membership)
    }

    /// All members, by device.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many members are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member that is `device`.
    #[must_use]
    pub fn get(&self, device: &DeviceId) -> Option<&Member> {
        self.members.get(device)
    }

    /// Whether `device` came by invite and the owner has not let it stay for good yet. That stands in the space record before
    /// the device itself takes it.
    #[must_use]
    pub fn is_provisional(&self, space: &SpaceState, device: &DeviceId) -> bool {
        let by_invite = self.get(device).is_some_and(|member| member.membership.invite.is_some());
        by_invite && !space.has_lasting(device)
    }

    /// Name of `device`, safe to show; with its short id where another device has the same name or one that looks so, or had it first.
    #[must_use]
    pub fn display_name(&self, device: &DeviceId) -> String {
        let Some(member) = self.members.get(device) else {
            return device.short();
        };
        let name = member.name();
        let shown = escape(name).into_owned();
        let alike = self.members.values().filter(|other| other.looks == member.looks);
        let alone = alike.count() == 1;
        let first = self.names.get(name).is_none_or(|first| *first == text::hex(device.as_bytes()));
        // A name may not look like another one, nor like an id.
        let plain = !name.contains(['[', ']'])
            && name.trim() == name
            && !is_confusing(name)
            && !self.members.keys().any(|other| other.short() == name);
        if alone && first && plain { shown } else { format!("{shown} [{}]", device.short()) }
    }

    /// The devices a person may mean by `name`: a name, the part before its `@`, or a short id, plain or in brackets.
    #[must_use]
    pub fn find(&self, name: &str) -> Vec<DeviceId> {
        let id = name.rsplit_once('[').map_or(name, |(_, id)| id.trim_end_matches(']'));
        let by_id: Vec<_> =
            self.members.keys().filter(|device| device.short() == id).copied().collect();
        if !by_id.is_empty() {
            return by_id;
        }
        let having = |fits: &dyn Fn(&str) -> bool| -> Vec<DeviceId> {
            let all = self.members.values();
            all.filter(|member| fits(member.name())).map(|member| member.device).collect()
        };
        let exact = having(&|full| full == name);
        if exact.is_empty() { having(&|full| full.split('@').next() == Some(name)) } else { exact }
    }
}
